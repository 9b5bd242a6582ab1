//! Tests of the storage parameters of tables.

use crate::{
    advise::{
        Outcome,
        database::settings::{
            HourOfTable, SettingsFacts,
            tests::{Decided, decided, facts, proposal},
        },
    },
    database::{
        Plan, PlanNode, TableWrites,
        fixture::{btree, used},
    },
};

/// Returns facts of a week of a table of ten million rows, whose dead rows rise to `peak` between two vacuums.
fn hot_table(peak: f64, a_day: f64) -> SettingsFacts {
    let mut facts = facts(vec![used("SELECT title FROM tasks WHERE id = $1", 1e6, 0.1, 1.0)]);
    let rows = 1e7;
    facts.database.workload.seconds = Some(7.0 * 86_400.0);
    facts.database.catalogue.tables[0].rows = Some(rows);
    let hours = (0..168).map(|hour| HourOfTable {
        live: rows,
        dead: peak * f64::from(hour % 84) / 83.0,
        deleted: a_day / 24.0,
        ..HourOfTable::default()
    });
    facts.tables.insert("public.tasks".to_owned(), hours.collect());
    facts
}

#[test]
fn a_large_hot_table_is_vacuumed_more_often() {
    let facts = hot_table(2e6, 5e5);
    let all = decided(&facts);
    let made = proposal(&all, "app:public.tasks:autovacuum_vacuum_scale_factor");
    assert_eq!(made.patch.body, "ALTER TABLE tasks SET (autovacuum_vacuum_scale_factor = 0.02);\n");
    assert_eq!(
        made.rollback.as_ref().unwrap().patch.body,
        "ALTER TABLE tasks RESET (autovacuum_vacuum_scale_factor);\n"
    );
    assert!(made.effect.upper < made.rollback.as_ref().unwrap().baseline, "{made:?}");
    assert!(made.reason.contains("about every 4 days") && made.reason.contains("about every 10 h"), "{}", made.reason);
    // A table with its own value is compared with that.
    let mut own = facts;
    own.database.catalogue.tables[0].options.insert("autovacuum_vacuum_scale_factor".to_owned(), "0.02".to_owned());
    let all = decided(&own);
    assert!(!has_proposal(&all), "{all:?}");
}

#[test]
fn few_dead_rows_and_small_tables_get_no_advice() {
    assert!(!has_proposal(&decided(&hot_table(5e5, 5e4))), "at most 5 % are dead");
    let mut small = hot_table(2e6, 5e5);
    small.database.catalogue.tables[0].rows = Some(1e5);
    for hour in small.tables.get_mut("public.tasks").unwrap() {
        (hour.live, hour.dead) = (1e5, 2e4);
    }
    assert!(!has_proposal(&decided(&small)));
}

#[test]
fn a_vacuum_that_does_not_come_is_not_helped_by_a_lower_trigger() {
    let mut facts = hot_table(2e6, 5e5);
    facts.tables.get_mut("public.tasks").unwrap().iter_mut().for_each(|hour| hour.dead = 4e6);
    facts.oldest_transaction = Some(40_000.0);
    let all = decided(&facts);
    let (_, outcome) = all.iter().find(|(target, _)| target.ends_with("scale_factor")).unwrap();
    assert!(matches!(outcome, Outcome::Keep { reason } if reason.contains("open for 11 h")), "{outcome:?}");
    // Where it is off, that is the cause.
    facts.database.catalogue.tables[0].options.insert("autovacuum_enabled".to_owned(), "false".to_owned());
    let all = decided(&facts);
    let made = proposal(&all, "app:public.tasks:autovacuum_enabled");
    assert_eq!(made.rollback.as_ref().unwrap().patch.body, "ALTER TABLE tasks SET (autovacuum_enabled = false);\n");
}

