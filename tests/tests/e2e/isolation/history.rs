//! Workers answer as the store itself does, after any order of writes, compactions, deletions and concurrent changes.

use std::{
    ffi::OsString,
    path::Path,
    process::Command,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use almanac_engine::{
    series::{Labels, Matcher},
    store::{
        Compaction, Deletion, SampleBatch, SqlAnswer, SqlError, SqlLimits, SqlWorkers, Store, StoreOptions,
        WorkerOptions,
        rows::{AnomalyKind, AnomalyRow, ForecastRow, MetadataRow, MetricType},
    },
};
use almanac_models::Timestamp;
use arrow::util::pretty::pretty_format_batches;
use proptest::prelude::*;

use crate::harness::almanac;

/// Statements over every kind of table: the segments, tables that only grow, and tables whose rows are replaced.
const STATEMENTS: [&str; 7] = [
    "SELECT * FROM samples ORDER BY ALL",
    "SELECT name, labels, type, count(value) AS n FROM series LEFT JOIN samples USING (series_id) GROUP BY ALL ORDER BY ALL",
    "SELECT count(*), sum(count), min(min), max(last) FROM rollups_5m",
    "SELECT * FROM forecasts ORDER BY ALL",
    "SELECT signal, count(*), max(timestamp), sum(score) FROM anomalies GROUP BY ALL ORDER BY ALL",
    "SELECT * FROM metadata ORDER BY ALL",
    "WITH samples AS (SELECT 1 AS one) SELECT one, (SELECT count(*) FROM series) FROM samples",
];

#[derive(Debug, Clone)]
enum Op {
    /// Samples as (series, timestamp, value).
    Append(Vec<(u8, i64, u8)>),
    Compact(bool),
    Delete(Option<u8>, Option<i64>, Option<i64>),
    /// Forecasts of a signal made at an instant, and scores at the instants after it.
    Learn(u8, i64),
    Metadata(u8, u8),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let sample = (0..4_u8, -40..40_i64, 0..4_u8);
    prop_oneof![
        6 => proptest::collection::vec(sample, 1..30).prop_map(Op::Append),
        2 => any::<bool>().prop_map(Op::Compact),
        2 => (proptest::option::weighted(0.8, 0..4_u8), proptest::option::of(-40..40_i64), proptest::option::of(-40..40_i64))
            .prop_map(|(series, from, until)| Op::Delete(series, from, until)),
        2 => (0..3_u8, 0..20_i64).prop_map(|(signal, at)| Op::Learn(signal, at)),
        1 => (0..3_u8, 0..3_u8).prop_map(|(metric, help)| Op::Metadata(metric, help)),
        1 => Just(Op::Reopen),
    ]
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn apply(store: &Store, op: &Op) {
    match op {
        Op::Append(samples) => {
            let mut batch = SampleBatch::default();
            for &(series, timestamp, value) in samples {
                let labels = Labels::from_pairs([("__name__", "m"), ("n", &series.to_string())]).unwrap();
                batch.push(store.resolve(&labels).unwrap(), timestamp, f64::from(value));
            }
            store.append(batch).unwrap().wait().unwrap();
        }
        Op::Compact(all) => {
            let what = if *all { Compaction::All } else { Compaction::Due };
            store.compact(at(20_000_000), what).unwrap();
        }
        Op::Delete(series, from, until) => {
            let mut matchers = vec![Matcher::equal("__name__", "m")];
            matchers.extend(series.map(|series| Matcher::equal("n", series.to_string())));
            let what = Deletion { matchers, from: from.map(at), until: until.map(at), dry_run: false };
            store.delete(&what).unwrap();
        }
        Op::Learn(signal, made) => {
            let signal = format!("s{signal}");
            let forecast = |step: i64| ForecastRow {
                signal: signal.clone(),
                made_at: at(*made),
                timestamp: at(made + step),
                yhat: 1.5,
                yhat_lower_80: 1.0,
                yhat_upper_80: 2.0,
                yhat_lower_95: 0.5,
                yhat_upper_95: 2.5,
                model: "mean".to_owned(),
            };
            store.put_forecasts(&(1..5).map(forecast).collect::<Vec<_>>()).unwrap();
            let score = |step: i64| AnomalyRow {
                signal: signal.clone(),
                timestamp: at(made + step),
                value: 1.0,
                yhat: 1.5,
                yhat_lower: 1.0,
                yhat_upper: 2.0,
                score: 0.25,
                kind: AnomalyKind::Value,
            };
            store.put_anomalies(&(0..6).map(score).collect::<Vec<_>>()).unwrap();
        }
        Op::Metadata(metric, help) => {
            let row = MetadataRow {
                metric: format!("m{metric}"),
                metric_type: MetricType::Gauge,
                unit: String::new(),
                help: format!("help {help}"),
                updated_at: at(i64::from(*help)),
            };
            store.put_metadata(&[row]).unwrap();
        }
        Op::Reopen => {}
    }
}

fn workers(store: &Store, count: usize) -> SqlWorkers {
    let command = Box::new(|| {
        let mut command = almanac(Path::new("/"));
        command.args(["worker", "sql", "--memory", "268435456"]);
        command
    }) as Box<dyn Fn() -> Command + Send + Sync>;
    SqlWorkers::start(store, WorkerOptions { command, workers: count, promql: None }).unwrap()
}

fn text(answer: Result<SqlAnswer, SqlError>) -> String {
    match answer {
        Ok(answer) => format!("{:?}\n{}", answer.types, pretty_format_batches(&answer.batches).unwrap()),
        Err(error) => format!("{}: {error}", error.code()),
    }
}

fn check(store: &Store, workers: &SqlWorkers) {
    for sql in STATEMENTS {
        let expected = text(store.analyst_sql(sql, &[], SqlLimits::default()));
        assert_eq!(text(workers.run(sql, &[], SqlLimits::default())), expected, "{sql}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn workers_answer_as_the_store_does(ops in proptest::collection::vec((op(), any::<bool>()), 4..16)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.duckdb");
        let options = StoreOptions { hot_rows: 40, ..StoreOptions::default() };
        let mut store = Store::open(&path, options.clone()).unwrap();
        let mut sql = workers(&store, 1);
        for (op, is_checked) in ops {
            if matches!(op, Op::Reopen) {
                sql.close();
                store.close().unwrap();
                store = Store::open(&path, options.clone()).unwrap();
                sql = workers(&store, 1);
            }
            apply(&store, &op);
            // Also several changes between two statements.
            if is_checked {
                check(&store, &sql);
            }
        }
        check(&store, &sql);
        prop_assert_eq!(sql.stats().ended, 0);
        // The second name of the file is gone, though workers may have been starting, and no other file was left.
        sql.close();
        prop_assert_eq!(other_names(folder.path()), Vec::<OsString>::new());
    }
}

/// Returns the names in a store's folder beside the store's own.
fn other_names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.retain(|name| !["test.duckdb", "test.duckdb.wal", "test.duckdb.state"].iter().any(|known| name == known));
    names
}

/// Workers start in the background, and may be at any step when the store is closed.
#[test]
fn closing_waits_for_workers_that_open_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.duckdb");
    for round in 0..24 {
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        let sql = workers(&store, 2);
        std::thread::sleep(Duration::from_millis(round * 5));
        sql.close();
        assert_eq!(other_names(folder.path()), Vec::<OsString>::new(), "round {round}");
        store.close().unwrap();
    }
}

