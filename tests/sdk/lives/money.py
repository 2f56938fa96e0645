"""Credit that is bought, given and redeemed, and the papers about it."""

import time
from decimal import Decimal

from hosted_page import HostedPage

GOOD_CARD = "4242424242424242"


def pay(made, number=GOOD_CARD):
    page = HostedPage(made["url"])
    page.type(number=number, expiry="12/34", cvc="123")
    assert page.left_for


def bought(me, amount, **more):
    """Credit, paid for."""
    made = me.post("/api/billing/checkouts", amount_usd=amount, **more)
    pay(made)
    shown = me.get(f"/api/billing/checkouts/{made['id']}")
    assert shown["status"] == "succeeded"
    return shown


def buys(world):
    me = world.person("buys@example.com")
    options = me.get("/api/billing/options")
    assert options["currency"] == "usd" and options["can_pay"]
    paid = bought(me, "25.00")
    left = me.post("/api/billing/checkouts", amount_usd="5.00")
    assert me.post(f"/api/billing/checkouts/{left['id']}/cancel")["status"] == "cancelled"
    listed = [it["id"] for it in me.get("/api/billing/payments?order=desc")["data"]]
    assert listed == [left["id"], paid["id"]]
    assert me.get(f"/api/billing/payments/{paid['id']}") == paid | {"refunds": []}
    balance = me.get("/api/billing/balance")
    assert Decimal(balance["purchased_usd"]) == 25
    moved = me.get("/api/billing/movements?order=desc")["data"]
    assert [it["kind"] for it in moved] == ["purchase", "grant"]


def saves_cards(world):
    me = world.person("cards@example.com")
    for number in (GOOD_CARD, "5555555555554444"):
        made = me.post("/api/billing/payment_methods")
        pay(made, number)
        assert me.get(f"/api/billing/checkouts/{made['id']}")["status"] == "succeeded"
    cards = {card["last4"]: card for card in me.get("/api/billing/payment_methods")["data"]}
    assert cards["4242"]["is_default"] and not cards["4444"]["is_default"]
    path = "/api/billing/payment_methods"
    assert me.post(f"{path}/{cards['4444']['id']}", is_default=True)["is_default"]
    assert me.delete(f"{path}/{cards['4242']['id']}")["deleted"]
    assert [card["last4"] for card in me.get(path)["data"]] == ["4444"]


def recharges(world):
    me = world.person("recharges@example.com")
    bought(me, "5.00", save_method=True)
    assert me.get("/api/billing/auto_recharge")["state"] == "off"
    wanted = {"threshold_usd": "20.00", "restore_to_usd": "40.00", "monthly_cap_usd": "100.00"}
    assert me.post("/api/billing/auto_recharge", **wanted)["enabled"]

    def done():
        listed = me.get("/api/billing/auto_recharge/recharges")["data"]
        return [it for it in listed if it["state"] == "succeeded"]

    [recharge] = world.until(done)
    assert Decimal(recharge["amount_usd"]) + Decimal(recharge["available_usd"]) == 40


def reads_papers(world):
    me = world.person("papers@example.com")
    address = {"name": "Acme GmbH", "address": "Hafenstraße 12\n20459 Hamburg", "country": "DE"}
    assert me.post("/api/billing/profile", **address)["name"] == "Acme GmbH"
    assert me.get("/api/billing/profile")["country"] == "DE"
    bought(me, "12.50")
    [receipt] = me.get("/api/billing/receipts")["data"]
    assert receipt["buyer"]["name"] == "Acme GmbH"
    month = me.get("/api/billing/statements")["data"][0]["id"]
    for path, forms in (
        (f"/api/billing/receipts/{receipt['id']}", ["html", "pdf"]),
        (f"/api/billing/statements/{month}", ["html", "pdf", "csv"]),
    ):
        assert me.get(path)["id"] in (receipt["id"], month)
        for form in forms:
            assert me.fetch(f"{path}.{form}")[1]
    start = f"start_time={int(time.time()) - 3600}"
    assert b"purchase" in me.fetch(f"/api/billing/exports/movements?{start}")[1]
    assert me.fetch(f"/api/billing/exports/usage?{start}")[1].startswith(b"request_id,")


def redeems(world):
    """A code that an operator made; then its batch is ended."""
    ada, me = world.operator(), world.person("redeems@example.com")
    batch = {"note": "Conference", "amount_usd": "10.00", "code_count": 2, "credit_days": 90}
    made = ada.post("/api/operator/code_batches", **batch)
    assert len(made["codes"]) == 2
    redeemed = me.post("/api/billing/redeem", code=made["codes"][0])
    assert Decimal(redeemed["amount_usd"]) == 10
    path = f"/api/operator/code_batches/{made['id']}"
    assert ada.get(path)["use_count"] == 1
    [use] = ada.get(f"{path}/uses")["data"]
    assert use["actor"] == me.id
    assert made["id"] in [it["id"] for it in ada.get("/api/operator/code_batches")["data"]]
    assert ada.post(f"{path}/disable")["state"] == "disabled"
    assert me.refused("POST", "/api/billing/redeem", code=made["codes"][1]) in (400, 404)
