//! Receipts and credit notes: one for each cause, numbered without gaps, as they were issued.

use domain::document::{DocumentKind, Line, PaidWith, Party, Seller};
use domain::id::OrganizationId;
use domain::money::Nusd;
use domain::time::{AtUs, DAY_US};
use store::installation::SetUp;
use store::page::Page;
use store::receipts::{self, CreditNoteError, Document, Refunded, Sale};
use store::{Store, StoreError, Tx, billing_profiles};
use testkit::{TestDatabase, on_each_database};

use crate::crud_world::{self, NOW, write};
use crate::fixture::{execute, number, open};

const DOLLAR: i64 = 1_000_000_000;

fn seller() -> Seller {
    Seller {
        party: Party {
            name: "Fare & Co.".into(),
            address: "1 Main Street\nSpringfield".into(),
            country: "US".into(),
            tax_id: "US-1".into(),
            email: "billing@fare.example".into(),
        },
        prefix: "F-".into(),
    }
}

async fn set_up(database: &TestDatabase) -> (Store, SetUp) {
    let (store, made) = crud_world::set_up(database).await;
    write(&store, |tx| {
        billing_profiles::set_seller(tx, &seller(), NOW)?;
        assert_eq!(billing_profiles::seller(tx)?, seller());
        Ok(())
    })
    .await;
    (store, made)
}

fn buy(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    purchase: &str,
    now: AtUs,
) -> Result<Document, StoreError> {
    let sale = Sale {
        purchase,
        organization,
        lines: vec![Line {
            description: "Prepaid credit".into(),
            amount: Nusd::new(10 * DOLLAR),
        }],
        tax: Nusd::new(1_900_000_000),
        tax_percent: "19",
        paid_with: Some(PaidWith {
            brand: "visa".into(),
            last4: "4242".into(),
        }),
    };
    receipts::issue(tx, &sale, now)
}

fn give_back<'a>(refund: &'a str, purchase: &'a str, amount: i64, tax: i64) -> Refunded<'a> {
    Refunded {
        refund,
        purchase,
        amount: Nusd::new(amount),
        tax: Nusd::new(tax),
        reason: "asked for",
    }
}

