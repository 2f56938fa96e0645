"""Webhooks, checked by the library that their specification's authors publish: standardwebhooks."""

import json
import queue
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from installation import Installation


@pytest.fixture
def receiver():
    """Takes what comes; answers with what `statuses` holds, and then 204."""

    class Take(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            server.arrived.put((dict(self.headers.items()), body))
            self.send_response(server.statuses.pop(0) if server.statuses else 204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Take)
    server.arrived, server.statuses = queue.Queue(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def alone():
    running = Installation("5")
    yield running
    running.close()


def call(installation, method, path, body=None):
    request = urllib.request.Request(
        installation.made["base_url"].removesuffix("/v1") + path,
        None if body is None else json.dumps(body).encode(),
        {
            "authorization": "Bearer " + installation.made["admin_key"],
            "content-type": "application/json",
        },
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def endpoint_at(installation, server):
    url = f"http://127.0.0.1:{server.server_port}/farebox"
    return call(installation, "POST", "/api/webhook_endpoints", {"url": url})


def test_events_are_verified_by_the_library_and_by_no_other_secret(alone, receiver):
    endpoint = endpoint_at(alone, receiver)
    path = f"/api/webhook_endpoints/{endpoint['id']}"
    call(alone, "POST", f"{path}/test", {})
    headers, body = receiver.arrived.get(timeout=30)
    event = Webhook(endpoint["secret"]).verify(body, headers)
    assert event["type"] == "test"
    assert event["organization_id"] == alone.made["organization_id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(body + b" ", headers)

    rotated = call(alone, "POST", f"{path}/rotate_secret", {})
    call(alone, "POST", f"{path}/test", {})
    headers, body = receiver.arrived.get(timeout=30)
    for secret in (endpoint["secret"], rotated["secret"]):
        assert Webhook(secret).verify(body, headers)["type"] == "test"
    call(alone, "POST", f"{path}/rotate_secret", {"overlap_seconds": 0})
    call(alone, "POST", f"{path}/test", {})
    headers, body = receiver.arrived.get(timeout=30)
    with pytest.raises(WebhookVerificationError):
        Webhook(rotated["secret"]).verify(body, headers)
    call(alone, "DELETE", path)


def test_an_event_that_was_refused_comes_again_with_its_id(alone, receiver):
    receiver.statuses[:] = [503]
    endpoint = endpoint_at(alone, receiver)
    call(alone, "POST", f"/api/webhook_endpoints/{endpoint['id']}/test", {})
    first, _ = receiver.arrived.get(timeout=30)
    headers, body = receiver.arrived.get(timeout=60)
    assert first["webhook-id"] == headers["webhook-id"]
    assert Webhook(endpoint["secret"]).verify(body, headers)["id"] == headers["webhook-id"]
    path = f"/api/webhook_endpoints/{endpoint['id']}/deliveries"
    for _ in range(100):
        delivery = call(alone, "GET", path)["data"][0]
        if delivery["status"] == "delivered":
            break
        time.sleep(0.1)
    details = call(alone, "GET", f"{path}/{delivery['id']}")
    assert [it["response_status"] for it in details["tries"]] == [503, 204]
