"""What became of requests, and what is kept of them."""

import openai


def requests(world):
    me = world.person("logs@example.com")
    assert me.get("/api/log_settings")["keep_prompts"] is False
    kept = me.post("/api/log_settings", keep_prompts=True, prompt_days=3)
    assert kept["keep_prompts"] and kept["prompt_days"] == 3
    key = me.post(f"/api/projects/{world.project_of(me)}/keys", name="k")["value"]
    answered = world.ask(key)
    try:
        world.ask(key, "no-such-model")
        raise AssertionError("it is not there")
    except openai.NotFoundError as refusal:
        refused = refusal.response.headers["x-request-id"]

    def both():
        listed = {it["id"]: it["outcome"] for it in me.get("/api/logs")["data"]}
        return listed if {answered, refused} <= set(listed) else None

    listed = world.until(both)
    assert listed[answered] == "ok" and listed[refused] == "refused"
    one = me.get(f"/api/logs/{answered}")
    assert one["receipt"] and one["refusal"] is None
    checks = me.get(f"/api/logs/{refused}")["refusal"]["checks"]
    assert [it["check"] for it in checks if it["verdict"] == "refused"] == ["model"]
