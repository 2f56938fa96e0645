"""What a new customer does on the first day, against the binary: from signing up to the month's papers.

One path, in its order, as each step needs what the one before left. Every amount is worked out here as
well, to the nano-dollar: what was paid in, less the calls that were answered, is what is left.
"""

import csv
import io
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from pathlib import Path

import openai
import pypdf
import pytest
from openai import OpenAI

from hosted_page import HostedPage
from installation import Installation
from people import Person
from test_models import MESSAGES, TEXT

# What the mock upstream says of every call: 9 tokens in, 4 out. A call costs some 41 cents.
INPUT, OUTPUT = Decimal("1234.567891"), Decimal("98765.432109")
NANO, CENT = Decimal("0.000000001"), Decimal("0.01")
CALL = ((9 * INPUT + 4 * OUTPUT) / 1_000_000).quantize(NANO, ROUND_CEILING)
TRIAL = Decimal("5.00")
TAX_PERCENT = Decimal("8.875")

MODEL = "dear"
SETTINGS = f"""
[payments]
tax_percent = "{TAX_PERCENT}"

[billing]
seller_name = "Fare & Co. KG"
seller_address = "Hafenstraße 12\\n20459 Hamburg"
seller_country = "DE"
seller_tax_id = "DE123456789"

[[models]]
id = "{MODEL}"
deployments = [{{ upstream = "mock", model = "gpt-4o-mini" }}]
price = {{ input = "{INPUT}", output = "{OUTPUT}" }}
"""

GOOD_CARD = "4242 4242 4242 4242"
DECLINED_CARD = "4000000000000002"
ASKED_CARD = "4000 0027 6000 3184"
BURST = 60


def asks_who_comes(installation):
    """As a Farebox that nobody configured does, and with a dear model and a seller."""
    file = Path(installation.folder.name, "farebox.toml")
    config = file.read_text()
    off = 'phone_verification = "off"'
    assert off in config
    file.write_text(config.replace(off, 'phone_verification = "required"') + SETTINGS)


@pytest.fixture(scope="module")
def shop():
    running = Installation(None, asks_who_comes)
    yield running
    running.close()


def tax_on(amount):
    return (amount * TAX_PERCENT / 100).quantize(CENT, ROUND_HALF_UP)


def as_paper(amount):
    """An amount to the cent, as papers write it."""
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount).quantize(CENT, ROUND_HALF_UP):,}"


def exactly(amount):
    """An amount as papers write it to the nano-dollar: without what is zero after the cents."""
    whole, fraction = f"{abs(amount).quantize(NANO):,}".split(".")
    sign = "-" if amount < 0 else ""
    return f"{sign}${whole}.{fraction[:2]}{fraction[2:].rstrip('0')}"


def text_of(pdf):
    """What a PDF says, with single spaces: where lines break is no matter."""
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


class Customer:
    """Somebody new, and what they should have by now."""

    def __init__(self, shop):
        base_url = shop.made["base_url"]
        self.person = Person(base_url, "grace@example.com", phone="+49 30 901820")
        self.paid_in, self.calls, self.purchases = TRIAL, 0, []
        project = self.get("/v1/organization/projects")["data"][0]["id"]
        key = self.person.call("POST", f"/api/projects/{project}/keys", {"name": "first"})
        self.client = OpenAI(api_key=key["value"], base_url=base_url, max_retries=0)

    def get(self, path):
        return self.person.call("GET", path)

    def ask(self):
        answer = self.client.chat.completions.create(
            model=MODEL, messages=MESSAGES, max_tokens=4
        )
        assert answer.choices[0].message.content == TEXT

    def call(self):
        self.ask()
        self.calls += 1

    def left(self):
        """What is left by our own account of it."""
        return self.paid_in - self.calls * CALL

    def check_balance(self):
        balance = self.get("/api/billing/balance")
        assert Decimal(balance["balance_usd"]) == self.left()
        assert Decimal(balance["held_usd"]) == 0
        return balance

    def order(self, amount, **more):
        made = self.person.call(
            "POST", "/api/billing/checkouts", {"amount_usd": str(amount), **more}
        )
        assert (made["status"], Decimal(made["total_usd"])) == ("open", amount + tax_on(amount))
        return made["id"], HostedPage(made["url"])

    def finish(self, order, amount, last4):
        """Comes back from paying."""
        paid = self.get(f"/api/billing/checkouts/{order}")
        assert (paid["status"], paid["card"]["last4"]) == ("succeeded", last4)
        self.paid_in += amount
        self.purchases.append((amount, last4))


