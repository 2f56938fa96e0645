//! `/api/budgets`: money limits over calendar windows, on the organization, its projects and keys.
//!
//! OpenAI's spend limits are budgets too, and are shown here, marked.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::budget::{Budget as Rules, Force, Scope};
use domain::id::{BudgetId, OrganizationId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::window::Window;
use serde::Serialize;
use serde_json::{Value, json};
use store::Tx;
use store::audit::{Event, Kind};
use store::budgets::{self, BudgetRow, Standing};
use utoipa::ToSchema;

use crate::Control;
use crate::authenticate::Admin;
use crate::body::Fields;
use crate::change::Done;
use crate::limit_scope::{LimitScope, NewLimitScope};
use crate::pagination::{List, Listed, Page};
use crate::path::Ids;
use crate::respond::{Outcome, Refusal, answer};
use crate::service_accounts::Deleted;

/// A money limit, and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Budget {
    #[schema(example = "budget_7YkQ2nV0bX4cR9sLwA3eTz1M")]
    id: String,
    #[schema(example = "budget")]
    object: &'static str,
    scope: LimitScope,
    window: BudgetWindow,
    /// The most that may be spent in one window.
    #[schema(example = "12.50")]
    limit_usd: String,
    force: BudgetForce,
    /// Per cents of the limit that are told when spending reaches them, once in each window.
    #[schema(example = json!([50, 80, 100]))]
    thresholds: Vec<u16>,
    /// Whether it is what OpenAI's `spend_limit` endpoints speak of: hard, monthly, whole cents.
    is_spend_limit: bool,
    created_at: i64,
    standing: BudgetStanding,
}

/// What counts in the present turn of a budget's window, as far as it is written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetStanding {
    /// The first second of the turn; null if the budget counts for good.
    #[schema(example = 1_798_761_600)]
    starts_at: Option<i64>,
    /// The first second of the next turn; null if there is none.
    #[schema(example = 1_801_440_000)]
    ends_at: Option<i64>,
    /// What was charged to requests admitted in the turn.
    #[schema(example = "4.0000432")]
    spent_usd: String,
    /// What is held for requests in flight.
    #[schema(example = "0.05")]
    held_usd: String,
    /// What is left of the limit; zero also if it was lowered below what is spent.
    #[schema(example = "8.4499568")]
    remaining_usd: String,
    /// Whether a hard budget stops requests now: nothing is left, or the latest request that it had
    /// to decide on did not fit.
    is_enforcing: bool,
}

/// What a budget counts over, in UTC: a `day` from midnight, a `week` from Monday, a `month` from
/// its first day, or `always`: for good.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BudgetWindow {
    Day,
    Week,
    Month,
    Always,
}

/// Whether a budget stops requests: a `hard` one refuses what might not fit, a `soft` one refuses
/// nothing. Both tell their thresholds.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BudgetForce {
    Hard,
    Soft,
}

/// A budget to be made.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes; `BudgetTerms` reads")]
pub(crate) struct NewBudget {
    scope: NewLimitScope,
    window: BudgetWindow,
    /// A decimal number of US dollars.
    #[schema(example = "12.50")]
    limit_usd: String,
    force: BudgetForce,
    /// If absent: 50, 80 and 100 for a soft budget, none for a hard one.
    #[schema(max_items = 20, example = json!([50, 80, 100]))]
    thresholds: Option<Vec<u16>>,
}

/// A budget to be made on what it comes with.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"window": "month", "limit_usd": "12.50", "force": "hard"}))]
pub(crate) struct BudgetTerms {
    #[schema(value_type = BudgetWindow)]
    window: Window,
    /// A decimal number of US dollars.
    #[schema(value_type = String, example = "12.50")]
    limit_usd: Nusd,
    #[schema(value_type = BudgetForce)]
    force: Force,
    /// If absent: 50, 80 and 100 for a soft budget, none for a hard one.
    #[schema(max_items = 20, example = json!([50, 80, 100]))]
    thresholds: Option<Vec<u16>>,
}

/// What is to change of a budget; what is absent stays.
#[derive(Debug, ToSchema)]
pub(crate) struct BudgetChanges {
    /// A decimal number of US dollars.
    #[schema(value_type = Option<String>, example = "20.00")]
    limit_usd: Option<Nusd>,
    #[schema(value_type = Option<BudgetForce>)]
    force: Option<Force>,
    #[schema(max_items = 20, example = json!([80, 100]))]
    thresholds: Option<Vec<u16>>,
}

