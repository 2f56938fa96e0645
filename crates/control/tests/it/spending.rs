//! Money held and spent by the hand of a test, to the cent.

use std::sync::Arc;

use domain::hold::{Course, Flags, Hold};
use domain::id::{KeyId, PriceId, ProjectId, RequestId};
use domain::markup::Markup;
use domain::money::Nusd;
use domain::price::{StatedPrices, UnitPrices};
use domain::time::AtUs;
use domain::usage::Usage;
use serde_json::json;
use store::Settlement;

use crate::world::{World, entropy};

/// A project with a key, which spends.
pub(crate) struct Spender {
    pub(crate) project: String,
    pub(crate) key: String,
}

impl Spender {
    /// A new project, with a service account's key.
    pub(crate) async fn new(world: &World) -> Spender {
        let made = world.post("/projects", &json!({"name": "p"})).await.json();
        let project = made["id"].as_str().unwrap().to_owned();
        let accounts = format!("/projects/{project}/service_accounts");
        let made = world.post(&accounts, &json!({"name": "a"})).await.json();
        let key = made["api_key"]["id"].as_str().unwrap().to_owned();
        Spender { project, key }
    }

    /// Holds so many cents for a request admitted at `at`, durably.
    pub(crate) async fn hold(&self, world: &World, cents: i64, at: AtUs) -> Arc<Hold> {
        let cent_a_token = StatedPrices {
            input: Nusd::ZERO,
            output: Nusd::from_cents(1_000_000).unwrap(),
            ..StatedPrices::default()
        };
        let hold = Arc::new(Hold {
            id: RequestId::random(at, entropy),
            organization: world.made.organization.clone(),
            project: ProjectId::new(&self.project),
            key: KeyId::new(&self.key),
            model: "m".into(),
            endpoint: "chat",
            amount: Nusd::from_cents(cents).unwrap(),
            price_id: PriceId::new("price_test"),
            markup: Markup::NONE,
            price: cent_a_token.into(),
            cost: UnitPrices::by_class([Nusd::ZERO; 9]),
            admitted_at: at,
            legs: Arc::default(),
        });
        let ticket = world.store.ledger().hold(Arc::clone(&hold));
        assert!(ticket.durable().await.is_ok());
        hold
    }

    /// Spends so many cents on a request admitted at `at`, durably.
    pub(crate) async fn spend(&self, world: &World, cents: i64, at: AtUs) {
        let hold = self.hold(world, cents, at).await;
        let usage = Usage::text(0, cents.unsigned_abs());
        let settlement = Settlement {
            charge: hold.charge(&usage),
            hold,
            usage,
            flags: Flags::default(),
            course: Course::default(),
            upstream: "u".into(),
            ended_at: at,
            kept: None,
        };
        assert!(
            world
                .store
                .ledger()
                .settle(settlement)
                .durable()
                .await
                .is_ok()
        );
    }
}
