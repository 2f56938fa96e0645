"""Signing in by OpenID Connect, against a provider that others wrote: oidc-provider-mock."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from oidc_provider_mock import User, run_server_in_thread

from installation import Installation

PROVIDER = """
[[oidc]]
id = "mock"
name = "Mock"
issuer = "{issuer}"
client_id = "farebox"
client_secret_env = "OIDC_SECRET"
"""

GRACE = User(
    sub="grace",
    claims={"email": "grace@example.com", "email_verified": True, "name": "Grace Hopper"},
)
EVE = User(sub="eve", claims={"email": "eve@example.com", "email_verified": False})


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    """Keeps its cookies, and follows no redirect by itself."""

    def __init__(self, origin):
        self.origin = origin
        self.cookies = {}
        self.opener = urllib.request.build_opener(Stay)

    def send(self, url, form=None):
        """The answer's status, its JSON or none, and where it leads."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        ours = url.startswith(self.origin)
        request = urllib.request.Request(url, data, {"cookie": cookie} if ours else {})
        try:
            answer = self.opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            for cookie in answer.headers.get_all("set-cookie") or [] if ours else []:
                name, value = cookie.split(";")[0].split("=", 1)
                self.cookies[name] = value
            is_json = answer.headers.get_content_type() == "application/json"
            body = json.loads(answer.read()) if is_json else None
            return answer.status, body, answer.headers["location"]

    def sign_in(self, subject):
        """Goes to the provider, signs in there, and comes back. Answers where that ends."""
        start = f"{self.origin}/api/sso/mock/start?return_to=/usage"
        status, _, there = self.send(start)
        assert status == 303, there
        status, _, back = self.send(there, {"sub": subject})
        assert status == 302, back
        status, _, page = self.send(back)
        assert status == 303
        return back, page


@pytest.fixture(scope="module")
def origin():
    with run_server_in_thread(require_nonce=True, user_claims=[GRACE, EVE]) as server:
        provider = PROVIDER.format(issuer=f"http://localhost:{server.server_port}")

        def configure(installation):
            os.environ["OIDC_SECRET"] = "any"
            with Path(installation.folder.name, "farebox.toml").open("a") as file:
                file.write(provider)

        running = Installation(None, configure)
        yield running.made["base_url"].removesuffix("/v1")
        running.close()


def test_whoever_the_provider_knows_gets_an_account_and_signs_in_again(origin):
    first = Browser(origin)
    _, listed, _ = first.send(f"{origin}/api/sso")
    assert [provider["name"] for provider in listed["data"]] == ["Mock"]
    back, page = first.sign_in("grace")
    assert page == f"{origin}/usage"
    _, me, _ = first.send(f"{origin}/api/me")
    assert (me["email"], me["name"]) == ("grace@example.com", "Grace Hopper")
    assert not me["has_password"] and me["organizations"][0]["role"] == "owner"
    _, _, page = first.send(back)
    assert "error=sso_expired" in page, "once"

    again = Browser(origin)
    again.sign_in("grace")
    _, same, _ = again.send(f"{origin}/api/me")
    assert same["id"] == me["id"]


def test_an_address_that_is_not_verified_makes_no_account(origin):
    browser = Browser(origin)
    _, page = browser.sign_in("eve")
    assert page == f"{origin}/sign-in?error=sso_email_unverified&provider=mock"
    status, _, _ = browser.send(f"{origin}/api/me")
    assert status == 401
