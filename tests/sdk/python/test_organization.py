"""People, keys, invites, settings and the audit log of an organization, through the official SDK."""

import time

import openai
import pytest
from openai import OpenAI

from test_models import MESSAGES, MODEL, TEXT

EMAIL = "ada@example.com"


def administer(installation, key=None):
    made = installation.made
    key = key or made["admin_key"]
    return OpenAI(
        api_key="unused", admin_api_key=key, base_url=made["base_url"], max_retries=0
    ).admin.organization


@pytest.fixture(scope="module")
def organization(installation):
    return administer(installation)


@pytest.fixture
def project(organization):
    return organization.projects.create(name="Organization").id


def kinds(organization, resource, **filters):
    """What was done to a resource, oldest first; two entries at a time."""
    entries = organization.audit_logs.list(resource_ids=[resource], limit=2, **filters)
    return [entry.type for entry in entries][::-1]


def test_admin_keys(organization, installation):
    made = organization.admin_api_keys.create(name="Terraform", expires_in_seconds=3_600)
    assert made.value.startswith("sk-admin-fare") and made.owner.role == "owner"
    mine = administer(installation, made.value)
    assert made.id in [key.id for key in mine.admin_api_keys.list(limit=1, order="desc")]
    assert mine.admin_api_keys.retrieve(made.id).redacted_value == made.redacted_value
    assert mine.admin_api_keys.delete(made.id).deleted
    with pytest.raises(openai.AuthenticationError):
        mine.admin_api_keys.list()
    assert kinds(organization, made.id) == ["api_key.created", "api_key.deleted"]


def test_users(organization, installation):
    user = installation.made["user_id"]
    [found] = organization.users.list(emails=[EMAIL])
    assert found.id == user and found.role == "owner" and found.user.email == EMAIL
    assert list(organization.users.list(emails=["nobody@example.com"])) == []
    assert organization.users.retrieve(user).added_at <= time.time()
    assert organization.users.update(user, role="owner").role == "owner"
    for refused in [
        lambda: organization.users.update(user, role="reader"),
        lambda: organization.users.delete(user),
    ]:
        with pytest.raises(openai.BadRequestError) as caught:
            refused()
        assert caught.value.code == "last_owner"


def test_project_users(organization, installation, project):
    user, users = installation.made["user_id"], organization.projects.users
    added = users.create(project, email=EMAIL, role="member")
    assert added.id == user and added.role == "member"
    assert [member.id for member in users.list(project)] == [user]
    assert users.update(user, project_id=project, role="owner").role == "owner"
    assert users.retrieve(user, project_id=project).email == EMAIL
    [shown] = organization.users.retrieve(user).projects.data
    assert (shown.id, shown.role) == (project, "owner")
    assert users.delete(user, project_id=project).deleted
    with pytest.raises(openai.NotFoundError):
        users.retrieve(user, project_id=project)
    done = kinds(organization, user, project_ids=[project])
    assert done == ["user.added", "user.updated", "user.deleted"]
    with pytest.raises(openai.BadRequestError):
        users.create(installation.made["project_id"], user_id=user, role="member")


def test_invites(organization, project):
    into = [{"id": project, "role": "member"}]
    made = organization.invites.create(email="grace@example.com", role="reader", projects=into)
    assert made.status == "pending" and made.projects[0].id == project
    other = organization.invites.create(email="joe@example.com", role="owner")
    listed = [invite.id for invite in organization.invites.list(limit=1)]
    assert listed.index(made.id) < listed.index(other.id)
    assert organization.invites.retrieve(made.id).expires_at > time.time()
    for invite in [made, other]:
        assert organization.invites.delete(invite.id).deleted
    assert kinds(organization, made.id) == ["invite.sent", "invite.deleted"]


def test_model_permissions(organization, installation, project):
    account = organization.projects.service_accounts.create(project, name="bot")
    key, url = account.api_key.value, installation.made["base_url"]
    client = OpenAI(api_key=key, base_url=url, max_retries=0)
    permissions = organization.projects.model_permissions
    ask = lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES)  # noqa: E731
    listed = lambda: MODEL in [model.id for model in client.models.list()]  # noqa: E731
    with pytest.raises(openai.NotFoundError):
        permissions.retrieve(project)
    denied = permissions.update(project, mode="deny_list", model_ids=[MODEL])
    assert denied.mode == "deny_list" and denied.api_model_ids == [MODEL]
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ask()
    assert caught.value.code == "model_not_found" and not listed()
    permissions.update(project, mode="allow_list", model_ids=[MODEL])
    assert ask().choices[0].message.content == TEXT and listed()
    permissions.update(project, mode="allow_list", model_ids=[])
    with pytest.raises(openai.PermissionDeniedError):
        ask()
    assert permissions.delete(project).deleted
    assert ask().choices[0].message.content == TEXT
    done = ["model_permissions.updated"] * 3 + ["model_permissions.deleted"]
    assert [kind for kind in kinds(organization, project) if "permissions" in kind] == done


