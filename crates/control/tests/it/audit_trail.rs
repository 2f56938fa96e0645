//! Whatever changes something leaves an entry in the audit log: every route is tried, and one that
//! this test does not know fails it.

use std::collections::BTreeSet;

use domain::money::Nusd;
use domain::time::AtUs;
use farebox_control::access::OWN_ACCOUNT;
use http::Method;
use serde_json::{Value, json};
use store::StoreError;
use store::redeem_codes::{self, Terms};
use testkit::on_each_database;
use utoipa::openapi::path::{Operation, PathItem};

use crate::cast::{join, member};
use crate::world::{World, entropy};

/// Routes that no caller of an organization has, by method and path: other tests look at their
/// entries.
const NOT_AUDITED: [&str; 2] = [
    "POST /api/leak_reports",
    "POST /api/payments/stripe/webhook",
];

/// The audit trail of one installation while its routes are tried, one by one.
struct Trail<'a> {
    world: &'a World,
    /// The newest entry that was seen.
    newest: Option<String>,
    tried: BTreeSet<String>,
}

impl Trail<'_> {
    /// Calls a route with `ids` for its parameters, and one more for what follows its path, and
    /// looks for exactly these new entries, oldest first: kind, and id of what it is about, which
    /// may be what the call made, or one that only the entry knows: `*`.
    async fn step(
        &mut self,
        route: &str,
        ids: &[&str],
        body: Value,
        entries: &[(&str, &str)],
    ) -> Value {
        let (method, template) = route.split_once(' ').unwrap();
        let mut path = String::new();
        let mut ids = ids.iter();
        for part in template.split('/').skip(1) {
            let part = match part.starts_with('{') {
                true => ids.next().unwrap(),
                false => part,
            };
            path.push_str(&format!("/{part}"));
        }
        let path = format!("{path}{}", ids.next().unwrap_or(&""));
        let url = path.strip_prefix("/v1/organization").unwrap_or(&path);
        let answer = match method {
            "POST" => self.world.post(url, &body).await,
            _ => self
                .world
                .request(Method::DELETE, url)
                .send()
                .await
                .unwrap(),
        };
        assert_eq!(answer.status, 200, "{route}: {}", answer.text());
        let answer = answer.json();
        let found = self.newer().await;
        let found: Vec<(&str, &str)> = found.iter().rev().map(kind_and_id).collect();
        let made = answer["id"].as_str().unwrap_or_default();
        let wanted: Vec<(&str, String)> = entries
            .iter()
            .map(|(kind, id)| (*kind, id.replace("{made}", made)))
            .collect();
        let known = |at: usize, id| match id {
            "*" => found.get(at).map_or("*", |entry| entry.1),
            id => id,
        };
        let wanted = wanted.iter().enumerate();
        let wanted = wanted.map(|(at, (kind, id))| (*kind, known(at, id)));
        let wanted: Vec<(&str, &str)> = wanted.collect();
        assert_eq!(found, wanted, "{route}");
        self.tried.insert(route.to_owned());
        answer
    }

    /// Entries since the last look, newest first.
    async fn newer(&mut self) -> Vec<Value> {
        let since = self.newest.as_deref().unwrap_or_default();
        let list = self.world.get(&format!("/audit_logs?before={since}")).await;
        let list = list.json();
        assert_eq!(list["has_more"], false);
        let entries = list["data"].as_array().unwrap().clone();
        if let Some(first) = list["first_id"].as_str() {
            self.newest = Some(first.to_owned());
        }
        entries
    }
}

fn kind_and_id(entry: &Value) -> (&str, &str) {
    let kind = entry["type"].as_str().unwrap();
    let id = entry[kind]["id"].as_str();
    (kind, id.unwrap_or_else(|| panic!("no detail: {entry}")))
}

