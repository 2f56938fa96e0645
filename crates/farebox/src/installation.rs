//! What the commands do to an installation: found it, grant credit, prove the ledger, look after
//! messages, help people in.

pub mod leaks;

use domain::id::{JobId, OrganizationId, ProjectId, RequestId, UserId};
use domain::key::KeySecret;
use domain::money::Nusd;
use domain::people::email::Email;
use domain::people::password::{MOST_CHARS, Password, PasswordHash};
use domain::time::{AtUs, DAY_US};
use serde_json::json;
use store::audit::{self, Act, Actor, Event, Kind};

use store::grants::{self, GrantError};
use store::installation::SetUpError;
use store::jobs::{self, Listed};
use store::people::{factors, users};
use store::prices::{self, NewVersion, PriceError, Source};
use store::verify::Head;
use store::{Role, StoreError, Tx};

use crate::cli::{Failure, Grant};
use crate::config::{Config, Secret};
use crate::price_file::PriceFile;
use crate::price_import::{self, Line, Offered, Wanted};
use crate::{clock, entropy, wiring};

/// What an installation begins with.
#[derive(Debug)]
pub struct NewInstallation {
    /// The operator, who also owns the organization.
    pub email: String,
    /// The organization's name.
    pub organization: String,
    /// The operator's password.
    pub password: Secret,
    /// Granted to the organization; zero grants nothing.
    pub credit: Nusd,
}

/// What was made. The keys are shown once and kept nowhere.
#[derive(Debug)]
pub struct Founded {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Its default project.
    pub project_id: ProjectId,
    /// The operator.
    pub user_id: UserId,
    /// Calls the data plane, in that project.
    pub api_key: KeySecret,
    /// Calls the Administration API.
    pub admin_key: KeySecret,
}

/// Credit that was given.
#[derive(Debug)]
pub struct Granted {
    /// The grant's id in the books.
    pub id: String,
    /// What the organization then has.
    pub balance: Nusd,
}

/// What a verification found.
#[derive(Debug)]
pub struct Proof {
    /// Transfers that were looked at.
    pub transfers: u64,
    /// Usage records that were looked at.
    pub usage_records: u64,
    /// Holds that were open: requests in flight.
    pub open_holds: u64,
    /// Where each chain of batches ends.
    pub heads: Vec<Head>,
    /// Every invariant that does not hold: which, where, by how much.
    pub violations: Vec<String>,
}

/// Messages in the queue: how many, and the first of them.
#[derive(Debug)]
pub struct Messages {
    /// To be sent, now or later.
    pub waiting_count: u64,
    /// Given up.
    pub given_up_count: u64,
    /// To be sent, the next first.
    pub waiting: Vec<Listed>,
    /// Given up, the latest first.
    pub given_up: Vec<Listed>,
}

/// The most messages of each kind that are listed.
const MESSAGES_SHOWN: i64 = 100;

/// Founds an empty installation.
///
/// # Errors
/// [`Failure`] if it is not empty, or the database cannot be used.
pub async fn found(config: &Config, new: &NewInstallation) -> Result<Founded, Failure> {
    let store = wiring::open(config, Role::Command).await?;
    let first = store::installation::NewInstallation {
        email: new.email.clone(),
        password: hash(&new.password).await?,
        organization: new.organization.clone(),
    };
    let credit = new.credit;
    let found = store.write(move |tx| {
        let now = clock::now();
        let made = store::installation::set_up(tx, &first, now, entropy::system)?;
        if credit > Nusd::ZERO {
            let grant = grants::Grant {
                id: grant_id(),
                organization: made.organization.clone(),
                amount: credit,
                expires_at: None,
                reason: "credit at set-up".into(),
                actor: "operator".into(),
            };
            give(tx, &grant, now).map_err(|error| match error {
                GrantError::Store(error) => SetUpError::Store(error),
                other => SetUpError::Store(StoreError::Conflict(other.to_string())),
            })?;
        }
        Ok(made)
    });
    let made = found.await.map_err(|error: SetUpError| match error {
        SetUpError::AlreadySetUp => Failure::new(format!(
            "this installation is already set up ({}). Use it, or name another database_url.",
            config.database_url
        )),
        SetUpError::Store(error) => Failure::new(error.to_string()),
    })?;
    store.close().await;
    Ok(Founded {
        organization_id: made.organization,
        project_id: made.project,
        user_id: made.user,
        api_key: made.api_key,
        admin_key: made.admin_key,
    })
}