def test_spend_alerts(organization, project):
    terms = {"currency": "USD", "interval": "month"}
    channel = {"type": "email", "recipients": [EMAIL], "subject_prefix": "Money"}
    for alerts, where in [
        (organization.spend_alerts, {}),
        (organization.projects.spend_alerts, {"project_id": project}),
    ]:
        ids = []
        for cents in [100, 200, 300]:
            made = alerts.create(
                threshold_amount=cents, notification_channel=channel, **terms, **where
            )
            assert made.notification_channel.recipients == [EMAIL]
            ids.append(made.id)
        assert [alert.id for alert in alerts.list(limit=2, **where)] == ids
        changed = alerts.update(
            ids[0], threshold_amount=0, notification_channel=channel, **terms, **where
        )
        assert alerts.retrieve(ids[0], **where) == changed
        for alert in ids:
            assert alerts.delete(alert, **where).deleted
        assert list(alerts.list(**where)) == []
        done = ["created", "updated", "deleted"]
        assert kinds(organization, ids[0]) == [f"farebox.spend_alert.{it}" for it in done]


def test_settings(organization, project):
    zero = "zero_data_retention"
    assert organization.data_retention.retrieve().type == zero
    assert organization.data_retention.update(retention_type=zero).type == zero
    projects = organization.projects
    assert projects.data_retention.retrieve(project).type == zero
    with pytest.raises(openai.BadRequestError):
        projects.data_retention.update(project, retention_type="modified_abuse_monitoring")
    assert projects.service_tier_settings.retrieve(project).enabled_tiers == "all"
    assert projects.hosted_tool_permissions.retrieve(project).web_search.enabled
    with pytest.raises(openai.BadRequestError):
        projects.hosted_tool_permissions.update(project, mcp={"enabled": False})
    with pytest.raises(openai.BadRequestError) as caught:
        organization.certificates.list()
    assert caught.value.code == "not_supported"


def test_usage_of_every_kind(organization, installation, project):
    account = organization.projects.service_accounts.create(project, name="bot")
    client = OpenAI(api_key=account.api_key.value, base_url=installation.made["base_url"])
    client.chat.completions.create(model=MODEL, messages=MESSAGES)
    usage, start = organization.usage, int(time.time()) - 86_400
    by_all = ["project_id", "user_id", "api_key_id", "model", "batch", "service_tier"]
    page = usage.completions(start_time=start, project_ids=[project], group_by=by_all)
    [result] = [result for bucket in page.data for result in bucket.results]
    assert result.project_id == project and result.model == MODEL and result.batch is False
    assert result.input_text_tokens == result.input_tokens > 0 and result.num_model_requests == 1
    for kind in [
        usage.moderations,
        usage.images,
        usage.audio_speeches,
        usage.audio_transcriptions,
        usage.vector_stores,
        usage.code_interpreter_sessions,
        usage.file_search_calls,
        usage.web_search_calls,
        usage.decisions,
    ]:
        buckets = kind(start_time=start).data
        assert buckets and not any(bucket.results for bucket in buckets)

    def costs(**asked):
        page = usage.costs(start_time=start, project_ids=[project], **asked)
        return [result for bucket in page.data for result in bucket.results]

    lines = costs(group_by=["line_item"])
    assert {line.line_item for line in lines} == {f"{MODEL}, input", f"{MODEL}, output"}
    assert all(line.quantity > 0 and line.quantity_unit == "tokens" for line in lines)
    [whole] = costs()
    assert whole.amount.value == pytest.approx(sum(line.amount.value for line in lines))
    [output] = costs(line_items=[f"{MODEL}, output"])
    assert output.amount.value < whole.amount.value


def test_the_audit_log_says_who_and_where(organization, installation, project):
    [entry] = organization.audit_logs.list(
        event_types=["project.created"], resource_ids=[project], actor_emails=[EMAIL]
    )
    assert entry.project.id == project and entry.project_created.data.name == "Organization"
    actor = entry.actor.api_key
    assert (actor.type, actor.user.id) == ("user", installation.made["user_id"])
    now = entry.effective_at
    same = organization.audit_logs.list(
        effective_at={"gte": now, "lte": now}, project_ids=[project], actor_ids=[actor.id]
    )
    assert entry.id in [found.id for found in same]
    later = organization.audit_logs.list(effective_at={"gt": now + 3_600})
    assert list(later) == []
