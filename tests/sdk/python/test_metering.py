"""Usage and costs of a project add up to what was called with its key, and to nothing else."""

import time
import uuid

import openai
import pytest
from mock_upstream import USAGE
from openai import OpenAI

from test_models import MESSAGES, MODEL

DAY_S = 86_400
COST_USD = (9 * 0.15 + 4 * 0.60) / 1_000_000
# Usage is promised within five seconds; the rest is for a busy machine.
PATIENCE_S = 30


@pytest.fixture(scope="module")
def admin(installation):
    made = installation.made
    return OpenAI(
        api_key="unused", admin_api_key=made["admin_key"], base_url=made["base_url"]
    ).admin.organization


def today():
    now = int(time.time())
    return now - now % DAY_S


def rows(page):
    assert page.object == "page"
    return [row for bucket in page.data for row in bucket.results]


def eventually(read, done):
    """What `read` says as soon as it is `done`."""
    deadline = time.monotonic() + PATIENCE_S
    value = read()
    while not done(value) and time.monotonic() < deadline:
        time.sleep(0.2)
        value = read()
    assert done(value), value
    return value


def test_usage_and_costs_add_up(admin, installation):
    start = today()
    project = admin.projects.create(name=f"Metered {uuid.uuid4()}")
    account = admin.projects.service_accounts.create(project.id, name="meter")
    client = OpenAI(api_key=account.api_key.value, base_url=installation.made["base_url"])
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
    list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    client.responses.create(model=MODEL, input="Hello World")
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)

    def read_usage():
        groups = ["model", "project_id"]
        return rows(
            admin.usage.completions(
                start_time=start, bucket_width="1d", group_by=groups, project_ids=[project.id]
            )
        )

    usage = eventually(read_usage, lambda rows: sum(r.num_model_requests for r in rows) == 3)
    assert {(row.model, row.project_id) for row in usage} == {(MODEL, project.id)}
    assert sum(row.input_tokens for row in usage) == 3 * USAGE["prompt_tokens"]
    assert sum(row.output_tokens for row in usage) == 3 * USAGE["completion_tokens"]
    assert all(row.api_key_id is None for row in usage), "not asked for, so null"

    costs = rows(
        admin.usage.costs(
            start_time=start, group_by=["project_id", "line_item"], project_ids=[project.id]
        )
    )
    assert sum(row.amount.value for row in costs) == pytest.approx(3 * COST_USD)
    assert {(row.project_id, row.amount.currency) for row in costs} == {(project.id, "usd")}


def test_empty_buckets_are_listed(admin):
    start = today() - 2 * DAY_S
    page = admin.usage.completions(start_time=start, bucket_width="1d", limit=3)
    assert [bucket.start_time for bucket in page.data] == [start + n * DAY_S for n in range(3)]
    assert page.data[0].results == []


def test_a_bad_limit_names_itself(admin):
    with pytest.raises(openai.BadRequestError) as caught:
        admin.projects.list(limit=0)
    assert caught.value.param == "limit"
