"""What whoever runs the installation sees and changes of all of it."""

import time
from decimal import Decimal

from installation import PASSWORD

from .money import bought

HOUR_S = 3_600


def organizations(world):
    ada, customer = world.operator(), world.person("customer@example.com")
    own = customer.get("/api/me")["organizations"][0]["id"]
    assert own in [it["id"] for it in ada.get("/api/operator/organizations?limit=100")["data"]]
    path = f"/api/operator/organizations/{own}"
    given = {"amount_usd": "25.00", "reason": "Invoice 7", "key": "invoice-7"}
    ada.post(f"{path}/credits", **given)
    ada.post(f"{path}/adjustments", amount_usd="5.00", reason="Too much", key="back-7")
    ada.post(f"{path}/overdraft", line_usd="500.00", reason="Pays by invoice", key="line")
    assert Decimal(ada.get(f"{path}/overdraft")["line_usd"]) == 500
    moved = ada.get(f"{path}/movements")["data"]
    assert [it["kind"] for it in moved] == ["grant", "grant", "adjustment", "overdraft"]
    assert ada.post(f"{path}/suspend", reason="Chargeback")["state"] == "suspended"
    assert ada.post(f"{path}/resume")["state"] == "active"
    assert ada.get(path)["id"] == own
    kinds = [entry["type"] for entry in ada.get("/api/operator/audit_logs?limit=100")["data"]]
    assert {f"farebox.organization.{what}" for what in ("suspended", "resumed")} <= set(kinds)


def users(world):
    ada, person = world.operator(), world.person("somebody@example.com")
    path = f"/api/operator/users/{person.id}"
    assert person.id in [it["id"] for it in ada.get("/api/operator/users?limit=100")["data"]]
    assert ada.post(f"{path}/email", email="corrected@example.com")["email"].startswith("corrected")
    assert ada.post(f"{path}/lock", reason="Reported as stolen")["state"] == "locked"
    assert ada.post(f"{path}/unlock")["state"] == "active"
    person.post("/api/sessions", email="corrected@example.com", password=PASSWORD)
    assert ada.post(f"{path}/sign_out")["sessions"] == 1
    assert ada.post(f"{path}/operator")["is_operator"]
    assert not ada.delete(f"{path}/operator")["is_operator"]
    assert ada.delete(f"{path}/second_factors")["id"] == person.id
    assert ada.get(path)["has_password"]


def prices(world):
    ada = world.operator()
    path = "/api/operator/models/gpt-native"
    assert "gpt-native" in [it["id"] for it in ada.get("/api/operator/models")["data"]]
    price = {"input": "0.30", "output": "1.20"}
    span = {"start_time": int(time.time()) - HOUR_S, "end_time": int(time.time())}
    preview = ada.post(f"{path}/price_previews", price=price, **span)
    assert preview["organizations"]["data"] == []
    later = int(time.time()) + 24 * HOUR_S
    made = ada.post(f"{path}/prices", price=price, effective_at=later)
    assert ada.get(f"{path}/prices/{made['id']}")["price"]["input"] == "0.30"
    assert made["id"] in [it["id"] for it in ada.get(f"{path}/prices")["data"]]
    assert ada.delete(f"{path}/prices/{made['id']}")
    assert not ada.post(path, is_enabled=False)["is_callable"]
    assert ada.post(path, is_enabled=True)["is_callable"]
    assert ada.get(path)["is_enabled"]


def markups(world):
    ada = world.operator()
    path = f"/api/operator/organizations/{world.made['organization_id']}"
    span = {"start_time": int(time.time()) - HOUR_S, "end_time": int(time.time())}
    ada.post(f"{path}/markup_previews", basis_points=1_250, **span)
    later = int(time.time()) + 24 * HOUR_S
    made = ada.post(f"{path}/markups", basis_points=1_250, effective_at=later)
    assert made["id"] in [it["id"] for it in ada.get(f"{path}/markups")["data"]]
    assert ada.delete(f"{path}/markups/{made['id']}")


