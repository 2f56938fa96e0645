"""Spend limits and rate limits: administered through the SDK, met by traffic through it."""

import uuid

import openai
import pytest
from openai import OpenAI

from test_models import MESSAGES, MODEL, TEXT
from test_refusals import Counting

MONTHLY = {"currency": "USD", "interval": "month"}
# The longest answer of the model costs $0.0098: one cent pays for one choice of it, not for two.
MOST_TOKENS = 16_384


@pytest.fixture(scope="module")
def organization(installation):
    made = installation.made
    return OpenAI(
        api_key="unused", admin_api_key=made["admin_key"], base_url=made["base_url"]
    ).admin.organization


@pytest.fixture
def caller(organization, installation):
    """A new project's id, and a client with a key of it that counts what it sends."""
    project = organization.projects.create(name=f"Limits {uuid.uuid4()}")
    account = organization.projects.service_accounts.create(project.id, name="bot")
    return project.id, Counting(installation.made, api_key=account.api_key.value)


def ask(counting, **options):
    return counting.client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)


def refused(counting, code, **options):
    """The exception of a request that is refused, having been sent just once."""
    sent = counting.sent
    with pytest.raises(openai.RateLimitError) as caught:
        ask(counting, **options)
    assert counting.sent == sent + 1, "it is not repeated"
    assert caught.value.code == code
    return caught.value


def test_a_projects_spend_limit(organization, caller):
    project, counting = caller
    limits = organization.projects.spend_limit
    with pytest.raises(openai.NotFoundError):
        limits.retrieve(project)
    limit = limits.update(project, threshold_amount=1, **MONTHLY)
    assert limit.object == "project.spend_limit"
    assert (limit.threshold_amount, limit.currency, limit.interval) == (1, "USD", "month")
    assert limit.enforcement.status == "inactive"
    assert limits.retrieve(project) == limit

    error = refused(counting, "project_spend_limit_exceeded", max_tokens=MOST_TOKENS, n=2)
    assert error.type == "insufficient_quota"
    assert limits.retrieve(project).enforcement.status == "enforcing"
    assert ask(counting, max_tokens=MOST_TOKENS).choices[0].message.content == TEXT
    assert limits.retrieve(project).enforcement.status == "inactive", "that one had room"

    limits.update(project, threshold_amount=10_000, **MONTHLY)
    ask(counting, max_tokens=MOST_TOKENS, n=2)
    gone = limits.delete(project)
    assert (gone.object, gone.deleted) == ("project.spend_limit.deleted", True)
    with pytest.raises(openai.NotFoundError):
        limits.delete(project)


def test_the_organizations_spend_limit(organization, caller):
    _, counting = caller
    limits = organization.spend_limit
    limit = limits.update(threshold_amount=1, **MONTHLY)
    try:
        assert limit.object == "organization.spend_limit"
        refused(counting, "organization_spend_limit_exceeded", max_tokens=MOST_TOKENS, n=2)
        assert limits.update(threshold_amount=500, **MONTHLY).threshold_amount == 500
        ask(counting, max_tokens=MOST_TOKENS, n=2)
    finally:
        gone = limits.delete()
    assert (gone.object, gone.deleted) == ("organization.spend_limit.deleted", True)
    with pytest.raises(openai.NotFoundError):
        limits.retrieve()


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"threshold_amount": 0}, "threshold_amount"),
        ({"threshold_amount": 10.5}, "threshold_amount"),
        ({"currency": "EUR"}, "currency"),
        ({"interval": "week"}, "interval"),
    ],
)
def test_what_is_no_spend_limit_names_its_field(organization, changes, param):
    limit = {"threshold_amount": 100} | MONTHLY | changes
    with pytest.raises(openai.BadRequestError) as caught:
        organization.spend_limit.update(**limit)
    assert caught.value.param == param


def test_rate_limits(organization, caller):
    project, counting = caller
    limits = organization.projects.rate_limits
    rows = {row.model: row for row in limits.list_rate_limits(project, limit=1)}
    row = rows[MODEL]
    assert (row.id, row.object) == (f"rl-{MODEL}", "project.rate_limit")
    assert row.max_images_per_1_minute is None

    ask(counting)
    changed = limits.update_rate_limit(row.id, project_id=project, max_requests_per_1_minute=1)
    assert changed.max_requests_per_1_minute == 1
    assert changed.max_tokens_per_1_minute == row.max_tokens_per_1_minute
    # Not repeated here, so as not to wait; it may be, and says when.
    impatient = counting.client.with_options(max_retries=0)
    with pytest.raises(openai.RateLimitError) as caught:
        for _ in range(3):
            impatient.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
    headers = caught.value.response.headers
    assert headers["x-ratelimit-limit-requests"] == "1"
    assert 0 < float(headers["retry-after-ms"]) <= 60_000
    assert "x-should-retry" not in headers

    with pytest.raises(openai.BadRequestError) as caught:
        above = row.max_requests_per_1_minute + 1
        limits.update_rate_limit(row.id, project_id=project, max_requests_per_1_minute=above)
    assert caught.value.param == "max_requests_per_1_minute"
    with pytest.raises(openai.BadRequestError) as caught:
        limits.update_rate_limit(row.id, project_id=project, max_images_per_1_minute=1)
    assert caught.value.code == "unsupported_parameter"
    with pytest.raises(openai.NotFoundError):
        limits.update_rate_limit("rl-no/such/model", project_id=project)