/// Every route that takes a POST or a DELETE.
fn changing(world: &World) -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for (path, item) in &world.description.paths.paths {
        // Told to all organizations that somebody belongs to, as the tests about people show.
        if OWN_ACCOUNT.iter().any(|own| path.starts_with(own)) {
            continue;
        }
        // Told to the operators' log, as their tests show.
        if path.starts_with("/api/operator/") {
            continue;
        }
        let PathItem {
            post,
            delete,
            put,
            patch,
            ..
        } = item;
        assert!(put.is_none() && patch.is_none(), "OpenAI's API has neither");
        let mut add = |method: &str, operation: &Option<Operation>| {
            if operation.is_some() {
                routes.insert(format!("{method} {path}"));
            }
        };
        add("POST", post);
        add("DELETE", delete);
    }
    let audited = |route: &String| !NOT_AUDITED.contains(&route.as_str());
    routes.into_iter().filter(audited).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_an_entry() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let mut trail = Trail {
            world: &world,
            newest: None,
            tried: BTreeSet::new(),
        };
        people(&mut trail).await;
        projects(&mut trail).await;
        limits(&mut trail).await;
        codes(&mut trail).await;
        groups_and_roles(&mut trail).await;
        alerting(&mut trail).await;
        keys(&mut trail).await;
        paying(&mut trail).await;
        assert_eq!(trail.tried, changing(&world));
    })
    .await;
}

async fn paying(trail: &mut Trail<'_>) {
    let nothing = Value::Null;
    let created = [("farebox.payment.created", "{made}")];
    let order = "POST /api/billing/checkouts";
    let amount = json!({"amount_usd": "5.00"});
    let made = trail.step(order, &[], amount, &created).await;
    let payment = made["id"].as_str().unwrap();
    let cancel = "POST /api/billing/checkouts/{checkout_id}/cancel";
    let cancelled = [("farebox.payment.cancelled", payment)];
    trail
        .step(cancel, &[payment], nothing.clone(), &cancelled)
        .await;
    let save = "POST /api/billing/payment_methods";
    trail.step(save, &[], nothing.clone(), &created).await;
    let cards = trail.world.saved_cards().await;
    let one = "/api/billing/payment_methods/{payment_method_id}";
    let (update, delete) = (format!("POST {one}"), format!("DELETE {one}"));
    let updated = [("farebox.payment_method.updated", &*cards[1])];
    let default = json!({"is_default": true});
    let ids = [&*cards[1]];
    trail.step(&update, &ids, default.clone(), &updated).await;
    trail.step(&update, &ids, default, &[]).await;
    let removed = [("farebox.payment_method.removed", &*cards[1])];
    trail.step(&delete, &ids, nothing, &removed).await;
}

async fn projects(trail: &mut Trail<'_>) {
    let nothing = Value::Null;
    let name = json!({"name": "a"});
    let projects = "POST /v1/organization/projects";
    let made = trail
        .step(
            projects,
            &[],
            name.clone(),
            &[("project.created", "{made}")],
        )
        .await;
    let project = made["id"].as_str().unwrap();
    let one = "POST /v1/organization/projects/{project_id}";
    let updated = [("project.updated", project)];
    trail
        .step(one, &[project], json!({"name": "b"}), &updated)
        .await;
    trail.step(one, &[project], json!({}), &[]).await;

    service_accounts(trail, project).await;

    let default = trail.world.made.project.to_string();
    let keys = trail
        .world
        .get(&format!("/projects/{default}/api_keys"))
        .await;
    let keys = keys.json();
    let key = keys["data"][0]["id"].as_str().unwrap();
    let delete = "DELETE /v1/organization/projects/{project_id}/api_keys/{key_id}";
    let deleted = [("api_key.deleted", key)];
    trail
        .step(delete, &[&default, key], nothing.clone(), &deleted)
        .await;

    let models = "/v1/organization/projects/{project_id}/model_permissions";
    let set = format!("POST {models}");
    let asked = json!({"mode": "allow_list", "model_ids": ["m"]});
    let updated = [("model_permissions.updated", project)];
    trail.step(&set, &[project], asked, &updated).await;
    let delete = format!("DELETE {models}");
    let deleted = [("model_permissions.deleted", project)];
    trail
        .step(&delete, &[project], nothing.clone(), &deleted)
        .await;

    settings(trail, project).await;

    let keys = "POST /v1/organization/admin_api_keys";
    let created = [("api_key.created", "{made}")];
    let key = trail.step(keys, &[], name, &created).await;
    let key = key["id"].as_str().unwrap();
    let update = "POST /v1/organization/admin_api_keys/{key_id}";
    let updated = [("api_key.updated", key)];
    let bound = json!({"ip_ranges": ["203.0.113.0/24"]});
    trail.step(update, &[key], bound, &updated).await;
    trail.step(update, &[key], json!({}), &[]).await;
    let delete = "DELETE /v1/organization/admin_api_keys/{key_id}";
    let deleted = [("api_key.deleted", key)];
    trail.step(delete, &[key], nothing.clone(), &deleted).await;

    let archive = "POST /v1/organization/projects/{project_id}/archive";
    let archived = [("project.archived", project)];
    trail.step(archive, &[project], nothing, &archived).await;
}

