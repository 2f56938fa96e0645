//! The two databases that every store test runs on.

use std::sync::Arc;

use tempfile::TempDir;

use crate::postgres;

/// A new, empty database. It is gone some time after the last clone is dropped.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    /// `sqlite` or `postgres`.
    pub name: &'static str,
    /// What `database_url` in the configuration would say.
    pub url: String,
    /// Keeps the folder of a SQLite file; a PostgreSQL database goes with its server.
    _guard: Option<Arc<TempDir>>,
}

/// A new SQLite file in a folder of its own; the file itself does not exist yet.
pub fn sqlite() -> TestDatabase {
    let folder = tempfile::Builder::new()
        .prefix("farebox-sqlite-")
        .tempdir()
        .expect("a temporary folder can be made");
    let url = format!("sqlite://{}", folder.path().join("farebox.db").display());
    TestDatabase {
        name: "sqlite",
        url,
        _guard: Some(Arc::new(folder)),
    }
}

/// A new database on the PostgreSQL server of this test process. Panics as [`postgres::database`]
/// does.
pub async fn postgres() -> TestDatabase {
    TestDatabase {
        name: "postgres",
        url: postgres::database().await,
        _guard: None,
    }
}

/// One new database of each kind.
pub async fn databases() -> Vec<TestDatabase> {
    vec![sqlite(), postgres().await]
}

/// Runs one test body on each kind of database, one after the other.
///
/// Names the kind on stderr first, so that a failure shows where it happened.
pub async fn on_each_database(body: impl AsyncFn(TestDatabase)) {
    for database in databases().await {
        eprintln!("on {}: {}", database.name, database.url);
        body(database).await;
    }
}
