"""People who sign up at an installation over HTTP, and read their codes where it keeps its mails."""

import hashlib
import json
import re
import secrets
import sqlite3
import string
import time
import urllib.request
import zlib
from pathlib import Path

from installation import OPERATOR, PASSWORD

CODE = r"\b(\d{6})\b"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Person:
    """Signed up and signed in; in an organization of their own, or in the one that invited them."""

    key = None

    def __init__(self, base_url, email, invite=None, phone=None):
        self.origin = base_url.removesuffix("/v1")
        self.email = email
        self.cookie = ""
        account = {"email": email, "password": PASSWORD, "organization": "Own"}
        account |= {"invite": invite} if invite else {}
        begun = self.call("POST", "/api/signup", account)
        code = {"id": begun["id"], "code": self.mail(CODE)}
        shown = self.call("POST", "/api/signup/email_code", code)
        if phone:
            shown = self.confirm_phone(shown, phone)
        assert shown["status"] == "complete"
        self.id = self.call("GET", "/api/me")["id"]

    def confirm_phone(self, shown, phone):
        assert shown["status"] == "phone_required"
        shown = self.call("POST", "/api/signup/phone", {"id": shown["id"], "phone": phone})
        assert shown["status"] == "phone_code_required"
        code = {"id": shown["id"], "code": self.message(phone.replace(" ", ""), CODE)}
        return self.call("POST", "/api/signup/phone_code", code)

    @classmethod
    def stranger(cls, base_url, email):
        """Not signed in."""
        person = cls.__new__(cls)
        person.origin, person.email, person.cookie = base_url.removesuffix("/v1"), email, ""
        return person

    @classmethod
    def operator(cls, base_url):
        """Who set the installation up, signed in."""
        person = cls.stranger(base_url, OPERATOR)
        person.call("POST", "/api/sessions", {"email": OPERATOR, "password": PASSWORD})
        return person

    @classmethod
    def invited(cls, organization, base_url, email, role="reader"):
        """Invited into an organization by the SDK's client of it, and come."""
        organization.invites.create(email=email, role=role)
        person = cls.stranger(base_url, email)
        person.__init__(base_url, email, person.mail(r"#(\S+)"))
        return person

    def call(self, method, path, body=None):
        """The answer's JSON; urllib raises for a refusal."""
        _, answered = self.fetch(path, method, body)
        return json.loads(answered)

    def fetch(self, path, method="GET", body=None):
        """The answer's headers and bytes; urllib raises for a refusal."""
        headers = {"content-type": "application/json", "cookie": self.cookie}
        headers |= {"authorization": f"Bearer {self.key}"} if self.key else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.origin + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.cookie = (answer.headers["set-cookie"] or self.cookie).split(";")[0]
            self.status = answer.status
            return answer.headers, answer.read()

    def mail(self, pattern):
        """What the pattern finds in the latest mail to this person."""
        return self.message(self.email, pattern)

    def message(self, to, pattern):
        """What the pattern finds in the latest message to this address or number."""
        for _ in range(300):
            with urllib.request.urlopen(self.origin + "/api/outbox", timeout=30) as answer:
                messages = json.loads(answer.read())["data"]
            texts = [message["text"] for message in messages if message["to"] == to]
            found = [match for text in texts[:1] if (match := re.search(pattern, text))]
            if found:
                return found[0][1]
            time.sleep(0.1)
        raise AssertionError(f"no message to {to} matches {pattern}")


def new_key(prefix):
    """A key of ours: the class, our mark, 43 letters and the checksum of all before it."""
    text = prefix + "fare" + "".join(secrets.choice(BASE62) for _ in range(43))
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return text + digits


def give_key(installation, user, project=None):
    """A key of a person, put into the database: an admin key if it is of no project."""
    kind = "project" if project else "admin"
    secret = new_key({"project": "sk-proj-", "admin": "sk-admin-"}[kind])
    digest = hashlib.sha256(secret.encode()).hexdigest()
    organization = installation.made["organization_id"]
    row = (f"key_{secrets.token_hex(8)}", organization, project, kind, user, digest)
    database = sqlite3.connect(Path(installation.folder.name, "farebox.db"), timeout=30)
    with database:
        database.execute(
            "INSERT INTO keys (id, organization_id, project_id, class, user_id, name,"
            " digest, redacted_value, created_at_us) VALUES (?, ?, ?, ?, ?, 'k', ?, 'k', 1)",
            row,
        )
    database.close()
    return secret