async fn service_accounts(trail: &mut Trail<'_>, project: &str) {
    let nothing = Value::Null;
    let accounts = "POST /v1/organization/projects/{project_id}/service_accounts";
    let keyless = json!({"name": "a", "create_service_account_only": true});
    let created = [("service_account.created", "{made}")];
    let account = trail.step(accounts, &[project], keyless, &created).await;
    let account = account["id"].as_str().unwrap();
    let one = "/v1/organization/projects/{project_id}/service_accounts/{service_account_id}";
    let ids = [project, account];
    let update = format!("POST {one}");
    let member = json!({"role": "member"});
    let updated = [("service_account.updated", account)];
    trail.step(&update, &ids, member.clone(), &updated).await;
    trail.step(&update, &ids, member, &[]).await;
    let further = format!("POST {one}/api_keys");
    let created = [("api_key.created", "{made}")];
    let key = trail.step(&further, &ids, json!({}), &created).await;
    let key = key["id"].as_str().unwrap();
    let restrict = "POST /v1/organization/projects/{project_id}/api_keys/{key_id}";
    let updated = [("api_key.updated", key)];
    let scopes = json!({"scopes": ["api.model.request"]});
    trail
        .step(restrict, &[project, key], scopes, &updated)
        .await;
    let delete = format!("DELETE {one}");
    let deleted = [("service_account.deleted", account)];
    trail
        .step(&delete, &[project, account], nothing.clone(), &deleted)
        .await;
}

async fn keys(trail: &mut Trail<'_>) {
    let project = trail.world.made.project.to_string();
    let keys = "/api/projects/{project_id}/keys";
    let create = format!("POST {keys}");
    let created = [("api_key.created", "{made}")];
    let name = json!({"name": "k"});
    let key = trail.step(&create, &[&project], name, &created).await;
    let ids = [&project, key["id"].as_str().unwrap()];
    let updated = [("api_key.updated", ids[1])];
    let update = format!("POST {keys}/{{key_id}}");
    let body = json!({"permissions": "read_only"});
    trail.step(&update, &ids, body, &updated).await;
    trail.step(&update, &ids, json!({}), &[]).await;
    let rotate = format!("POST {keys}/{{key_id}}/rotate");
    trail.step(&rotate, &ids, json!({}), &updated).await;
    let delete = format!("DELETE {keys}/{{key_id}}");
    let deleted = [("api_key.deleted", ids[1])];
    trail.step(&delete, &ids, Value::Null, &deleted).await;
}

async fn people(trail: &mut Trail<'_>) {
    let nothing = Value::Null;
    trail.world.member("bob", "reader").await;
    let user = "/v1/organization/users/{user_id}";
    let updated = [("user.updated", "user-bob")];
    let owner = json!({"role": "owner"});
    let update = format!("POST {user}");
    trail
        .step(&update, &["user-bob"], owner.clone(), &updated)
        .await;
    trail.step(&update, &["user-bob"], owner.clone(), &[]).await;

    let made = trail
        .world
        .post("/projects", &json!({"name": "a"}))
        .await
        .json();
    let project = made["id"].as_str().unwrap();
    trail.newer().await;
    let users = "/v1/organization/projects/{project_id}/users";
    let create = format!("POST {users}");
    let asked = json!({"user_id": "user-bob", "role": "member"});
    trail
        .step(&create, &[project], asked, &[("user.added", "user-bob")])
        .await;
    let update = format!("POST {users}/{{user_id}}");
    let ids = [project, "user-bob"];
    trail.step(&update, &ids, owner.clone(), &updated).await;
    trail.step(&update, &ids, owner, &[]).await;
    let delete = format!("DELETE {users}/{{user_id}}");
    let deleted = [("user.deleted", "user-bob")];
    trail.step(&delete, &ids, nothing.clone(), &deleted).await;

    let asked = json!({"email": "grace@example.com", "role": "reader"});
    let sent = [("invite.sent", "{made}")];
    let invite = trail
        .step("POST /v1/organization/invites", &[], asked, &sent)
        .await;
    let invite = invite["id"].as_str().unwrap();
    let delete = "DELETE /v1/organization/invites/{invite_id}";
    let deleted_invite = [("invite.deleted", invite)];
    trail
        .step(delete, &[invite], nothing.clone(), &deleted_invite)
        .await;

    let delete = format!("DELETE {user}");
    trail.step(&delete, &["user-bob"], nothing, &deleted).await;
}