#[test]
fn index_only_scans_that_read_the_table_call_for_vacuums_after_insertions() {
    let text = "SELECT created_at FROM tasks WHERE created_at > $1";
    let mut facts = facts(vec![used(text, 1_000.0, 5.0, 500.0)]);
    facts.database.catalogue.tables[0].all_visible = Some(0.7);
    facts.database.catalogue.tables[0].rows = Some(2e6);
    let writes = TableWrites { inserted: 2e4, ..TableWrites::default() };
    facts.database.workload.writes.insert("public.tasks".to_owned(), writes);
    assert!(!has_proposal(&decided(&facts)), "no plan shows that it matters");
    let scan = PlanNode {
        node: "Index Only Scan".to_owned(),
        relation: Some("tasks".to_owned()),
        actual_rows: Some(5_000.0),
        loops: Some(1.0),
        heap_fetches: Some(4_000.0),
        ..PlanNode::default()
    };
    facts.database.workload.plans = vec![Plan { root: scan, ..Plan::default() }];
    let all = decided(&facts);
    let made = proposal(&all, "app:public.tasks:autovacuum_vacuum_insert_scale_factor");
    assert!((made.rollback.as_ref().unwrap().baseline - 0.7).abs() < 1e-12);
}

/// Returns facts of a table that one statement updates by a tenth of its rows in each execution.
fn updated(statement: &str, hot: f64) -> SettingsFacts {
    let mut facts = facts(vec![used(statement, 20.0, 4_000.0, 100_000.0)]);
    let writes = TableWrites { updated: 2e6, updated_hot: hot * 2e6, ..TableWrites::default() };
    facts.database.workload.writes.insert("public.tasks".to_owned(), writes);
    facts.database.catalogue.tables[0].indexes.push(btree("tasks_status", &["status"]));
    facts
}

#[test]
fn updates_without_room_on_their_page_get_a_fill_factor() {
    let facts = updated("UPDATE tasks SET is_done = $1 WHERE team_id = $2", 0.2);
    let all = decided(&facts);
    let made = proposal(&all, "app:public.tasks:fillfactor");
    // One statement changes a tenth: 1/1.1 less some room.
    assert_eq!(made.proposed["value"], "85", "{made:?}");
    assert_eq!(made.rollback.as_ref().unwrap().patch.body, "ALTER TABLE tasks RESET (fillfactor);\n");
    assert!(made.evidence["notes"][0].as_str().unwrap().contains("at its next update"));
    let mut present = facts;
    present.database.catalogue.tables[0].fill_factor = Some(85);
    assert!(!has_proposal(&decided(&present)));
}

#[test]
fn updates_of_indexed_columns_and_hot_updates_do_not() {
    let all = decided(&updated("UPDATE tasks SET status = $1 WHERE team_id = $2", 0.0));
    assert!(!has_proposal(&all));
    assert!(
        all.iter().any(|(_, outcome)| matches!(outcome, Outcome::Keep { reason } if reason.contains("status, which the index tasks_status has"))),
        "{all:?}"
    );
    assert!(!has_proposal(&decided(&updated("UPDATE tasks SET is_done = $1 WHERE team_id = $2", 0.95))));
    // Single updates of narrow rows find room without one.
    let mut single = updated("UPDATE tasks SET is_done = $1 WHERE team_id = $2", 0.2);
    single.database.workload.statements[0].calls = 2e6;
    let all = decided(&single);
    assert!(
        all.iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Keep { reason } if reason.contains("needs no fill factor"))),
        "{all:?}"
    );
    // Version 16 counts updates to other pages; where they are few, room is not what is missing.
    let mut facts = updated("UPDATE tasks SET is_done = $1 WHERE team_id = $2", 0.2);
    let activity = facts.database.catalogue.tables[0].activity.as_mut().unwrap();
    (activity.updated, activity.updated_new_page) = (2e6, Some(2e4));
    assert!(!has_proposal(&decided(&facts)));
}

fn has_proposal(all: &Decided) -> bool {
    all.iter().any(|(_, outcome)| matches!(outcome, Outcome::Propose(_)))
}
