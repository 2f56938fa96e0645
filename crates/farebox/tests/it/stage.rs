//! An installation that a proof is played on: the real binary, keys and hard budgets, and an
//! upstream that knows of every request how much of its answer it has sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, KeyId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::{AtUs, Clock};
use domain::window::Window;
use parking_lot::Mutex;
use serde_json::json;
use store::budgets::{self, BudgetRow};
use store::{DatabaseUrl, Options, Role, Store, StoreError};
use testkit::process::Process;
use testkit::{Reply, Upstream, UpstreamRequest, http};

use crate::place::Place;

/// Text of a streamed answer: each word is a delta, one token by anybody's count.
pub(crate) const STREAMED: [&str; 12] = ["one "; 12];
/// Text of a plain answer, and its tokens.
pub(crate) const PLAIN: (&str, u64) = ("one two three", 3);

/// Milliseconds between the deltas of [`Stage::slow`], whose streams take many seconds.
pub(crate) const SLOW_MS: u64 = 50;
const SLOW_DELTAS: usize = 1_000;

/// Chunks that an upstream has sent of each answer, by the request's number.
type Sent = Arc<Mutex<HashMap<u64, Arc<AtomicU64>>>>;
/// What is answered to a request of this number.
type Script = Arc<dyn Fn(u64, &UpstreamRequest) -> Reply + Send + Sync>;

/// A key, as clients use it.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) secret: String,
}

/// Everything that stays while servers come and go.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) keys: Vec<Key>,
    pub(crate) organization: OrganizationId,
    pub(crate) project: ProjectId,
    pub(crate) database_url: String,
    sent: Sent,
    upstream: Upstream,
}

impl Stage {
    /// An installation with plenty of credit and two keys, at a database that exists already.
    pub(crate) async fn new(database_url: &str) -> Self {
        Self::with(database_url, Arc::new(answer)).await
    }

    /// The same with streams that are long and slow.
    pub(crate) async fn slow(database_url: &str) -> Self {
        let deltas = vec!["one "; SLOW_DELTAS];
        let reply = move |_: u64, _: &_| Reply::stream(&deltas).delay_ms(SLOW_MS);
        Self::with(database_url, Arc::new(reply)).await
    }

    async fn with(database_url: &str, script: Script) -> Self {
        let sent = Sent::default();
        let counts = Arc::clone(&sent);
        let upstream = Upstream::start(move |request| {
            let body = request.json();
            let asked = body["messages"][0]["content"].as_str();
            let number = asked.and_then(|it| it.split(' ').next_back()?.parse().ok());
            let number: u64 = number.expect("requests are numbered");
            let count = Arc::<AtomicU64>::default();
            counts.lock().insert(number, Arc::clone(&count));
            script(number, request).count_in(count)
        })
        .await;
        let place = Place::new(database_url, &upstream.base_url());
        let made = place.set_up("1000");
        let text = |name: &str| made[name].as_str().expect("setup tells it").to_owned();
        let mut stage = Stage {
            place,
            keys: Vec::new(),
            organization: OrganizationId::new(&text("organization_id")),
            project: ProjectId::new(&text("project_id")),
            database_url: database_url.to_owned(),
            sent,
            upstream,
        };
        let mut server = stage.place.serve().await;
        for name in ["one", "two"] {
            stage
                .keys
                .push(stage.make_key(&text("admin_key"), name).await);
        }
        server.signal("TERM");
        assert!(server.wait(Duration::from_secs(30)).await.success());
        stage
    }

    /// Another folder and port for a server of the same installation.
    pub(crate) fn another_place(&self) -> Place {
        Place::new(&self.database_url, &self.upstream.base_url())
    }

    async fn make_key(&self, admin_key: &str, name: &str) -> Key {
        let path = format!(
            "/v1/organization/projects/{}/service_accounts",
            self.project
        );
        let body = json!({"name": name});
        let made = http::post_json(&self.place.url(&path), admin_key, &body).await;
        assert_eq!(made.status, 200, "{}", made.text());
        let key = &made.json()["api_key"];
        Key {
            id: KeyId::new(key["id"].as_str().expect("an id")),
            secret: key["value"].as_str().expect("a secret").to_owned(),
        }
    }

    /// How many deltas of this request's streamed answer the upstream has sent, at most.
    pub(crate) fn sent(&self, number: u64) -> u64 {
        let sent = self.sent.lock();
        let chunks = sent.get(&number).map_or(0, |it| it.load(Ordering::SeqCst));
        // The first chunk says the role.
        chunks.saturating_sub(1)
    }

    /// Opens the installation beside whatever serves it.
    pub(crate) async fn open(&self, role: Role) -> Store {
        let url = DatabaseUrl::parse(&self.database_url).expect("an address");
        let options = Options {
            url,
            role,
            ballast_bytes: 0,
            clock: clock(),
            mono: || domain::time::MonoUs(testkit::mono_us()),
        };
        Store::open(options).await.expect("the installation opens")
    }

    /// Puts a hard budget on each kind of scope, each with another window, the last on the second
    /// key. Limits are set by [`Stage::allow`].
    pub(crate) async fn put_budgets(&self) -> Vec<Budget> {
        let scopes = [
            (Scope::Organization, Window::Always),
            (Scope::Project(self.project.clone()), Window::Month),
            (Scope::Key(self.keys[1].id.clone()), Window::Day),
        ];
        let budget = |(number, (scope, window)): (usize, (Scope, Window))| Budget {
            id: BudgetId::new(&format!("budget_{number}")),
            scope,
            window,
            limit: Nusd::ZERO,
            force: Force::Hard,
            thresholds: vec![50, 100],
        };
        let made: Vec<Budget> = scopes.into_iter().enumerate().map(budget).collect();
        let (organization, budgets) = (self.organization.clone(), made.clone());
        let store = self.open(Role::Command).await;
        let create = store.write(move |tx| {
            for budget in budgets {
                let row = BudgetRow {
                    budget,
                    is_spend_limit: false,
                    created_at: clock()(),
                };
                budgets::create(tx, &organization, &row)?;
            }
            Ok::<_, StoreError>(())
        });
        create.await.expect("budgets are made");
        store.close().await;
        made
    }

    /// Lowers or raises a budget's limit.
    pub(crate) async fn allow(&self, budget: &mut Budget, limit: Nusd) {
        budget.limit = limit;
        let (organization, budget) = (self.organization.clone(), budget.clone());
        let store = self.open(Role::Command).await;
        let change = store.write(move |tx| budgets::change(tx, &organization, &budget, clock()()));
        change.await.expect("a budget is changed");
        store.close().await;
    }

    /// Ends a server as an operator does, and sees that it ends well.
    pub(crate) async fn stop(&self, mut server: Process) {
        server.signal("TERM");
        let ended = server.wait(Duration::from_secs(60)).await;
        assert!(ended.success(), "{ended}:\n{}", server.stderr());
    }
}

pub(crate) fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let us = since.expect("after 1970").as_micros();
        AtUs(i64::try_from(us).expect("before the year 294000"))
    })
}

/// Answers at another pace each time, so that deaths meet answers at every stage.
fn answer(number: u64, request: &UpstreamRequest) -> Reply {
    if !request.wants_stream() {
        return Reply::chat(PLAIN.0).first_byte_delay_ms(1 + number % 7);
    }
    // One in four takes two seconds, long enough that some of it is noted on the way.
    let delay_ms = match number % 4 {
        0 => 150,
        _ => 10 + number % 50,
    };
    Reply::stream(&STREAMED).delay_ms(delay_ms)
}