/// What has one answer is no change.
async fn settings(trail: &mut Trail<'_>, project: &str) {
    let organization = trail.world.made.organization.to_string();
    let logs = "POST /api/log_settings";
    let updated = [("farebox.log_settings.updated", &*organization)];
    let asked = json!({"keep_prompts": true, "prompt_days": 7});
    trail.step(logs, &[], asked.clone(), &updated).await;
    trail.step(logs, &[], asked, &[]).await;
    let off = json!({"keep_prompts": false, "erase_prompts": true});
    trail.step(logs, &[], off, &updated).await;
    let zero = json!({"retention_type": "zero_data_retention"});
    let retention = "POST /v1/organization/data_retention";
    trail.step(retention, &[], zero.clone(), &[]).await;
    for (setting, asked) in [
        ("data_retention", zero),
        ("service_tier_settings", json!({"default": "standard"})),
        ("hosted_tool_permissions", json!({"mcp": {"enabled": true}})),
    ] {
        let route = format!("POST /v1/organization/projects/{{project_id}}/{setting}");
        trail.step(&route, &[project], asked, &[]).await;
    }
}

async fn limits(trail: &mut Trail<'_>) {
    let nothing = Value::Null;
    let organization = trail.world.made.organization.to_string();
    let project = trail.world.made.project.to_string();
    let limit = json!({"threshold_amount": 500, "currency": "USD", "interval": "month"});
    for (route, ids, id) in [
        ("/v1/organization/spend_limit", vec![], &organization),
        (
            "/v1/organization/projects/{project_id}/spend_limit",
            vec![&*project],
            &project,
        ),
    ] {
        let updated = [("spend_limit.updated", id.as_str())];
        for _ in 0..2 {
            let route = format!("POST {route}");
            trail.step(&route, &ids, limit.clone(), &updated).await;
        }
        let deleted = [("spend_limit.deleted", id.as_str())];
        let route = format!("DELETE {route}");
        trail.step(&route, &ids, nothing.clone(), &deleted).await;
    }

    alerts(trail, &project).await;

    let route = "POST /v1/organization/projects/{project_id}/rate_limits/{rate_limit_id}";
    let asked = json!({"max_requests_per_1_minute": 5});
    let updated = [("rate_limit.updated", "rl-m")];
    trail
        .step(route, &[&project, "rl-m"], asked, &updated)
        .await;
    trail.step(route, &[&project, "rl-m"], json!({}), &[]).await;

    let rule = json!({"scope": {"type": "organization"}, "requests_per_day": 5});
    let updated = [("rate_limit.updated", "{made}")];
    trail
        .step("POST /api/rate_limits", &[], rule, &updated)
        .await;
    let deleted = [("rate_limit.deleted", &*organization)];
    let scope = ["?scope_type=organization"];
    trail
        .step("DELETE /api/rate_limits", &scope, nothing.clone(), &deleted)
        .await;

    let wanted = json!({"enabled": false, "threshold_usd": "5", "restore_to_usd": "20"});
    let updated = [("farebox.auto_recharge.updated", &*organization)];
    trail
        .step("POST /api/billing/auto_recharge", &[], wanted, &updated)
        .await;

    let budget = json!({
        "scope": {"type": "organization"}, "window": "day", "limit_usd": "1", "force": "hard",
    });
    let created = [("farebox.budget.created", "{made}")];
    let budget = trail.step("POST /api/budgets", &[], budget, &created).await;
    let budget = budget["id"].as_str().unwrap();
    let updated = [("farebox.budget.updated", budget)];
    let route = "POST /api/budgets/{budget_id}";
    trail
        .step(route, &[budget], json!({"limit_usd": "2"}), &updated)
        .await;
    trail.step(route, &[budget], json!({}), &[]).await;
    let deleted = [("farebox.budget.deleted", budget)];
    let route = "DELETE /api/budgets/{budget_id}";
    trail.step(route, &[budget], nothing, &deleted).await;
    let organization = trail.world.made.organization.to_string();
    let updated = [("farebox.billing_profile.updated", organization.as_str())];
    let profile = json!({"name": "Acme GmbH"});
    let route = "POST /api/billing/profile";
    trail.step(route, &[], profile, &updated).await;
}

