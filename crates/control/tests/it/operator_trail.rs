//! Whatever an operator changes is in the operators' log, and in the log of the organizations that
//! it concerns; a route that this test does not try fails it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use domain::id::UserId;
use domain::people::totp::TotpSecret;
use domain::sealed::SealingKey;
use domain::time::AtUs;
use farebox_control::access::OPERATORS;
use serde_json::{Value, json};
use store::people::totp;
use store::{StoreError, jobs};
use testkit::on_each_database;

use crate::cast::member;
use crate::operator_jobs::{begun, mail};
use crate::people_world::Browser;
use crate::world::{START_S, World, entropy};

const LOG: &str = "/api/operator/audit_logs";

/// The entry that a change is to leave: its kind, the id of what it is about, and whether the
/// organization hears of it.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    kind: &'a str,
    id: &'a str,
    is_told: bool,
}

/// One that the organization is told too.
fn told<'a>(kind: &'a str, id: &'a str) -> Entry<'a> {
    Entry {
        kind,
        id,
        is_told: true,
    }
}

/// One that is for operators alone.
fn untold<'a>(kind: &'a str, id: &'a str) -> Entry<'a> {
    Entry {
        is_told: false,
        ..told(kind, id)
    }
}

/// The operators' log while their routes are tried, one by one.
pub(crate) struct Trail<'a> {
    world: &'a World,
    operator: Browser<'a>,
    /// The newest entry that was seen, of the operators' log and of the organization's.
    newest: [Option<String>; 2],
    tried: BTreeSet<String>,
}

impl Trail<'_> {
    /// Calls a route with `ids` for its parameters, and looks for exactly this new entry: its kind
    /// and the id of what it is about, which may be what the call made, `{made}`.
    pub(crate) async fn step(
        &mut self,
        route: &str,
        ids: &[&str],
        body: Value,
        entry: Entry<'_>,
    ) -> Value {
        let Entry { kind, id, is_told } = entry;
        let (method, template) = route.split_once(' ').unwrap();
        let mut ids = ids.iter();
        let part = |part: &str| match part.starts_with('{') {
            true => (*ids.next().unwrap()).to_owned(),
            false => part.to_owned(),
        };
        let path = template.split('/').map(part).collect::<Vec<_>>().join("/");
        let answer = match method {
            "POST" => self.operator.post(&path, &body).await,
            _ => self.operator.delete(&path).await,
        };
        assert_eq!(answer.status, 200, "{route}: {}", answer.text());
        let answer = answer.json();
        let id = id.replace("{made}", answer["id"].as_str().unwrap_or_default());
        let entries = self.newer().await;
        assert_eq!(entries.len(), 1, "{route}: {entries:?}");
        assert_eq!(entries[0]["type"], kind, "{route}");
        assert_eq!(entries[0][kind]["id"], id.as_str(), "{route}");
        let user = &entries[0]["actor"]["session"]["user"];
        assert_eq!(user["id"], self.world.made.user.as_str(), "{route}");
        let told = self.told().await;
        match is_told {
            true => {
                assert_eq!(told.len(), 1, "{route}: {told:?}");
                assert_eq!(told[0]["type"], kind, "{route}");
                assert_eq!(told[0]["actor"], Value::Null, "who it was is not told");
                let concerned = json!([self.world.made.organization.as_str()]);
                assert_eq!(entries[0][kind]["organization_ids"], concerned, "{route}");
            }
            false => assert_eq!(told, Vec::<Value>::new(), "{route}"),
        }
        self.tried.insert(route.to_owned());
        answer
    }

    async fn newer(&mut self) -> Vec<Value> {
        let since = self.newest[0].as_deref().unwrap_or_default();
        let list = self.operator.get(&format!("{LOG}?before={since}")).await;
        assert_eq!(list.status, 200, "{}", list.text());
        note(&list.json(), &mut self.newest[0])
    }

    async fn told(&mut self) -> Vec<Value> {
        let since = self.newest[1].as_deref().unwrap_or_default();
        let list = self.world.get(&format!("/audit_logs?before={since}")).await;
        note(&list.json(), &mut self.newest[1])
    }
}

