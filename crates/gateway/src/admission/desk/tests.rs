//! A client that leaves while its request waits for a lease leaves nothing behind. On PostgreSQL,
//! as nothing is leased on SQLite.

use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use domain::admission::DefaultRates;
use domain::id::{OrganizationId, RequestId};
use domain::money::Nusd;
use domain::people::password::PasswordHash;
use domain::time::{AtUs, Clock, MonoUs};
use store::grants::{self, Grant};
use store::installation::{self, NewInstallation};
use store::{DatabaseUrl, Options, Role, Store, StoreError, Tx, verify};

use super::super::bid::tests::bid;
use super::super::{Admitted, Around, Bid, Books, Unadmitted, admit};
use super::Desk;

const NOW: AtUs = AtUs(1_900_000_000_000_000);

fn clock() -> Clock {
    Arc::new(|| NOW)
}

fn mono() -> MonoUs {
    MonoUs(testkit::mono_us())
}

/// Never the same bytes in a row: ids differ.
fn entropy(bytes: &mut [u8]) {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    bytes.fill_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
}

async fn open(url: &str) -> Store {
    let options = Options {
        url: DatabaseUrl::parse(url).expect("an address"),
        role: Role::Server,
        ballast_bytes: 0,
        clock: clock(),
        mono,
    };
    Store::open(options).await.expect("it opens")
}

fn give(tx: &mut Tx<'_>, id: &str, organization: &OrganizationId) -> Result<(), StoreError> {
    let grant = Grant {
        id: id.into(),
        organization: organization.clone(),
        amount: Nusd::new(1_000),
        expires_at: None,
        reason: "test".into(),
        actor: "operator".into(),
    };
    let given = grants::give(tx, &grant, NOW);
    let given = given.map_err(|error| StoreError::Failed(error.to_string()))?;
    assert!(given, "it is new");
    Ok(())
}

/// An organization with a thousand, in a new installation.
async fn organization(store: &Store) -> OrganizationId {
    let new = NewInstallation {
        email: "a@example.com".into(),
        password: PasswordHash::new("none".into()),
        organization: "Acme".into(),
    };
    let made = store.write(move |tx| {
        let made = installation::set_up(tx, &new, NOW, entropy);
        let made = made.map_err(|error| StoreError::Failed(error.to_string()))?;
        give(tx, "first", &made.organization)?;
        Ok::<_, StoreError>(made.organization)
    });
    made.await.expect("an empty installation")
}

/// A request that may cost 200.
fn request(organization: &OrganizationId, number: u32) -> Bid {
    Bid {
        id: RequestId::parse(&format!("req_{number:032x}")).expect("32 digits"),
        organization: organization.clone(),
        ..bid(100, 1, false)
    }
}

/// How many wait at a desk, and what the wallet has room for here.
fn look(desk: &Desk) -> (usize, Nusd) {
    let leased = desk.leased.as_ref().expect("it is leased");
    let ask = domain::lease::Rooms::room(&desk.book, &leased.wallet);
    (leased.waiting.len(), ask)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_it_waits_for_a_lease_leaves_nothing_behind() {
    let store = open(&testkit::databases::postgres().await.url).await;
    let organization = organization(&store).await;
    let around = Around {
        ledger: store.ledger(),
        clock: clock(),
        mono,
        low: Arc::new(|_| {}),
    };
    let plenty = DefaultRates {
        requests_per_minute: 10_000_000,
        tokens_per_minute: 10_000_000_000,
    };
    let books = Books::open(Vec::new(), plenty, (around, Duration::ZERO), &store);

    // A grant under way keeps the wallet, so that nothing of it can be leased.
    let (kept, is_kept) = tokio::sync::oneshot::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    let (to, keeper) = (organization.clone(), store.clone());
    let grant = tokio::spawn(async move {
        let keep = move |tx: &mut Tx<'_>| {
            give(tx, "second", &to)?;
            kept.send(()).expect("the test waits");
            may_go.recv().expect("the test says when");
            Ok::<_, StoreError>(())
        };
        keeper.write(keep).await
    });
    is_kept.await.expect("it is kept");

    let desk = books.of(&organization);
    {
        let mut leaves = pin!(admit(&books, request(&organization, 1)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(leaves.as_mut().poll(&mut context).is_pending());
        assert_eq!(look(&desk.lock()), (1, Nusd::ZERO), "it waits");
    }
    assert_eq!(look(&desk.lock()), (0, Nusd::ZERO), "it has left");
    let_go.send(()).expect("somebody waits");
    grant.await.expect("no panic").expect("granted");

    // What comes for it is there for the next one, which holds all that is held.
    let next: Result<Admitted, Box<Unadmitted>> = admit(&books, request(&organization, 2)).await;
    let mut next = next.expect("there is money");
    next.durable().await.expect("durable");
    assert_eq!(look(&desk.lock()), (0, Nusd::new(2_000 - 200)));
    next.release().await;
    assert_eq!(look(&desk.lock()), (0, Nusd::new(2_000)));
    let report = store.read_in_order(verify::verify).await.expect("readable");
    assert!(report.holds() && report.open_holds == 0, "{report:?}");
}
