"""People's keys, budgets and rate limits; and what requests cost."""

import time
from decimal import Decimal


def keys(world):
    me = world.operator()
    path = f"/api/projects/{world.made['project_id']}/keys"
    limits = {
        "budget": {"window": "day", "limit_usd": "1.00", "force": "hard"},
        "rate_limits": [{"model": "gpt-4o-mini", "requests_per_minute": 100}],
    }
    made = me.post(path, name="nightly", **limits)
    assert made["value"].startswith("sk-proj-fare")
    key = f"{path}/{made['id']}"
    assert made["id"] in [it["id"] for it in me.get(f"{path}?limit=100")["data"]]
    assert me.post(key, name="daily")["name"] == "daily"
    rotated = me.post(f"{key}/rotate", grace_seconds=0)
    assert rotated["value"] != made["value"]
    request = world.ask(rotated["value"])
    receipt = me.get(f"/api/receipts/{request}")
    assert receipt["id"] == request
    program = world.stranger("program@example.com")
    program.key = rotated["value"]
    assert program.get(f"/v1/receipts/{request}") == receipt
    assert me.get(key)["name"] == "daily"
    assert me.delete(key)["deleted"]


def budgets(world):
    me = world.operator()
    scope = {"type": "project", "id": world.made["project_id"]}
    tight = {"scope": scope, "window": "day", "limit_usd": "0.000001", "force": "soft"}
    made = me.post("/api/budgets", **tight)
    path = f"/api/budgets/{made['id']}"
    world.ask(world.made["api_key"])
    world.until(lambda: me.get(f"{path}/events")["data"])
    assert me.post(path, limit_usd="20.00", force="hard")["force"] == "hard"
    assert me.get(path)["standing"]["spent_usd"] != "0.00"
    assert made["id"] in [it["id"] for it in me.get("/api/budgets?limit=100")["data"]]
    assert me.delete(path)["deleted"]


def rate_limits(world):
    me = world.operator()
    scope = {"type": "project", "id": world.made["project_id"]}
    made = me.post("/api/rate_limits", scope=scope, model="gpt-native", requests_per_minute=77)
    assert made["requests_per_minute"] == 77
    of_it = f"scope_type=project&scope_id={scope['id']}"
    assert me.get(f"/api/rate_limits?{of_it}")["data"] == [made]
    assert me.delete(f"/api/rate_limits?{of_it}&model=gpt-native")["deleted"]


def admin_key(world):
    """The SDK makes, shows and deletes them; that they change is ours."""
    me = world.operator()
    made = me.call("POST", "/v1/organization/admin_api_keys", {"name": "ci"})
    path = f"/v1/organization/admin_api_keys/{made['id']}"
    assert me.post(path, ip_ranges=["203.0.113.0/24"])["ip_ranges"] == ["203.0.113.0/24"]
    assert me.delete(path)["deleted"]


def costs(world):
    """By the minute, which OpenAI's are not."""
    me = world.operator()
    request = world.ask(world.made["api_key"])
    cost = Decimal(me.get(f"/api/receipts/{request}")["cost_usd"])
    start = int(time.time()) - 600
    buckets = me.get(f"/api/costs?start_time={start}&bucket_width=1m&limit=60")["data"]
    results = [result for bucket in buckets for result in bucket["results"]]
    assert sum(Decimal(str(it["amount"]["value"])) for it in results) >= cost