def upstreams(world):
    ada = world.operator()
    assert "mock" in [it["id"] for it in ada.get("/api/operator/upstreams")["data"]]
    assert ada.get("/api/operator/upstreams/mock")["base_url"]
    assert ada.post("/api/operator/upstreams/mock/check")["outcome"]
    yesterday = int(time.time()) // (24 * HOUR_S) * 24 * HOUR_S - 24 * HOUR_S
    result = {"amount": {"value": 1.25, "currency": "usd"}, "line_item": "gpt-4o-mini, input"}
    bucket = {"start_time": yesterday, "end_time": yesterday + 24 * HOUR_S, "results": [result]}
    costs = {"object": "page", "data": [bucket]}
    ada.post("/api/operator/upstream_costs/import", upstream_id="mock", costs=costs)
    assert ada.get(f"/api/operator/upstream_costs?start_time={yesterday}")["data"]
    assert not ada.get("/api/operator/margins?start_time=0&end_time=1")["data"]
    assert ada.get(f"/api/operator/upstream_drifts?start_time={yesterday}")["data"]


def messages(world):
    """One that cannot be delivered is tried again, and given up."""
    ada = world.operator()
    made = ada.post("/api/webhook_endpoints", url="http://127.0.0.1:9/nobody")
    ada.post(f"/api/webhook_endpoints/{made['id']}/test")
    waiting = world.until(lambda: ada.get("/api/operator/jobs?state=waiting")["data"])
    assert sum(ada.get("/api/operator/job_counts")["webhook"].values()) >= 1
    path = f"/api/operator/jobs/{waiting[0]['id']}"
    assert ada.get(path)["state"]
    ada.post(f"{path}/retry")
    # Refused only at the moment at which it is being sent.
    world.until(lambda: ada.attempt("DELETE", path))
    assert ada.get("/api/outbox?limit=5")["data"]
    files = world.until(
        lambda: [it for mail in ada.get("/api/outbox?limit=100")["data"] for it in mail["attachments"]]
    )
    assert ada.fetch(files[0]["url"])[1].startswith(b"%PDF")


def books(world):
    ada = world.operator()
    assert ada.get("/api/operator/ledger")["house"]
    begun = ada.post("/api/operator/ledger/verifications")
    path = f"/api/operator/ledger/verifications/{begun['id']}"
    world.until(lambda: ada.get(path)["state"] != "running")
    proof = ada.get(path)
    assert proof["state"] == "proved", proof
    assert ada.get("/api/operator/ledger/verifications")["data"]
    assert ada.get("/api/operator/settings")


def payments(world):
    ada, me = world.operator(), world.person("refunded@example.com")
    paid = bought(me, "25.00")
    path = f"/api/operator/payments/{paid['id']}"
    back = {"amount_usd": "5.00", "key": "ticket-1", "reason": "Ordered twice"}
    assert ada.post(f"{path}/refunds", **back)
    assert ada.get(path)["refunded_usd"] == "5.00"
    assert paid["id"] in [it["id"] for it in ada.get("/api/operator/payments?limit=100")["data"]]
    begun = ada.post("/api/operator/payments/reconciliations", days=1)
    assert ada.get(f"/api/operator/payments/reconciliations/{begun['id']}")
    assert ada.get("/api/operator/payments/reconciliations")["data"]
    assert ada.get("/api/operator/unmatched_payments")["data"] == []
    path = "/api/operator/unmatched_payments/unmatched_nobody/resolve"
    assert ada.refused("POST", path, resolution="Given back") == 404


def signup(world):
    ada = world.operator()
    path = "/api/operator/signup_policy"
    assert ada.post(path, mode="invite")["mode"] == "invite"
    assert ada.get(path)["changed"] == ["mode"]
    assert ada.delete(path)["mode"] == "open"
