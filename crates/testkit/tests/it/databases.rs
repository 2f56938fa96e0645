//! Every database is new, empty and really there; a lost server comes back with its data.

use std::collections::HashSet;
use std::path::Path;

use testkit::postgres::Server;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("it answers");
    tokio::spawn(connection);
    client
}

async fn tables(client: &Client) -> i64 {
    let query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    client
        .query_one(query, &[])
        .await
        .expect("it answers")
        .get(0)
}

#[tokio::test]
async fn each_postgres_database_is_new_and_empty() {
    let (first, second) =
        tokio::join!(testkit::postgres::database(), testkit::postgres::database());
    assert_ne!(first, second);
    let client = connect(&first).await;
    client
        .batch_execute("CREATE TABLE fare (amount_nusd bigint)")
        .await
        .expect("it is ours");
    assert_eq!(tables(&client).await, 1);
    assert_eq!(tables(&connect(&second).await).await, 0);
}

#[tokio::test]
async fn one_body_runs_on_each_kind() {
    let seen = std::cell::RefCell::new(HashSet::new());
    testkit::on_each_database(async |database| {
        assert!(seen.borrow_mut().insert(database.name), "each kind once");
        match database.name {
            "sqlite" => {
                let file = database
                    .url
                    .strip_prefix("sqlite://")
                    .expect("a SQLite address");
                let folder = Path::new(file).parent().expect("a file is in a folder");
                assert!(folder.is_absolute() && folder.is_dir(), "{file}");
                assert!(!Path::new(file).exists(), "the file is the store's to make");
            }
            _ => assert_eq!(tables(&connect(&database.url).await).await, 0),
        }
    })
    .await;
    assert_eq!(seen.into_inner(), HashSet::from(["sqlite", "postgres"]));
}

#[tokio::test]
async fn a_killed_server_comes_back_with_what_was_committed() {
    let mut server = Server::start().await;
    let url = server.database().await;
    let client = connect(&url).await;
    client
        .batch_execute("CREATE TABLE fare (amount_nusd bigint)")
        .await
        .expect("it is ours");

    server.kill();
    assert!(
        client.batch_execute("SELECT 1").await.is_err(),
        "connections break"
    );
    assert!(
        tokio_postgres::connect(&url, NoTls).await.is_err(),
        "nobody listens"
    );

    server.start_again().await;
    assert_eq!(tables(&connect(&url).await).await, 1);
}

#[tokio::test]
async fn a_frozen_server_is_silent_until_thawed() {
    let server = Server::start().await;
    let url = server.database().await;
    let client = connect(&url).await;
    server.freeze();
    let mut query = Box::pin(client.batch_execute("SELECT 1"));
    let wait = std::time::Duration::from_millis(200);
    assert!(
        tokio::time::timeout(wait, &mut query).await.is_err(),
        "no answer while frozen"
    );
    server.thaw();
    query.await.expect("the same connection goes on");
}

#[tokio::test]
async fn a_dropped_server_leaves_nothing() {
    let server = Server::start().await;
    let (url, folder) = (server.url("postgres"), server.socket_folder().to_owned());
    drop(connect(&url).await);
    assert!(folder.is_dir());
    drop(server);
    assert!(!folder.exists());
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
}
