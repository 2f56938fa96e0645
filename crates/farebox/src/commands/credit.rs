//! `farebox credit grant`: an operator gives an organization credit.

use super::print;
use crate::cli::{Failure, Grant};
use crate::config::Loaded;
use crate::installation;

/// Grants, and prints what the organization then has.
pub(super) async fn run(loaded: &Loaded, grant: Grant) -> Result<(), Failure> {
    let expiry = match grant.expires_in_days {
        None => String::new(),
        Some(1) => ", which expires in a day".into(),
        Some(days) => format!(", which expires in {days} days"),
    };
    let granted = installation::grant(&loaded.config, &grant).await?;
    print(&format!(
        "Granted {} to {} ({}){expiry}. Balance: {}.\n",
        grant.amount, grant.organization, granted.id, granted.balance
    ))
}
