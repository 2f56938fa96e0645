//! Markups: dated rules, and what requests are charged under them.

use domain::id::{MarkupId, OrganizationId};
use domain::markup::Markup;
use domain::time::{AtUs, SECOND_US};
use domain::usage::Usage;
use store::Store;
use store::changes::{self, ChangeKind};
use store::markups::{self, MarkupError, NewMarkup, Stated};
use testkit::on_each_database;

use crate::fixture::{BEGIN, Customer, assert_verified, entropy, number, rows, serve, settlement};

fn markup(basis_points: i64) -> Markup {
    Markup::new(basis_points).expect("within bounds")
}

fn new(organization: &OrganizationId, basis_points: i64) -> NewMarkup {
    NewMarkup {
        organization: organization.clone(),
        model: None,
        markup: markup(basis_points),
        start: None,
    }
}

async fn add(store: &Store, new: NewMarkup, now: AtUs) -> Result<Stated, MarkupError> {
    let write = store.write(move |tx| markups::add(tx, &new, now, entropy));
    write.await
}

async fn end(
    store: &Store,
    organization: &OrganizationId,
    id: &MarkupId,
    now: AtUs,
) -> Result<Stated, MarkupError> {
    let (organization, id) = (organization.clone(), id.clone());
    let write = store.write(move |tx| markups::end(tx, &organization, &id, now));
    write.await
}

/// The basis points in force.
async fn in_force(store: &Store, organization: &OrganizationId, model: &str, at: AtUs) -> i32 {
    let organization = organization.clone();
    let read = store.read(move |tx| markups::of(tx, &organization));
    let rules = read.await.expect("the rules are read");
    rules.in_force(model, at).basis_points()
}

/// An organization with a row of its own, as rules refer to it.
async fn organization(store: &Store) -> OrganizationId {
    let customer = Customer::new(store, 0).await;
    let id = customer.organization;
    let sql = format!("INSERT INTO organizations (id, name, created_at_us) VALUES ('{id}', '', 0)");
    crate::fixture::execute(store, &sql).await.expect("a row");
    id
}

#[tokio::test]
async fn a_markup_counts_from_its_start_until_the_next_one_or_its_end() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let of = organization(&store).await;
        let at = |seconds: i64| BEGIN.plus(seconds * SECOND_US);
        let first = add(&store, new(&of, 1_250), at(0)).await.expect("made");
        let own = NewMarkup {
            model: Some("m".into()),
            start: Some(at(10)),
            ..new(&of, -1_000)
        };
        let own = add(&store, own, at(0)).await.expect("made");
        // The same instant as the first: it begins right after.
        let second = add(&store, new(&of, 0), at(0)).await.expect("made");
        assert_eq!(second.rule.effective_at, first.rule.effective_at.plus(1));
        for (seconds, of_m, of_other) in [(-1, 0, 0), (0, 1_250, 1_250), (1, 0, 0), (10, -1_000, 0)]
        {
            let read = async |model| in_force(&store, &of, model, at(seconds)).await;
            assert_eq!((read("m").await, read("x").await), (of_m, of_other));
        }
        end(&store, &of, &own.rule.id, at(20)).await.expect("ended");
        assert_eq!(in_force(&store, &of, "m", at(19)).await, -1_000);
        assert_eq!(in_force(&store, &of, "m", at(20)).await, 0);
        let again = end(&store, &of, &own.rule.id, at(21)).await;
        assert!(matches!(again, Err(MarkupError::Over)), "{again:?}");
        let followed = end(&store, &of, &first.rule.id, at(21)).await;
        assert!(matches!(followed, Err(MarkupError::Over)), "{followed:?}");
        let others = OrganizationId::new("org-other");
        let elsewhere = end(&store, &others, &second.rule.id, at(21)).await;
        assert!(matches!(elsewhere, Err(MarkupError::Unknown)));
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_markup_never_begins_in_the_past_or_beside_another() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let of = organization(&store).await;
        let starting = |start: AtUs| NewMarkup {
            start: Some(start),
            ..new(&of, 100)
        };
        let past = add(&store, starting(BEGIN.plus(-1)), BEGIN).await;
        assert!(matches!(past, Err(MarkupError::Past)));
        let later = BEGIN.plus(SECOND_US);
        let made = add(&store, starting(later), BEGIN).await.expect("made");
        let taken = add(&store, starting(later), BEGIN).await;
        assert!(matches!(taken, Err(MarkupError::Taken(id)) if id == made.rule.id));
        let of_a_model = NewMarkup {
            model: Some("m".into()),
            ..starting(later)
        };
        add(&store, of_a_model, BEGIN)
            .await
            .expect("others' models");
        for seconds in 2..100 {
            let start = BEGIN.plus(seconds * SECOND_US);
            add(&store, starting(start), BEGIN).await.expect("made");
        }
        let too_many = add(&store, starting(BEGIN.plus(1)), BEGIN).await;
        assert!(matches!(too_many, Err(MarkupError::TooMany)));
        // One that was taken back waits no longer, and never counts.
        end(&store, &of, &made.rule.id, BEGIN)
            .await
            .expect("taken back");
        add(&store, starting(BEGIN.plus(1)), BEGIN)
            .await
            .expect("made");
        assert_eq!(in_force(&store, &of, "x", later).await, 100);
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn servers_hear_of_markups() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let of = organization(&store).await;
        let before = store.read(changes::latest).await.expect("a number");
        let made = add(&store, new(&of, 5), BEGIN).await.expect("made");
        end(&store, &of, &made.rule.id, BEGIN.plus(1))
            .await
            .expect("ended");
        let heard = store.read(move |tx| changes::after(tx, before, 9)).await;
        let heard = heard.expect("changes");
        let kinds: Vec<_> = heard.iter().map(|it| (it.kind, &*it.reference)).collect();
        assert_eq!(kinds, [(ChangeKind::Markups, of.as_str()); 2]);
        let all = store.read(markups::all).await.expect("all rules");
        assert!(all.contains_key(&of), "{all:?}");
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_is_charged_with_the_markup_of_its_admission() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let hold = customer.marked_up(100, markup(2_500));
        let ledger = store.ledger();
        ledger.hold(hold.clone()).durable().await.expect("durable");
        // 8 in, 10 out and the request, at 1, 2 and 3: 31, and a quarter.
        let ticket = ledger.settle(settlement(&hold, Usage::text(8, 10)));
        ticket.durable().await.expect("durable");
        let record = rows(&store, "SELECT cost_nusd, markup_bp FROM usage_records").await;
        let charged = (record[0].int(0), record[0].int(1));
        assert_eq!((charged.0.unwrap(), charged.1.unwrap()), (39, 2_500));
        customer.return_leases(&store).await;
        assert_verified(&store).await;
        store.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_orphan_is_charged_with_the_markup_of_its_admission() {
    on_each_database(async |database| {
        let store = serve(&database).await;
        let customer = Customer::new(&store, 1_000).await;
        let ledger = store.ledger();
        let hold = customer.marked_up(100, markup(-5_000));
        ledger.hold(hold.clone()).durable().await.expect("durable");
        ledger.checkpoint(hold.id, 8, 10);
        // The process "dies".
        drop((ledger, store));
        let next = serve(&database).await;
        // Half of 31, rounded up.
        let sql = "SELECT cost_nusd FROM usage_records WHERE markup_bp = -5000";
        assert_eq!(number(&next, sql).await, 16);
        customer.return_leases(&next).await;
        assert_verified(&next).await;
        next.close().await;
    })
    .await;
}
