"""What is taken away acts on the data plane's next request, and is refused in OpenAI's words.

A table: each row takes something away from a caller whose requests were answered; the very next one
is refused. Where what was taken can be given back, the one after that is answered again.
"""

import time
import uuid
from dataclasses import dataclass

import openai
import pytest
from openai import OpenAI

from people import Person
from test_models import MESSAGES, MODEL, TEXT


class Caller:
    """A project of its own, and a key in it: a service account's, or that of a person who is a
    member."""

    def __init__(self, admin, installation, is_person, **key):
        self.admin, self.installation = admin, installation
        self.project = admin.projects.create(name="Enforcement").id
        if is_person:
            email = f"{uuid.uuid4()}@example.com"
            base_url = installation.made["base_url"]
            self.person = Person.invited(admin, base_url, email)
            self.user = self.person.id
            admin.projects.users.create(self.project, user_id=self.user, role="member")
            self.keys = f"/api/projects/{self.project}/keys"
            made = self.person.call("POST", self.keys, {"name": "mine", **key})
            self.secret, self.key = made["value"], made["id"]
        else:
            made = admin.projects.service_accounts.create(self.project, name="caller", **key)
            self.account, self.secret, self.key = made.id, made.api_key.value, made.api_key.id
        self.options = {}

    def ask(self):
        client = OpenAI(
            api_key=self.secret,
            base_url=self.installation.made["base_url"],
            max_retries=0,
            **self.options,
        )
        answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
        assert answer.choices[0].message.content == TEXT


def archive(caller):
    caller.admin.projects.archive(caller.project)


def delete_account(caller):
    caller.admin.projects.service_accounts.delete(caller.account, project_id=caller.project)


def restrict_key(caller, scopes=("api.model.read",)):
    keys = caller.admin.projects.api_keys
    keys.update(caller.key, project_id=caller.project, scopes=list(scopes))


def open_key(caller):
    restrict_key(caller, ["api.model.request"])


def deny_model(caller):
    permissions = caller.admin.projects.model_permissions
    permissions.update(caller.project, mode="deny_list", model_ids=[MODEL])


def allow_model(caller):
    caller.admin.projects.model_permissions.delete(caller.project)


def change_own_key(changes, how=""):
    """What its owner asks of a key, signed in."""
    return lambda caller: caller.person.call("POST", f"{caller.keys}/{caller.key}{how}", changes)


def revoke_own_key(caller):
    caller.person.call("DELETE", f"{caller.keys}/{caller.key}")