/// Grants an organization credit. A running server hears of it.
///
/// # Errors
/// [`Failure`] if there is no such organization, or the database cannot be used.
pub async fn grant(config: &Config, grant: &Grant) -> Result<Granted, Failure> {
    let store = wiring::open(config, Role::Command).await?;
    let now = clock::now();
    let given = grants::Grant {
        id: grant_id(),
        organization: OrganizationId::new(&grant.organization),
        amount: grant.amount,
        expires_at: grant.expires_in_days.map(|days| in_days(days, now)),
        reason: grant.reason.clone(),
        actor: "operator".into(),
    };
    let id = given.id.clone();
    let balance = store
        .write(move |tx| {
            give(tx, &given, now)?;
            let standing = store::credits::standing(tx, &given.organization)?;
            Ok::<_, GrantError>(standing.unwrap_or_default().balance)
        })
        .await
        .map_err(|error| Failure::new(format!("no credit was granted: {error}.")))?;
    store.close().await;
    Ok(Granted { id, balance })
}

/// Proves every invariant of the ledger, beside a running server too, and that its history still
/// contains the batches with these hashes.
///
/// # Errors
/// [`Failure`] if the database cannot be read.
pub async fn verify(config: &Config, expected_heads: &[String]) -> Result<Proof, Failure> {
    let store = wiring::open(config, Role::Reader).await?;
    let expected = expected_heads.to_vec();
    let report = store
        .read(move |tx| store::verify::verify_expecting(tx, &expected))
        .await
        .map_err(|error: StoreError| Failure::new(format!("nothing was proved: {error}.")))?;
    store.close().await;
    let of_check = |check: store::verify::Check| {
        let line = move |violation| format!("{}: {}: {violation}", check.name, check.claim);
        check.violations.into_iter().map(line)
    };
    Ok(Proof {
        transfers: report.transfers,
        usage_records: report.usage_records,
        open_holds: report.open_holds,
        heads: report.heads,
        violations: report.checks.into_iter().flat_map(of_check).collect(),
    })
}

/// The messages in the queue, beside a running server too.
///
/// # Errors
/// [`Failure`] if the database cannot be read.
pub async fn messages(config: &Config) -> Result<Messages, Failure> {
    let store = wiring::open(config, Role::Reader).await?;
    let read = store.read(|tx| -> Result<_, StoreError> {
        let counts = jobs::counts(tx)?;
        Ok(Messages {
            waiting_count: counts.values().map(|count| count.waiting).sum(),
            given_up_count: counts.values().map(|count| count.dead).sum(),
            waiting: jobs::waiting(tx, MESSAGES_SHOWN)?,
            given_up: jobs::dead(tx, MESSAGES_SHOWN)?,
        })
    });
    let found = read.await;
    store.close().await;
    found.map_err(|error| Failure::new(format!("the messages cannot be read: {error}.")))
}

/// Lets messages that were given up begin anew, all of them if none is named; answers how many.
///
/// # Errors
/// [`Failure`] if one of them was not given up, or cannot be sent any more; then none begins anew.
pub async fn retry_messages(config: &Config, ids: Vec<String>) -> Result<u64, Failure> {
    let store = wiring::open(config, Role::Command).await?;
    let revive = store.write(move |tx| -> Result<u64, StoreError> {
        let now = clock::now();
        if ids.is_empty() {
            return jobs::revive_all(tx, now);
        }
        for id in &ids {
            if !jobs::revive(tx, &JobId::new(id), now)? {
                let unknown = format!("{id} was not given up, or expired");
                return Err(StoreError::Conflict(unknown));
            }
        }
        Ok(ids.len() as u64)
    });
    let revived = revive.await;
    store.close().await;
    revived.map_err(|error| match error {
        StoreError::Conflict(reason) => Failure::new(format!(
            "{reason}. `farebox messages list` shows what was given up."
        )),
        other => Failure::new(format!("nothing is tried again: {other}.")),
    })
}

