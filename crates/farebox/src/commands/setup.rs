//! `farebox setup`: the first user, organization, project and keys.

use std::io::Read;

use domain::id::random_base62;
use domain::money::Nusd;
use serde_json::json;

use super::{aligned, print};
use crate::cli::{Failure, Setup};
use crate::config::{Loaded, Secret};
use crate::entropy;
use crate::installation::{self, Founded, NewInstallation};

/// 24 letters of 62 are 142 bits: nobody guesses them.
const MADE_PASSWORD_CHARS: usize = 24;
const SHORTEST_PASSWORD_CHARS: usize = 8;
/// A password is one line; whoever pipes a file in by mistake is told so.
const LONGEST_PASSWORD_BYTES: u64 = 1024;

/// Founds the installation and prints each secret once.
pub(super) async fn run(loaded: &Loaded, setup: Setup) -> Result<(), Failure> {
    let made = if setup.password_stdin {
        None
    } else {
        Some(Secret::new(random_base62(
            MADE_PASSWORD_CHARS,
            entropy::system,
        )))
    };
    let password = match &made {
        Some(password) => password.clone(),
        None => read_password(std::io::stdin().lock())?,
    };
    let new = NewInstallation {
        email: setup.email,
        organization: setup.organization,
        password,
        credit: setup.credit,
    };
    let founded = installation::found(&loaded.config, &new).await?;
    let base_url = loaded.config.api_base();
    print(&if setup.json {
        as_json(&founded, &base_url, made.as_ref())
    } else {
        as_text(&founded, &new, &base_url, made.as_ref())
    })
}

fn read_password(input: impl Read) -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = input
        .take(LONGEST_PASSWORD_BYTES + 1)
        .read_to_string(&mut text);
    let problem = match read {
        Err(error) => format!("the password could not be read: {error}. Pipe one line of text in."),
        Ok(_) => {
            let line = text.strip_suffix('\n').unwrap_or(&text);
            let line = line.strip_suffix('\r').unwrap_or(line);
            match line {
                line if line.contains('\n') || line.len() as u64 > LONGEST_PASSWORD_BYTES => {
                    "the password must be one line of at most 1024 bytes. Pipe only that in."
                        .to_owned()
                }
                line if line.chars().count() < SHORTEST_PASSWORD_CHARS => {
                    "the password has fewer than 8 characters. Choose a longer one.".to_owned()
                }
                line => return Ok(Secret::new(line.to_owned())),
            }
        }
    };
    Err(Failure::new(problem))
}

fn as_json(founded: &Founded, base_url: &str, made_password: Option<&Secret>) -> String {
    let mut object = json!({
        "organization_id": founded.organization_id.as_str(),
        "project_id": founded.project_id.as_str(),
        "user_id": founded.user_id.as_str(),
        "api_key": founded.api_key.expose(),
        "admin_key": founded.admin_key.expose(),
        "base_url": base_url,
    });
    if let Some(password) = made_password {
        object["password"] = password.expose().into();
    }
    format!("{object}\n")
}

fn as_text(
    founded: &Founded,
    new: &NewInstallation,
    base_url: &str,
    made_password: Option<&Secret>,
) -> String {
    let mut rows = vec![
        (
            "organization",
            format!("{} ({})", new.organization, founded.organization_id),
        ),
        ("project", founded.project_id.to_string()),
        ("user", format!("{} ({})", new.email, founded.user_id)),
    ];
    if new.credit > Nusd::ZERO {
        rows.push(("credit", new.credit.to_string()));
    }
    rows.push(("API base", base_url.to_owned()));
    rows.push(("key", founded.api_key.expose().to_owned()));
    rows.push(("admin key", founded.admin_key.expose().to_owned()));
    if let Some(password) = made_password {
        rows.push(("password", password.expose().to_owned()));
    }
    let rows = aligned(&rows);
    format!(
        "Farebox is set up.\n\n{rows}\nSecrets are shown this once: keep them now. \
         Next: farebox serve\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_of_a_fair_length() {
        let read = |text: &str| {
            read_password(text.as_bytes())
                .map(|password| password.expose().to_owned())
                .map_err(|failure| failure.to_string())
        };
        assert_eq!(read("correct horse\n").as_deref(), Ok("correct horse"));
        assert_eq!(read("correct horse\r\n").as_deref(), Ok("correct horse"));
        assert_eq!(read(" spaces stay ").as_deref(), Ok(" spaces stay "));
        assert!(read("short\n").is_err());
        assert!(read("").is_err());
        assert!(read("two lines\nof text\n").is_err());
        assert!(read(&"x".repeat(1025)).is_err());
        assert_eq!(read(&"x".repeat(1024)).map(|text| text.len()), Ok(1024));
    }
}
