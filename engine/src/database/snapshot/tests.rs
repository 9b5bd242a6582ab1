//! Tests of the differences between snapshots.

use super::*;
use crate::database::TableActivity;

fn statement(calls: f64, total_ms: f64) -> StatementCounters {
    StatementCounters {
        calls,
        total_ms,
        squares: total_ms * total_ms / calls.max(1.0),
        rows: calls,
        ..StatementCounters::default()
    }
}

fn snapshot(at_s: i64, reset: Option<f64>, evictions: Option<f64>, statements: &[(i64, f64, f64)]) -> Snapshot {
    let mut found = Snapshot {
        at_ms: at_s * 1_000,
        started: 100.0,
        has_statements: true,
        is_complete: true,
        reset,
        evictions,
        ..Snapshot::default()
    };
    for (queryid, calls, total_ms) in statements {
        let counters = statement(*calls, *total_ms);
        found.total.add(&counters);
        found.statements.insert(*queryid, counters);
    }
    found
}

/// Families `a` (1 and 2), `b` (3); others are unknown.
fn family(queryid: i64) -> Option<&'static str> {
    match queryid {
        1 | 2 => Some("a"),
        3 => Some("b"),
        _ => None,
    }
}

/// Returns calls and time by family, in order, and the events.
fn found(before: &Snapshot, after: &Snapshot) -> (Vec<(String, f64, f64)>, Vec<Event>) {
    let difference = difference(before, after, family);
    let mut families: Vec<(String, f64, f64)> =
        difference.families.iter().map(|(name, counters)| (name.clone(), counters.calls, counters.total_ms)).collect();
    families.sort_by(|a, b| a.0.cmp(&b.0));
    (families, difference.events)
}

fn row(name: &str, calls: f64, total_ms: f64) -> (String, f64, f64) {
    (name.to_owned(), calls, total_ms)
}

#[test]
fn statements_of_a_family_are_summed_and_unknown_ones_are_other() {
    let before = snapshot(0, Some(1.0), Some(0.0), &[(1, 10.0, 100.0), (2, 5.0, 50.0), (3, 1.0, 1.0), (9, 1.0, 1.0)]);
    let after = snapshot(60, Some(1.0), Some(0.0), &[(1, 12.0, 120.0), (2, 6.0, 70.0), (3, 1.0, 1.0), (9, 4.0, 10.0)]);
    assert_eq!(found(&before, &after), (vec![row("a", 3.0, 40.0), row("other", 3.0, 9.0)], vec![]));
    assert!((difference(&before, &after, family).seconds - 60.0).abs() < 1e-9);
}

#[test]
fn a_reset_counts_what_came_after_it_even_when_counters_are_higher() {
    let before = snapshot(0, Some(1.0), Some(0.0), &[(1, 10.0, 100.0), (3, 1.0, 1.0)]);
    let after = snapshot(60, Some(30.0), Some(0.0), &[(1, 11.0, 110.0)]);
    assert_eq!(found(&before, &after), (vec![row("a", 11.0, 110.0)], vec![Event::StatementReset]));
    // PostgreSQL 13 does not count resets: counters that fall show them.
    let (before, after) = (snapshot(0, None, None, &[(1, 10.0, 100.0)]), snapshot(60, None, None, &[(1, 2.0, 20.0)]));
    assert_eq!(found(&before, &after), (vec![row("a", 2.0, 20.0)], vec![Event::StatementReset]));
}

#[test]
fn counters_of_another_server_after_a_failover_are_no_increase() {
    let before = snapshot(10_000, Some(500.0), Some(0.0), &[(1, 10.0, 100.0)]);
    let mut after = snapshot(10_060, Some(600.0), Some(0.0), &[(1, 5_000.0, 50_000.0), (3, 7.0, 70.0)]);
    after.started = 90.0;
    assert_eq!(found(&before, &after), (vec![], vec![Event::Restart, Event::StatementReset]));
}

#[test]
fn a_statement_that_was_evicted_and_came_back_counts_from_its_return() {
    let before = snapshot(0, Some(1.0), Some(3.0), &[(1, 10.0, 100.0), (2, 900.0, 9_000.0), (3, 7.0, 70.0)]);
    let after = snapshot(60, Some(1.0), Some(5.0), &[(1, 12.0, 120.0), (2, 4.0, 40.0)]);
    assert_eq!(found(&before, &after), (vec![row("a", 6.0, 60.0)], vec![Event::Eviction]));
}

#[test]
fn a_statement_that_was_not_among_the_heaviest_counts_from_now_on() {
    let mut before = snapshot(0, Some(1.0), Some(0.0), &[(1, 10.0, 100.0)]);
    before.is_complete = false;
    before.total.add(&statement(1_000.0, 90.0));
    let mut after = snapshot(60, Some(1.0), Some(0.0), &[(1, 10.0, 100.0), (3, 1_010.0, 101.0)]);
    after.is_complete = false;
    // Its ten executions in between are in the sum of all statements.
    let (families, events) = found(&before, &after);
    assert_eq!((families[0].0.as_str(), families[0].1, events), ("other", 10.0, vec![]));
    assert!((families[0].2 - 11.0).abs() < 1e-9);
}

