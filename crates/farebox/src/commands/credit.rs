//! `farebox credit grant`: an operator gives an organization credit.

use super::print;
use crate::cli::{Failure, Grant};
use crate::config::Loaded;
use crate::installation;

/// Grants, and prints what the organization then has.
pub(super) async fn run(loaded: &Loaded, grant: Grant) -> Result<(), Failure> {
    let granted = installation::grant(&loaded.config, &grant).await?;
    print(&format!(
        "Granted {} to {} ({}). Balance: {}.\n",
        grant.amount, grant.organization, granted.id, granted.balance
    ))
}
