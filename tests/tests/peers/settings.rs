//! Advice on settings, measured on a real PostgreSQL server: the proposed `work_mem` ends the temporary files and is not far
//! above what is needed, and the proposed fill factor makes updates HOT.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    database::Cluster,
    harness::{project, run},
};

const SETTINGS: &str = "shared_preload_libraries = 'pg_stat_statements,auto_explain'\nwork_mem = '1MB'\njit = off\n\
    max_parallel_workers_per_gather = 0\nsynchronous_commit = off\n\
    auto_explain.log_min_duration = 0\nauto_explain.log_format = json\nauto_explain.log_analyze = on\nauto_explain.log_buffers = on\n\
    logging_collector = on\nlog_directory = 'log'\nlog_filename = 'postgresql.log'\nlog_file_mode = 0644\n";

/// A server whose statistics are exported as a person would.
struct Place {
    cluster: Cluster,
    folder: TempDir,
}

impl Place {
    fn new(tables: &str) -> Self {
        let cluster = Cluster::new(SETTINGS);
        for sql in tables.split_inclusive(';').map(str::trim).filter(|sql| !sql.is_empty()) {
            cluster.sql(sql);
        }
        cluster.sql("CREATE EXTENSION pg_stat_statements");
        cluster.sql("SELECT pg_stat_statements_reset()");
        Self { cluster, folder: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> PathBuf {
        self.cluster.path("data/log/postgresql.log")
    }

    /// Exports the statistics and returns the recommendations of kind `settings`.
    fn review(&self) -> Vec<Value> {
        let statements = self.cluster.sql("COPY (SELECT * FROM pg_stat_statements) TO STDOUT CSV HEADER");
        fs::write(self.folder.path().join("statements.csv"), statements).unwrap();
        let script = project().join("docs/advisors/database-export.sql");
        let schema = self.cluster.psql(&["-f", script.to_str().unwrap()]);
        fs::write(self.folder.path().join("schema.json"), schema).unwrap();
        fs::copy(self.log(), self.folder.path().join("postgresql.log")).unwrap();
        let mut args = vec!["review", "database", "--statements", "statements.csv", "--schema", "schema.json"];
        // The writes of tables are scaled to the span of the statements, so that it must be the true one.
        let span = "SELECT ceil(extract(epoch FROM now() - stats_reset)) || 's' FROM pg_stat_statements_info";
        let span = self.cluster.sql(span);
        args.extend(["--plans", "postgresql.log", "--span", span.trim(), "--memory", "16GB", "--format", "json"]);
        let ended = run(self.folder.path(), args);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let rows: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
        rows.into_iter().filter(|row| row["kind"] == "settings").collect()
    }

    /// Runs the statements and returns how many of them used temporary files.
    fn spills(&self, statements: &[&str]) -> usize {
        let counted = |statement: &&&str| {
            self.cluster.sql("SELECT pg_stat_statements_reset()");
            self.cluster.sql(statement);
            let sql = "SELECT coalesce(sum(temp_blks_read + temp_blks_written), 0) FROM pg_stat_statements";
            self.cluster.sql(sql).trim() != "0"
        };
        statements.iter().filter(counted).count()
    }
}

const MEASURED: &str = "CREATE TABLE t AS SELECT i AS id, (i * 7919::bigint % 1000003)::int AS k, md5(i::text) AS h, repeat(md5(i::text), 4) AS wide, i % 50000 AS g
        FROM generate_series(1, 200000) i;
    VACUUM ANALYZE t;";

/// Statements whose need is between 4 and 30 MB.
const COMMON: [&str; 10] = [
    "SELECT count(*) FROM (SELECT h FROM t WHERE id <= 60000 ORDER BY h OFFSET 0) s",
    "SELECT count(*) FROM (SELECT id, h FROM t WHERE id <= 100000 ORDER BY h, id OFFSET 0) s",
    "SELECT count(*) FROM (SELECT id, k FROM t WHERE id <= 120000 ORDER BY k, id OFFSET 0) s",
    "SELECT count(*) FROM (SELECT wide FROM t WHERE id <= 50000 ORDER BY wide OFFSET 0) s",
    "SELECT count(*) FROM (SELECT k FROM t WHERE id <= 150000 ORDER BY k OFFSET 0) s",
    "SELECT count(*) FROM t a JOIN (SELECT id, k FROM t WHERE id <= 150000) b ON a.k = b.k",
    "SELECT count(b.h) FROM t a JOIN (SELECT id, k, h FROM t WHERE id <= 150000) b ON a.k = b.k",
    "SELECT count(b.wide) FROM t a JOIN (SELECT k, wide FROM t WHERE id <= 90000) b ON a.k = b.k",
    "SELECT count(*) FROM (SELECT h, sum(k) FROM t WHERE id <= 90000 GROUP BY h) s",
    "SELECT count(*) FROM (SELECT DISTINCT id, k FROM t WHERE id <= 150000) s",
];
/// One whose need is far above.
const APART: &str = "SELECT count(*) FROM (SELECT t.*, m FROM t, generate_series(1, 4) m ORDER BY h, m OFFSET 0) s";

#[test]
fn the_proposed_memory_ends_the_temporary_files() {
    let place = Place::new(MEASURED);
    for statement in COMMON.iter().cycle().take(30) {
        place.cluster.sql(statement);
    }
    place.cluster.sql(APART);
    let found = place.review();
    let of = |scope: &str| {
        found.iter().find(|row| row["proposed"]["scope"] == scope && row["proposed"]["setting"] == "work_mem")
    };
    let common = of("database").unwrap_or_else(|| panic!("{found:#?}"));
    let present = place.spills(&COMMON);
    assert_eq!(present, COMMON.len(), "all statements spill at 1 MB");
    let patch = common["patch"]["body"].as_str().unwrap();
    place.cluster.sql(patch.trim().trim_end_matches(';'));
    let left = place.spills(&COMMON);
    println!("work_mem: {} of {present} statements spill with {}", left, common["proposed"]["value"]);
    assert!(left <= COMMON.len() / 10, "{left} spill with {}", common["proposed"]["value"]);
    // Half of it is too little, so that the value is at most twice what is needed.
    let half = format!(
        "ALTER DATABASE postgres SET work_mem = '{}kB'",
        place.cluster.sql("SELECT pg_size_bytes(current_setting('work_mem')) / 2048").trim()
    );
    place.cluster.sql(&half);
    assert!(place.spills(&COMMON) > left, "half of {} is enough", common["proposed"]["value"]);
    // The way back.
    place.cluster.sql(common["evidence"]["way_back"]["body"].as_str().unwrap().trim().trim_end_matches(';'));
    assert_eq!(place.cluster.sql("SHOW work_mem").trim(), "1MB");
    // The statement that needs far more is set apart.
    let apart = of("statement").unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(place.spills(&[APART]), 1);
    let value = apart["proposed"]["statement"].as_str().unwrap();
    let with = format!("BEGIN; {value}; {APART}; COMMIT");
    assert_eq!(place.spills(&[&with]), 0, "{value}");
}

const RELOADED: &str = "CREATE TABLE acc (id int PRIMARY KEY, owner int, n int NOT NULL DEFAULT 0, pad text);
    CREATE INDEX acc_owner ON acc (owner);";

#[test]
fn the_proposed_fill_factor_makes_updates_hot() {
    let place = Place::new(RELOADED);
    // A table that is loaded anew, of which one statement changes 30 %.
    let reload = || {
        place.cluster.sql("TRUNCATE acc");
        place.cluster.sql("INSERT INTO acc SELECT i, i % 1000, 0, repeat('x', 100) FROM generate_series(1, 60000) i");
        place.cluster.sql("VACUUM ANALYZE acc");
        place.cluster.sql("UPDATE acc SET n = n + 1 WHERE abs(hashint4(id)) % 10 < 3");
    };
    let hot = || {
        let sql = "SELECT n_tup_hot_upd::float8 / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'acc'";
        place.cluster.sql(sql).trim().parse::<f64>().unwrap()
    };
    (0..3).for_each(|_| reload());
    let before = hot();
    let found = place.review();
    let row =
        found.iter().find(|row| row["proposed"]["setting"] == "fillfactor").unwrap_or_else(|| panic!("{found:#?}"));
    place.cluster.sql(row["patch"]["body"].as_str().unwrap().trim().trim_end_matches(';'));
    place.cluster.sql("SELECT pg_stat_reset()");
    (0..3).for_each(|_| reload());
    let after = hot();
    println!("fill factor {}: HOT {before:.2} before, {after:.2} after", row["proposed"]["value"]);
    assert!(before < 0.1, "{before}");
    assert!(after >= row["effect"]["lower"].as_f64().unwrap() && after > 0.9, "{after} {row:#}");
    // Nothing further is proposed.
    assert!(place.review().iter().all(|row| row["proposed"]["setting"] != "fillfactor"));
}
