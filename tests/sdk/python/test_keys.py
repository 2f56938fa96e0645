"""Keys: listed without their secrets, refused as soon as they are deleted."""

import uuid

import openai
import pytest
from installation import Installation
from openai import OpenAI

from test_models import MESSAGES, MODEL, TEXT


def administration(installation):
    made = installation.made
    return OpenAI(
        api_key="unused", admin_api_key=made["admin_key"], base_url=made["base_url"]
    ).admin.organization.projects


@pytest.fixture
def spare():
    """An installation that may lose its only key."""
    running = Installation("1")
    yield running
    running.close()


def test_keys_are_listed_without_their_secrets(installation):
    projects = administration(installation)
    project = projects.create(name=f"Keys {uuid.uuid4()}")
    account = projects.service_accounts.create(project.id, name="ci")
    secret = account.api_key.value
    assert secret.startswith("sk-svcacct-fare")
    [key] = projects.api_keys.list(project.id)
    assert key.id == account.api_key.id
    assert key.redacted_value.endswith(secret[-4:])
    assert secret not in key.model_dump_json()
    assert projects.api_keys.delete(key.id, project_id=project.id).deleted
    assert list(projects.api_keys.list(project.id)) == []


def test_a_deleted_key_is_refused_at_once(spare):
    made = spare.made
    client = OpenAI(api_key=made["api_key"], base_url=made["base_url"])
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == TEXT
    keys = administration(spare).api_keys
    [key] = keys.list(made["project_id"])
    assert key.owner.type == "user"
    assert keys.delete(key.id, project_id=made["project_id"]).deleted
    with pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert caught.value.code == "invalid_api_key"


@pytest.fixture
def people_keys(installation):
    """Calls what the console calls about people's keys."""
    made = installation.made
    # The SDK's own way to endpoints that it has no methods for.
    root = OpenAI(api_key=made["admin_key"], base_url=made["base_url"].removesuffix("/v1"))
    path = f"/api/projects/{made['project_id']}/keys"

    def post(below="", **body):
        return root.post(path + below, body=body, cast_to=object)

    return post


def test_a_restricted_key_is_refused_by_name(installation, people_keys):
    made = people_keys(
        name="CI",
        permissions="restricted",
        resources={"models": "read", "chat_completions": "request"},
        models=[MODEL],
    )
    client = OpenAI(api_key=made["value"], base_url=installation.made["base_url"])
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == TEXT
    assert [model.id for model in client.models.list()] == [MODEL]
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.responses.create(model=MODEL, input="Hi")
    assert caught.value.code == "missing_scope"
    assert "Missing scopes: api.responses.write" in str(caught.value)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model="gpt-native", messages=MESSAGES)
    assert caught.value.code == "model_not_found"
    people_keys(f"/{made['id']}", permissions="read_only")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert "Missing scopes: model.request" in str(caught.value)
    people_keys(f"/{made['id']}", ip_ranges=["203.0.113.0/24"])
    with pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert caught.value.code == "ip_not_authorized"


def test_a_rotated_key_works_with_both_secrets_until_the_grace_ends(installation, people_keys):
    made = people_keys(name="Rotated")
    rotated = people_keys(f"/{made['id']}/rotate")
    assert rotated["id"] == made["id"]
    base_url = installation.made["base_url"]
    for key in (made, rotated):
        assert OpenAI(api_key=key["value"], base_url=base_url).models.list().data
    people_keys(f"/{made['id']}/rotate", grace_seconds=0)
    for key in (made, rotated):
        with pytest.raises(openai.AuthenticationError) as caught:
            OpenAI(api_key=key["value"], base_url=base_url).models.list()
        assert caught.value.code == "invalid_api_key"
