use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::{Arc, Mutex};

use sqlx::{Connection, Executor, PgConnection, Row};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::shared_postgres;

async fn connect(postgres: &Postgres, database: &str) -> PgConnection {
    PgConnection::connect(&postgres.url(database)).await.unwrap()
}

async fn write_a_row(postgres: &Postgres, database: &str) {
    let mut connection = connect(postgres, database).await;
    connection.execute("create table if not exists things (name text)").await.unwrap();
    connection.execute("insert into things values ('one')").await.unwrap();
}

async fn rows(postgres: &Postgres, database: &str) -> i64 {
    let mut connection = connect(postgres, database).await;
    let row = connection.fetch_one("select count(*) from things").await.unwrap();
    row.get(0)
}

async fn setting(postgres: &Postgres, show: &'static str) -> String {
    let mut connection = connect(postgres, "postgres").await;
    connection.fetch_one(show).await.unwrap().get(0)
}

fn not_durable() -> PostgresOptions {
    PostgresOptions { durable: false, ..PostgresOptions::default() }
}

#[tokio::test]
async fn what_was_committed_survives_sigkill_and_a_fast_restart() {
    let mut postgres = Postgres::start(not_durable()).await.unwrap();
    postgres.create_database("kept").await.unwrap();
    write_a_row(&postgres, "kept").await;
    let (port, mut pid) = (postgres.port(), postgres.pid());
    for _ in 0..3 {
        // A backend with work in hand holds the memory of the killed server for a moment.
        let mut busy = connect(&postgres, "kept").await;
        busy.execute("begin; insert into things values ('uncommitted')").await.unwrap();
        postgres.kill().await;
        assert!(!postgres.is_up());
        assert!(PgConnection::connect(&postgres.url("kept")).await.is_err());
        postgres.restart().await.unwrap();
        assert_eq!(postgres.port(), port);
        assert_ne!(postgres.pid(), pid);
        pid = postgres.pid();
        assert_eq!(rows(&postgres, "kept").await, 1);
    }
    let mut broken = connect(&postgres, "kept").await;
    postgres.restart_fast().await.unwrap();
    assert!(broken.execute("select 1").await.is_err());
    assert_eq!(rows(&postgres, "kept").await, 1);
}

#[tokio::test]
async fn it_flushes_to_disk_unless_told_not_to() {
    // Spawned, so that it stays possible to start it beside other things.
    let starting = tokio::spawn(Postgres::start(PostgresOptions::default()));
    let durable = starting.await.unwrap().unwrap();
    assert_eq!(setting(&durable, "show fsync").await, "on");
    assert_eq!(setting(&durable, "show synchronous_commit").await, "on");
    assert_eq!(setting(&durable, "show max_connections").await, "200");
    let postgres = shared_postgres().await;
    assert_eq!(setting(postgres, "show fsync").await, "off");
    assert_eq!(setting(postgres, "show full_page_writes").await, "on");
    durable.stop().await;
}

