//! An installation on SQLite goes to PostgreSQL whole, however often it is interrupted.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::id::OrganizationId;
use domain::usage::Usage;
use store::copy::{Copied, CopyError, Order, Progress, copy};
use store::{DatabaseUrl, OpenError, Options, Role, Store};
use testkit::TestDatabase;
use testkit::process::spawn_binary;

use crate::credit_world::{Till, cents};
use crate::crud_world::set_up;
use crate::fixture::{
    Customer, Outside, answered, assert_verified, claim, clock, entropy, execute, open, report,
    rows, serve,
};

/// Tell the child, which is this same program, from where to where.
const CHILD_FROM: &str = "STORE_TEST_COPY_FROM";
const CHILD_TO: &str = "STORE_TEST_COPY_TO";
/// So few that every table of the test's takes several.
const ROWS_AT_ONCE: usize = 2;

fn order(from: &str, to: &str) -> Order {
    Order {
        from: Options {
            url: DatabaseUrl::parse(from).expect("an address"),
            role: Role::Server,
            ballast_bytes: 0,
            clock: clock(),
            mono: || domain::time::MonoUs(testkit::mono_us()),
        },
        to: DatabaseUrl::parse(to).expect("an address"),
        rows_at_once: ROWS_AT_ONCE,
    }
}

async fn copied(from: &str, to: &str) -> Result<Copied, CopyError> {
    copied_telling(from, to, |_| {}).await
}

