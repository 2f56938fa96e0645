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
    # As OpenAI has it: this key goes with its service account.
    with pytest.raises(openai.BadRequestError):
        projects.api_keys.delete(key.id, project_id=project.id)


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
