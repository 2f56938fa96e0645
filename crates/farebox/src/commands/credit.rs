//! `farebox credit grant`: an operator gives an organization credit.

use super::print;
use crate::cli::{Failure, Grant};
use crate::config::Loaded;
use crate::installation;

/// Grants, and prints what the organization then has.
pub(super) async fn run(loaded: &Loaded, grant: Grant) -> Result<(), Failure> {
    if grant.expires_in_days.is_some() {
        // Better refused than granted for ever against the operator's word.
        return Err(Failure::new(
            "this version cannot let credit expire yet. Grant it without --expires-in-days.",
        ));
    }
    let granted = installation::grant(&loaded.config, &grant).await?;
    print(&format!(
        "Granted {} to {} ({}). Balance: {}.\n",
        grant.amount, grant.organization, granted.id, granted.balance
    ))
}
