//! Database addresses: `sqlite://PATH` or `postgres://…`.

use std::fmt;
use std::path::PathBuf;

/// Where an installation is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(String),
}

/// Why an address is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Neither scheme.
    #[error("database_url begins with sqlite:// or postgres://, such as \"sqlite://farebox.db\"")]
    UnknownScheme,
    /// `sqlite://` alone.
    #[error("database_url needs a file after sqlite://, such as \"sqlite://farebox.db\"")]
    NoFile,
}

impl DatabaseUrl {
    /// Reads an address. `sqlite://farebox.db` is a file in the working folder,
    /// `sqlite:///var/lib/farebox.db` an absolute one.
    ///
    /// # Errors
    /// [`DatabaseUrlError`].
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            return match path {
                "" | "/" => Err(DatabaseUrlError::NoFile),
                path => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(DatabaseUrl::Postgres(text.to_owned()));
        }
        Err(DatabaseUrlError::UnknownScheme)
    }
}

impl fmt::Display for DatabaseUrl {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseUrl::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", ""));
                let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
                match rest.rsplit_once('@') {
                    Some((login, place)) => {
                        let user = login.split_once(':').map_or(login, |(user, _)| user);
                        write!(f, "{scheme}://{user}@{place}")
                    }
                    None => write!(f, "{scheme}://{rest}"),
                }
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart_and_hide_their_passwords() {
        for (text, shown) in [
            ("sqlite://farebox.db", Ok("sqlite://farebox.db")),
            ("sqlite:///var/lib/f.db", Ok("sqlite:///var/lib/f.db")),
            ("postgres://u:p%40ss@h:5432/d", Ok("postgres://u@h:5432/d")),
            ("postgres://u:p@h/d?password=x", Ok("postgres://u@h/d")),
            ("postgresql://h/d", Ok("postgresql://h/d")),
            ("mysql://h/d", Err(DatabaseUrlError::UnknownScheme)),
            ("farebox.db", Err(DatabaseUrlError::UnknownScheme)),
            ("sqlite://", Err(DatabaseUrlError::NoFile)),
        ] {
            let got = DatabaseUrl::parse(text).map(|url| url.to_string());
            assert_eq!(got, shown.map(str::to_owned), "{text}");
        }
    }
}