def pay(page, number):
    page.type(number=number, expiry="12 / 34", cvc="123")


def spends_the_trial_credit(customer):
    """The first call, and all others until one is refused: in words that say what to do."""
    balance = customer.check_balance()
    assert [it["kind"] for it in balance["credits"]] == ["grant"]
    assert balance["credits"][0]["expires_at"] > time.time() + 89 * 86_400
    customer.call()
    customer.check_balance()
    with pytest.raises(openai.RateLimitError) as refused:
        for _ in range(int(TRIAL / CALL) + 1):
            customer.call()
    error = refused.value
    assert (error.status_code, error.type) == (429, "insufficient_quota")
    assert error.code == "credit_balance_exhausted"
    assert error.response.headers["x-should-retry"] == "false"
    assert "You exceeded your current quota, please check your plan" in error.message
    origin = customer.person.origin
    assert f"{origin}/billing" in error.message, "where credit is bought"
    assert customer.left() < 2 * CALL, "no call was refused that was surely paid for"
    customer.check_balance()


def buys_five_dollars(customer):
    order, page = customer.order(Decimal("5.00"), save_method=True)
    assert "Pay $5.44" in page.text
    pay(page, GOOD_CARD)
    assert page.left_for.startswith(customer.person.origin)
    customer.finish(order, Decimal("5.00"), "4242")
    customer.check_balance()
    customer.call()


def sees_a_card_declined(customer):
    """The page stays open, for another card or for nothing."""
    order, page = customer.order(Decimal("6.00"))
    pay(page, DECLINED_CARD)
    assert page.left_for is None and page.problem == "Your card was declined."
    shown = customer.get(f"/api/billing/checkouts/{order}")
    assert shown["status"] == "open"
    cancelled = customer.person.call("POST", f"/api/billing/checkouts/{order}/cancel")
    assert cancelled["status"] == "cancelled"
    customer.check_balance()


def is_asked_by_the_bank(customer):
    """3-D Secure: once without knowing the answer, then with it."""
    order, page = customer.order(Decimal("7.50"))
    pay(page, ASKED_CARD)
    assert "Is it you?" in page.text and "$8.17" in page.text
    page.choose("outcome", "fail")
    assert page.left_for is None and page.problem
    assert customer.get(f"/api/billing/checkouts/{order}")["status"] in ("open", "processing")
    customer.check_balance()
    pay(page, ASKED_CARD)
    page.choose("outcome", "complete")
    customer.finish(order, Decimal("7.50"), "3184")
    customer.check_balance()
    customer.call()


def bursts_past_the_threshold(customer):
    """Auto-recharge fills the wallet up while calls go on; none of them is refused."""
    wanted = {"threshold_usd": "5.00", "restore_to_usd": "20.00"}
    set_up = customer.person.call("POST", "/api/billing/auto_recharge", wanted)
    assert (set_up["enabled"], set_up["state"]) == (True, "armed")
    assert BURST * CALL > customer.left() + 5, "the wallet would not last"
    with ThreadPoolExecutor(12) as pool:
        for done in [pool.submit(customer.ask) for _ in range(BURST)]:
            done.result()
            customer.calls += 1
    for _ in range(300):
        shown = customer.get("/api/billing/auto_recharge")
        if shown["state"] == "armed" and Decimal(shown["available_usd"]) >= 5:
            break
        time.sleep(0.1)
    assert shown["state"] == "armed"
    recharges = customer.get("/api/billing/auto_recharge/recharges")["data"]
    assert recharges and {it["state"] for it in recharges} == {"succeeded"}
    for recharge in recharges:
        amount = Decimal(recharge["amount_usd"])
        needed = Decimal("20.00") - Decimal(recharge["available_usd"])
        assert amount == needed.quantize(CENT, ROUND_CEILING)
        customer.paid_in += amount
        customer.purchases.append((amount, "4242"))
    assert Decimal(shown["bought_this_month_usd"]) == sum(
        amount for amount, _ in customer.purchases[2:]
    )
    customer.check_balance()