/// Each series gets its samples in whole batches, so that every snapshot has a multiple of ten samples of each, at any
/// moment of a compaction, a deletion or a checkpoint.
#[test]
fn every_answer_is_of_one_moment_while_the_store_changes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("test.duckdb"), StoreOptions::default()).unwrap();
    let sql = workers(&store, 2);
    let series: Vec<_> = (0..20)
        .map(|n| {
            let labels = Labels::from_pairs([("__name__", "m"), ("n", &format!("{n}"))]).unwrap();
            store.resolve(&labels).unwrap()
        })
        .collect();
    let ended = std::sync::atomic::AtomicBool::new(false);
    let statement = "SELECT count(*), count(DISTINCT series_id), count(*) FILTER (n % 10 <> 0) FROM \
                     (SELECT series_id, count(*) AS n FROM samples GROUP BY series_id)";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..120_i64 {
                let mut batch = SampleBatch::default();
                for &id in &series {
                    (0..10).for_each(|k| batch.push(id, (round * 10 + k) * 1_000, 1.0));
                }
                store.append(batch).unwrap().wait().unwrap();
                if round % 10 == 5 {
                    let what = if round % 20 == 5 { Compaction::All } else { Compaction::Due };
                    store.compact(at(round * 10_000), what).unwrap();
                }
                if round % 40 == 39 {
                    let matchers = vec![Matcher::equal("__name__", "m")];
                    let until = Some(at((round - 20) * 10_000 - 1));
                    store.delete(&Deletion { matchers, from: None, until, dry_run: false }).unwrap();
                }
            }
            ended.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Acquire) {
                    let answer = sql.run(statement, &[], SqlLimits::default()).unwrap();
                    let torn = arrow::util::display::array_value_to_string(answer.batches[0].column(2), 0).unwrap();
                    assert_eq!(torn, "0");
                }
            });
        }
    });
    check(&store, &sql);
    assert_eq!(sql.stats().ended, 0);
}

