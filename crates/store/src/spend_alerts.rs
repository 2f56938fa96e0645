//! Spend alerts, as OpenAI's Administration API knows them: soft monthly budgets that tell people
//! by mail, once a month, that their limit was reached. Admission knows them as the budgets they
//! are; lists of budgets do not show them.

use domain::budget::{Budget, Force, Scope};
use domain::id::{BudgetId, OrganizationId, ProjectId};
use domain::money::Nusd;
use domain::time::AtUs;
use domain::window::Window;

use crate::changes::{self, ChangeKind};
use crate::{Row, StoreError, Tx};

/// A spend alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendAlert {
    /// Its id, which is also its budget's.
    pub id: BudgetId,
    /// Of a project; else of the whole organization.
    pub project: Option<ProjectId>,
    /// What is told when it is spent in a month.
    pub limit: Nusd,
    /// Whom it tells, by mail.
    pub recipients: Vec<String>,
    /// What its caller wants the subjects of mails to begin with.
    pub subject_prefix: Option<String>,
    /// When it was made.
    pub created_at: AtUs,
}

impl SpendAlert {
    /// The budget that it is to admission.
    #[must_use]
    pub fn budget(&self) -> Budget {
        let scope = self.project.clone();
        Budget {
            id: self.id.clone(),
            scope: scope.map_or(Scope::Organization, Scope::Project),
            window: Window::Month,
            limit: self.limit,
            force: Force::Soft,
            thresholds: vec![100],
        }
    }

    fn channel(&self) -> String {
        serde_json::json!([self.recipients, self.subject_prefix]).to_string()
    }
}

/// Makes an alert. What was spent this month counts in it from the start.
///
/// # Errors
/// [`StoreError`].
pub fn create(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    alert: &SpendAlert,
) -> Result<(), StoreError> {
    tx.execute_one(
        "INSERT INTO budgets (id, organization_id, project_id, calendar, limit_nusd, force,
                              thresholds, alert, created_at_us)
         VALUES ($1, $2, $3, $4, $5, $6, '100', $7, $8)",
        &[
            alert.id.as_str().into(),
            organization.as_str().into(),
            alert.project.as_ref().map(ProjectId::as_str).into(),
            Window::Month.as_str().into(),
            alert.limit.get().into(),
            Force::Soft.as_str().into(),
            alert.channel().into(),
            alert.created_at.0.into(),
        ],
    )?;
    let now = alert.created_at;
    changes::record(tx, ChangeKind::Limits, organization.as_str(), now)
}

/// Changes limit and recipients of an alert.
///
/// # Errors
/// [`StoreError`]; a conflict if there is none.
pub fn change(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    alert: &SpendAlert,
    now: AtUs,
) -> Result<(), StoreError> {
    tx.execute_one(
        "UPDATE budgets SET limit_nusd = $3, alert = $4
         WHERE organization_id = $1 AND id = $2 AND alert IS NOT NULL",
        &[
            organization.as_str().into(),
            alert.id.as_str().into(),
            alert.limit.get().into(),
            alert.channel().into(),
        ],
    )?;
    changes::record(tx, ChangeKind::Limits, organization.as_str(), now)
}

const COLUMNS: &str = "SELECT id, project_id, limit_nusd, alert, created_at_us FROM budgets
     WHERE organization_id = $1 AND alert IS NOT NULL AND COALESCE(project_id, '') = $2";

/// Every alert of an organization, or of one of its projects, oldest first. There are few.
///
/// # Errors
/// [`StoreError`].
pub fn of(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&ProjectId>,
) -> Result<Vec<SpendAlert>, StoreError> {
    let project = project.map_or("", ProjectId::as_str);
    let sql = format!("{COLUMNS} ORDER BY created_at_us, id");
    let params = [organization.as_str().into(), project.into()];
    tx.query(&sql, &params)?.iter().map(from_row).collect()
}

/// One alert of an organization, or of one of its projects.
///
/// # Errors
/// [`StoreError`].
pub fn get(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    project: Option<&ProjectId>,
    id: &BudgetId,
) -> Result<Option<SpendAlert>, StoreError> {
    let project = project.map_or("", ProjectId::as_str);
    let params = [
        organization.as_str().into(),
        project.into(),
        id.as_str().into(),
    ];
    let row = tx.query_optional(&format!("{COLUMNS} AND id = $3"), &params)?;
    row.as_ref().map(from_row).transpose()
}

/// Whom an alert tells, and what the subjects of its mails begin with.
pub(crate) type Told = (Vec<String>, Option<String>);

/// How an alert tells; none if the budget is no alert.
pub(crate) fn told(
    tx: &mut Tx<'_>,
    organization: &OrganizationId,
    id: &BudgetId,
) -> Result<Option<Told>, StoreError> {
    let sql = "SELECT alert FROM budgets
               WHERE organization_id = $1 AND id = $2 AND alert IS NOT NULL";
    let row = tx.query_optional(sql, &[organization.as_str().into(), id.as_str().into()])?;
    row.map(|row| channel(row.text(0)?)).transpose()
}

fn channel(text: &str) -> Result<Told, StoreError> {
    let corrupt = |_| StoreError::Corrupt("a spend alert's recipients cannot be read".into());
    serde_json::from_str(text).map_err(corrupt)
}

fn from_row(row: &Row) -> Result<SpendAlert, StoreError> {
    let (recipients, subject_prefix) = channel(row.text(3)?)?;
    Ok(SpendAlert {
        id: BudgetId::new(row.text(0)?),
        project: row.opt_text(1)?.map(ProjectId::new),
        limit: Nusd::new(row.int(2)?),
        recipients,
        subject_prefix,
        created_at: AtUs(row.int(4)?),
    })
}
