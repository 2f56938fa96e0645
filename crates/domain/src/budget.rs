//! Budgets: money limits over calendar windows, on an organization, a project or a key.
//!
//! A hard budget is never exceeded: what is spent in its window and what is held for requests
//! admitted in it stay within its limit together. A soft budget stops nobody and tells when a share
//! of it was spent. A request counts in the window in which it was admitted, however long it takes.

use crate::id::{BudgetId, KeyId, ProjectId};
use crate::money::Nusd;
use crate::window::Window;

/// What a limit of an organization is put on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole organization.
    Organization,
    /// One of its projects.
    Project(ProjectId),
    /// One of its keys.
    Key(KeyId),
}

impl Scope {
    /// Whether a request made with `key` for `project` counts here.
    #[must_use]
    pub fn covers(&self, project: &ProjectId, key: &KeyId) -> bool {
        match self {
            Scope::Organization => true,
            Scope::Project(id) => id == project,
            Scope::Key(id) => id == key,
        }
    }
}

/// Whether a budget stops requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Force {
    /// A request that does not fit is refused.
    Hard,
    /// Nothing is refused; thresholds are told.
    Soft,
}

impl Force {
    /// The word it is written as.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Force::Hard => "hard",
            Force::Soft => "soft",
        }
    }

    /// The force that [`Force::as_str`] writes as `word`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Force::Hard, Force::Soft]
            .into_iter()
            .find(|it| it.as_str() == word)
    }
}

/// A money limit over a calendar window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// `budget_…`
    pub id: BudgetId,
    /// Whose spending it limits.
    pub scope: Scope,
    /// What it counts over.
    pub window: Window,
    /// The most that may be spent in one window.
    pub limit: Nusd,
    /// Whether it stops requests.
    pub force: Force,
    /// Per cents of the limit at which its spending is told, once in each window; ascending.
    pub thresholds: Vec<u16>,
}

impl Budget {
    /// The thresholds that `spent` has reached, in ascending order. Nothing reaches none.
    pub fn reached(&self, spent: Nusd) -> impl Iterator<Item = u16> {
        let limit = i128::from(self.limit.get());
        let spent = i128::from(spent.get());
        let reached = move |percent: &u16| spent > 0 && spent * 100 >= limit * i128::from(*percent);
        self.thresholds.iter().copied().filter(reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_reached_at_their_share_and_not_before() {
        let budget = Budget {
            id: BudgetId::new("budget_a"),
            scope: Scope::Organization,
            window: Window::Month,
            limit: Nusd::new(1_001),
            force: Force::Soft,
            thresholds: vec![50, 100, 120],
        };
        let reached = |spent| budget.reached(Nusd::new(spent)).collect::<Vec<_>>();
        assert_eq!(reached(0), []);
        assert_eq!(reached(500), []);
        assert_eq!(reached(501), [50]);
        assert_eq!(reached(1_000), [50]);
        assert_eq!(reached(1_001), [50, 100]);
        assert_eq!(reached(1_202), [50, 100, 120]);
        let nothing = Budget {
            limit: Nusd::ZERO,
            ..budget
        };
        assert_eq!(nothing.reached(Nusd::ZERO).count(), 0);
        assert_eq!(nothing.reached(Nusd::new(1)).count(), 3);
    }

    #[test]
    fn words_name_forces() {
        for (force, word) in [(Force::Hard, "hard"), (Force::Soft, "soft")] {
            assert_eq!(force.as_str(), word);
            assert_eq!(Force::from_word(word), Some(force));
        }
        assert_eq!(Force::from_word("firm"), None);
    }

    #[test]
    fn scopes_cover_what_is_theirs() {
        let (project, key) = (ProjectId::new("proj_a"), KeyId::new("key_a"));
        let covered = |scope: Scope| scope.covers(&project, &key);
        assert!(covered(Scope::Organization));
        assert!(covered(Scope::Project(project.clone())));
        assert!(covered(Scope::Key(key.clone())));
        assert!(!covered(Scope::Project(ProjectId::new("proj_b"))));
        assert!(!covered(Scope::Key(KeyId::new("key_b"))));
    }
}