#[tokio::test]
async fn databases_are_created_copied_and_dropped_while_in_use() {
    let postgres = shared_postgres().await;
    postgres.create_database("first").await.unwrap();
    write_a_row(postgres, "first").await;
    postgres.copy_database("first", "second").await.unwrap();
    assert_eq!(rows(postgres, "second").await, 1);

    let mut user = connect(postgres, "second").await;
    postgres.drop_database("second").await.unwrap();
    assert!(user.execute("select 1").await.is_err());
    postgres.drop_database("second").await.unwrap();

    let again = postgres.create_database("first").await.unwrap_err();
    assert!(matches!(again, Error::Database { .. }), "{again}");
    for name in ["", "a\"b", "a b", &"x".repeat(64)] {
        let error = postgres.create_database(name).await.unwrap_err();
        assert!(matches!(error, Error::DatabaseName { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_database_of_our_own_is_made_once_on_a_server_that_was_given() {
    let postgres = shared_postgres().await;
    let server = GivenServer::of(&postgres.url("postgres")).unwrap();
    assert_eq!(server.url("own"), postgres.url("own"));
    server.ensure_database("own").await.unwrap();
    write_a_row(postgres, "own").await;
    server.ensure_database("own").await.unwrap();
    postgres.ensure_database("own").await.unwrap();
    assert_eq!(rows(postgres, "own").await, 1);
    server.drop_database("own").await.unwrap();
    assert!(PgConnection::connect(&server.url("own")).await.is_err());
}

#[test]
fn the_address_of_a_database_on_a_given_server_keeps_what_was_given() {
    let url = "postgres://jane:s%2Fecret@db.example:6432/theirs?sslmode=require&dbname=x&a=b";
    assert_eq!(
        GivenServer::of(url).unwrap().url("own"),
        "postgres://jane:s%2Fecret@db.example:6432/own?sslmode=require&a=b"
    );
    let bare = GivenServer::of("postgres://db.example").unwrap();
    assert_eq!(bare.url("own"), "postgres://db.example/own");
    assert!(GivenServer::of("not an address").is_err());
}

#[tokio::test]
async fn many_tests_can_make_their_databases_at_once() {
    let postgres = shared_postgres().await;
    let tasks: Vec<_> = (0..12)
        .map(|number| {
            tokio::spawn(async move { postgres.create_database(&format!("many_{number}")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[test]
fn the_shared_server_outlives_the_runtime_of_the_test_that_started_it() {
    for number in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let postgres = shared_postgres().await;
            postgres.create_database(&format!("runtime_{number}")).await.unwrap();
        });
    }
}

#[tokio::test]
async fn a_given_folder_is_kept_and_taken_by_one_server_only() {
    let folder = TempDir::new_in("/tmp").unwrap();
    let options = PostgresOptions {
        store: StoreFolder::Given(folder.path().join("postgres")),
        ..not_durable()
    };
    set_mode(folder.path(), 0o755);
    let postgres = Postgres::start(options.clone()).await.unwrap();
    assert_eq!(postgres.data_folder(), folder.path().join("postgres/data"));
    write_a_row(&postgres, "postgres").await;
    let Err(error) = Postgres::start(options.clone()).await else {
        panic!("two servers in one folder")
    };
    assert!(matches!(error, Error::FolderInUse { .. }), "{error}");
    let data = postgres.data_folder();
    postgres.stop().await;

    if crate::user::are_we_root() {
        // A cluster made by another user is served as that user.
        let status = Command::new("chown").args(["-R", "nobody"]).arg(&data).status();
        assert!(status.unwrap().success());
    }
    let owner = fs::metadata(&data).unwrap().uid();
    let postgres = Postgres::start(options.clone()).await.unwrap();
    assert_eq!(fs::metadata(data.join("postmaster.pid")).unwrap().uid(), owner);
    assert_eq!(rows(&postgres, "postgres").await, 1);
    let version_file = postgres.data_folder().join("PG_VERSION");
    postgres.stop().await;

    fs::write(version_file, "9.6\n").unwrap();
    let Err(error) = Postgres::start(options).await else {
        panic!("a cluster of another version was served")
    };
    assert!(matches!(error, Error::ClusterVersion { .. }), "{error}");
    assert!(error.to_string().contains("9.6"), "{error}");
}

fn set_mode(folder: &Path, mode: u32) {
    fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn under_root_a_given_folder_that_is_closed_to_others_gets_a_stand_in() {
    let closed = TempDir::new_in("/tmp").unwrap();
    set_mode(closed.path(), 0o700);
    let given = closed.path().join("postgres");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let options = PostgresOptions {
        store: StoreFolder::Given(given.clone()),
        say: Arc::new(move |said| ear.lock().unwrap().push(said.to_owned())),
        ..not_durable()
    };
    let postgres = Postgres::start(options).await.unwrap();
    let data = postgres.data_folder();
    write_a_row(&postgres, "postgres").await;
    postgres.stop().await;
    if crate::user::are_we_root() {
        assert!(data.starts_with("/var/lib/stackly"), "{}", data.display());
        let heard = heard.lock().unwrap().join("\n");
        assert!(heard.contains(given.to_str().unwrap()), "{heard}");
        fs::remove_dir_all(data.parent().unwrap()).unwrap();
    } else {
        assert_eq!(data, given.join("data"));
    }
}

#[tokio::test]
async fn the_pinned_package_works_as_well_as_an_installed_one() {
    let options = PostgresOptions { source: PostgresSource::Fetched, ..not_durable() };
    let mut postgres = Postgres::start(options).await.unwrap();
    assert_eq!(postgres.version(), 18);
    assert!(setting(&postgres, "show server_version").await.starts_with("18."));
    write_a_row(&postgres, "postgres").await;
    postgres.restart().await.unwrap();
    assert_eq!(rows(&postgres, "postgres").await, 1);
}

#[tokio::test]
async fn dropping_ends_the_server_and_removes_its_folder_though_backends_write_to_the_last() {
    let postgres = Postgres::start(not_durable()).await.unwrap();
    let (port, data) = (postgres.port(), postgres.data_folder());
    write_a_row(&postgres, "postgres").await;
    let mut writers = Vec::new();
    for _ in 0..4 {
        let mut connection = connect(&postgres, "postgres").await;
        writers.push(tokio::spawn(async move {
            let insert = "insert into things select repeat('x', 200) from generate_series(1, 200)";
            while connection.execute(insert).await.is_ok() {}
        }));
    }
    let a_moment = timeout(Duration::from_millis(300), std::future::pending::<()>());
    a_moment.await.unwrap_err();
    drop(postgres);
    assert!(!data.parent().unwrap().exists());
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(ports::is_free(port));
}

#[test]
fn the_newest_installed_version_comes_first() {
    let place = TempDir::new().unwrap();
    for name in ["pgsql-9.6", "pgsql-16", "pgsql-13", "pgsql-x", "other"] {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    let found = find::versions_in(place.path(), "pgsql-", "bin");
    let expected = ["pgsql-16", "pgsql-13", "pgsql-9.6", "pgsql-x"];
    assert_eq!(found, expected.map(|name| place.path().join(name).join("bin")));
    assert!(find::versions_in(Path::new("/no/such/place"), "", "bin").is_empty());
}

#[tokio::test]
async fn an_installation_too_old_or_incomplete_is_passed_over_with_the_reason() {
    let place = TempDir::new().unwrap();
    let script = "cd \"$1\" && mkdir old half && \
        printf '#!/bin/sh\\necho \"postgres (PostgreSQL) 12.22\"\\n' > old/postgres && \
        cp old/postgres old/initdb && cp old/postgres half && chmod 755 */*";
    let made = Command::new("sh").args(["-c", script, "sh"]).arg(place.path()).status();
    assert!(made.unwrap().success());
    let folders =
        vec![place.path().join("old"), place.path().join("half"), place.path().join("none")];
    let reasons = find::first_usable(folders, None, &say_in_log()).await.unwrap_err();
    let parts: Vec<&str> = reasons.split("; ").collect();
    assert!(parts[0].contains("version 12.22.0, and 13.0.0 or newer"), "{reasons}");
    assert!(parts[1].contains("half is passed over"), "{reasons}");
    assert!(parts[2].contains("there is no `postgres`"), "{reasons}");
}