/// A worker that opens the file while a checkpoint shortens it reads blocks that are gone, and opens it again.
#[test]
fn a_file_that_is_shortened_while_a_worker_opens_it_is_not_taken_for_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("test.duckdb"), StoreOptions::default()).unwrap();
    let sql = workers(&store, 2);
    let labels = |n: i64| Labels::from_pairs([("__name__", "m"), ("n", &n.to_string())]).unwrap();
    let series: Vec<_> = (0..400).map(|n| store.resolve(&labels(n)).unwrap()).collect();
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..25_i64 {
                let mut batch = SampleBatch::default();
                for &id in &series {
                    (0..50).for_each(|k| batch.push(id, (round * 50 + k) * 1_000, (k * round % 17) as f64));
                }
                store.append(batch).unwrap().wait().unwrap();
                store.compact(at(round * 50_000), Compaction::All).unwrap();
            }
            ended.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                while !ended.load(Ordering::Acquire) {
                    match sql.run(
                        "SELECT count(*) FROM samples JOIN series USING (series_id)",
                        &[],
                        SqlLimits::default(),
                    ) {
                        // Compactions follow each other without a pause, and each makes a statement begin anew.
                        Ok(_) | Err(SqlError::Unavailable { .. } | SqlError::Deadline { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
}

/// A checkpoint would make a statement begin anew, so that the log may become longer while one runs.
#[test]
fn a_long_log_waits_for_the_statements_that_run() {
    const LIMIT: u64 = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { log_bytes: LIMIT, ..StoreOptions::default() };
    let store = Store::open(&folder.path().join("test.duckdb"), options).unwrap();
    let sql = workers(&store, 1);
    let labels = Labels::from_pairs([("__name__", "m")]).unwrap();
    let id = store.resolve(&labels).unwrap();
    let append = |round: i64| {
        let mut batch = SampleBatch::default();
        (0..500).for_each(|k| batch.push(id, (round * 500 + k) * 1_000, (k % 17) as f64));
        store.append(batch).unwrap().wait().unwrap();
        store.stats().wal_bytes
    };
    let mut longest = (0..12).map(append).max().unwrap();
    let mut round = 12;
    let end = Instant::now() + Duration::from_secs(60);
    let ended = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let slow = "SELECT count(*) FROM samples AS a JOIN (SELECT value FROM samples LIMIT 2000) AS b \
                ON (a.value * 7 + b.value * 3) % 5 < a.value % 4";
            let limits = SqlLimits { deadline: Duration::from_secs(60), ..SqlLimits::default() };
            let mut answers = 0;
            while !ended.load(Ordering::Acquire) {
                sql.run(slow, &[], limits).unwrap();
                answers += 1;
            }
            answers
        });
        // Between two statements the log may be merged.
        while longest <= LIMIT + 50_000 && Instant::now() < end && !asking.is_finished() {
            longest = longest.max(append(round));
            round += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        ended.store(true, Ordering::Release);
        assert!(asking.join().unwrap() > 0);
    });
    assert!(longest > LIMIT + 50_000, "{longest}");
    // The next batches find no statement, and the log is merged.
    let after = (round..round + 60).map(append).min();
    assert!(after < Some(LIMIT), "{after:?}");
}
