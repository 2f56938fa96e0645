"""Who is told of what, and where."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

# A model of which one call costs some 41 cents.
DEAR = "dear"


class Hears(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def settings(world):
    me = world.person("alerts@example.com")
    changed = {"low_balance_usd": "4.90", "mails": {"low_balance": "owners"}}
    assert me.post("/api/alert_settings", **changed)["low_balance_usd"] == "4.90"
    assert me.get("/api/alert_settings")["mails"]["low_balance"] == "owners"
    key = me.post(f"/api/projects/{world.project_of(me)}/keys", name="k")["value"]
    world.ask(key, DEAR)
    told = world.until(lambda: me.get("/api/alerts")["data"])
    assert "low_balance" in [alert["kind"] for alert in told]


def webhooks(world):
    me, server = world.operator(), HTTPServer(("127.0.0.1", 0), Hears)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = me.post("/api/webhook_endpoints", url=f"http://127.0.0.1:{server.server_port}/")
    path = f"/api/webhook_endpoints/{made['id']}"
    assert made["id"] in [it["id"] for it in me.get("/api/webhook_endpoints")["data"]]
    assert me.post(path, description="Pages on call")["description"] == "Pages on call"
    delivery = f"{path}/deliveries/{me.post(f'{path}/test')['id']}"
    world.until(lambda: me.get(delivery)["status"] == "delivered")
    assert me.get(f"{path}/deliveries")["data"]
    assert me.post(f"{delivery}/replay")["id"]
    assert me.post(f"{path}/rotate_secret", overlap_seconds=60)["secret"] != made["secret"]
    assert me.get(path)["enabled"]
    assert me.delete(path)["deleted"]
    server.shutdown()
