"""Signing up, signing in, and what people change of their accounts."""

import base64
import hmac
import re
import struct
import time

from installation import PASSWORD
from people import CODE

NEW_PASSWORD = "tr0ub4dor, and three more words"
STEP_S = 30


def totp(secret, step):
    """RFC 6238 with SHA-1 and six digits."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">q", step), "sha1")
    place = digest[-1] & 15
    number = struct.unpack(">I", digest[place : place + 4])[0] & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


class Authenticator:
    """An app that makes codes; each is good once, so a later half minute's is next."""

    def __init__(self, secret):
        self.secret, self.used = secret, 0

    def code(self):
        """The server takes those of the half minutes beside its own."""
        earliest = int(time.time()) // STEP_S - 1
        self.used = max(earliest, self.used + 1)
        while self.used > int(time.time()) // STEP_S + 1:
            time.sleep(0.2)
        return totp(self.secret, self.used)


def signs_up(world):
    stranger = world.stranger("signs.up@example.com")
    terms = stranger.get("/api/signup")
    assert terms["mode"] == "open" and terms["is_phone_required"]
    begun = stranger.post("/api/signup", email=stranger.email, password=PASSWORD, name="Ada")
    assert stranger.refused("POST", "/api/signup/resend", id=begun["id"]) == 429, "too early"
    person = world.person("signed.up@example.com")
    about = person.get("/api/me")
    assert about["email"] == person.email
    project = about["organizations"][0]["default_project_id"]
    assert person.get(f"/api/me/projects/{project}")["is_mine"]
    assert person.get("/api/sso")["data"] == []


def looks_after_it(world):
    me = world.person("looks@example.com")
    assert me.post("/api/me", name="Ada Lovelace")["name"] == "Ada Lovelace"
    assert me.post("/api/sessions/current/proof", current_password=PASSWORD)["proved_until"]

    me.post("/api/me/email", email="later@example.com", current_password=PASSWORD)
    code = me.message("later@example.com", CODE)
    assert me.post("/api/me/email/code", code=code)["email"] == "later@example.com"
    phone = "+4930901829"
    me.post("/api/me/phone", phone=phone, current_password=PASSWORD)
    assert me.post("/api/me/phone/code", code=me.message(phone, CODE))["phone"] == phone

    elsewhere, third = world.stranger("later@example.com"), world.stranger("later@example.com")
    for browser in (elsewhere, third):
        browser.post("/api/sessions", email=browser.email, password=PASSWORD)
    sessions = me.get("/api/sessions")["data"]
    assert len(sessions) == 3
    other = next(it["id"] for it in sessions if not it["is_current"])
    assert me.delete(f"/api/sessions/{other}")["ended"] == 1
    assert me.post("/api/sessions/end_others")["ended"] == 1
    changed = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert me.post("/api/me/password", **changed)["ended_sessions"] == 0
    assert me.delete("/api/sessions/current")["ended"] == 1
    assert me.refused("GET", "/api/me") == 401

    me.post("/api/password_resets", email="later@example.com")
    secret = me.message("later@example.com", r"#(\S+)")
    reset = me.post("/api/password_resets/complete", secret=secret, new_password=PASSWORD)
    assert reset["object"] == "password.changed"
    me.post("/api/sessions", email="later@example.com", password=PASSWORD)
    assert me.get("/api/me/identities")["data"] == []
    assert me.refused("DELETE", "/api/me/identities/identity_nobody") == 404


def has_a_second_factor(world):
    me = world.person("factors@example.com")
    app = Authenticator(me.post("/api/me/totp", current_password=PASSWORD)["secret"])
    added = me.post("/api/me/totp/confirm", code=app.code())
    assert len(added["recovery_codes"]) == 10
    codes = me.post("/api/me/recovery_codes", current_password=PASSWORD)["recovery_codes"]
    factors = me.get("/api/me/factors")
    assert factors["is_on"] and factors["recovery_codes_left"] == 10
    assert me.get("/api/me/passkeys")["data"] == []

    for path, code in (("totp", app.code()), ("recovery_code", codes[0])):
        browser = world.stranger(me.email)
        waits = browser.post("/api/sessions", email=me.email, password=PASSWORD)
        assert browser.status == 202 and browser.refused("GET", "/api/me") == 401
        browser.post(f"/api/sessions/{path}", id=waits["id"], code=code)
        assert browser.get("/api/me")["id"] == me.id
    proof = {"current_password": PASSWORD, "code": codes[1]}
    assert me.call("DELETE", "/api/me/totp", proof)["is_on"] is False


def is_invited(world):
    """By an operator's organization: once by the link, once signed in, and once in vain."""
    ada, me = world.operator(), world.person("invited@example.com")

    def invite(known=""):
        """The invite's id, and the secret of its link, which is another one each time."""
        body = {"email": me.email, "role": "reader"}
        made = ada.call("POST", "/v1/organization/invites", body)
        return made["id"], me.mail(rf"#(?!{re.escape(known or '!')})(\S+)")

    made, secret = invite()
    assert me.post("/api/invites/lookup", secret=secret)["id"] == made
    assert [it["id"] for it in me.get("/api/me/invites")["data"]] == [made]
    assert me.post(f"/api/me/invites/{made}/decline")["deleted"]
    made, secret = invite(secret)
    joined = me.post("/api/me/invites/accept", secret=secret)
    assert joined["id"] == world.made["organization_id"]
    assert ada.delete(f"/v1/organization/users/{me.id}")["deleted"]
    made, _ = invite(secret)
    assert me.post(f"/api/me/invites/{made}/accept")["role"] == "reader"