/// Buys in a transaction of its own, which fails after the number was taken if it is to.
async fn buy_or_fail(store: Store, organization: OrganizationId, purchase: String, fails: bool) {
    let bought = store.write(move |tx| {
        buy(tx, &organization, &purchase, NOW)?;
        match fails {
            true => Err(StoreError::Conflict("it is to fail".into())),
            false => Ok(()),
        }
    });
    assert_eq!(bought.await.is_err(), fails);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_no_gaps_whoever_takes_them_and_whatever_fails() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let other = open(&database.url, store::Role::Command)
            .await
            .expect("it opens");
        let mut tasks = Vec::new();
        for index in 0..60 {
            let node = if index % 2 == 0 { &store } else { &other };
            let purchase = format!("pay_{index}");
            let buying = buy_or_fail(
                node.clone(),
                made.organization.clone(),
                purchase,
                index % 3 == 0,
            );
            tasks.push(tokio::spawn(buying));
        }
        for task in tasks {
            task.await.expect("it ran");
        }
        let sql = "SELECT COUNT(*) FROM receipts";
        assert_eq!(number(&store, sql).await, 40);
        let sql = "SELECT MAX(seq) FROM receipts WHERE kind = 'receipt' AND year = 2027";
        assert_eq!(
            number(&store, sql).await,
            40,
            "as many as there are, so none is left out"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_issued_stays_as_it_was() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let id = made.organization.clone();
        let issued = write(&store, move |tx| {
            let first = buy(tx, &id, "pay_1", NOW)?;
            assert_eq!(first.number, "F-2027-000001");
            assert_eq!(first.content.buyer.name, "Acme", "for want of a profile");
            assert_eq!(first.content.seller, seller().party);
            assert_eq!(first.total(), Nusd::new(11_900_000_000));
            assert_eq!(
                buy(tx, &id, "pay_1", NOW)?,
                first,
                "one receipt for a purchase"
            );
            let profile = Party {
                name: "ΑΒΓ Ένωση".into(),
                address: "Улица 5\nСофия".into(),
                country: "BG".into(),
                tax_id: "BG123".into(),
                email: "books@example.com".into(),
            };
            billing_profiles::set(tx, &id, &profile, NOW)?;
            assert_eq!(billing_profiles::get(tx, &id)?, Some(profile.clone()));
            assert_eq!(receipts::get(tx, &id, &first.number)?, Some(first.clone()));
            let second = buy(tx, &id, "pay_2", NOW.plus(1))?;
            assert_eq!(second.number, "F-2027-000002");
            assert_eq!(second.content.buyer, profile);
            let stranger = OrganizationId::new("org-other");
            assert_eq!(receipts::get(tx, &stranger, &first.number)?, None);
            let page = |after, is_descending| Page {
                after,
                is_descending,
                limit: 1,
            };
            assert_eq!(receipts::list(tx, &id, &page(None, true))?, [second]);
            let place = (NOW, first.number.clone());
            assert_eq!(receipts::list(tx, &id, &page(Some(place), true))?, []);
            Ok(first)
        })
        .await;
        let edits = [
            "UPDATE receipts SET amount_nusd = 1".to_owned(),
            format!("DELETE FROM receipts WHERE number = '{}'", issued.number),
        ];
        for edit in edits {
            let refused = execute(&store, &edit).await;
            assert!(refused.is_err(), "{edit}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credit_notes_have_numbers_of_their_own_and_give_back_no_more_than_was_paid() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let id = made.organization;
        let refused = store.write(move |tx| {
            let receipt = buy(tx, &id, "pay_1", NOW)?;
            let partly = give_back("re_1", "pay_1", 4 * DOLLAR, 760_000_000);
            let note = receipts::credit(tx, &partly, NOW)?;
            assert_eq!(note.number, "F-CN-2027-000001");
            assert_eq!(note.kind, DocumentKind::CreditNote);
            assert_eq!(note.of_receipt.as_deref(), Some(&*receipt.number));
            assert_eq!(note.content.buyer, receipt.content.buyer);
            assert_eq!(note.content.reason.as_deref(), Some("asked for"));
            assert_eq!(
                receipts::credit(tx, &partly, NOW)?,
                note,
                "one for a refund"
            );
            assert_eq!(receipts::of_cause(tx, "re_1")?, Some(note));
            let nothing = give_back("re_2", "pay_9", 1, 0);
            let none = receipts::credit(tx, &nothing, NOW);
            assert!(matches!(none, Err(CreditNoteError::NoReceipt(_))));
            let above = give_back("re_3", "pay_1", 6 * DOLLAR, 1_140_000_001);
            receipts::credit(tx, &above, NOW)
        });
        match refused.await {
            Err(CreditNoteError::TooMuch { left, .. }) => {
                assert_eq!(left, Nusd::new(7_140_000_000));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(
            number(&store, "SELECT COUNT(*) FROM receipt_series").await,
            0
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_year_begins_at_one_and_dates_rise_with_the_numbers() {
    on_each_database(async |database| {
        let (store, made) = set_up(&database).await;
        let id = made.organization;
        write(&store, move |tx| {
            buy(tx, &id, "pay_1", NOW)?;
            let behind = buy(tx, &id, "pay_2", NOW.plus(-5_000_000))?;
            assert_eq!((&*behind.number, behind.issued_at), ("F-2027-000002", NOW));
            let later = buy(tx, &id, "pay_3", NOW.plus(366 * DAY_US))?;
            assert_eq!(later.number, "F-2028-000001");
            let old = buy(tx, &id, "pay_4", NOW.plus(1))?;
            assert_eq!(
                old.number, "F-2027-000003",
                "of a clock that is a year behind"
            );
            Ok(())
        })
        .await;
    })
    .await;
}
