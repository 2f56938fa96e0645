"""Tries openapi.json against the real server with schemathesis: by admin key, signed in, as operator.

Every operation of the document is called, so a new one is tried from the day it is described. What
must hold of every answer: it is no 5xx, its status, type and body are as described, what breaks the
description is refused, a body that was deleted is gone, and nothing is open to who has no key. The
installation is lived in: lists have something to show.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from openai import OpenAI

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "sdk"))
from hosted_page import HostedPage  # noqa: E402
from installation import Installation  # noqa: E402
from people import Person  # noqa: E402

DOCUMENT = HERE / "../../openapi.json"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Left alone with a session: one ends it, and all that follows would be refused; the other knows
# nothing of sessions, and is throttled after the first run.
NOT_SIGNED_IN = ["sign_out", "report_leaks"]
OPERATORS = "^/api/operator/"
# There only where Stripe takes the money: it is tried at an installation of its own.
WEBHOOK = "hear_of_stripe"


def lets_leaks_be_reported(installation):
    """Names somebody who may report leaked keys: without one, that route does not exist."""
    # The generator of P-256 is a public key like any other; what it signs is never right here.
    point = (
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    der = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004" + point)
    body = base64.b64encode(der).decode()
    pem = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    keys = {"public_keys": [{"key_identifier": "fuzz", "key": pem, "is_current": True}]}
    folder = Path(installation.folder.name)
    (folder / "signers.json").write_text(json.dumps(keys))
    with (folder / "farebox.toml").open("a") as config:
        config.write('\n[leak_reports]\npublic_keys_file = "signers.json"\n')


def takes_money_by_stripe(installation):
    """Whose webhook is heard, and who is never called: no event here is signed right."""
    os.environ["FUZZ_STRIPE"] = "sk_test_fuzz"
    os.environ["FUZZ_WEBHOOK"] = "whsec_that_nobody_signs_with"
    with Path(installation.folder.name, "farebox.toml").open("a") as config:
        config.write(
            '\n[payments]\nkind = "stripe"\nbase_url = "http://127.0.0.1:9"\n'
            'secret_key_env = "FUZZ_STRIPE"\nwebhook_secret_env = "FUZZ_WEBHOOK"\n'
        )


def live_a_little(made, owner):
    """Buys, is given back, spends, redeems, limits and is told, so that there is something to list."""

    def post(path, body=None):
        return owner.call("POST", path, body)

    bought = post("/api/billing/checkouts", {"amount_usd": "25.00", "save_method": True})
    HostedPage(bought["url"]).type(number="4242424242424242", expiry="12/34", cvc="123")
    assert owner.call("GET", f"/api/billing/checkouts/{bought['id']}")["status"] == "succeeded"
    back = {"amount_usd": "5.00", "key": "fuzz", "reason": "Too much"}
    post(f"/api/operator/payments/{bought['id']}/refunds", back)
    organization = f"/api/operator/organizations/{made['organization_id']}"
    post(f"{organization}/markups", {"basis_points": 1250, "model": "gpt-4o-mini"})
    post(f"{organization}/overdraft", {"line_usd": "10.00", "key": "fuzz", "reason": "Trusted"})
    codes = {"note": "Fuzz", "amount_usd": "1.00", "code_count": 2}
    post("/api/billing/redeem", {"code": post("/api/operator/code_batches", codes)["codes"][0]})
    scope = {"type": "project", "id": made["project_id"]}
    limited = {"scope": scope, "window": "day", "limit_usd": "0.000001", "force": "soft"}
    post("/api/budgets", limited)
    post("/api/rate_limits", {"scope": scope, "requests_per_minute": 100_000})
    endpoint = post("/api/webhook_endpoints", {"url": "http://127.0.0.1:9/nobody"})
    post(f"/api/webhook_endpoints/{endpoint['id']}/test")
    post("/api/operator/ledger/verifications")
    post("/api/operator/payments/reconciliations", {"days": 1})
    key = post(f"/api/projects/{made['project_id']}/keys", {"name": "fuzz"})
    client = OpenAI(api_key=key["value"], base_url=made["base_url"])
    hello = [{"role": "user", "content": "Hello"}]
    client.chat.completions.create(model="gpt-4o-mini", messages=hello)


def run(installation, ways_in, arguments):
    """Runs schemathesis with these secrets: by the name of the way in, the kind and the secret."""
    settings = (HERE / "schemathesis.toml").read_text()
    settings += "\n[auth.openapi]\n" if ways_in else ""
    for scheme, (kind, secret) in ways_in.items():
        settings += f'{scheme} = {{ {kind} = "{secret}" }}\n'
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(settings)
        file.flush()
        url = installation.made["base_url"].removesuffix("/v1")
        command = [SCHEMATHESIS, "--config-file", file.name, "run", DOCUMENT, "--url", url]
        ran = subprocess.run(
            [*command, *arguments],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # All at once: another run writes, too.
        print(ran.stdout, flush=True)
        return ran.returncode


def lived_in():
    """An installation to try, and the secrets of a person and of its operator."""
    installation = Installation("5", lets_leaks_be_reported)
    base_url = installation.made["base_url"]
    people = Person(base_url, "fuzz@example.com"), Person.operator(base_url)
    live_a_little(installation.made, people[1])
    return installation, [person.cookie.split("=", 1)[1] for person in people]


def by_admin_key(arguments):
    installation, _ = lived_in()
    with closing(installation):
        made = installation.made
        keys = {"key": ("bearer", made["api_key"]), "admin_key": ("bearer", made["admin_key"])}
        return run(installation, keys, [f"--exclude-operation-id={WEBHOOK}", *arguments])


def signed_in(arguments):
    """As a person, and then as the operator, who may shut the person out."""
    installation, secrets = lived_in()
    with closing(installation):
        person, operator = [{"session": ("api_key", secret)} for secret in secrets]
        key = {"key": ("bearer", installation.made["api_key"])}
        without = [f"--exclude-operation-id={name}" for name in [*NOT_SIGNED_IN, WEBHOOK]]
        failed = run(installation, key | person, without + arguments)
        return failed | run(installation, operator, [f"--include-path-regex={OPERATORS}", *arguments])


def as_stripe(arguments):
    with closing(Installation("5", takes_money_by_stripe)) as installation:
        return run(installation, {}, [f"--include-operation-id={WEBHOOK}", *arguments])


def main():
    ways = [by_admin_key, signed_in, as_stripe]
    with ThreadPoolExecutor(max_workers=2) as pool:
        failed = [pool.submit(way, sys.argv[1:]) for way in ways]
    sys.exit(any(run.result() for run in failed))


if __name__ == "__main__":
    main()