fn note(list: &Value, newest: &mut Option<String>) -> Vec<Value> {
    if let Some(first) = list["first_id"].as_str() {
        *newest = Some(first.to_owned());
    }
    list["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_an_operator_leaves_an_entry() {
    on_each_database(async |database| {
        let world = World::start(database).await;
        let organization = world.made.organization.clone();
        let write = world
            .store
            .write(move |tx| member(tx, &organization, "eve", "reader"));
        let other = write.await.unwrap();
        let mut trail = Trail {
            world: &world,
            operator: world.operator().await,
            newest: [None, None],
            tried: BTreeSet::new(),
        };
        // First, while no mail waits but its own.
        machinery(&mut trail).await;
        models(&mut trail).await;
        people(&mut trail, other.as_str()).await;
        organizations(&mut trail).await;
        payments(&mut trail).await;
        let changing = OPERATORS.iter().flat_map(|(path, methods)| {
            let methods = methods.iter().filter(|method| **method != "GET");
            methods.map(move |method| format!("{method} {path}"))
        });
        let changing = changing.filter(|route| !ASKING.contains(&route.as_str()));
        assert_eq!(trail.tried, changing.collect());
    })
    .await;
}

/// Routes that change nothing, and are posted to for what they ask.
const ASKING: [&str; 3] = [
    "POST /api/operator/organizations/{organization_id}/markup_previews",
    "POST /api/operator/models/{model_id}/price_previews",
    "POST /api/operator/upstreams/{upstream_id}/check",
];

async fn models(trail: &mut Trail<'_>) {
    let model = "POST /api/operator/models/{model_id}";
    for (is_enabled, kind) in [
        (false, "farebox.model.disabled"),
        (true, "farebox.model.enabled"),
    ] {
        let body = json!({"is_enabled": is_enabled});
        trail.step(model, &["m"], body, untold(kind, "m")).await;
    }
    let price = json!({"price": {"input": "1", "output": "2"}, "effective_at": START_S + 60});
    let bills = "POST /api/operator/upstream_costs/import";
    let bill = json!({"upstream_id": "well", "costs": {"data": []}});
    let nothing = trail
        .operator
        .post("/api/operator/upstream_costs/import", &bill)
        .await;
    assert_eq!(nothing.json()["is_new"], false, "and nothing is logged");
    let day = json!({"start_time": 0, "end_time": 86_400, "results": []});
    let bill = json!({"upstream_id": "well", "costs": {"data": [day]}});
    let entry = untold("farebox.upstream_costs.imported", "well");
    trail.step(bills, &[], bill, entry).await;

    let prices = "POST /api/operator/models/{model_id}/prices";
    let entry = untold("farebox.price.created", "{made}");
    let made = trail.step(prices, &["m"], price, entry).await;
    let id = made["id"].as_str().unwrap();
    let withdraw = "DELETE /api/operator/models/{model_id}/prices/{price_id}";
    let entry = untold("farebox.price.withdrawn", id);
    trail.step(withdraw, &["m", id], Value::Null, entry).await;
}

async fn people(trail: &mut Trail<'_>, user: &str) {
    let nothing = || Value::Null;
    let of = |what: &str| format!("POST /api/operator/users/{{user_id}}/{what}");
    let reason = json!({"reason": "a"});
    let entry = told("farebox.user.locked", user);
    let locked = trail.step(&of("lock"), &[user], reason, entry).await;
    assert_eq!(locked["state"], "locked");
    let entry = told("farebox.user.unlocked", user);
    trail.step(&of("unlock"), &[user], nothing(), entry).await;
    let entry = told("farebox.user.signed_out", user);
    let done = trail.step(&of("sign_out"), &[user], nothing(), entry).await;
    assert_eq!(done["sessions"], 0);
    let email = json!({"email": "eve@new.example"});
    let entry = told("farebox.user.email_set", user);
    trail.step(&of("email"), &[user], email, entry).await;
    give_a_factor(trail.world, user).await;
    let entry = told("farebox.account.updated", user);
    let reset = "DELETE /api/operator/users/{user_id}/second_factors";
    trail.step(reset, &[user], nothing(), entry).await;
    let entry = untold("farebox.operator.added", user);
    trail.step(&of("operator"), &[user], nothing(), entry).await;
    let entry = untold("farebox.operator.removed", user);
    let unmake = "DELETE /api/operator/users/{user_id}/operator";
    trail.step(unmake, &[user], nothing(), entry).await;
}

/// Gives a user an authenticator app.
async fn give_a_factor(world: &World, user: &str) {
    let user = UserId::new(user);
    let now = AtUs(world.now.load(Ordering::Relaxed));
    let write = world.store.write(move |tx| -> Result<_, StoreError> {
        let (secret, key) = (TotpSecret::mint(entropy), SealingKey::new(&[7; 32]));
        totp::begin(tx, &user, &secret, (&key, entropy), now)?;
        totp::confirm(tx, &user, &secret.code_at(now), &key, now)
    });
    assert!(write.await.unwrap().is_ok());
}

async fn organizations(trail: &mut Trail<'_>) {
    let id = trail.world.made.organization.to_string();
    let of = |what: &str| format!("POST /api/operator/organizations/{{organization_id}}/{what}");
    let reason = json!({"reason": "a"});
    let entry = told("farebox.organization.suspended", &id);
    trail.step(&of("suspend"), &[&id], reason, entry).await;
    let entry = told("farebox.organization.resumed", &id);
    trail.step(&of("resume"), &[&id], Value::Null, entry).await;
    let credit = json!({"amount_usd": "1", "reason": "a", "key": "a"});
    let entry = told("farebox.credit.granted", "{made}");
    trail.step(&of("credits"), &[&id], credit, entry).await;
    let credit = json!({"amount_usd": "1", "reason": "a", "key": "b"});
    let entry = told("farebox.credit.taken_back", "{made}");
    trail.step(&of("adjustments"), &[&id], credit, entry).await;
    let codes = json!({"note": "a", "amount_usd": "1"});
    let entry = untold("farebox.codes.made", "{made}");
    let batches = "POST /api/operator/code_batches";
    let made = trail.step(batches, &[], codes, entry).await;
    let batch = made["id"].as_str().unwrap();
    let entry = untold("farebox.codes.disabled", batch);
    let disable = "POST /api/operator/code_batches/{batch_id}/disable";
    trail.step(disable, &[batch], Value::Null, entry).await;
    let line = json!({"line_usd": "1", "reason": "a", "key": "c"});
    let entry = told("farebox.overdraft.set", "operator:c");
    trail.step(&of("overdraft"), &[&id], line, entry).await;
    let markup = json!({"basis_points": 5});
    let entry = told("farebox.markup.created", "{made}");
    let made = trail.step(&of("markups"), &[&id], markup, entry).await;
    let markup = made["id"].as_str().unwrap();
    let end = "DELETE /api/operator/organizations/{organization_id}/markups/{markup_id}";
    let entry = told("farebox.markup.ended", markup);
    trail.step(end, &[&id, markup], Value::Null, entry).await;
}

async fn payments(trail: &mut Trail<'_>) {
    let payment = trail.world.buy("4242424242424242", false).await;
    // What the customer did is in the organization's log.
    trail.told().await;
    let refund = json!({"reason": "a", "key": "a"});
    let entry = told("farebox.payment.refunded", "{made}");
    let route = "POST /api/operator/payments/{payment_id}/refunds";
    trail.step(route, &[&payment], refund, entry).await;
    let stray = trail.world.stray_money().await;
    let resolution = json!({"resolution": "given back"});
    let entry = untold("farebox.payment.unmatched_resolved", &stray);
    let route = "POST /api/operator/unmatched_payments/{unmatched_payment_id}/resolve";
    trail.step(route, &[&stray], resolution, entry).await;
}

async fn machinery(trail: &mut Trail<'_>) {
    let job = mail(trail.world, "a@example.com", false).await;
    let entry = untold("farebox.message.retried", &job);
    let retry = "POST /api/operator/jobs/{job_id}/retry";
    begun(trail.world, |tx, job, now| {
        jobs::bury(tx, job, "refused", now)
    })
    .await;
    trail.step(retry, &[&job], Value::Null, entry).await;
    let entry = untold("farebox.message.dropped", &job);
    let discard = "DELETE /api/operator/jobs/{job_id}";
    trail.step(discard, &[&job], Value::Null, entry).await;
    let entry = untold("farebox.ledger.verified", "{made}");
    let verify = "POST /api/operator/ledger/verifications";
    trail.step(verify, &[], Value::Null, entry).await;
    let entry = untold("farebox.payments.reconciled", "{made}");
    let compare = "POST /api/operator/payments/reconciliations";
    trail.step(compare, &[], json!({}), entry).await;
    let policy = "/api/operator/signup_policy";
    let entry = untold("farebox.signup_policy.updated", "signup");
    let change = json!({"mode": "closed"});
    trail
        .step(&format!("POST {policy}"), &[], change, entry)
        .await;
    let entry = untold("farebox.signup_policy.reset", "signup");
    let reset = format!("DELETE {policy}");
    trail.step(&reset, &[], Value::Null, entry).await;
}
