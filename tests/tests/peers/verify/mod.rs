//! `almanac verify database` on a real PostgreSQL server: what helps and what does not, what is refused, and that nothing is
//! left behind.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

mod queries;

use super::{
    database::Cluster,
    harness::{Ended, almanac, run},
};

const TABLES: &str = "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL UNIQUE);
    CREATE TABLE tasks (id bigserial PRIMARY KEY, user_id bigint REFERENCES users, status varchar(10) NOT NULL, title text, created_at timestamptz);
    INSERT INTO users SELECT i, 'user' || i || '@example.org' FROM generate_series(1, 1000) i;
    INSERT INTO tasks (user_id, status, title, created_at) SELECT 1 + i * 7919 % 1000, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END,
        md5(i::text) || ' word' || i % 977, timestamptz '2026-01-01' + i * interval '1 minute' FROM generate_series(1, 60000) i;
    CREATE INDEX tasks_created ON tasks (created_at);
    CREATE INDEX tasks_title ON tasks (title);";
const BY_USER: &str =
    "SELECT id, title FROM tasks WHERE user_id = $1 AND status = $2 ORDER BY created_at DESC LIMIT $3";

/// A copy with a folder for the files of a test.
struct Place {
    cluster: Cluster,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let cluster = Cluster::new("");
        for sql in TABLES.split_inclusive(';').chain(["VACUUM ANALYZE"]) {
            cluster.sql(sql);
        }
        Self { cluster, folder: tempfile::tempdir().unwrap() }
    }

    fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.cluster.port)
    }

    /// Writes recommendations as `almanac review database --format json` does.
    fn review(&self, rows: &[Value]) {
        fs::write(self.folder.path().join("review.json"), json!(rows).to_string()).unwrap();
    }

    fn verify(&self, further: &[&str]) -> (Ended, Value) {
        let copy = self.url("postgres", "postgres");
        let mut args = vec!["verify", "database", "--review", "review.json", "--format", "json"];
        for (option, value) in [("--copy", copy.as_str()), ("--seconds", "4")] {
            if !further.contains(&option) {
                args.extend([option, value]);
            }
        }
        let ended = run(self.folder.path(), args.iter().chain(further));
        let reports = serde_json::from_str(&ended.stdout).unwrap_or_default();
        (ended, reports)
    }

    fn indexes(&self) -> String {
        self.cluster
            .sql("SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public'")
    }
}

const BEFORE: &str = "tasks_created,tasks_pkey,tasks_title,users_email_key,users_pkey\n";

fn recommendation(id: &str, statement: &str, further: Value, statements: &[&str]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .enumerate()
        .map(|(idx, text)| json!({"family": format!("{id}{idx}"), "statement": text, "calls": 100, "mean_ms": 20.0, "expected_ms": 1.0}))
        .collect();
    let mut proposed = json!({"statement": statement, "table": "public.tasks"});
    for (name, value) in further.as_object().into_iter().flatten() {
        proposed[name] = value.clone();
    }
    json!({"id": id, "kind": "index", "target": format!("app:{id}"), "state": "proposed", "proposed": proposed, "evidence": {"statements": statements}})
}