def let_expire(caller):
    """Its key works for a second; nothing tells when that is over but its refusal."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            caller.ask()
        except openai.AuthenticationError:
            return
        time.sleep(0.05)


def leave_project(caller):
    caller.admin.projects.users.delete(caller.user, project_id=caller.project)


def leave_organization(caller):
    caller.admin.users.delete(caller.user)


def join_by_group(caller):
    """Lets the group be all that lets the person in: a role that may call models."""
    leave_project(caller)
    admin, project = caller.admin, caller.project
    caller.group = admin.groups.create(name="Callers").id
    admin.groups.users.create(caller.group, user_id=caller.user)
    permissions = ["api.model.request"]
    made = admin.projects.roles.create(project, role_name="Caller", permissions=permissions)
    admin.projects.groups.create(project, group_id=caller.group, role=made.id)
    caller.role = made.id


def lose_permission_of_role(caller, permissions=("api.model.read",)):
    roles = caller.admin.projects.roles
    roles.update(caller.role, project_id=caller.project, permissions=list(permissions))


def regain_permission_of_role(caller):
    lose_permission_of_role(caller, ["api.model.request"])


def delete_role(caller):
    caller.admin.projects.roles.delete(caller.role, project_id=caller.project)


def leave_group(caller):
    caller.admin.groups.users.delete(caller.user, group_id=caller.group)


def rejoin_group(caller):
    caller.admin.groups.users.create(caller.group, user_id=caller.user)


def name_organization(caller):
    caller.options = {"organization": "org-of-somebody-else"}


def name_project(caller):
    caller.options = {"project": caller.installation.made["project_id"]}


def name_nothing(caller):
    caller.options = {}


ARCHIVED = (openai.PermissionDeniedError, "project_archived", "is archived")
UNKNOWN = (openai.AuthenticationError, "invalid_api_key", "Incorrect API key provided")
NO_SCOPE = (openai.PermissionDeniedError, "missing_scope", "You have insufficient permissions")
NO_MODEL = (openai.PermissionDeniedError, "model_not_found", "does not have access to model")
NO_OTHER_MODEL = (openai.PermissionDeniedError, "model_not_found", "model")
ELSEWHERE = (openai.AuthenticationError, "ip_not_authorized", "127.0.0.1")
ONLY_READS = {"permissions": "restricted", "resources": {"models": "read"}}
MISMATCH = "header should match"


@dataclass
class Row:
    name: str
    takes: callable
    refusal: tuple
    gives_back: callable = None
    is_person: bool = False
    key: dict = None
    before: callable = None


ROWS = [
    Row("archived project", archive, ARCHIVED),
    Row("deleted service account", delete_account, UNKNOWN),
    Row("expired key", let_expire, UNKNOWN, key={"expires_in_seconds": 1}),
    Row("permission of a key", restrict_key, NO_SCOPE, open_key),
    Row("model of a project", deny_model, NO_MODEL, allow_model),
    Row("permissions of a person's key", change_own_key(ONLY_READS), NO_SCOPE,
        change_own_key({"permissions": "all"}), is_person=True),
    Row("models of a person's key", change_own_key({"models": ["gpt-native"]}), NO_OTHER_MODEL,
        change_own_key({"models": None}), is_person=True),
    Row("networks of a person's key", change_own_key({"ip_ranges": ["203.0.113.0/24"]}), ELSEWHERE,
        change_own_key({"ip_ranges": None}), is_person=True),
    Row("secret of a person's key", change_own_key({"grace_seconds": 0}, "/rotate"), UNKNOWN,
        is_person=True),
    Row("person's key that is revoked", revoke_own_key, UNKNOWN, is_person=True),
    Row("person's key that expires", let_expire, UNKNOWN, is_person=True,
        key={"expires_in_seconds": 1}),
    Row("membership of a project", leave_project, UNKNOWN, is_person=True),
    Row("membership of the organization", leave_organization, UNKNOWN, is_person=True),
    Row("permission of a role", lose_permission_of_role, NO_SCOPE, regain_permission_of_role,
        is_person=True, before=join_by_group),
    Row("role that is deleted", delete_role, UNKNOWN, is_person=True, before=join_by_group),
    Row("membership of a group", leave_group, UNKNOWN, rejoin_group, is_person=True,
        before=join_by_group),
    Row("another organization's header", name_organization,
        (openai.AuthenticationError, "mismatched_organization", f"OpenAI-Organization {MISMATCH}"),
        name_nothing),
    Row("another project's header", name_project,
        (openai.AuthenticationError, "mismatched_project", f"OpenAI-Project {MISMATCH}"),
        name_nothing),
]


@pytest.fixture(scope="module")
def admin(fresh):
    made = fresh.made
    client = OpenAI(api_key="unused", admin_api_key=made["admin_key"], base_url=made["base_url"])
    return client.admin.organization


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_taken_away_acts_at_once(admin, fresh, row):
    caller = Caller(admin, fresh, row.is_person, **(row.key or {}))
    if row.before:
        row.before(caller)
    caller.ask()
    row.takes(caller)
    error, code, words = row.refusal
    with pytest.raises(error) as caught:
        caller.ask()
    assert type(caught.value) is error
    assert (caught.value.code, caught.value.type) == (code, "invalid_request_error")
    assert words in caught.value.message
    assert caught.value.request_id.startswith("req_")
    if row.gives_back:
        row.gives_back(caller)
        caller.ask()
