//! Which organizations are suspended, in memory: as a rule none.

use std::collections::HashSet;

use domain::id::OrganizationId;
use parking_lot::RwLock;
use store::{StoreError, Tx, organizations};

use crate::refusal::Refusal;

/// The organizations that an operator suspended.
#[derive(Debug, Default)]
pub(crate) struct Suspended(RwLock<HashSet<OrganizationId>>);

impl Suspended {
    /// Reads which are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let all = organizations::suspended(tx)?.into_iter().collect();
        Ok(Suspended(RwLock::new(all)))
    }

    /// Follows the database: whether an organization is suspended now.
    pub(crate) fn set(&self, organization: OrganizationId, is_suspended: bool) {
        let mut all = self.0.write();
        match is_suspended {
            true => all.insert(organization),
            false => all.remove(&organization),
        };
    }

    /// Lets the requests of an organization through that is not suspended.
    ///
    /// # Errors
    /// [`Refusal::Suspended`].
    pub(crate) fn pass(&self, organization: &OrganizationId) -> Result<(), Refusal> {
        match self.0.read().contains(organization) {
            true => Err(Refusal::Suspended(organization.clone())),
            false => Ok(()),
        }
    }
}
