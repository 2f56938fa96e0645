"""Every method of the SDK's `admin` resources: each does what it is for, or is refused by name.

Most resources live the same life, so their tests are a table: three are made, listed page by page,
one is looked at and changed, all are deleted, and the audit log tells it. What the SDK calls is
noted; the last test compares that with what the SDK has, so a method that a later version adds is
missed here until it is tried.
"""

import inspect
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field

import openai
import pytest
from openai import OpenAI
from openai._resource import SyncAPIResource

from installation import Installation
from people import Person
from test_models import MESSAGES, MODEL, TEXT

MONTHLY = {"currency": "USD", "interval": "month"}
CHANNEL = {"type": "email", "recipients": ["ada@example.com"], "subject_prefix": "Money"}

# What Farebox does not do, and says so: the reason is in crates/control/src/fallback.rs.
REFUSED = {
    "certificates": "client certificates are the proxy's",
    "projects.certificates": "client certificates are the proxy's",
    "external_keys": "no prompts are kept, so there is nothing to encrypt",
    "external_storage": "no files are kept",
    "workload_identity_providers": "service accounts have keys",
    "workload_identity_providers.federation_rules": "service accounts have keys",
}


def methods(resource, way=()):
    """Every method below a resource, as the way to it."""
    for name in dir(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        member = getattr(resource, name)
        if isinstance(member, SyncAPIResource):
            yield from methods(member, (*way, name))
        elif callable(member):
            yield ".".join((*way, name))


class Noting:
    """Stands before a resource, and notes which of its methods answered."""

    def __init__(self, resource, answered, way=()):
        self._resource, self._answered, self._way = resource, answered, way

    def __getattr__(self, name):
        member, way = getattr(self._resource, name), (*self._way, name)
        if isinstance(member, SyncAPIResource):
            return Noting(member, self._answered, way)

        def call(*arguments, **named):
            answer = member(*arguments, **named)
            self._answered.add(".".join(way))
            return answer

        return call

    def of(self, resource):
        """The same notes about another client."""
        return Noting(resource, self._answered)


@pytest.fixture(scope="module")
def answered():
    return set()


@pytest.fixture(scope="module")
def organization(fresh, answered):
    made = fresh.made
    client = OpenAI(
        api_key="unused",
        admin_api_key=made["admin_key"],
        base_url=made["base_url"],
        max_retries=0,
    )
    return Noting(client.admin.organization, answered)


class World:
    """What the lives below take place in: three people, groups and roles of each kind."""

    def __init__(self, organization, base_url):
        self.organization, self.base_url = organization, base_url
        projects = organization.projects
        self.project, self.other = [projects.create(name="Every method").id for _ in range(2)]
        self.people, self.groups, self.roles, self.project_roles = [], [], [], []
        for number in range(3):
            email = f"every-{number}@example.com"
            self.people.append(Person.invited(organization, base_url, email).id)
            member = {"user_id": self.people[-1], "role": "member"}
            projects.users.create(self.project, **member)
            self.groups.append(organization.groups.create(name=f"Every {number}").id)
            reads = role(f"Every {number}", "api.usage.read")
            self.roles.append(organization.roles.create(**reads).id)
            calls = role(f"Every {number}", "api.model.request")
            self.project_roles.append(projects.roles.create(self.project, **calls).id)

    def caller(self, project=None):
        """A client with the key of a new service account."""
        accounts = self.organization.projects.service_accounts
        key = accounts.create(project or self.project, name="caller").api_key.value
        return OpenAI(api_key=key, base_url=self.base_url, max_retries=0)

    def entries(self):
        """What the audit log tells, newest first, as pairs of id and type; fifty at a time."""
        return [(entry.id, entry.type) for entry in self.organization.audit_logs.list(limit=50)]


@pytest.fixture(scope="module")
def world(organization, fresh):
    return World(organization, fresh.made["base_url"])


def ask(client):
    return client.chat.completions.create(model=MODEL, messages=MESSAGES).choices[0].message.content


def role(name, permission):
    return {"role_name": name, "permissions": [permission]}


def alert(_world, _number):
    return {"threshold_amount": 100, "notification_channel": CHANNEL, **MONTHLY}


def own_id(thing):
    return thing.id


def role_id(thing):
    """Of a role that is listed, or of an assignment that was made."""
    return thing.role.id if hasattr(thing, "role") else thing.id


@dataclass
class Life:
    """How the things of one resource live."""

    resource: str
    # What names one of them, in the SDK's methods.
    name: str
    # What the n-th is made of.
    made_of: callable
    # What the audit log tells: that one was made, changed, and ended.
    told: tuple
    # Where it is: members of every call.
    where: callable = lambda world: {}
    # What is changed, and to be seen afterwards.
    changes: dict = field(default_factory=dict)
    id: callable = own_id
    ends: str = "delete"


def in_project(world):
    return {"project_id": world.project}


def told(what, made="created", ended="deleted"):
    return (f"{what}.{made}", f"{what}.updated", f"{what}.{ended}")


ASSIGNED = told("role.assignment")
LIVES = [
    Life("admin_api_keys", "key_id", lambda w, n: {"name": f"Key {n}"}, told("api_key")),
    Life("invites", "invite_id",
         lambda w, n: {"email": f"life-{n}@example.com", "role": "reader"},
         told("invite", "sent")),
    Life("roles", "role_id", lambda w, n: role(f"Life {n}", "api.usage.read"), told("role"),
         changes={"description": "Reads usage"}),
    Life("groups", "group_id", lambda w, n: {"name": f"Life {n}"}, told("group"),
         changes={"name": "Renamed"}),
    Life("groups.users", "user_id", lambda w, n: {"user_id": w.people[n]},
         told("group.member", "added", "removed"), where=lambda w: {"group_id": w.groups[0]},
         id=lambda it: it.user_id if hasattr(it, "user_id") else it.id),
    Life("groups.roles", "role_id", lambda w, n: {"role_id": w.roles[n]}, ASSIGNED,
         where=lambda w: {"group_id": w.groups[0]}, id=role_id),
    Life("users.roles", "role_id", lambda w, n: {"role_id": w.roles[n]}, ASSIGNED,
         where=lambda w: {"user_id": w.people[0]}, id=role_id),
    Life("spend_alerts", "alert_id", alert, told("farebox.spend_alert"),
         changes=alert(None, 0) | {"threshold_amount": 5}),
    Life("projects", "project_id", lambda w, n: {"name": f"Life {n}"},
         told("project", ended="archived"), changes={"name": "Renamed"}, ends="archive"),
    Life("projects.service_accounts", "service_account_id", lambda w, n: {"name": f"Life {n}"},
         told("service_account"), where=in_project, changes={"name": "Renamed"}),
    Life("projects.users", "user_id", lambda w, n: {"user_id": w.people[n], "role": "member"},
         told("user", "added"), where=lambda w: {"project_id": w.other},
         changes={"role": "owner"}),
    Life("projects.users.roles", "role_id", lambda w, n: {"role_id": w.project_roles[n]}, ASSIGNED,
         where=lambda w: {"project_id": w.project, "user_id": w.people[1]}, id=role_id),
    Life("projects.groups", "group_id",
         lambda w, n: {"group_id": w.groups[n], "role": w.project_roles[0]}, ASSIGNED,
         where=in_project, id=lambda it: it.group_id),
    Life("projects.groups.roles", "role_id", lambda w, n: {"role_id": w.project_roles[n]}, ASSIGNED,
         where=lambda w: {"project_id": w.project, "group_id": w.groups[1]}, id=role_id),
    Life("projects.roles", "role_id", lambda w, n: role(f"Life {n}", "api.model.request"),
         told("role"), where=in_project, changes={"description": "Calls models"}),
    Life("projects.spend_alerts", "alert_id", alert, told("farebox.spend_alert"),
         where=in_project, changes=alert(None, 0) | {"threshold_amount": 5}),
]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.resource)
def test_a_life(world, life):
    resource, where = world.organization, life.where(world)
    for part in life.resource.split("."):
        resource = getattr(resource, part)
    last, _ = world.entries()[0]
    has_update = hasattr(resource, "update") and life.changes

    ids = [life.id(resource.create(**life.made_of(world, n), **where)) for n in range(3)]
    pages = list(resource.list(limit=2, **where).iter_pages())
    assert len(pages) > 1, "three do not fit on a page of two"
    listed = [life.id(thing) for page in pages for thing in page.data]
    assert len(set(listed)) == len(listed) and set(ids) <= set(listed)
    first = {life.name: ids[0], **where}
    if has_update:
        resource.update(**first, **life.changes)
    shown = resource.retrieve(**first)
    assert life.id(shown) == ids[0]
    for name, value in life.changes.items():
        changed = getattr(shown, name)
        assert (changed.to_dict() if hasattr(changed, "to_dict") else changed) == value
    for each in ids:
        ended = getattr(resource, life.ends)(**{life.name: each}, **where)
        assert getattr(ended, "deleted", None) or ended.status == "archived"
    if life.ends == "delete":
        with pytest.raises(openai.NotFoundError):
            resource.retrieve(**first)

    entries = itertools.takewhile(lambda entry: entry[0] != last, world.entries())
    done = Counter(kind for _, kind in entries if kind in life.told)
    made, changed, deleted = life.told
    assert done == Counter({made: 3, deleted: 3} | ({changed: 1} if has_update else {}))


