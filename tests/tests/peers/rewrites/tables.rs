//! Tables of the tests with random rows: NULLs, ties, mixed case, empty tables, partitions.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::database::{Database, literal};

/// Tables, views and functions of the tests.
const SCHEMA: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, email text, team_id integer, created_at timestamp NOT NULL);
    CREATE TABLE tasks (id bigint PRIMARY KEY, owner_id bigint NOT NULL, assignee_id bigint, title varchar(40), status text NOT NULL,
        priority integer, score numeric(6, 2), weight double precision, due_at timestamptz, created_at timestamptz NOT NULL,
        code text NOT NULL, \"Order\" integer NOT NULL);
    CREATE INDEX tasks_owner ON tasks (owner_id);
    CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, owner_id bigint, kind text, PRIMARY KEY (id, at))
        PARTITION BY RANGE (at);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01+00') TO ('2026-01-02+00');
    CREATE TABLE events_2 PARTITION OF events DEFAULT;
    CREATE TABLE log (a integer, b text);
    CREATE VIEW open_tasks AS SELECT * FROM tasks WHERE status = 'open';
    CREATE FUNCTION noise() RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT 1';
";

/// Names with mixed case and characters that patterns and arrays treat apart.
pub(super) const NAMES: [&str; 8] = ["Ann", "ann", "BOB", "Bo b", "", "O'Neil", "a,\"b\\", "Äpfel"];
/// States of tasks.
pub(super) const STATES: [&str; 3] = ["open", "done", "Open"];

/// Creates the tables.
pub(super) fn create(database: &Database) {
    database.run(SCHEMA);
}

/// Replaces all rows. `nulls`: share of NULLs in columns that accept them.
pub(super) fn fill(database: &Database, rng: &mut ChaCha8Rng, nulls: f64) {
    database.run("TRUNCATE users, tasks, events, log");
    let [users, tasks, events] = [rng.random_range(0..12), rng.random_range(0..50), rng.random_range(0..40)];
    for id in 0..users {
        let row = [
            Some(id.to_string()),
            Some(pick(rng, &NAMES)),
            absent(rng, nulls, |rng| pick(rng, &NAMES)),
            absent(rng, nulls, |rng| rng.random_range(0..3).to_string()),
            Some(time(rng)),
        ];
        insert(database, "users", &row);
    }
    for id in 0..tasks {
        insert(database, "tasks", &task(rng, id, nulls));
    }
    for id in 0..events {
        let row = [
            Some((id % 15).to_string()),
            Some(format!("2026-01-01 {:02}:{:02}:00+00", id % 30 % 24, id)),
            absent(rng, nulls, |rng| rng.random_range(0..6).to_string()),
            absent(rng, nulls, |rng| pick(rng, &STATES)),
        ];
        insert(database, "events", &row);
    }
    for _ in 0..rng.random_range(0..8) {
        let row =
            [absent(rng, nulls, |rng| rng.random_range(0..6).to_string()), absent(rng, nulls, |rng| pick(rng, &NAMES))];
        insert(database, "log", &row);
    }
}

/// Makes a row of `tasks`.
pub(super) fn task(rng: &mut ChaCha8Rng, id: i64, nulls: f64) -> Vec<Option<String>> {
    vec![
        Some(id.to_string()),
        Some(rng.random_range(0..6).to_string()),
        absent(rng, nulls, |rng| rng.random_range(0..6).to_string()),
        absent(rng, nulls, |rng| pick(rng, &NAMES)),
        Some(pick(rng, &STATES)),
        absent(rng, nulls, |rng| rng.random_range(-2..3).to_string()),
        absent(rng, nulls, |rng| format!("{}.25", rng.random_range(0..4))),
        absent(rng, nulls, |rng| pick(rng, &["0.1", "-0", "0", "NaN", "1e300"])),
        absent(rng, nulls, time),
        Some(time(rng)),
        Some(pick(rng, &["1", "2", "15", "3"])),
        Some(rng.random_range(0..4).to_string()),
    ]
}

/// Inserts one row.
pub(super) fn insert(database: &Database, table: &str, row: &[Option<String>]) {
    let values: Vec<String> = row.iter().map(literal).collect();
    database.run(&format!("INSERT INTO {table} VALUES ({})", values.join(", ")));
}

/// Returns a time of one of four days, often the same one.
pub(super) fn time(rng: &mut ChaCha8Rng) -> String {
    let (day, hour) =
        (rng.random_range(1..5), pick(rng, &["00:00:00", "00:00:00.000001", "12:30:00", "23:59:59.999999"]));
    format!("2026-03-{day:02} {hour}")
}

fn absent(rng: &mut ChaCha8Rng, nulls: f64, value: impl Fn(&mut ChaCha8Rng) -> String) -> Option<String> {
    if rng.random_bool(nulls) { None } else { Some(value(rng)) }
}

/// Returns one of the texts.
pub(super) fn pick(rng: &mut ChaCha8Rng, of: &[&str]) -> String {
    of[rng.random_range(0..of.len())].to_owned()
}
