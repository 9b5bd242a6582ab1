//! Tests of the collector on a store: sums, hours, restarts, bounds.

use std::collections::HashMap;

use almanac_models::Timestamp;

use super::{families::CHOSEN_MAX, *};
use crate::{
    database::{
        TableActivity,
        log::{LogFormat, LogReader},
        snapshot::{Event, IndexCounters, Snapshot, StatementCounters},
    },
    series::METRIC_NAME,
    store::{Store, StoreOptions, rows::DatabaseFilter},
};

/// A full hour, in epoch milliseconds.
const HOUR: i64 = 1_790_000_000_000 / 3_600_000 * 3_600_000;

fn snapshot(at_ms: i64, statements: &[(i64, f64)], updated: f64) -> Snapshot {
    let counters =
        |calls: f64| StatementCounters { calls, total_ms: calls * 2.0, squares: calls * 5.0, ..Default::default() };
    let table = TableActivity { updated, live: 50.0, ..TableActivity::default() };
    let index = IndexCounters { table: "public.a".to_owned(), scans: updated, ..IndexCounters::default() };
    let mut found = Snapshot {
        at_ms,
        started: 1.0,
        has_statements: true,
        is_complete: true,
        statements: statements.iter().map(|(queryid, calls)| (*queryid, counters(*calls))).collect(),
        tables: [("public.a".to_owned(), table)].into(),
        indexes: [("public.a_pkey".to_owned(), index)].into(),
        database: [("commits".to_owned(), updated)].into(),
        ..Snapshot::default()
    };
    found.activity.connections.insert("active".to_owned(), 2.0);
    found
}

fn open(store: &Store, literals: bool, at_ms: i64) -> Collector {
    let options = CollectorOptions { database: "app".to_owned(), statements: true, literals };
    Collector::open(store, options, Timestamp::from_millis(at_ms)).unwrap()
}

/// Returns the values by metric, family or table.
fn values(taken: &Taken) -> HashMap<String, f64> {
    let key = |labels: &crate::series::Labels| {
        let label = |name: &str| labels.get(name).unwrap_or_default().to_owned();
        [METRIC_NAME, "family", "table", "state"].map(label).join(" ").trim().to_owned()
    };
    taken.samples.iter().map(|(labels, value)| (key(labels), *value)).collect()
}

#[test]
fn sums_go_on_after_a_reset_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
    let mut collector = open(&store, false, HOUR);
    let first = snapshot(HOUR + 1_000, &[(1, 100.0), (2, 5.0)], 10.0);
    assert_eq!(collector.unknown(&first), [1, 2]);
    collector
        .learn(&[(1, "SELECT * FROM a WHERE b = $1".to_owned()), (2, "<insufficient privilege>".to_owned())], HOUR);
    let family = crate::database::statement::family("SELECT * FROM a WHERE b = 7");
    let calls = |taken: &Taken| values(taken)[&format!("pg_statement_calls_total {family}")];
    collector.take(first);
    let taken = collector.take(snapshot(HOUR + 61_000, &[(1, 130.0), (2, 9.0)], 12.0));
    assert_eq!((calls(&taken), taken.events.len()), (30.0, 0));
    let found = values(&taken);
    assert!((found["pg_statement_calls_total other"] - 4.0).abs() < 1e-9, "the text of statement 2 is hidden");
    assert_eq!((found["pg_table_updated_rows_total  public.a"], found["pg_database_commits_total"]), (2.0, 2.0));
    assert!(found.contains_key(&format!("pg_statement_p95_seconds_estimate {family}")));
    assert!((found["pg_connections   active"] - 2.0).abs() < 1e-9);
    // A reset of the server's statistics.
    let taken = collector.take(snapshot(HOUR + 121_000, &[(1, 3.0)], 1.0));
    assert_eq!((calls(&taken), &taken.events[..]), (33.0, &[Event::StatementReset, Event::TableReset][..]));
    store.put_database_use(collector.changed()).unwrap();
    // Another collector on the same store, after a restart in the next hour.
    let next = HOUR + 3_600_000;
    let mut collector = open(&store, false, next);
    collector.learn(&[(1, "SELECT * FROM a WHERE b = $1".to_owned())], next);
    let taken = collector.take(snapshot(next + 1_000, &[(1, 50.0)], 5.0));
    assert!((values(&taken)["pg_table_live_rows  public.a"] - 50.0).abs() < 1e-9, "a level is that of the snapshot");
    let taken = collector.take(snapshot(next + 61_000, &[(1, 57.0)], 6.0));
    assert!((calls(&taken) - 40.0).abs() < 1e-9);
    store.put_database_use(collector.changed()).unwrap();
    let workload = |from: i64, until: i64| {
        store.database_workload("app", Timestamp::from_millis(from), Timestamp::from_millis(until)).unwrap()
    };
    let all = workload(HOUR, next + 3_600_000);
    assert_eq!((all.statements[0].calls, all.statements[0].total_ms, all.other_calls), (40.0, 80.0, 4.0));
    assert_eq!(all.statements[0].statement, "SELECT * FROM a WHERE b = $1");
    assert_eq!((all.writes["public.a"].updated, all.index_scans["public.a_pkey"]), (4.0, 4.0));
    assert_eq!((all.seconds, all.incomplete), (Some(180.0), true));
    let last = workload(next + 5_000, next + 10_000);
    assert_eq!((last.statements[0].calls, last.seconds, last.incomplete), (7.0, Some(60.0), false));
    assert_eq!(workload(next + 3_600_000, next + 7_200_000).statements, []);
    assert_eq!(store.database_statements("app").unwrap()[0].first_seen.millis(), HOUR);
}