def test_users_of_the_organization(world):
    users = world.organization.users
    listed = [user.id for user in users.list(limit=2)]
    assert set(world.people) <= set(listed) and len(set(listed)) == len(listed)
    person = Person.invited(world.organization, world.base_url, "leaves@example.com").id
    assert users.update(person, role="owner").role == "owner"
    assert users.retrieve(person).role == "owner"
    assert users.delete(person).deleted
    with pytest.raises(openai.NotFoundError):
        users.retrieve(person)
    told = world.organization.audit_logs.list(resource_ids=[person], limit=2)
    kinds = [entry.type for entry in told]
    assert kinds[0] == "user.deleted" and "user.updated" in kinds


def test_keys_of_a_project(world):
    projects = world.organization.projects
    accounts, keys = projects.service_accounts, projects.api_keys
    account = accounts.create(world.other, name="keys", create_service_account_only=True)
    assert account.api_key is None and account.role == "none"
    made = [
        accounts.api_keys.create(account.id, project_id=world.other, name=f"key {n}")
        for n in range(3)
    ]
    client = OpenAI(api_key=made[0].value, base_url=world.base_url, max_retries=0)
    with pytest.raises(openai.PermissionDeniedError):
        ask(client)
    accounts.update(account.id, project_id=world.other, role="member")
    assert ask(client) == TEXT
    listed = [key.id for key in keys.list(world.other, limit=2)]
    assert {key.id for key in made} <= set(listed)
    first = {"api_key_id": made[0].id, "project_id": world.other}
    keys.update(**first, scopes=["api.model.read"])
    with pytest.raises(openai.PermissionDeniedError):
        ask(client)
    assert keys.retrieve(**first).owner.service_account.id == account.id
    assert keys.delete(**first).deleted
    with pytest.raises(openai.AuthenticationError):
        ask(client)
    # The account and its other keys go on until it is deleted.
    another = OpenAI(api_key=made[1].value, base_url=world.base_url, max_retries=0)
    assert ask(another) == TEXT
    assert accounts.delete(account.id, project_id=world.other).deleted
    with pytest.raises(openai.AuthenticationError):
        ask(another)
    told = [entry.type for entry in world.organization.audit_logs.list(resource_ids=[made[0].id])]
    assert told[::-1] == ["api_key.created", "api_key.updated", "api_key.deleted"]


