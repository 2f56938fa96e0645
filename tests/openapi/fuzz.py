"""Tries openapi.json against the real server with schemathesis: by admin key, signed in, as operator.

Every operation of the document is called, so a new one is tried from the day it is described. What
must hold of every answer: it is no 5xx, its status, type and body are as described, what breaks the
description is refused, a body that was deleted is gone, and nothing is open to who has no key.
"""

import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "sdk"))
from installation import Installation  # noqa: E402
from people import Person  # noqa: E402

DOCUMENT = HERE / "../../openapi.json"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Left alone with a session: one ends it, and all that follows would be refused; the other knows
# nothing of sessions, and is throttled after the first run.
NOT_SIGNED_IN = ["sign_out", "report_leaks"]
OPERATORS = "^/api/operator/"


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


def run(installation, ways_in, arguments):
    """Runs schemathesis with these secrets: by the name of the way in, the kind and the secret."""
    settings = (HERE / "schemathesis.toml").read_text() + "\n[auth.openapi]\n"
    for scheme, (kind, secret) in ways_in.items():
        settings += f'{scheme} = {{ {kind} = "{secret}" }}\n'
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(settings)
        file.flush()
        url = installation.made["base_url"].removesuffix("/v1")
        command = [SCHEMATHESIS, "--config-file", file.name, "run", DOCUMENT, "--url", url]
        return subprocess.run([*command, *arguments], check=False).returncode


def main():
    installation = Installation("5", lets_leaks_be_reported)
    try:
        made = installation.made
        people = Person(made["base_url"], "fuzz@example.com"), Person.operator(made["base_url"])
        person, operator = [person.cookie.split("=", 1)[1] for person in people]
        key = {"key": ("bearer", made["api_key"])}
        admin = key | {"admin_key": ("bearer", made["admin_key"])}
        session, operator = [{"session": ("api_key", it)} for it in (person, operator)]
        excluded = [f"--exclude-operation-id={name}" for name in NOT_SIGNED_IN]
        failed = run(installation, admin, sys.argv[1:])
        failed |= run(installation, key | session, excluded + sys.argv[1:])
        failed |= run(installation, operator, [f"--include-path-regex={OPERATORS}", *sys.argv[1:]])
    finally:
        installation.close()
    sys.exit(failed)


if __name__ == "__main__":
    main()