/// Copies. A lock that was given back may for a moment be held by a child that another test starts.
async fn copied_telling(
    from: &str,
    to: &str,
    tell: impl Fn(Progress) + Clone + Send + 'static,
) -> Result<Copied, CopyError> {
    for _ in 0..500 {
        match copy(order(from, to), tell.clone()).await {
            Err(CopyError::Open(OpenError::InUse(_))) => {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
            done => return done,
        }
    }
    panic!("somebody keeps the lock");
}

/// A row in each table that operators write to, beside prices.
const OPERATED: [&str; 19] = [
    "INSERT INTO price_withdrawals SELECT id, 1 FROM prices",
    "INSERT INTO markups SELECT 'markup_1', id, 'm', -50, 1, 2 FROM organizations",
    "INSERT INTO markup_ends VALUES ('markup_1', 3)",
    "INSERT INTO redeem_batches VALUES ('codes_1', 5, 1, 0, NULL, 90, 'é', 1, NULL)",
    "INSERT INTO redeem_codes VALUES ('d', 'codes_1', '7YKQ…')",
    "INSERT INTO redeem_uses SELECT 'd', id, 'codes_1', 'code:d', 'u', 1 FROM organizations",
    "INSERT INTO disabled_models VALUES ('m', 1)",
    "INSERT INTO upstream_costs VALUES ('u', 86400000000, 'é, input', -5, 1)",
    "INSERT INTO upstream_drifts VALUES ('u', 86400000000, 1, 2, 3)",
    "INSERT INTO settings VALUES ('signup', '{}', 1)",
    "INSERT INTO alerts SELECT 'alert_1', id, 'receipt', 'é', '{}', 5 FROM organizations",
    "INSERT INTO low_balances SELECT id, 5, 1, 2 FROM organizations",
    "INSERT INTO sign_in_places SELECT id, 'é', '10.0.0.0/24', 5 FROM users",
    "INSERT INTO alert_mails SELECT id, 'receipt', 'nobody' FROM organizations",
    "INSERT INTO webhook_endpoints SELECT 'webhook_1', id, 'slack', 'é', NULL, '', X'00ff', X'01', 2,
         'gone', 3, 4, 5 FROM organizations",
    "INSERT INTO webhook_deliveries VALUES
         ('delivery_1', 'webhook_1', 'e', 'test', '{}', NULL, 'failed', 1, 1, 500, 5, 6)",
    "INSERT INTO webhook_attempts VALUES ('delivery_1', 1, 5, 6, NULL, NULL, 'é')",
    "INSERT INTO overdraft_changes SELECT id, 'line_1', 5, 1 FROM organizations",
    "INSERT INTO verifications VALUES ('verification_1', 'proved', 1, 1, 1, 1, 1, '{}')",
];

/// A row in each table of the log of requests.
const REFUSALS: [&str; 4] = [
    "INSERT INTO refused_requests SELECT id, 'req_1', NULL, NULL, 'é', 'chat', NULL, 1, 2, 3,
         'refused', 429, NULL, 'é', '[]' FROM organizations",
    "INSERT INTO refusal_counts SELECT id, 60000000, 7 FROM organizations",
    "INSERT INTO prompt_logging SELECT id, 30, NULL, 5 FROM organizations",
    "INSERT INTO kept_prompts SELECT id, 'req_1', 5, X'00ff', 2, NULL, NULL FROM organizations",
];

/// A row in each table of papers about money.
const PAPERS: [&str; 4] = [
    "INSERT INTO billing_profiles SELECT id, 'é', 'a', 'DE', '', '', 1 FROM organizations",
    "INSERT INTO seller VALUES (1, 'A-', 'é', 'a', 'DE', 't', 'e', 5)",
    "INSERT INTO receipt_series VALUES ('credit_note', 2026, 1, 5)",
    "INSERT INTO receipts
     SELECT id, 'A-CN-2026-000001', 'credit_note', 2026, 1, 'r', 'p', 'B', 5, 6, 1, '{}'
     FROM organizations",
];

/// A row in each table about payments by card.
const PAYMENTS: [&str; 12] = [
    "INSERT INTO payment_reconciliations
     VALUES ('recon_1', 'test', 'different', NULL, 1, 2, 1, 0, 1, NULL, 3, 4, 5)",
    "INSERT INTO payment_differences
     VALUES ('recon_1', 'charge', 'ch_1', 'é', NULL, NULL, -5, 'usd')",
    "INSERT INTO payments (id, organization_id, kind, state, amount_nusd, tax_nusd, tax_percent,
         currency, provider, saves_method, method_id, card_brand, created_at_us, looked_at_us)
     SELECT 'pay_1', id, 'recharge', 'open', 5, 1, '19', 'usd', 'p', 0, 'card_1', 'é', 1, 2
     FROM organizations",
    "INSERT INTO payment_customers SELECT id, 'p', 'cus_1', 1 FROM organizations",
    "INSERT INTO payment_methods
     SELECT 'card_1', id, 'p', 'pm_1', 'visa', '4242', 12, 2030, 1, 1, NULL FROM organizations",
    "INSERT INTO payment_events VALUES ('p', 'evt_1', 'a.b', 'ignored', 1)",
    "INSERT INTO unmatched_payments
     VALUES ('unmatched_1', 'p', 'c', 'no_order', NULL, 5, 'usd', 1, NULL, NULL)",
    "INSERT INTO payment_refunds SELECT 'refund_1', 'pay_1', id, NULL, 'pending', 3, 1, NULL, 'é',
         NULL, 1, 2, NULL FROM organizations",
    "INSERT INTO payment_disputes
     SELECT 'p', 'dp_1', 'pay_1', id, 'open', 5, 'r', 1, NULL FROM organizations",
    "INSERT INTO auto_recharges
     SELECT id, 5, 9, NULL, 'card_1', 1, 2, 3, NULL, NULL, 4 FROM organizations",
    "INSERT INTO recharges SELECT 'pay_1', id, 5, -1, 'open', 0, 1, NULL FROM organizations",
    "INSERT INTO test_payments VALUES ('test_1', 'charge', '', '{}', 1, 2)",
];