async fn codes(trail: &mut Trail<'_>) {
    let write = trail.world.store.write(|tx| {
        let terms = Terms {
            amount: Nusd::new(5),
            max_uses: 1,
            once_per_organization: true,
            expires_at: None,
            credit_days: None,
            note: "a".into(),
        };
        redeem_codes::make(tx, terms, 1, AtUs(0), entropy)
    });
    let made: Result<_, StoreError> = write.await;
    let code = made.unwrap().1[0].expose();
    let redeemed = [("farebox.code.redeemed", "{made}")];
    let route = "POST /api/billing/redeem";
    trail
        .step(route, &[], json!({"code": code}), &redeemed)
        .await;
}

async fn alerts(trail: &mut Trail<'_>, project: &str) {
    let alert = json!({
        "threshold_amount": 500, "currency": "USD", "interval": "month",
        "notification_channel": {"type": "email", "recipients": ["ada@example.com"]},
    });
    for (route, ids) in [
        ("/v1/organization/spend_alerts", vec![]),
        (
            "/v1/organization/projects/{project_id}/spend_alerts",
            vec![project],
        ),
    ] {
        let created = [("farebox.spend_alert.created", "{made}")];
        let create = format!("POST {route}");
        let made = trail.step(&create, &ids, alert.clone(), &created).await;
        let id = made["id"].as_str().unwrap();
        let ids = [ids, vec![id]].concat();
        let update = format!("POST {route}/{{alert_id}}");
        let updated = [("farebox.spend_alert.updated", id)];
        trail.step(&update, &ids, alert.clone(), &updated).await;
        let delete = format!("DELETE {route}/{{alert_id}}");
        let deleted = [("farebox.spend_alert.deleted", id)];
        trail.step(&delete, &ids, Value::Null, &deleted).await;
    }
}

async fn alerting(trail: &mut Trail<'_>) {
    let organization = trail.world.made.organization.to_string();
    let settings = "POST /api/alert_settings";
    let asked = json!({"mails": {"receipt": "nobody"}});
    let updated = [("farebox.alert_settings.updated", &*organization)];
    trail.step(settings, &[], asked.clone(), &updated).await;
    trail.step(settings, &[], asked, &[]).await;

    let endpoints = "/api/webhook_endpoints";
    let created = [("farebox.webhook_endpoint.created", "{made}")];
    let asked = json!({"url": "https://example.com/farebox"});
    let create = format!("POST {endpoints}");
    let made = trail.step(&create, &[], asked, &created).await;
    let id = made["id"].as_str().unwrap();
    let updated = [("farebox.webhook_endpoint.updated", id)];
    let update = format!("POST {endpoints}/{{endpoint_id}}");
    let asked = json!({"kinds": ["receipt"]});
    trail.step(&update, &[id], asked, &updated).await;
    trail
        .step(&update, &[id], json!({"enabled": true}), &[])
        .await;
    let rotate = format!("POST {endpoints}/{{endpoint_id}}/rotate_secret");
    trail.step(&rotate, &[id], json!({}), &updated).await;
    let tested = [("farebox.webhook_delivery.tested", "{made}")];
    let test = format!("POST {endpoints}/{{endpoint_id}}/test");
    let delivery = trail.step(&test, &[id], json!({}), &tested).await;
    let delivery = delivery["id"].as_str().unwrap();
    let replay = format!("POST {endpoints}/{{endpoint_id}}/deliveries/{{delivery_id}}/replay");
    trail.step(&replay, &[id, delivery], json!({}), &[]).await;
    // SQL in a test: as if it had been sent.
    let ended = trail.world.store.write(|tx| {
        let sql = "UPDATE webhook_deliveries SET state = 'failed', ended_at_us = 1";
        tx.execute(sql, &[])
            .map_err(|error: store::StoreError| error)
    });
    ended.await.unwrap();
    let replayed = [("farebox.webhook_delivery.replayed", delivery)];
    trail
        .step(&replay, &[id, delivery], json!({}), &replayed)
        .await;
    let deleted = [("farebox.webhook_endpoint.deleted", id)];
    let delete = format!("DELETE {endpoints}/{{endpoint_id}}");
    trail.step(&delete, &[id], Value::Null, &deleted).await;
}

