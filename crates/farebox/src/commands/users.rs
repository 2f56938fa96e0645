//! `farebox users`: helping people back into their accounts.

use super::print;
use crate::cli::{Failure, ResetFactors, Users};
use crate::config::Loaded;
use crate::installation;

/// Does what `users` says.
pub(super) async fn run(loaded: &Loaded, users: Users) -> Result<(), Failure> {
    let Users::ResetFactors(ResetFactors { email }) = users;
    let had_any = installation::reset_factors(&loaded.config, email.clone()).await?;
    print(&match had_any {
        true => format!(
            "The second factors of {email} are removed: the password alone lets them in. \
             They are told by mail.\n"
        ),
        false => format!("{email} has no second factor.\n"),
    })
}