/// A row in each table about people.
const PEOPLE: [&str; 15] = [
    "INSERT INTO retired_secrets SELECT 'd', id, 'r', 1, 2 FROM keys WHERE class = 'project'",
    "INSERT INTO sessions SELECT 'd', 'session_1', id, 1, 2, 3, 'm', NULL, NULL, 'a' FROM users",
    "INSERT INTO totp SELECT id, X'00ff', 1, 2 FROM users",
    "INSERT INTO totp_enrolments SELECT id, X'00ff', 1 FROM users",
    "INSERT INTO passkeys SELECT 'p', id, 'c', 'k', 1, 1, 0, 0, '', 'é', 1, NULL FROM users",
    "INSERT INTO passkey_challenges VALUES ('d', 'sign_in', '', 1)",
    "INSERT INTO recovery_codes SELECT id, 'd', 1 FROM users",
    "INSERT INTO pending_sign_ins SELECT 'd', id, 'password', 5, 1 FROM users",
    "INSERT INTO signups (digest, email, name, organization, begun_at_us)
     VALUES ('d', 'a@b', '', '', 1)",
    "INSERT INTO identities SELECT 'i', id, 'https://a', 's', NULL, 1, 1 FROM users",
    "INSERT INTO sso_attempts VALUES ('s', 'b', 'p', '/', NULL, NULL, 1)",
    "INSERT INTO codes VALUES ('d', 'new_email', 'a@b', 's', 'd', 5, 1, 1)",
    "INSERT INTO password_resets SELECT 'd', id, 1 FROM users",
    "INSERT INTO trial_credits SELECT '+49', o.id, u.id, 1 FROM organizations o, users u",
    "INSERT INTO throttles VALUES ('n', '', 1)",
];

/// Rows of one organization, its project and its owner, whose ids stand in braces.
const OWNED: &[&str] = &[
    "UPDATE organizations SET name = 'Müller & Söhne 🚀 \"x\", \\N\t\u{202e}' || char(10)",
    "UPDATE users SET name = ''",
    "INSERT INTO service_accounts VALUES
             ('svc_acct_1', '{organization}', '{project}', '日本語', 'owner', 1, NULL),
             ('svc_acct_2', '{organization}', '{project}', 'gone', 'member', -5, 6)",
    "INSERT INTO project_members VALUES ('{project}', '{user}', '{organization}', 'viewer', 1)",
    "INSERT INTO groups VALUES ('group_1', '{organization}', 'Ops', 1)",
    "INSERT INTO group_members VALUES ('group_1', '{user}', '{organization}', 1)",
    "INSERT INTO roles VALUES
             ('role_1', '{organization}', '{project}', 'r', NULL, '[]', '{user}', 1, 2),
             ('role_2', '{organization}', NULL, 'r', 'd', '[\"api.usage.read\"]', NULL, 1, 2)",
    "INSERT INTO role_assignments VALUES
             ('role_assignment_1', '{organization}', '{project}', '{user}', NULL, 'role_1', 1),
             ('role_assignment_2', '{organization}', NULL, NULL, 'group_1', 'role_2', 1)",
    "INSERT INTO budgets VALUES
             ('budget_1', '{organization}', '{project}', NULL, 'month', 5, 'hard', '[50]', 7, NULL, 8),
             ('budget_2', '{organization}', NULL, NULL, 'day', 0, 'soft', '[]', NULL, '[[],null]', 9)",
    "INSERT INTO budget_events VALUES ('budget_1', 0, 50, '{organization}', 5, 3, 4)",
    "INSERT INTO invites VALUES
             ('invite-1', '{organization}', 'a@b.c', 'reader', '[]', 'd', 1, 2, NULL, 3)",
    "INSERT INTO model_permissions VALUES
             ('{project}', '{organization}', 'deny_list', '[\"é\"]')",
    "INSERT INTO audit_log VALUES ('{organization}', 'audit_log-1', 5, 'a.b', 'c', NULL,
             '{\"id\": 1}', NULL, NULL, NULL, NULL, NULL, 'é')",
    "INSERT INTO rate_limits VALUES ('{organization}', '', '', 'm', 1, NULL, 3, 4, NULL)",
    "INSERT INTO jobs VALUES ('job_1', 'k', 'mail', 'a@b.c', 'invite', '{}', 'waiting', 5, 1,
                              'claimed', 'no answer', NULL, 6, NULL)",
    "INSERT INTO outbox VALUES ('job_2', 'sms', '+49', NULL, 'Hello', '<p>é</p>', 7)",
    "INSERT INTO outbox_attachments VALUES ('job_2', 'a.pdf', 'application/pdf', X'00ff')",
];