#[test]
fn an_index_that_helps_is_confirmed_and_removed() {
    let place = Place::new();
    let update = "UPDATE tasks SET title = $2 WHERE user_id = $1 RETURNING id";
    place.review(&[recommendation(
        "helps",
        "CREATE INDEX CONCURRENTLY helps ON tasks (user_id, created_at DESC)",
        json!({}),
        &[
            BY_USER,
            update,
            "SELECT 1 FROM tasks WHERE box(point(id, id), point(id, id)) @> $1",
            "INSERT INTO tasks (title) VALUES ($1)",
        ],
    )]);
    let rows = place.cluster.sql("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM tasks t");
    let (ended, reports) = place.verify(&[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = &reports[0];
    assert_eq!(report["conclusion"]["outcome"], "faster", "{report:#}");
    assert!(report["total"]["upper"].as_f64().unwrap() < 0.5, "{report:#}");
    assert!(report["total"]["rounds"].as_u64().unwrap() >= 3, "{report:#}");
    let first = &report["statements"][0];
    assert!(first["plan_change"].as_str().unwrap().contains("Scan tasks_created → "), "{first:#}");
    assert!(first["plan_change"].as_str().unwrap().contains("Scan helps"), "{first:#}");
    assert!(
        first["before"]["blocks"].as_f64().unwrap() > 3.0 * first["after"]["blocks"].as_f64().unwrap(),
        "{first:#}"
    );
    assert!((2..=12).contains(&first["values"].as_u64().unwrap()), "{first:#}");
    assert!(report["build"]["bytes"].as_f64().unwrap() > 500_000.0, "{report:#}");
    assert!(report["writes"]["before_us"].as_f64().unwrap() > 0.0, "{report:#}");
    assert!(report["prediction"]["measured_share"].as_f64().unwrap() > 0.5, "{report:#}");
    // What cannot be run is named with its reason, and the rest is measured.
    let reasons: Vec<&str> =
        report["skipped"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        ["$1 of type box has no column to take a value from", "the time of inserted rows is measured apart"]
    );
    // The copy is as it was: no index, no changed row.
    assert_eq!(place.indexes(), BEFORE);
    assert_eq!(rows, place.cluster.sql("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM tasks t"));
    let (ended, reports) = place.verify(&["helps", "--keep", "--seconds", "2"]);
    assert_eq!((ended.code, &reports[0]["kept"]), (Some(0), &json!(true)), "{ended:?}");
    assert!(place.indexes().starts_with("helps,"));
}

#[test]
fn an_index_that_no_statement_uses_is_not_confirmed() {
    let place = Place::new();
    place.review(&[recommendation(
        "useless",
        "CREATE INDEX CONCURRENTLY useless ON tasks (id, title)",
        json!({}),
        &[BY_USER],
    )]);
    let (ended, reports) = place.verify(&["--keep"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(ended.stderr.lines().last().unwrap(), "almanac: 1 of 1 recommendations are not confirmed");
    assert_eq!(reports[0]["conclusion"]["confirmed"], false);
    assert_ne!(reports[0]["conclusion"]["outcome"], "faster");
    assert_eq!(place.indexes(), BEFORE, "what did not help is dropped also with --keep");
}

#[test]
fn a_drop_is_confirmed_when_no_statement_gets_slower() {
    let place = Place::new();
    let statement = "SELECT count(*) FROM tasks WHERE created_at >= $1 AND created_at < $2";
    let drop = |index: &str| recommendation(index, &format!("DROP INDEX CONCURRENTLY {index}"), json!({}), &[]);
    let mut used = drop("tasks_created");
    used["evidence"]["statements"] = json!([{"family": "f", "statement": statement, "calls": 5, "mean_ms": 1.0}]);
    place.review(&[used, drop("tasks_title")]);
    let (ended, reports) = place.verify(&[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(reports[0]["conclusion"]["outcome"], "slower", "{reports:#}");
    assert_eq!(reports[1]["conclusion"]["confirmed"], true, "{reports:#}");
    assert!(reports[1]["notes"].to_string().contains("1 of 1 statements are read in the same way"), "{reports:#}");
    assert_eq!(place.indexes(), BEFORE);
    let (ended, _) = place.verify(&["tasks_title", "--keep"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(place.indexes(), BEFORE.replace("tasks_title,", ""));
}

#[test]
fn what_is_no_copy_is_refused() {
    let place = Place::new();
    place.review(&[recommendation(
        "helps",
        "CREATE INDEX CONCURRENTLY helps ON tasks (user_id)",
        json!({}),
        &[BY_USER],
    )]);
    let check = |args: &[&str], expected: &str| {
        let (ended, _) = place.verify(args);
        assert_eq!(ended.code, Some(1), "{args:?} {ended:?}");
        assert!(ended.stderr.lines().last().unwrap().contains(expected), "{args:?} {ended:?}");
        assert_eq!(place.indexes(), BEFORE);
    };
    let itself = place.url("postgres", "postgres");
    check(&["--original", &itself], "the copy is the original itself");
    check(
        &["--original", &itself.replace("127.0.0.1", "localhost"), "--allow-same-server"],
        "the copy is the original itself",
    );
    place.cluster.sql("CREATE DATABASE other");
    let other = place.url("postgres", "other");
    check(&["--original", &other], "--allow-same-server");
    // Somebody else works on it.
    let mut other_session = Command::new("psql");
    other_session.args([&itself, "-c", "SELECT pg_sleep(60)"]);
    let mut other_session = other_session.stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_until(|| {
        place
            .cluster
            .sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()")
            == "1\n"
    });
    check(&[], "1 other sessions are connected to the copy");
    other_session.kill().unwrap();
    other_session.wait().unwrap();
    place.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()");
    wait_until(|| {
        place.cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") == "1\n"
    });
    let (ended, _) = place.verify(&["--original", &other, "--allow-same-server", "--seconds", "1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // A role that only reads.
    place.cluster.sql(
        "CREATE ROLE reader LOGIN PASSWORD 'secret-of-reader'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    );
    let reader = place.url("reader:secret-of-reader", "postgres");
    check(&["--copy", &reader], "the role does not own public.tasks");
    check(&["--copy", &reader.replace("secret-of-reader", "wrong")], "password authentication failed");
    check(&["no-such-id"], "no open recommendation has the id \"no-such-id\"; there are helps");
    place.review(&[recommendation(
        "bad",
        "CREATE INDEX CONCURRENTLY a ON tasks (id); DROP TABLE tasks",
        json!({}),
        &[],
    )]);
    check(&[], "and DROP INDEX are run, for one index with a name");
    place.review(&[recommendation("bad", "CREATE INDEX CONCURRENTLY a ON tasks (missing)", json!({}), &[BY_USER])]);
    check(&[], "column \"missing\" does not exist");
    fs::write(place.folder.path().join("review.json"), "{").unwrap();
    check(&[], "expected the output of almanac review database --format json");
}

#[test]
fn another_role_and_its_settings_do_not_hide_the_original() {
    let place = Place::new();
    place.review(&[recommendation(
        "helps",
        "CREATE INDEX CONCURRENTLY helps ON tasks (user_id)",
        json!({}),
        &[BY_USER],
    )]);
    // The owner of the tables sees neither the kind nor the state of the sessions of others.
    for sql in [
        "CREATE ROLE owner LOGIN PASSWORD 'secret'",
        "ALTER ROLE owner SET timezone = 'Asia/Tokyo'",
        "ALTER TABLE tasks OWNER TO owner",
        "ALTER TABLE users OWNER TO owner",
        "GRANT CREATE ON SCHEMA public TO owner",
    ] {
        place.cluster.sql(sql);
    }
    let owner = place.url("owner:secret", "postgres");
    let (ended, _) = place.verify(&["--copy", &owner, "--original", &place.url("postgres", "postgres")]);
    assert!(ended.stderr.contains("the copy is the original itself"), "{ended:?}");
    let mut other = Command::new("psql");
    other.args([&place.url("postgres", "postgres"), "-c", "SELECT pg_sleep(60)"]);
    let mut other = other.stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_until(|| {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'";
        place.cluster.psql(&["-d", "template1", "-c", sql]) == "1\n"
    });
    let (ended, _) = place.verify(&["--copy", &owner]);
    assert!(ended.stderr.contains("1 other sessions are connected to the copy"), "{ended:?}");
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(place.indexes(), BEFORE);
}

#[test]
fn statements_with_lasting_effects_are_not_run() {
    let place = Place::new();
    for sql in [
        "CREATE SEQUENCE counter",
        "CREATE TABLE seen (id bigint)",
        "CREATE FUNCTION count_up(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''counter'') + $1'",
        "CREATE FUNCTION remember(bigint) RETURNS bigint LANGUAGE sql AS 'INSERT INTO seen VALUES ($1) RETURNING id'",
        "CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM setval(''counter'', 9); RETURN NEW; END'",
        "CREATE TRIGGER fired BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION fired()",
    ] {
        place.cluster.sql(sql);
    }
    place.review(&[recommendation(
        "helps",
        "CREATE INDEX CONCURRENTLY helps ON tasks (user_id)",
        json!({}),
        &[
            "SELECT nextval($1), id FROM tasks WHERE user_id = $2",
            "SELECT count_up(id) FROM tasks WHERE user_id = $1",
            "UPDATE tasks SET title = $1 WHERE user_id = $2",
            "SELECT id FROM tasks WHERE remember(user_id) = $1",
            "SELECT remember(id) FROM tasks WHERE user_id = $1",
        ],
    )]);
    let (ended, reports) = place.verify(&[]);
    let skipped: Vec<&str> =
        reports[0]["skipped"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(skipped.len(), 4, "{skipped:?} {ended:?}");
    for (reason, name) in skipped.iter().zip(["nextval", "count_up", "fired"]) {
        assert_eq!(*reason, format!("it calls functions whose effects cannot be rolled back: {name}"));
    }
    // Sampling reads the values of the expression, and may write nothing.
    assert!(skipped[3].contains("read-only transaction"), "{skipped:?}");
    assert_eq!(reports[0]["statements"].as_array().unwrap().len(), 1, "what a rollback takes back is measured");
    assert_eq!(place.cluster.sql("SELECT last_value, is_called, (SELECT count(*) FROM seen) FROM counter"), "1|f|0\n");
    assert_eq!(place.indexes(), BEFORE);
}

#[test]
fn a_copy_is_of_one_database() {
    let place = Place::new();
    let row = |id: &str, target: &str| {
        let mut row =
            recommendation(id, &format!("CREATE INDEX CONCURRENTLY {id} ON tasks (user_id)"), json!({}), &[BY_USER]);
        row["target"] = json!(target);
        row
    };
    place.review(&[row("first", "app:first"), row("second", "shop:second")]);
    let (ended, _) = place.verify(&[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("give a name in place of all: app, shop"), "{ended:?}");
    let (ended, reports) = place.verify(&["shop"]);
    assert_eq!((ended.code, &reports[0]["id"]), (Some(0), &json!("second")), "{ended:?}");
    assert_eq!((reports.as_array().unwrap().len(), place.indexes().as_str()), (1, BEFORE));
}

fn wait_until(mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ready() {
        assert!(Instant::now() < deadline, "nothing happened in 30 s");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_interrupt_leaves_nothing() {
    let place = Place::new();
    let like = "SELECT id FROM tasks WHERE title ILIKE $1 LIMIT $2";
    place.review(&[recommendation(
        "trigrams",
        "CREATE INDEX CONCURRENTLY trigrams ON tasks USING gin (title gin_trgm_ops)",
        json!({"extension": "pg_trgm"}),
        &[like, "SELECT pg_sleep($1) FROM tasks WHERE user_id = $2 LIMIT 1"],
    )]);
    let left = || {
        format!(
            "{}{}",
            place.indexes(),
            place.cluster.sql("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'")
        )
    };
    let (copy, folder) = (place.url("postgres", "postgres"), place.folder.path());
    // Once while the index is built, once while a statement runs.
    for moment in ["CREATE INDEX CONCURRENTLY%", "%EXPLAIN (ANALYZE%"] {
        let mut command = almanac(folder);
        command.args(["verify", "database", "--review", "review.json", "--copy", &copy, "--seconds", "60"]);
        let mut running = command.spawn().unwrap();
        wait_until(|| {
            let sql = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '{moment}' AND pid <> pg_backend_pid()"
            );
            // From another database: the copy has no other session.
            place.cluster.psql(&["-d", "template1", "-c", &sql]) == "1\n"
        });
        assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
        let status = running.wait().unwrap();
        assert_eq!(status.code(), Some(1));
        assert_eq!(left(), BEFORE, "{moment}");
    }
}

#[test]
fn a_copy_is_made_where_there_is_none() {
    let place = Place::new();
    place.review(&[recommendation(
        "helps",
        "CREATE INDEX CONCURRENTLY helps ON tasks (user_id)",
        json!({}),
        &[BY_USER],
    )]);
    let (original, made) = (place.url("postgres", "postgres"), place.url("postgres", "made"));
    let args = ["--copy", &made, "--original", &original, "--make-copy", "--allow-same-server"];
    let databases = || place.cluster.sql("SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database");
    let before = databases();
    let (ended, _) = place.verify(&args[..5]);
    assert!(ended.stderr.contains("--allow-same-server"), "{ended:?}");
    assert_eq!(databases(), before, "nothing is made on the server of the original without consent");
    let (ended, _) = place.verify(&[&args[..], &["--max-size", "0"]].concat());
    assert!(ended.stderr.contains("--max-size allows 0"), "{ended:?}");
    let (ended, reports) = place.verify(&args);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(reports[0]["conclusion"]["outcome"], "faster");
    let (ended, _) = place.verify(&args);
    assert!(ended.stderr.contains("the database made exists"), "{ended:?}");
    assert_eq!(place.indexes(), BEFORE);
}