/// The most budgets on one organization, project or key: a request is held against all of them.
const MOST_OF_SCOPE: u64 = 20;
/// The most budgets of an organization: servers keep all of them in memory.
const MOST_OF_ORGANIZATION: u64 = 5_000;
const MOST_THRESHOLDS: usize = 20;
/// A limit may be exceeded where it is soft, or was lowered.
const MOST_PERCENT: i64 = 1_000;

impl From<Window> for BudgetWindow {
    fn from(window: Window) -> Self {
        match window {
            Window::Day => BudgetWindow::Day,
            Window::Week => BudgetWindow::Week,
            Window::Month => BudgetWindow::Month,
            Window::Always => BudgetWindow::Always,
        }
    }
}

impl From<Force> for BudgetForce {
    fn from(force: Force) -> Self {
        match force {
            Force::Hard => BudgetForce::Hard,
            Force::Soft => BudgetForce::Soft,
        }
    }
}

impl Budget {
    fn of(
        control: &Control,
        organization: &OrganizationId,
        row: BudgetRow,
        standing: Standing,
    ) -> Self {
        let is_enforcing = is_enforcing(control, organization, &row.budget, standing);
        let budget = row.budget;
        let is_endless = budget.window == Window::Always;
        let Standing { span, spent, held } = standing;
        let remaining = (budget.limit - spent - held).max(Nusd::ZERO);
        Budget {
            id: budget.id.to_string(),
            object: "budget",
            scope: LimitScope::of(&budget.scope, organization),
            window: budget.window.into(),
            limit_usd: budget.limit.to_usd(),
            force: budget.force.into(),
            thresholds: budget.thresholds,
            is_spend_limit: row.is_spend_limit,
            created_at: row.created_at.seconds(),
            standing: BudgetStanding {
                starts_at: (!is_endless).then(|| span.start.seconds()),
                ends_at: (!is_endless).then(|| span.end.seconds()),
                spent_usd: spent.to_usd(),
                held_usd: held.to_usd(),
                remaining_usd: remaining.to_usd(),
                is_enforcing,
            },
        }
    }
}

impl Listed for Budget {
    fn id(&self) -> &str {
        &self.id
    }
}

impl BudgetTerms {
    pub(crate) fn read(fields: &Fields) -> Outcome<Self> {
        Ok(BudgetTerms {
            window: fields.required("window", window(fields)?)?,
            limit_usd: fields.required("limit_usd", fields.usd("limit_usd")?)?,
            force: fields.required("force", force(fields)?)?,
            thresholds: thresholds(fields)?,
        })
    }

    /// Makes the budget on a scope that is there.
    pub(crate) fn make(
        self,
        tx: &mut Tx<'_>,
        (owner, scope): (&OrganizationId, Scope),
        id: BudgetId,
        now: AtUs,
    ) -> Outcome<(BudgetRow, Event)> {
        ensure_room(tx, owner, &scope)?;
        let thresholds = self.thresholds;
        let row = BudgetRow {
            budget: Rules {
                id,
                scope,
                window: self.window,
                limit: self.limit_usd,
                force: self.force,
                thresholds: thresholds.unwrap_or_else(|| usual_thresholds(self.force)),
            },
            is_spend_limit: false,
            created_at: now,
        };
        budgets::create(tx, owner, &row)?;
        let event = event(Kind::BudgetCreated, &row.budget).data(json!({
            "scope": LimitScope::of(&row.budget.scope, owner),
            "window": row.budget.window.as_str(),
            "limit_usd": row.budget.limit.to_usd(),
            "force": row.budget.force.as_str(),
            "thresholds": row.budget.thresholds,
        }));
        Ok((row, event))
    }
}

impl BudgetChanges {
    fn read(fields: &Fields) -> Outcome<Self> {
        Ok(BudgetChanges {
            limit_usd: fields.usd("limit_usd")?,
            force: force(fields)?,
            thresholds: thresholds(fields)?,
        })
    }

    fn is_empty(&self) -> bool {
        self.limit_usd.is_none() && self.force.is_none() && self.thresholds.is_none()
    }

    /// As the caller wrote it.
    fn to_json(&self) -> Value {
        json!({
            "limit_usd": self.limit_usd.map(Nusd::to_usd),
            "force": self.force.map(Force::as_str),
            "thresholds": self.thresholds,
        })
    }

    fn apply(self, row: &mut BudgetRow) -> Outcome<()> {
        let budget = &mut row.budget;
        budget.limit = self.limit_usd.unwrap_or(budget.limit);
        budget.force = self.force.unwrap_or(budget.force);
        if let Some(thresholds) = self.thresholds {
            budget.thresholds = thresholds;
        }
        if !row.is_spend_limit {
            return Ok(());
        }
        let refused = |param: &str, message: &str| Refusal::Invalid {
            param: param.into(),
            message: message.into(),
        };
        if budget.force == Force::Soft {
            let message = "A spend limit is hard. Delete it, and make a soft budget.";
            return Err(refused("force", message));
        }
        if budget.limit.whole_cents().is_none_or(|cents| cents == 0) {
            let message = "A spend limit is a whole number of cents, at least one.";
            return Err(refused("limit_usd", message));
        }
        Ok(())
    }
}