/// An installation with rows in every table, with texts of every kind, and with nulls.
async fn source() -> TestDatabase {
    let database = testkit::databases::sqlite();
    let (store, made) = set_up(&database).await;
    for sql in OWNED {
        let sql = sql
            .replace("{organization}", made.organization.as_str())
            .replace("{project}", made.project.as_str())
            .replace("{user}", made.user.as_str());
        execute(&store, &sql).await.expect(&sql);
    }
    let others = PAPERS.iter().chain(&PAYMENTS).chain(&REFUSALS);
    for sql in PEOPLE.iter().chain(others) {
        execute(&store, sql).await.expect(sql);
    }
    store.close().await;
    drop(store);
    let store = serve(&database).await;
    for _ in 0..3 {
        let customer = Customer::new(&store, 100_000).await;
        for _ in 0..5 {
            spend(&store, &customer).await;
        }
        trade(&store, &customer).await;
    }
    for sql in OPERATED {
        execute(&store, sql).await.expect(sql);
    }
    store.close().await;
    database
}

/// Buys, and gives some of it back.
async fn trade(store: &Store, customer: &Customer) {
    let till = Till::of(store, customer);
    assert!(till.buy("pay_1", cents(1_000), cents(190)).await);
    till.lend("line_1", cents(500)).await.expect("a line");
    till.refund("refund_1", "pay_1", cents(100))
        .await
        .expect("it is there");
    till.dispute("dispute_1", "pay_1", cents(300))
        .await
        .expect("it is there");
}

async fn spend(store: &Store, customer: &Customer) {
    let hold = customer.hold(1_000);
    let _ = store.ledger().hold(hold.clone());
    let claim = claim(&hold, &hold.id.to_string(), "hello");
    let claimed = store.claim(claim.clone(), hold.admitted_at).await;
    assert_eq!(claimed.expect("it is written"), None);
    let usage = Usage::text(10, 20);
    let settled = answered(&hold, usage, &claim, b"{\"text\": \"\x00\xff\"}");
    let settled = store.ledger().settle(settled);
    settled.durable().await.expect("durable");
}

/// Every row of every table that is copied.
async fn everything(url: &str) -> BTreeMap<String, Vec<String>> {
    let store = open(url, Role::Reader).await.expect("it opens");
    let tables = match url.starts_with("sqlite") {
        true => "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'migrations'",
        false => {
            "SELECT tablename::text FROM pg_tables
             WHERE schemaname = 'public' AND tablename <> 'migrations'"
        }
    };
    let mut all = BTreeMap::new();
    for table in rows(&store, tables).await {
        let table = table.text(0).expect("a name").to_owned();
        let found = rows(&store, &format!("SELECT * FROM {table}")).await;
        let mut found: Vec<String> = found.iter().map(|row| format!("{row:?}")).collect();
        found.sort();
        all.insert(table, found);
    }
    store.close().await;
    all
}

/// Tables without rows in an installation at rest.
const EMPTY: [&str; 5] = ["holds", "leases", "pots", "rate_parts", "rate_shares"];