def reads_the_receipts(customer):
    """One for each purchase, newest first, and of all forms the same amounts."""
    receipts = customer.get("/api/billing/receipts?limit=100")["data"][::-1]
    assert [
        (Decimal(it["amount_usd"]), it["paid_with"]["last4"]) for it in receipts
    ] == customer.purchases
    for receipt in receipts:
        amount, tax = Decimal(receipt["amount_usd"]), Decimal(receipt["tax_usd"])
        assert tax == tax_on(amount) and Decimal(receipt["total_usd"]) == amount + tax
    for receipt in (receipts[0], receipts[-1]):
        headers, pdf = customer.person.fetch(f"/api/billing/receipts/{receipt['id']}.pdf")
        assert headers["content-type"] == "application/pdf"
        assert headers["content-disposition"] == f'attachment; filename="{receipt["id"]}.pdf"'
        amount, tax = Decimal(receipt["amount_usd"]), Decimal(receipt["tax_usd"])
        page = customer.person.fetch(f"/api/billing/receipts/{receipt['id']}.html")[1].decode()
        for said in (
            f"Receipt number {receipt['id']}",
            f"Payment method Visa ending in {receipt['paid_with']['last4']}",
            "Fare & Co. KG Hafenstraße 12 20459 Hamburg",
            "Tax ID DE123456789",
            f"Prepaid credit {as_paper(amount)}",
            f"Tax (8.875%) {as_paper(tax)}",
            f"Amount paid {as_paper(amount + tax)}",
        ):
            assert said in text_of(pdf)
        for amount in (amount, tax, amount + tax):
            assert f">{as_paper(amount)}<" in page


def reads_the_statement(customer):
    """It closes with the balance, and its lines lead there, in all its forms."""
    summary = customer.get("/api/billing/statements")["data"][0]
    path = f"/api/billing/statements/{summary['id']}"
    statement = customer.get(path)
    closing, used = Decimal(statement["closing_usd"]), customer.calls * CALL
    assert closing == customer.left() == Decimal(summary["closing_usd"])
    assert (Decimal(statement["opening_usd"]), statement["is_final"]) == (0, False)
    moved = {it["kind"]: (it["count"], Decimal(it["amount_usd"])) for it in statement["movements"]}
    bought = sum(amount for amount, _ in customer.purchases)
    assert moved == {"grant": (1, TRIAL), "purchase": (len(customer.purchases), bought)}
    assert [
        (it["model"], it["requests"], it["input_tokens"], Decimal(it["amount_usd"]))
        for it in statement["usage"]
    ] == [(MODEL, customer.calls, 9 * customer.calls, used)]

    headers, pdf = customer.person.fetch(f"{path}.pdf")
    assert headers["content-type"] == "application/pdf"
    page = customer.person.fetch(f"{path}.html")[1].decode()
    said = text_of(pdf)
    assert f"Purchases ({len(customer.purchases)}) {as_paper(bought)} {exactly(bought)}" in said
    assert f"Usage admitted in this month {as_paper(-used)} {exactly(-used)}" in said
    assert f"Closing balance {as_paper(closing)} Exactly {exactly(closing)}" in said
    assert f"{MODEL} {customer.calls} {9 * customer.calls}" in said
    for amount in (bought, -used, closing):
        assert f">{exactly(amount)}<" in page

    table = customer.person.fetch(f"{path}.csv")[1].decode()
    rows = {row["line"]: Decimal(row["amount_usd"]) for row in csv.DictReader(io.StringIO(table))}
    assert (rows["usage"], rows["closing_balance"]) == (-used, closing)


def exports_what_moved(customer):
    headers, table = customer.person.fetch("/api/billing/exports/movements?start_time=0")
    assert headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert len(rows) == int(headers["x-farebox-rows"])
    moved = [(row["kind"], Decimal(row["amount_usd"])) for row in rows]
    bought = [("purchase", amount) for amount, _ in customer.purchases]
    assert moved == [("grant", TRIAL), *bought]
    assert sum(amount for _, amount in moved) - customer.calls * CALL == customer.left()


def test_a_new_customer_signs_up_calls_pays_and_reads_the_papers(shop):
    customer = Customer(shop)
    spends_the_trial_credit(customer)
    buys_five_dollars(customer)
    sees_a_card_declined(customer)
    is_asked_by_the_bank(customer)
    bursts_past_the_threshold(customer)
    reads_the_receipts(customer)
    reads_the_statement(customer)
    exports_what_moved(customer)
    assert "Every invariant holds" in shop.run("ledger", "verify")
