"""The Administration API through the official SDK."""

import time

import openai
import pytest
from openai import OpenAI

from test_models import MESSAGES, MODEL, TEXT


@pytest.fixture(scope="module")
def admin(installation):
    made = installation.made
    return OpenAI(
        api_key=made["api_key"], admin_api_key=made["admin_key"], base_url=made["base_url"]
    ).admin.organization


def test_projects(admin):
    made = admin.projects.create(name="Search")
    assert made.object == "organization.project" and made.status == "active"
    assert made.id in [project.id for project in admin.projects.list(limit=1)]
    assert admin.projects.archive(made.id).status == "archived"


def test_a_service_accounts_key_works_until_it_is_deleted(admin, installation):
    project = installation.made["project_id"]
    account = admin.projects.service_accounts.create(project, name="bot")
    client = OpenAI(api_key=account.api_key.value, base_url=installation.made["base_url"])
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert answer.choices[0].message.content == TEXT
    keys = list(admin.projects.api_keys.list(project))
    assert {"user", "service_account"} == {key.owner.type for key in keys}
    admin.projects.service_accounts.delete(account.id, project_id=project)
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


def test_usage_and_costs(admin, installation):
    client = OpenAI(api_key=installation.made["api_key"], base_url=installation.made["base_url"])
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
    start = int(time.time()) - 86_400
    usage = admin.usage.completions(start_time=start, group_by=["model", "project_id"])
    results = [result for bucket in usage.data for result in bucket.results]
    assert results[-1].model == MODEL and results[-1].num_model_requests > 0
    costs = admin.usage.costs(start_time=start, group_by=["line_item"])
    items = {result.line_item for bucket in costs.data for result in bucket.results}
    assert {f"{MODEL}, input", f"{MODEL}, output"} <= items


def test_a_data_key_does_not_administer(installation):
    made = installation.made
    client = OpenAI(
        api_key=made["api_key"], admin_api_key=made["api_key"], base_url=made["base_url"]
    )
    with pytest.raises(openai.AuthenticationError):
        client.admin.organization.projects.list()