#[tokio::test]
async fn everything_is_copied_and_can_be_served() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    let before = everything(&from.url).await;
    for (table, rows) in &before {
        let is_empty = EMPTY.contains(&table.as_str());
        assert_eq!(rows.is_empty(), is_empty, "{table}: {rows:?}");
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let progress = move |step| tell.lock().expect("no panic").push(step);
    let done = copied_telling(&from.url, &to.url, progress).await;
    let done = done.expect("copied");
    assert_eq!(everything(&to.url).await, before);
    assert_eq!(
        everything(&from.url).await,
        before,
        "the source is as it was"
    );
    let all: usize = before.values().map(Vec::len).sum();
    assert_eq!(
        (done.tables, done.rows),
        (before.len() - EMPTY.len() + 1, all as u64)
    );
    assert!(done.report.holds());

    let told = told.lock().expect("no panic").clone();
    let of = |wanted: &str| -> Vec<(u64, u64)> {
        let step = |it: &Progress| match it {
            Progress::Rows { table, done, all } if *table == wanted => Some((*done, *all)),
            _ => None,
        };
        told.iter().filter_map(step).collect()
    };
    assert_eq!(of("users"), [(0, 1), (1, 1)]);
    assert_eq!(of("transfers").first(), Some(&(0, 54)));
    assert_eq!(of("transfers").last(), Some(&(54, 54)));
    assert_eq!(told.last(), Some(&Progress::Proving));

    // The chains go on where they were.
    let store = serve(&to).await;
    let heads = report(&store).await.heads;
    assert_eq!(heads, done.report.heads);
    let customer = Customer::new(&store, 5_000).await;
    spend(&store, &customer).await;
    assert_verified(&store).await;
    let after = report(&store).await.heads;
    assert!(
        heads
            .iter()
            .zip(&after)
            .all(|(a, b)| b.batch == a.batch + 1),
        "{after:?}"
    );
    store.close().await;
}

#[tokio::test]
async fn limits_a_day_go_on_where_they_stood() {
    let (from, to) = (
        testkit::databases::sqlite(),
        testkit::databases::postgres().await,
    );
    let (store, _) = set_up(&from).await;
    store.close().await;
    drop(store);
    let store = serve(&from).await;
    let (limited, other) = (
        Customer::new(&store, 100_000).await,
        Customer::new(&store, 100_000).await,
    );
    for customer in [&limited, &limited, &limited, &other] {
        spend(&store, customer).await;
    }
    let organization = &limited.organization;
    let owner = format!(
        "INSERT INTO organizations (id, name, created_at_us) VALUES ('{organization}', '', 0)"
    );
    execute(&store, &owner).await.expect(&owner);
    for (scope, of_day) in [("'', ''", "12, NULL"), ("'proj_x', ''", "11, 11")] {
        let sql = format!(
            "INSERT INTO rate_limits VALUES ('{organization}', {scope}, '', 60, NULL, {of_day}, NULL)"
        );
        execute(&store, &sql).await.expect(&sql);
    }
    let project = customer_project(&store, organization).await;
    store.close().await;
    copied(&from.url, &to.url).await.expect("copied");

    let store = open(&to.url, Role::Reader).await.expect("it opens");
    let parts = rows(
        &store,
        "SELECT limit_id, units, level_high, level_low, window_us FROM rate_parts",
    )
    .await;
    let part = &parts[0];
    assert_eq!(parts.len(), 1, "only what somebody used: {parts:?}");
    let name = format!("{organization}:{project}:m:requests_per_day");
    assert_eq!(part.text(0).expect("a name"), name);
    let number = |column| part.int(column).expect("a number");
    assert_eq!(number(1), 12_000_000);
    let level = (i128::from(number(2)) << 64) + i128::from(number(3).cast_unsigned());
    assert_eq!(level, 3_000_000 * i128::from(number(4)), "three of twelve");
    store.close().await;
}

/// The project that its usage is of.
async fn customer_project(store: &Store, organization: &OrganizationId) -> String {
    let sql = format!(
        "SELECT DISTINCT project_id FROM usage_hours WHERE organization_id = '{organization}'"
    );
    rows(store, &sql).await[0]
        .text(0)
        .expect("an id")
        .to_owned()
}

/// Not a test by itself: copies, and says before each page how far it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_copies_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "variables make it the child")]
    let (Ok(from), Ok(to)) = (std::env::var(CHILD_FROM), std::env::var(CHILD_TO)) else {
        return;
    };
    let progress = |_| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "step").expect("the parent reads");
    };
    copy(order(&from, &to), progress).await.expect("copied");
}

