//! Follows the change log: keys made and revoked, limits and prices changed, money paid in, by
//! whichever process. It writes nothing: a write waits until this has heard of it.

use std::time::Duration;

use domain::id::{KeyId, OrganizationId, ProjectId, UserId};
use domain::markup::Markups;
use domain::model_permissions::ModelPermissions;
use domain::recharge::Recharge;
use store::changes::{self, Change, ChangeKind};
use store::keys::{self, ActiveKey};
use store::{
    Store, StoreError, Tx, markups, model_permissions, organizations, prompts, recharges, wallets,
};

use crate::admission::Limits;
use crate::state::Gateway;
use crate::terms::Terms;

/// Changes made by other processes are in force within this time.
const POLL: Duration = Duration::from_millis(500);
/// Changes taken at once.
const PAGE: i64 = 500;

/// Follows until cancelled.
pub(crate) async fn run(gateway: Gateway, store: Store, mut seq: i64) {
    loop {
        match step(&gateway, &store, seq).await {
            Ok(reached) => {
                seq = reached.seq;
                store.heard(seq);
                // What a new budget allows is given to nobody before all nodes have heard of it.
                if let Some(fleet) = store.fleet().filter(|_| reached.limits) {
                    fleet.hurry();
                }
            }
            Err(error) => tracing::warn!(%error, "changes cannot be read; trying again"),
        }
        store.changed(POLL).await;
    }
}

/// What a change means for this process.
enum Effect {
    Key(KeyId, Option<ActiveKey>),
    Credits(OrganizationId, domain::money::Nusd),
    Paid(OrganizationId),
    Recharge(OrganizationId, Recharge),
    Limits(OrganizationId, Limits),
    Models(ProjectId, Option<ModelPermissions>),
    Terms(String, Terms),
    Markups(OrganizationId, Markups),
    Suspended(OrganizationId, bool),
    Prompts(OrganizationId, bool),
}

impl Effect {
    /// A key that works is as it is now.
    fn of(key: ActiveKey) -> Self {
        Effect::Key(key.principal.key.clone(), Some(key))
    }
}

/// How far changes are in force.
struct Reached {
    seq: i64,
    /// Limits were among them.
    limits: bool,
}

/// Puts everything after `seq` into force.
async fn step(gateway: &Gateway, store: &Store, seq: i64) -> Result<Reached, StoreError> {
    let books = &gateway.0.books;
    let (_alone, leased) = (books.changing().await, books.are_leased());
    let read = store.read(move |tx| {
        let changes = changes::after(tx, seq, PAGE)?;
        let mut effects = Vec::new();
        for change in &changes {
            add_effects(tx, change, leased, &mut effects)?;
        }
        Ok::<_, StoreError>((changes.last().map_or(seq, |change| change.seq), effects))
    });
    let (seq, effects) = read.await?;
    let limits = put_into_force(gateway, effects).await?;
    Ok(Reached { seq, limits })
}

/// Puts changes into force; answers whether limits were among them.
async fn put_into_force(gateway: &Gateway, effects: Vec<Effect>) -> Result<bool, StoreError> {
    let mut limits_changed = false;
    for effect in effects {
        match effect {
            Effect::Key(id, key) => gateway.0.directory.set(&id, key),
            Effect::Credits(id, credits) => gateway.0.books.set_credits(&id, credits),
            Effect::Paid(id) => gateway.0.books.paid(&id),
            Effect::Recharge(id, recharge) => gateway.0.books.set_recharge(&id, recharge),
            Effect::Terms(model, terms) => gateway.0.terms.set(model, terms),
            Effect::Markups(id, markups) => gateway.0.terms.set_markups(id, markups),
            Effect::Models(id, models) => gateway.0.project_models.set(id, models),
            Effect::Suspended(id, is_suspended) => gateway.0.suspended.set(id, is_suspended),
            Effect::Prompts(id, wants) => gateway.0.log.want_prompts(id, wants),
            Effect::Limits(id, limits) => {
                gateway.0.books.set_limits(&id, limits).await?;
                limits_changed = true;
            }
        }
    }
    Ok(limits_changed)
}

/// Reads what a change means: how things are now, which may be later than the change.
fn add_effects(
    tx: &mut Tx<'_>,
    change: &Change,
    leased: bool,
    effects: &mut Vec<Effect>,
) -> Result<(), StoreError> {
    let reference = &change.reference;
    match change.kind {
        ChangeKind::Key => {
            let id = KeyId::new(reference);
            let key = keys::active_by_id(tx, &id)?;
            effects.push(Effect::Key(id, key));
        }
        ChangeKind::Project => {
            let id = ProjectId::new(reference);
            let keys = keys::active_of_project(tx, &id)?;
            let models = model_permissions::get(tx, &id)?;
            effects.push(Effect::Models(id, models));
            effects.extend(keys.into_iter().map(Effect::of));
        }
        ChangeKind::User => {
            let keys = keys::active_of_user(tx, &UserId::new(reference))?;
            effects.extend(keys.into_iter().map(Effect::of));
        }
        ChangeKind::Roles => {
            let keys = keys::active_of_people(tx, &OrganizationId::new(reference))?;
            effects.extend(keys.into_iter().map(Effect::of));
        }
        // Leased money is found by who asks for it.
        ChangeKind::Wallet if leased => effects.push(Effect::Paid(OrganizationId::new(reference))),
        ChangeKind::Wallet => {
            let id = OrganizationId::new(reference);
            if let Some(credits) = wallets::credits(tx, &id)? {
                effects.push(Effect::Credits(id, credits));
            }
        }
        ChangeKind::Recharge => {
            let id = OrganizationId::new(reference);
            if let Some(recharge) = recharges::of(tx, &id)? {
                effects.push(Effect::Recharge(id, recharge));
            }
        }
        ChangeKind::Limits => {
            let id = OrganizationId::new(reference);
            let limits = Limits::read(tx, &id)?;
            effects.push(Effect::Limits(id, limits));
        }
        ChangeKind::Model => {
            let terms = Terms::read(tx, reference)?;
            effects.push(Effect::Terms(reference.clone(), terms));
        }
        ChangeKind::Markups => {
            let id = OrganizationId::new(reference);
            let markups = markups::of(tx, &id)?;
            effects.push(Effect::Markups(id, markups));
        }
        ChangeKind::Organization => {
            let id = OrganizationId::new(reference);
            let is_suspended = organizations::is_suspended(tx, &id)?;
            effects.push(Effect::Suspended(id, is_suspended));
        }
        ChangeKind::Prompts => {
            let id = OrganizationId::new(reference);
            let wants = prompts::setting(tx, &id)?.is_enabled;
            effects.push(Effect::Prompts(id, wants));
        }
        ChangeKind::Other => {}
    }
    Ok(())
}
