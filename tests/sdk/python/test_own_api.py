"""Every operation of openapi.json is called by a test over HTTP, and answers as it is described.

What OpenAI has is tried by the SDK's own methods: `test_every_admin_method.py` fails on one that it
does not try. The rest is ours: the lives in `lives` call it, each answer held against its schema.
An operation that none of them calls fails the test at the end, unless a reason stands here.
"""

import re
import time
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from described import OPERATIONS, Checked
from installation import Installation
from lives import LIVES
from test_models import MESSAGES
from test_new_customer import asks_who_comes

PASSKEY = "needs an authenticator: crates/control/tests/it/people_passkeys.rs, and in a browser"
PROVIDER = "needs a provider of OpenID Connect: test_single_sign_on.py"
MATCHED = "money that no order explains does not come here: crates/control/tests/it/payments_trouble.rs"
REASONS = {
    "POST /api/me/passkeys": PASSKEY,
    "POST /api/me/passkeys/options": PASSKEY,
    "POST /api/me/passkeys/{passkey_id}": PASSKEY,
    "DELETE /api/me/passkeys/{passkey_id}": PASSKEY,
    "POST /api/sessions/passkey": PASSKEY,
    "POST /api/sessions/passkey_options": PASSKEY,
    "POST /api/sessions/current/passkey_options": PASSKEY,
    "POST /api/me/identities": PROVIDER,
    "DELETE /api/me/identities/{identity_id}": PROVIDER,
    "GET /api/sso/{provider_id}/start": PROVIDER,
    "GET /api/sso/{provider_id}/callback": PROVIDER,
    "POST /api/signup/resend": "not within 30 s: crates/control/tests/it/people_signup.rs",
    "POST /api/leak_reports": "signed by GitHub: crates/control/tests/it/leak_reports.rs",
    "POST /api/payments/stripe/webhook": "Stripe's: crates/control/tests/it/stripe_webhooks.rs",
    "POST /api/operator/unmatched_payments/{unmatched_payment_id}/resolve": MATCHED,
}


class World:
    """An installation, the people in it, and which lives were lived."""

    def __init__(self):
        self.installation = Installation("100", asks_who_comes)
        self.made, self.lived, self.people = self.installation.made, set(), 0
        self.base_url = self.made["base_url"]

    def live(self, life):
        if life not in self.lived:
            self.lived.add(life)
            life(self)

    def stranger(self, email):
        return Checked.stranger(self.base_url, email)

    def person(self, email):
        """Signed up, with a phone of their own."""
        self.people += 1
        return Checked(self.base_url, email, phone=f"+4930901{self.people:03}")

    def operator(self):
        return Checked.operator(self.base_url)

    def project_of(self, person):
        return person.get("/api/me")["organizations"][0]["default_project_id"]

    def ask(self, key, model="gpt-4o-mini"):
        """Calls a model; the id of the request."""
        completions = OpenAI(api_key=key, base_url=self.base_url).chat.completions
        return completions.create(model=model, messages=MESSAGES, max_tokens=4)._request_id

    def until(self, found):
        """What is found once there is something."""
        for _ in range(300):
            if it := found():
                return it
            time.sleep(0.1)
        raise AssertionError("it did not come about")


@pytest.fixture(scope="module")
def world():
    there = World()
    yield there
    there.installation.close()


@pytest.mark.parametrize("life", LIVES, ids=lambda life: f"{life.__module__}.{life.__name__}")
def test_a_life_of(world, life):
    world.live(life)


def methods_of_the_sdk():
    """As GET /v1/models/{}: all that the SDK calls, as its source says."""
    call = re.compile(
        r'self\._(get|post|delete|get_api_list)\(\s*(?:path_template\(\s*)?f?"(/[^"]*)"'
    )
    for file in Path(openai.__file__).parent.glob("resources/**/*.py"):
        for method, path in call.findall(file.read_text()):
            yield f"{method.removesuffix('_api_list').upper()} /v1{blank(path)}"


def blank(path):
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_nothing_is_left_out(world):
    for life in LIVES:
        world.live(life)
    of_openai = set(methods_of_the_sdk())
    assert len(of_openai) > 200, "the SDK's source is read as it was not written"
    ours = {it.name for it in OPERATIONS if blank(it.name) not in of_openai}
    done = Checked.done & ours
    assert sorted(ours - done - set(REASONS)) == [], "called by no test: write a life of it"
    assert sorted(done & set(REASONS)) == [], "called after all: the reason is none"
    assert sorted(set(REASONS) - ours) == [], "a reason for what is not there"