def test_a_persons_key(world):
    spare = Installation("1")
    try:
        made = spare.made
        client = OpenAI(
            api_key=made["api_key"], admin_api_key=made["admin_key"], base_url=made["base_url"]
        )
        keys = world.organization.of(client.admin.organization).projects.api_keys
        [key] = keys.list(made["project_id"])
        assert keys.delete(key.id, project_id=made["project_id"]).deleted
        with pytest.raises(openai.AuthenticationError):
            ask(client)
    finally:
        spare.close()


def test_model_permissions(world):
    permissions = world.organization.projects.model_permissions
    client = world.caller()
    permissions.update(world.project, mode="deny_list", model_ids=[MODEL])
    assert permissions.retrieve(world.project).mode == "deny_list"
    with pytest.raises(openai.PermissionDeniedError):
        ask(client)
    assert permissions.delete(world.project).deleted
    assert ask(client) == TEXT


def test_rate_limits(world):
    limits, client = world.organization.projects.rate_limits, world.caller(world.other)
    assert f"rl-{MODEL}" in [row.id for row in limits.list_rate_limits(world.other, limit=1)]
    one = {"project_id": world.other, "max_requests_per_1_minute": 1}
    assert limits.update_rate_limit(f"rl-{MODEL}", **one).max_requests_per_1_minute == 1
    with pytest.raises(openai.RateLimitError):
        [ask(client) for _ in range(2)]