#[tokio::test]
async fn killed_at_any_point_it_goes_on_and_nothing_is_there_twice() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    let program = std::env::current_exe().expect("this program has a name");
    let child_test = "copying::a_child_that_copies_until_it_is_killed";
    let mut kills = 0;
    // Each child comes a little further than the one before it.
    for steps in 1.. {
        let environment = [(CHILD_FROM, &*from.url), (CHILD_TO, &*to.url)];
        let arguments = ["--exact", child_test, "--nocapture"];
        let mut child = spawn_binary(&program, &arguments, "/", &environment);
        while child.ended().is_none() && child.stdout().matches("step").count() < steps {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut random = [0];
        entropy(&mut random);
        tokio::time::sleep(Duration::from_micros(u64::from(random[0]) * 40)).await;
        if let Some(status) = child.ended() {
            assert!(status.success(), "{}{}", child.stdout(), child.stderr());
            break;
        }
        child.kill9();
        kills += 1;
        match open(&to.url, Role::Server).await {
            Err(OpenError::HalfCopied | OpenError::InUse(_)) => {}
            Ok(_) => panic!("half of it was served after {steps} steps"),
            Err(other) => panic!("{other}"),
        }
    }
    assert!(kills > 5, "it was killed only {kills} times");
    assert_eq!(everything(&to.url).await, everything(&from.url).await);
    let store = serve(&to).await;
    assert_verified(&store).await;
    store.close().await;
}

/// Copies until a table is reached, and stops there as if it had crashed.
async fn crash_at(from: &str, to: &str, table: &'static str) {
    let progress = move |step: Progress| {
        let reached = matches!(step, Progress::Rows { table: at, .. } if at == table);
        assert!(!reached, "a crash, as the test wants it");
    };
    let (from, to) = (from.to_owned(), to.to_owned());
    let run = async move { copied_telling(&from, &to, progress).await };
    assert!(tokio::spawn(run).await.is_err(), "it was to crash");
}

#[tokio::test]
async fn half_a_copy_is_no_installation() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    crash_at(&from.url, &to.url, "prices").await;
    for role in [Role::Server, Role::Command, Role::Reader] {
        let refused = open(&to.url, role).await.err().expect("refused");
        assert!(
            matches!(refused, OpenError::HalfCopied),
            "{role:?}: {refused}"
        );
    }
    copied(&from.url, &to.url).await.expect("it goes on");
    serve(&to).await.close().await;
}

#[tokio::test]
async fn a_source_that_changed_meanwhile_is_copied_anew() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    crash_at(&from.url, &to.url, "usage_hours").await;
    let store = serve(&from).await;
    let customer = Customer::new(&store, 5_000).await;
    spend(&store, &customer).await;
    store.close().await;
    drop(store);
    copied(&from.url, &to.url).await.expect("copied");
    assert_eq!(everything(&to.url).await, everything(&from.url).await);
}

#[tokio::test]
async fn requests_that_were_left_behind_are_decided_first() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    let store = serve(&from).await;
    let customer = Customer::new(&store, 5_000).await;
    let ledger = store.ledger();
    let (seen, unseen) = (customer.hold(1_000), customer.hold(1_000));
    for hold in [&seen, &unseen] {
        ledger.hold(hold.clone()).durable().await.expect("durable");
    }
    ledger.checkpoint(seen.id, 10, 20);
    store.close().await;
    drop(store);
    let done = copied(&from.url, &to.url).await.expect("copied");
    assert_eq!(done.report.open_holds, 0);
    let store = serve(&to).await;
    // 10 of input, 20 of output at 2, and 3 for the request.
    assert_eq!(customer.money(&store).await, (4_947, 4_947));
    store.close().await;
}