#[test]
fn rows_of_one_hour_are_written_once_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
    let mut collector = open(&store, false, HOUR);
    collector.learn(&[(1, "SELECT 1".to_owned())], HOUR);
    for minute in 0..125_i64 {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        collector.take(snapshot(HOUR + minute * 60_000, &[(1, minute as f64)], 0.0));
        if minute % 7 == 0 {
            store.put_database_use(collector.changed()).unwrap();
        }
    }
    store.put_database_use(collector.changed()).unwrap();
    let filter = DatabaseFilter { database: "app".to_owned(), ..DatabaseFilter::default() };
    let calls: Vec<f64> = store.database_statement_use(&filter).unwrap().iter().map(|row| row.calls).collect();
    assert_eq!(calls, [60.0, 60.0, 4.0]);
    assert_eq!(store.database_index_use(&filter).unwrap().len(), 3, "an index without a scan has a row");
    assert_eq!(collector.changed().hours, []);
}

#[test]
fn many_families_are_bounded_and_the_chosen_ones_are_stable() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
    let mut collector = open(&store, false, HOUR);
    let texts: Vec<(i64, String)> = (0..50_500).map(|idx| (idx, format!("SELECT c{idx} FROM t"))).collect();
    collector.learn(&texts, HOUR);
    let statements = |factor: f64| {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        (0..5_000_i64).map(|idx| (idx, (idx + 1) as f64 * factor)).collect::<Vec<_>>()
    };
    collector.take(snapshot(HOUR, &statements(1.0), 0.0));
    let chosen = |taken: &Taken| {
        let mut names: Vec<String> =
            values(taken).into_keys().filter(|key| key.starts_with("pg_statement_calls_total")).collect();
        names.sort();
        names
    };
    collector.take(snapshot(HOUR + 60_000, &statements(2.0), 0.0));
    let second = collector.take(snapshot(HOUR + 120_000, &statements(3.0), 0.0));
    assert_eq!(chosen(&second).len(), CHOSEN_MAX + 1);
    let third = collector.take(snapshot(HOUR + 180_000, &statements(4.0), 0.0));
    assert_eq!(chosen(&second), chosen(&third), "equal loads change nothing");
    store.put_database_use(collector.changed()).unwrap();
    let stored = store.database_statements("app").unwrap();
    assert!(stored.len() <= 50_000, "{}", stored.len());
    assert!(stored.iter().any(|row| row.statement == "SELECT c4999 FROM t"));
}

#[test]
fn values_and_plans_of_the_log_are_kept_only_where_they_may() {
    let log = "LOG:  duration: 9.0 ms  plan:\n\t{\"Query Text\": \"SELECT * FROM a WHERE b = 7\", \"Plan\": {\"Node Type\": \"Seq Scan\", \"Filter\": \"(b = 7)\"}}\n";
    let timed = LogReader::new(LogFormat::Text).read_all(log);
    for literals in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let mut collector = open(&store, literals, HOUR);
        collector.learn(&[(1, "SELECT * FROM a WHERE b = $1".to_owned())], HOUR);
        collector.log(&timed[0]);
        collector.take(snapshot(HOUR + 1_000, &[(1, 0.0)], 0.0));
        collector.take(snapshot(HOUR + 2_000, &[(1, 1.0)], 0.0));
        store.put_database_use(collector.changed()).unwrap();
        let until = Timestamp::from_millis(HOUR + 3_600_000);
        let workload = store.database_workload("app", Timestamp::from_millis(HOUR), until).unwrap();
        let filter = workload.plans[0].root.filter.clone().unwrap();
        assert_eq!(filter, if literals { "(b = 7)" } else { "(b = $1)" });
        assert_eq!(workload.statements[0].parameters.len(), usize::from(literals));
    }
}

#[test]
fn without_texts_nothing_of_the_log_is_kept() {
    let log = "LOG:  duration: 9.0 ms  plan:\n\t{\"Query Text\": \"SELECT * FROM a WHERE b = 7\", \"Plan\": {\"Node Type\": \"Seq Scan\", \"Filter\": \"(b = 7)\"}}\n";
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
    let options = CollectorOptions { database: "app".to_owned(), statements: false, literals: true };
    let mut collector = Collector::open(&store, options, Timestamp::from_millis(HOUR)).unwrap();
    collector.learn(&[(1, "SELECT * FROM a WHERE b = $1".to_owned())], HOUR);
    LogReader::new(LogFormat::Text).read_all(log).iter().for_each(|timed| collector.log(timed));
    store.put_database_use(collector.changed()).unwrap();
    let rows = store.database_statements("app").unwrap();
    assert_eq!((rows.len(), rows[0].statement.as_str()), (1, ""));
    assert_eq!((rows[0].plans.to_string(), rows[0].parameters.to_string()), ("[]".to_owned(), "[]".to_owned()));
}