@pytest.mark.parametrize("of_project", [True, False], ids=["project", "organization"])
def test_spend_limits(world, of_project):
    client = world.caller()
    of = world.organization.projects if of_project else world.organization
    where = in_project(world) if of_project else {}
    assert of.spend_limit.update(threshold_amount=1, **MONTHLY, **where).threshold_amount == 1
    # The longest answer costs $0.0098: a cent pays for one choice of it, not for two.
    dear = {"model": MODEL, "messages": MESSAGES, "max_tokens": 16_384, "n": 2}
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**dear)
    assert of.spend_limit.retrieve(**where).enforcement.status == "enforcing"
    assert of.spend_limit.delete(**where).deleted
    assert client.chat.completions.create(**dear).choices[0].message.content == TEXT


def test_settings_that_are_what_they_are(world):
    retention = {"retention_type": "zero_data_retention"}
    projects, here = world.organization.projects, in_project(world)
    for settings, where in [(world.organization, {}), (projects, here)]:
        assert settings.data_retention.update(**retention, **where).type == "zero_data_retention"
        assert settings.data_retention.retrieve(**where).type == "zero_data_retention"
    assert projects.service_tier_settings.update(**here, enabled_tiers="all").enabled_tiers == "all"
    assert projects.service_tier_settings.retrieve(**here).default == "standard"
    assert projects.hosted_tool_permissions.update(**here, mcp={"enabled": True}).mcp.enabled
    assert projects.hosted_tool_permissions.retrieve(**here).web_search.enabled


def test_usage_and_costs(world):
    ask(world.caller(world.project))
    usage, start = world.organization.usage, int(time.time()) - 3 * 86_400
    for kind in [name for name in methods(usage._resource)]:
        where = {"start_time": start, "project_ids": [world.project], "limit": 1}
        buckets, page = [], {}
        while page is not None:
            answer = getattr(usage, kind)(**where, **page)
            buckets += answer.data
            page = {"page": answer.next_page} if answer.has_more else None
        assert len(buckets) == 4, "three days and today, one a page"
        assert bool(buckets[-1].results) == (kind in ["completions", "costs"])


@pytest.mark.parametrize("resource", REFUSED)
def test_what_is_refused_says_so(organization, answered, resource):
    found = organization._resource
    for part in resource.split("."):
        found = getattr(found, part)
    for method in [name for name in methods(found) if "." not in name]:
        call = getattr(found, method)
        names = [name for name in inspect.signature(call).parameters if name != "timeout"]
        with pytest.raises(openai.BadRequestError) as caught:
            list(call(**{name: "x" for name in names if not name.startswith("extra_")}))
        assert caught.value.code == "not_supported", f"{resource}.{method}"
        answered.add(f"{resource}.{method}")


def test_nothing_of_the_sdk_was_left_out(organization, answered):
    missing = set(methods(organization._resource)) - answered
    assert not missing, "run the whole file; if this stays, the SDK has more than is tried above"