#[tokio::test]
async fn while_it_is_served_or_written_it_is_not_copied() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    let store = serve(&from).await;
    let refused = copy(order(&from.url, &to.url), |_| {}).await;
    let refused = refused.expect_err("refused");
    assert!(
        matches!(refused, CopyError::Open(OpenError::InUse(_))),
        "{refused}"
    );
    store.close().await;
    drop(store);

    // And the other way round: nobody serves it or writes to it while it is copied.
    let url = from.url.clone();
    let runtime = tokio::runtime::Handle::current();
    let progress = move |step| {
        if step == Progress::Proving {
            let refused = runtime.block_on(open(&url, Role::Server)).err();
            assert!(matches!(refused, Some(OpenError::InUse(_))), "{refused:?}");
            let locked = runtime.block_on(async {
                let Outside::Sqlite(other) = Outside::at(&url).await else {
                    panic!("it is a file");
                };
                other.busy_timeout(Duration::ZERO).expect("it is set");
                other.execute_batch("UPDATE counters SET value = value")
            });
            assert!(locked.is_err(), "it was written to");
        }
    };
    let done = copied_telling(&from.url, &to.url, progress).await;
    done.expect("copied");
}

#[tokio::test]
async fn only_an_empty_database_is_copied_into() {
    let from = source().await;
    let with_a_table = testkit::databases::postgres().await;
    let outside = Outside::at(&with_a_table.url).await;
    outside.run("CREATE TABLE mine (id TEXT)").await;
    let installation = testkit::databases::postgres().await;
    set_up(&installation).await.0.close().await;
    let before = everything(&installation.url).await;
    for (to, table) in [(&with_a_table, "mine"), (&installation, "accounts")] {
        let refused = copied(&from.url, &to.url).await.expect_err("refused");
        let CopyError::NotEmpty { table: found, .. } = &refused else {
            panic!("{refused}");
        };
        assert_eq!(found, table);
    }
    assert_eq!(everything(&installation.url).await, before);
    outside.run("INSERT INTO mine VALUES ('still here')").await;

    let wrong = copied(&from.url, &from.url).await.expect_err("refused");
    assert!(matches!(wrong, CopyError::NotPostgres(_)), "{wrong}");
    let to = testkit::databases::postgres().await;
    let wrong = copied(&installation.url, &to.url)
        .await
        .expect_err("refused");
    assert!(matches!(wrong, CopyError::NotSqlite(_)), "{wrong}");
    let nothing = testkit::databases::sqlite();
    let wrong = copied(&nothing.url, &to.url).await.expect_err("refused");
    assert!(wrong.to_string().contains("farebox setup"), "{wrong}");
}

#[tokio::test]
async fn books_that_do_not_hold_are_not_served() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    let outside = Outside::at(&from.url).await;
    outside
        .run("DROP TRIGGER transfers_no_update; UPDATE transfers SET reason = 'mine' WHERE batch = 1")
        .await;
    let refused = copied(&from.url, &to.url).await.expect_err("refused");
    assert!(matches!(refused, CopyError::NotProved(_)), "{refused}");
    assert!(refused.to_string().contains("control batch 1"), "{refused}");
    let refused = open(&to.url, Role::Server).await.err().expect("refused");
    assert!(matches!(refused, OpenError::HalfCopied), "{refused}");
}

#[tokio::test]
async fn what_postgres_cannot_keep_is_told_with_its_place() {
    let (from, to) = (source().await, testkit::databases::postgres().await);
    let outside = Outside::at(&from.url).await;
    outside
        .run("UPDATE service_accounts SET name = 'a' || char(0) WHERE id = 'svc_acct_1'")
        .await;
    let refused = copied(&from.url, &to.url)
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        refused.contains("column name of service_accounts"),
        "{refused}"
    );
    assert!(refused.contains("svc_acct_1"), "{refused}");
    outside
        .run("UPDATE service_accounts SET name = 'a' WHERE id = 'svc_acct_1'")
        .await;
    copied(&from.url, &to.url).await.expect("it goes on");
}