#[test]
fn nothing_is_ever_negative_or_more_than_what_was_counted() {
    // Every pair of these snapshots, in both orders.
    let snapshots = [
        snapshot(0, None, None, &[]),
        snapshot(10, Some(1.0), Some(0.0), &[(1, 10.0, 100.0), (3, 5.0, 50.0)]),
        snapshot(20, Some(9.0), Some(7.0), &[(1, 3.0, 300.0), (9, 5.0, 50.0)]),
        snapshot(30, None, Some(1.0), &[(2, 1e15, 1e15)]),
    ];
    for before in &snapshots {
        for after in &snapshots {
            let difference = difference(before, after, family);
            for counters in difference.families.values() {
                assert!(counters.calls >= 0.0 && counters.calls <= after.total.calls, "{before:?} {after:?}");
                assert!(counters.total_ms >= 0.0 && counters.total_ms <= after.total.total_ms * (1.0 + 1e-9));
                assert!(counters.deviation_ms().is_finite());
            }
            assert!(difference.seconds >= 0.0);
        }
    }
}

#[test]
fn tables_and_indexes_survive_a_restart_and_a_reset() {
    let table = |updated: f64| TableActivity { updated, inserted: 5.0, live: 100.0, ..TableActivity::default() };
    let index = |scans: f64| IndexCounters { table: "public.a".to_owned(), scans, ..IndexCounters::default() };
    let at = |started: f64, updated: f64, scans: f64| Snapshot {
        started,
        tables: [("public.a".to_owned(), table(updated))].into(),
        indexes: [("public.a_pkey".to_owned(), index(scans))].into(),
        database: [("commits".to_owned(), scans)].into(),
        ..Snapshot::default()
    };
    let check = |before: &Snapshot, after: &Snapshot, expected: (f64, f64, f64), events: &[Event]| {
        let found = difference(before, after, family);
        let increases =
            (found.tables["public.a"].updated, found.indexes["public.a_pkey"].scans, found.database["commits"]);
        assert_eq!((increases, found.events.as_slice()), (expected, events));
        assert!((found.tables["public.a"].live - 100.0).abs() < 1e-9, "a level");
    };
    check(&at(1.0, 10.0, 7.0), &at(1.5, 12.0, 7.0), (2.0, 0.0, 0.0), &[]);
    check(&at(1.0, 10.0, 7.0), &at(60.0, 12.0, 9.0), (2.0, 2.0, 2.0), &[Event::Restart]);
    check(&at(1.0, 10.0, 7.0), &at(1.0, 3.0, 2.0), (3.0, 2.0, 2.0), &[Event::TableReset]);
}

#[test]
fn answers_of_a_server_are_read() {
    let counters = r#"{"started": 1790000000.5, "tables": [["public", "a", 1, 2, null, null, 3, 4, 2, null, 1, 10, 1, 0, 2, 3]],
        "indexes": [["public", "a", "a_pkey", 5, 6, 7]], "database": {"commits": 9, "conflicts": null}, "server": {"wal_bytes": 1.5},
        "connections": {"active": 2, "idle in transaction": 1}, "all_connections": 5, "waits": [["Lock", "transactionid", 1]],
        "oldest_transaction": 12.5, "idle_in_transaction": null, "locks_waiting": null, "longest_lock_wait": null}"#;
    let statements = r#"{"statements": [[-5, 2, 3.5, 7, 2, 0, 4, 5, 6, 7, 8], [6, 1, 1, 1, 1, null, 1, 1, 1, 1, 1]],
        "total": [0, 3, 4.5, 8, 2, 0, 5, 6, 7, 8, 9], "count": 2, "hidden": 0, "info": [1790000000.25, 3]}"#;
    let found = Snapshot::read(1_000, counters, Some(statements)).unwrap();
    assert_eq!((found.statements[&-5].total_ms, found.statements.len(), found.total.calls), (3.5, 2, 3.0));
    assert_eq!((found.evictions, found.is_complete), (Some(3.0), true));
    assert_eq!((found.tables["public.a"].inserted, found.tables["public.a"].updated_new_page), (3.0, None));
    assert!((found.activity.waits[&("Lock".to_owned(), "transactionid".to_owned())] - 1.0).abs() < 1e-9);
    let error = Snapshot::read(0, "{}", None).unwrap_err();
    assert_eq!(error.to_string(), "the answer about the counters cannot be read");
    let empty = r#"{"statements": null, "total": [0, null, null, null, null, null, null, null, null, null, null], "count": 0, "hidden": 0, "info": null}"#;
    assert!(Snapshot::read(0, counters, Some(empty)).unwrap().is_complete);
}