/// Removes somebody's second factors, beside a running server too; false if they had none.
///
/// # Errors
/// [`Failure`] if there is no such account, or the database cannot be used.
pub async fn reset_factors(config: &Config, email: Email) -> Result<bool, Failure> {
    let store = wiring::open(config, Role::Command).await?;
    let address = email.clone();
    let reset = store.write(move |tx| -> Result<Option<bool>, StoreError> {
        let Some((user, _)) = users::by_email(tx, &address)? else {
            return Ok(None);
        };
        let (operator, now) = (Actor::operator(), clock::now());
        factors::reset(tx, &user, &operator, now, entropy::system).map(Some)
    });
    let had_any = reset.await;
    store.close().await;
    had_any
        .map_err(|error| Failure::new(format!("nothing was removed: {error}.")))?
        .ok_or_else(|| {
            Failure::new(format!(
                "nobody has the address {email} here. Look for a slip in it."
            ))
        })
}

/// What a file of prices would change; with `apply`, it does, from now on, and a running server
/// hears of it.
///
/// # Errors
/// [`Failure`] if the database cannot be read or written; then nothing changes.
pub(crate) async fn import_prices(
    config: &Config,
    file: PriceFile,
    models: Vec<Offered>,
    wanted: Wanted,
    apply: bool,
) -> Result<Vec<Line>, Failure> {
    let role = if apply { Role::Command } else { Role::Reader };
    let store = wiring::open(config, role).await?;
    let now = clock::now();
    let look = move |tx: &mut Tx<'_>| -> Result<Vec<Line>, PriceError> {
        let histories = prices::histories(tx)?;
        let lines = price_import::compare(&file, &models, &histories, &wanted, now);
        if apply {
            lines.iter().try_for_each(|line| add_price(tx, line, now))?;
        }
        Ok(lines)
    };
    let looked = match apply {
        true => store.write(look).await,
        false => store.read(look).await,
    };
    store.close().await;
    looked.map_err(|error| Failure::new(format!("nothing was changed: {error}.")))
}

/// Adds the price of a line to the book, if it has one, and tells the operators' log.
fn add_price(tx: &mut Tx<'_>, line: &Line, now: AtUs) -> Result<(), PriceError> {
    let Some(stated) = line.change.stated() else {
        return Ok(());
    };
    let new = NewVersion {
        stated: stated.clone(),
        start: None,
        source: Source::Import,
    };
    let version = prices::add(tx, &new, now, entropy::system)?;
    let act = Act {
        actor: &Actor::operator(),
        organization: &audit::operators(),
        at: now,
        entropy: entropy::system,
    };
    Ok(audit::record(
        tx,
        &act,
        &[version.event(Kind::PriceCreated)],
    )?)
}

/// Gives credit, and tells the organization's audit log of it.
fn give(tx: &mut Tx<'_>, grant: &grants::Grant, now: AtUs) -> Result<(), GrantError> {
    grants::give(tx, grant, now)?;
    let event = Event::new(Kind::CreditGranted, &grant.id)
        .data(json!({"amount_usd": grant.amount.to_usd(), "reason": grant.reason}));
    let mut record = |log: &OrganizationId, event: Event| {
        let act = Act {
            actor: &Actor::operator(),
            organization: log,
            at: now,
            entropy: entropy::system,
        };
        audit::record(tx, &act, &[event])
    };
    record(&grant.organization, event.clone())?;
    let concerned = json!([grant.organization.as_str()]);
    Ok(record(
        &audit::operators(),
        event.with("organization_ids", concerned),
    )?)
}

/// So many days from now on.
fn in_days(days: u32, now: AtUs) -> AtUs {
    now.plus(i64::from(days) * DAY_US)
}

/// An id for a grant; like a request's, it sorts by time.
fn grant_id() -> String {
    format!(
        "grant_{}",
        RequestId::random(clock::now(), entropy::system).hex()
    )
}

/// The hash of a password.
async fn hash(password: &Secret) -> Result<PasswordHash, Failure> {
    let typed = Password::typed(password.expose());
    let typed = typed.ok_or_else(|| {
        Failure::new(format!(
            "the password is too long: {MOST_CHARS} characters at most."
        ))
    })?;
    let hashed = control::Hasher::new(entropy::system).hash(typed).await;
    hashed.map_err(|error| Failure::new(format!("the password cannot be hashed: {error}.")))
}