fn window(fields: &Fields) -> Outcome<Option<Window>> {
    fields.word("window", Window::ALL.map(|it| (it.as_str(), it)))
}

fn force(fields: &Fields) -> Outcome<Option<Force>> {
    let words = [Force::Hard, Force::Soft].map(|it| (it.as_str(), it));
    fields.word("force", words)
}

fn thresholds(fields: &Fields) -> Outcome<Option<Vec<u16>>> {
    let percents = fields.integers("thresholds", 1..=MOST_PERCENT, MOST_THRESHOLDS)?;
    let narrow = |percent| u16::try_from(percent).expect("within bounds");
    Ok(percents.map(|percents| percents.into_iter().map(narrow).collect()))
}

/// The thresholds of a budget that nobody named any for.
fn usual_thresholds(force: Force) -> Vec<u16> {
    match force {
        Force::Hard => Vec::new(),
        Force::Soft => vec![50, 80, 100],
    }
}

/// List budgets, oldest first, each with where it stands now.
#[utoipa::path(
    get, path = "/api/budgets", tag = "Budgets",
    operation_id = "list_budgets",
    params(Page),
    responses((status = 200, body = List<Budget>)), security(("admin_key" = []))
)]
pub(crate) async fn list(
    State(control): State<Control>,
    Admin(admin): Admin,
    page: Page,
) -> Response {
    let of = control.clone();
    let list = page.list::<Budget, _>(&control, move |tx, page| {
        let organization = &admin.organization;
        let find = |id: &str| budgets::get(tx, organization, &BudgetId::new(id));
        let after = page.cursor(find)?;
        let rows = budgets::list(tx, organization, after.as_ref(), page.rows())?;
        let rules: Vec<Rules> = rows.iter().map(|row| row.budget.clone()).collect();
        let standings = budgets::standings(tx, organization, &rules, of.now())?;
        let shown = |(row, standing)| Budget::of(&of, organization, row, standing);
        Ok(rows.into_iter().zip(standings).map(shown).collect())
    });
    answer(&control, list.await)
}

/// Create a budget. What its window holds already counts in it from the start.
#[utoipa::path(
    post, path = "/api/budgets", tag = "Budgets", request_body = NewBudget,
    operation_id = "create_budget",
    responses((status = 200, body = Budget)), security(("admin_key" = []))
)]
pub(crate) async fn create(
    State(control): State<Control>,
    Admin(admin): Admin,
    fields: Fields,
) -> Response {
    let outcome = async {
        let scope = fields.required("scope", NewLimitScope::read(&fields)?)?;
        let terms = BudgetTerms::read(&fields)?;
        let id = BudgetId::random(control.entropy);
        let organization = admin.organization.clone();
        let change = control.change(admin, move |tx, owner, now| {
            let scope = scope.found(tx, owner)?;
            let (row, event) = terms.make(tx, (owner, scope), id, now)?;
            Ok(Done::new(event, row))
        });
        let row = change.await?;
        with_standing(&control, organization, row).await
    };
    answer(&control, outcome.await)
}

/// Retrieve a budget, with where it stands now.
#[utoipa::path(
    get, path = "/api/budgets/{budget_id}", tag = "Budgets",
    operation_id = "retrieve_budget",
    params(("budget_id" = String, Path, description = "The budget")),
    responses((status = 200, body = Budget)), security(("admin_key" = []))
)]
pub(crate) async fn retrieve(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([budget_id]): Ids<1>,
) -> Response {
    let outcome = async {
        let organization = admin.organization.clone();
        let read = control
            .store
            .read(move |tx| find_budget(tx, &organization, &budget_id));
        let row = read.await?;
        with_standing(&control, admin.organization, row).await
    };
    answer(&control, outcome.await)
}

