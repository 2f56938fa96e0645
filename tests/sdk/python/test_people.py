"""Roles, groups and what they decide, through the official SDK."""

import openai
import pytest
from openai import OpenAI

from people import Person, give_key
from test_models import MESSAGES, MODEL, TEXT


class Bob:
    """A reader of the organization with an admin key and a project key."""

    def __init__(self, installation):
        made = installation.made
        self.base_url = made["base_url"]
        admin = OpenAI(api_key="unused", admin_api_key=made["admin_key"], base_url=self.base_url)
        organization = admin.admin.organization
        self.id = Person.invited(organization, self.base_url, "bob@example.com").id
        self.admin_key = give_key(installation, self.id)
        self.key = give_key(installation, self.id, made["project_id"])

    def client(self):
        return OpenAI(api_key=self.key, admin_api_key=self.admin_key, base_url=self.base_url)


@pytest.fixture(scope="module")
def admin(installation):
    made = installation.made
    client = OpenAI(
        api_key=made["api_key"], admin_api_key=made["admin_key"], base_url=made["base_url"]
    )
    return client.admin.organization


@pytest.fixture(scope="module")
def bob(installation):
    return Bob(installation)


def test_roles_are_made_listed_changed_and_deleted(admin):
    made = [
        admin.roles.create(role_name=f"Role {number}", permissions=["api.groups.read"])
        for number in range(3)
    ]
    assert made[0].object == "role" and made[0].resource_type == "api.organization"
    listed = list(admin.roles.list(limit=2))
    assert [role.name for role in listed] == ["owner", "reader", "Role 0", "Role 1", "Role 2"]
    assert [role.predefined_role for role in listed] == [True, True, False, False, False]
    changed = admin.roles.update(made[0].id, permissions=["api.groups.read", "api.usage.read"])
    assert changed.permissions == ["api.groups.read", "api.usage.read"]
    assert admin.roles.retrieve(made[0].id) == changed
    with pytest.raises(openai.BadRequestError):
        admin.roles.delete(listed[0].id)
    for role in made:
        assert admin.roles.delete(role.id).deleted
    with pytest.raises(openai.NotFoundError):
        admin.roles.retrieve(made[0].id)


def test_groups_their_users_and_roles(admin, bob):
    groups = [admin.groups.create(name=f"Group {number}") for number in range(3)]
    assert [group.name for group in admin.groups.list(limit=1)] == ["Group 0", "Group 1", "Group 2"]
    group = groups[0].id
    assert admin.groups.update(group, name="Operators").name == "Operators"
    added = admin.groups.users.create(group, user_id=bob.id)
    assert (added.object, added.user_id, added.group_id) == ("group.user", bob.id, group)
    assert [user.email for user in admin.groups.users.list(group)] == ["bob@example.com"]
    assert admin.groups.users.retrieve(bob.id, group_id=group).user_type == "user"

    role = admin.roles.create(role_name="Accountant", permissions=["api.usage.read"])
    given = admin.groups.roles.create(group, role_id=role.id)
    assert given.object == "group.role" and given.group.id == group and given.role.id == role.id
    held = {role.name: role for role in admin.users.roles.list(bob.id)}
    assert set(held) == {"reader", "Accountant"}
    source = held["Accountant"].assignment_sources[0]
    assert (source.principal_type, source.principal_id) == ("group", group)
    assert admin.groups.roles.delete(role.id, group_id=group).object == "group.role.deleted"

    given = admin.users.roles.create(bob.id, role_id=role.id)
    assert given.user.id == bob.id and given.role.name == "Accountant"
    assert admin.users.roles.retrieve(role.id, user_id=bob.id).created_by_user_obj is not None
    assert admin.users.roles.delete(role.id, user_id=bob.id).deleted
    admin.roles.delete(role.id)
    assert admin.groups.users.delete(bob.id, group_id=group).object == "group.user.deleted"
    for group in groups:
        assert admin.groups.delete(group.id).object == "group.deleted"


def test_an_admin_key_does_what_its_owner_may(admin, bob):
    theirs = bob.client().admin.organization
    with pytest.raises(openai.PermissionDeniedError) as refused:
        theirs.projects.create(name="Mine")
    assert refused.value.code == "missing_scope"
    assert "Missing scopes: api.organization.projects.write." in refused.value.message
    assert list(theirs.projects.list()) == [], "those that they belong to"
    role = admin.roles.create(
        role_name="Looker", permissions=["api.organization.projects.read"]
    )
    admin.users.roles.create(bob.id, role_id=role.id)
    assert list(theirs.projects.list())
    with pytest.raises(openai.PermissionDeniedError):
        theirs.projects.create(name="Mine")
    admin.roles.delete(role.id)
    assert list(theirs.projects.list()) == []


def test_a_key_works_while_its_owner_may_run_models(admin, bob, installation):
    project = installation.made["project_id"]

    def ask():
        client = bob.client()
        return client.chat.completions.create(model=MODEL, messages=MESSAGES)

    with pytest.raises(openai.AuthenticationError):
        ask()
    roles = {role.name: role.id for role in admin.projects.roles.list(project)}
    assert set(roles) == {"owner", "member", "viewer"}
    group = admin.groups.create(name="Callers")
    admin.groups.users.create(group.id, user_id=bob.id)
    shown = admin.projects.groups.create(project, group_id=group.id, role=roles["viewer"])
    assert shown.object == "project.group" and shown.group_name == "Callers"
    with pytest.raises(openai.PermissionDeniedError) as refused:
        ask()
    assert "Missing scopes: model.request." in refused.value.message
    assert MODEL in [model.id for model in bob.client().models.list()]

    custom = admin.projects.roles.create(
        project, role_name="Caller", permissions=["api.model.request"]
    )
    admin.projects.groups.roles.create(group.id, project_id=project, role_id=custom.id)
    assert ask().choices[0].message.content == TEXT
    admin.projects.roles.update(custom.id, project_id=project, permissions=["api.model.read"])
    with pytest.raises(openai.PermissionDeniedError):
        ask()
    removed = admin.projects.groups.delete(group.id, project_id=project)
    assert removed.object == "project.group.deleted"
    with pytest.raises(openai.AuthenticationError):
        ask()
    admin.groups.delete(group.id)