async fn groups_and_roles(trail: &mut Trail<'_>) {
    let project = trail.world.made.project.to_string();
    let (organization, of) = (
        trail.world.made.organization.clone(),
        trail.world.made.project.clone(),
    );
    let write = trail.world.store.write(move |tx| {
        let bob = member(tx, &organization, "eve", "reader")?;
        join(tx, &organization, &of, &bob, "viewer")
    });
    write.await.unwrap();
    let groups = "/v1/organization/groups";
    let create = format!("POST {groups}");
    let created = [("group.created", "{made}")];
    let name = json!({"name": "g"});
    let group = trail.step(&create, &[], name.clone(), &created).await;
    let group = group["id"].as_str().unwrap();
    let update = format!("POST {groups}/{{group_id}}");
    trail
        .step(&update, &[group], name, &[("group.updated", group)])
        .await;
    let add = format!("POST {groups}/{{group_id}}/users");
    let bob = json!({"user_id": "user-eve"});
    let added = [("group.member.added", group)];
    trail.step(&add, &[group], bob.clone(), &added).await;
    trail.step(&add, &[group], bob, &[]).await;
    let remove = format!("DELETE {groups}/{{group_id}}/users/{{user_id}}");
    let removed = [("group.member.removed", group)];
    trail
        .step(&remove, &[group, "user-eve"], Value::Null, &removed)
        .await;

    roles(trail, "/v1/organization", &[], group).await;
    roles(trail, "/v1/projects/{project_id}", &[&project], group).await;

    let add = "POST /v1/organization/projects/{project_id}/groups";
    let given = [("role.assignment.created", "*")];
    for role in ["viewer", "member"] {
        let role = format!("role-api-project-{role}__api-project__{project}");
        let body = json!({"group_id": group, "role": role});
        trail.step(add, &[&project], body.clone(), &given).await;
        trail.step(add, &[&project], body, &[]).await;
    }
    let remove = "DELETE /v1/organization/projects/{project_id}/groups/{group_id}";
    let taken = [("role.assignment.deleted", "*"); 2];
    trail
        .step(remove, &[&project, group], Value::Null, &taken)
        .await;
    let delete = format!("DELETE {groups}/{{group_id}}");
    trail
        .step(&delete, &[group], Value::Null, &[("group.deleted", group)])
        .await;
}

/// A role of the organization or a project, and everybody who gets and loses it.
async fn roles(trail: &mut Trail<'_>, place: &str, ids: &[&str], group: &str) {
    let nothing = Value::Null;
    let body = json!({"role_name": "r", "permissions": ["api.model.read"]});
    let create = format!("POST {place}/roles");
    let role = trail
        .step(&create, ids, body, &[("role.created", "{made}")])
        .await;
    let role = role["id"].as_str().unwrap();
    let one = [ids, &[role]].concat();
    let update = format!("POST {place}/roles/{{role_id}}");
    let updated = [("role.updated", role)];
    trail
        .step(&update, &one, json!({"description": "d"}), &updated)
        .await;
    trail.step(&update, &one, json!({}), &[]).await;
    for (holders, holder) in [
        ("users/{user_id}", "user-eve"),
        ("groups/{group_id}", group),
    ] {
        let of_holder = [ids, &[holder]].concat();
        let give = format!("POST {place}/{holders}/roles");
        let given = [("role.assignment.created", "*")];
        let body = json!({"role_id": role});
        trail.step(&give, &of_holder, body.clone(), &given).await;
        trail.step(&give, &of_holder, body, &[]).await;
        let take = format!("DELETE {place}/{holders}/roles/{{role_id}}");
        let taken = [("role.assignment.deleted", "*")];
        let of_holder = [&of_holder[..], &[role]].concat();
        trail.step(&take, &of_holder, nothing.clone(), &taken).await;
    }
    let delete = format!("DELETE {place}/roles/{{role_id}}");
    trail
        .step(&delete, &one, nothing, &[("role.deleted", role)])
        .await;
}