/// Change a budget. Requests in flight keep what they hold, and the next one sees the new limit.
#[utoipa::path(
    post, path = "/api/budgets/{budget_id}", tag = "Budgets",
    operation_id = "update_budget",
    params(("budget_id" = String, Path, description = "The budget")),
    request_body = BudgetChanges,
    responses((status = 200, body = Budget)), security(("admin_key" = []))
)]
pub(crate) async fn update(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([budget_id]): Ids<1>,
    fields: Fields,
) -> Response {
    let outcome = async {
        let changes = BudgetChanges::read(&fields)?;
        let (scope, window) = (NewLimitScope::read(&fields)?, window(&fields)?);
        let scope = scope.map(|scope| scope.named(&admin.organization));
        let scope = scope.transpose()?;
        let organization = admin.organization.clone();
        let change = control.change(admin, move |tx, owner, now| {
            let mut row = find_budget(tx, owner, &budget_id)?;
            if scope.is_some_and(|scope| scope != row.budget.scope) {
                return Err(fixed("scope"));
            }
            if window.is_some_and(|window| window != row.budget.window) {
                return Err(fixed("window"));
            }
            if changes.is_empty() {
                return Ok(Done::nothing(row));
            }
            let requested = changes.to_json();
            changes.apply(&mut row)?;
            budgets::change(tx, owner, &row.budget, now)?;
            let event = event(Kind::BudgetUpdated, &row.budget).changes(requested);
            Ok(Done::new(event, row))
        });
        let row = change.await?;
        with_standing(&control, organization, row).await
    };
    answer(&control, outcome.await)
}

/// Delete a budget: it stops nobody from the next request on.
#[utoipa::path(
    delete, path = "/api/budgets/{budget_id}", tag = "Budgets",
    operation_id = "delete_budget",
    params(("budget_id" = String, Path, description = "The budget")),
    responses((status = 200, body = Deleted)), security(("admin_key" = []))
)]
pub(crate) async fn delete(
    State(control): State<Control>,
    Admin(admin): Admin,
    Ids([budget_id]): Ids<1>,
) -> Response {
    let change = control.change(admin, move |tx, organization, now| {
        let budget = find_budget(tx, organization, &budget_id)?.budget;
        budgets::delete(tx, organization, &budget.id, now)?;
        let event = event(Kind::BudgetDeleted, &budget);
        Ok(Done::new(event, Deleted::new("budget.deleted", budget_id)))
    });
    answer(&control, change.await.map(Json))
}

/// What the audit log says of a budget: it is of a project where its scope is one.
fn event(kind: Kind, budget: &Rules) -> Event {
    match &budget.scope {
        Scope::Project(project) => Event::new(kind, &budget.id).in_project(project),
        Scope::Organization | Scope::Key(_) => Event::new(kind, &budget.id),
    }
}

/// Adds up what counts in a budget's window: in a read, because the writer of the database has the
/// ledger's steps to commit.
async fn with_standing(
    control: &Control,
    organization: OrganizationId,
    row: BudgetRow,
) -> Outcome<Json<Budget>> {
    let (owner, now) = (organization.clone(), control.now());
    let read = control.store.read(move |tx| -> Outcome<_> {
        let rules = std::slice::from_ref(&row.budget);
        let standing = budgets::standings(tx, &owner, rules, now)?[0];
        Ok((row, standing))
    });
    let (row, standing) = read.await?;
    Ok(Json(Budget::of(control, &organization, row, standing)))
}

/// Whether a budget stops requests now. There may be something left that is too little for what is
/// asked, which only the data plane knows.
pub(crate) fn is_enforcing(
    control: &Control,
    organization: &OrganizationId,
    budget: &Rules,
    standing: Standing,
) -> bool {
    let left = budget.limit - standing.spent - standing.held;
    let refuses = || (control.data_plane.is_refusing)(organization, &budget.id);
    budget.force == Force::Hard && (left <= Nusd::ZERO || refuses())
}

/// Refuses another budget on `scope` where there are enough.
pub(crate) fn ensure_room(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    scope: &Scope,
) -> Outcome<()> {
    let (of_scope, of_organization) = budgets::count(tx, organization, scope)?;
    let (whose, most) = match () {
        () if of_scope >= MOST_OF_SCOPE => ("this scope", MOST_OF_SCOPE),
        () if of_organization >= MOST_OF_ORGANIZATION => {
            ("this organization", MOST_OF_ORGANIZATION)
        }
        () => return Ok(()),
    };
    let message =
        format!("There are {most} budgets on {whose}, the most there may be. Delete one.");
    Err(Refusal::TooManyLimits { message })
}

/// A budget of the caller's organization.
pub(crate) fn find_budget(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &str,
) -> Outcome<BudgetRow> {
    let found = budgets::get(tx, organization, &BudgetId::new(id))?;
    found.ok_or_else(|| Refusal::NotFound {
        what: "budget",
        id: id.to_owned(),
    })
}

fn fixed(param: &'static str) -> Refusal {
    Refusal::Invalid {
        param: param.into(),
        message: format!("The {param} of a budget cannot be changed. Make another budget."),
    }
}
