//! Tests of the whole advice on settings, and the facts that the tests of each setting begin with.

use std::collections::BTreeMap;

use almanac_models::Timestamp;

use super::{HourOfTable, Reads, Sessions, Settings, SettingsFacts, SettingsTerms};
use crate::{
    advise::{
        Advisor, Outcome, Proposal,
        database::{DatabaseFacts, DatabaseSpec},
    },
    database::{
        Catalogue, Plan, PlanNode, SettingOverride, StatementUse, TableActivity, Workload,
        fixture::{application, used, workload},
    },
};

pub(super) type Decided = Vec<(String, Outcome<SettingsTerms>)>;

/// Returns facts of a day of a server with 16 GB and PostgreSQL's defaults.
pub(super) fn facts(statements: Vec<StatementUse>) -> SettingsFacts {
    let mut catalogue = application();
    catalogue.database = "shop".to_owned();
    for (name, value) in [
        ("work_mem", "4MB"),
        ("shared_buffers", "128MB"),
        ("hash_mem_multiplier", "2"),
        ("max_connections", "100"),
        ("superuser_reserved_connections", "3"),
        ("autovacuum", "on"),
        ("autovacuum_vacuum_scale_factor", "0.2"),
        ("autovacuum_vacuum_threshold", "50"),
        ("autovacuum_vacuum_insert_scale_factor", "0.2"),
        ("autovacuum_vacuum_insert_threshold", "1000"),
        ("random_page_cost", "4"),
        ("track_io_timing", "off"),
    ] {
        catalogue.settings.insert(name.to_owned(), value.to_owned());
    }
    SettingsFacts {
        database: DatabaseFacts { catalogue, read_at: Timestamp::from_millis(0), workload: workload(statements) },
        sessions: Some(Sessions { peak: 20.0, active: 4.0, snapshots: 1_440.0 }),
        reads: Some(Reads { hit: 1e9, read: 1e6, ms: 0.0 }),
        busiest: BTreeMap::new(),
        tables: BTreeMap::new(),
        oldest_transaction: Some(1.0),
        memory: Some(16.0 * 1024.0_f64.powi(3)),
    }
}

pub(super) fn spec() -> DatabaseSpec {
    DatabaseSpec::new("app")
}

pub(super) fn decided(facts: &SettingsFacts) -> Decided {
    Settings::decide_all(&spec(), "app", facts, Timestamp::from_millis(0))
}

/// Returns the proposal on a target.
pub(super) fn proposal<'a>(all: &'a Decided, target: &str) -> &'a Proposal<SettingsTerms> {
    match all.iter().find(|(name, _)| name == target) {
        Some((_, Outcome::Propose(proposal))) => proposal,
        other => panic!("{target}: {other:?}"),
    }
}

/// Returns a statement that moves this many blocks through temporary files in one execution, with a plan of this node.
pub(super) fn spilling(statement: &str, calls: f64, blocks: f64, node: PlanNode) -> (StatementUse, Plan) {
    let found = StatementUse { blocks_temporary: blocks * calls, ..used(statement, calls, 500.0, 100.0) };
    let plan = Plan {
        family: found.family.clone(),
        statement: found.statement.clone(),
        duration_ms: Some(500.0),
        root: PlanNode { node: "Limit".to_owned(), inputs: vec![node], ..PlanNode::default() },
    };
    (found, plan)
}

/// Returns a sort of rows that took this many bytes of disk each.
pub(super) fn sort(rows: f64, each: f64) -> PlanNode {
    PlanNode {
        node: "Sort".to_owned(),
        sort_method: Some("external merge".to_owned()),
        sort_kib: Some(rows * each / 1024.0),
        actual_rows: Some(rows),
        rows,
        ..PlanNode::default()
    }
}

#[test]
fn a_healthy_database_gets_no_advice() {
    let mut facts = facts(vec![used("SELECT title FROM tasks WHERE id = $1", 1e6, 0.1, 1.0)]);
    let all = decided(&facts);
    let [(target, Outcome::Keep { reason })] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(target, "app");
    assert_eq!(
        reason,
        "Statements move 0 kB through temporary files a day, 99.9 % of blocks are found in shared buffers, at most 20 of 100 connections \
         are used: nothing shows that another value of a setting is better."
    );
    // Neither does one of which little is known.
    facts = SettingsFacts::exported(
        DatabaseFacts {
            catalogue: Catalogue::default(),
            read_at: Timestamp::from_millis(0),
            workload: Workload::default(),
        },
        &spec(),
    );
    assert!(matches!(decided(&facts).as_slice(), [(_, Outcome::Keep { .. })]));
}

#[test]
fn what_is_missing_is_one_verdict() {
    let mut facts = facts(vec![StatementUse {
        blocks_temporary: 1e6,
        ..used("SELECT DISTINCT title FROM tasks", 1_000.0, 500.0, 5.0)
    }]);
    facts.reads = Some(Reads { hit: 1e8, read: 1e8, ms: 0.0 });
    facts.database.catalogue.tables[0].activity =
        Some(TableActivity { sequential_scans: 5.0, ..TableActivity::default() });
    facts.database.catalogue.tables[0].bytes = Some(4e9);
    let all = decided(&facts);
    let [(target, Outcome::Lacks { needs })] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(target, "app");
    let remedies: Vec<&str> = needs.iter().map(|need| need.remedy.as_str()).collect();
    assert!(remedies[0].contains("auto_explain"), "{remedies:?}");
    assert!(remedies[1].contains("track_io_timing = on"), "{remedies:?}");
}

#[test]
fn an_applied_value_is_not_proposed_again() {
    let (statement, plan) =
        spilling("SELECT title FROM tasks ORDER BY title LIMIT $1", 1_000.0, 5_000.0, sort(100_000.0, 100.0));
    let mut facts = facts(vec![statement]);
    facts.database.workload.plans = vec![plan];
    let all = decided(&facts);
    let made = proposal(&all, "app:work_mem");
    assert_eq!(made.patch.body, "ALTER DATABASE shop SET work_mem = '20MB';\n");
    let back = made.rollback.as_ref().unwrap();
    assert_eq!(back.patch.body, "ALTER DATABASE shop RESET work_mem;\n");
    // The counters of the week before, and the plan, stay known after the change.
    facts.database.catalogue.overrides = vec![SettingOverride {
        in_database: true,
        name: "work_mem".to_owned(),
        value: "20MB".to_owned(),
        ..SettingOverride::default()
    }];
    let all = decided(&facts);
    assert!(!all.iter().any(|(_, outcome)| matches!(outcome, Outcome::Propose(_))), "{all:?}");
    facts.database.catalogue.overrides[0].value = "6MB".to_owned();
    let all = decided(&facts);
    let back = proposal(&all, "app:work_mem").rollback.as_ref().unwrap();
    assert_eq!(back.patch.body, "ALTER DATABASE shop SET work_mem = '6MB';\n", "the rollback sets the value before");
}

#[test]
fn a_share_of_dead_rows_is_of_all_rows() {
    let hour = HourOfTable { live: 75.0, dead: 25.0, ..HourOfTable::default() };
    assert_eq!(hour.dead_share(), Some(0.25));
    assert_eq!(HourOfTable::default().dead_share(), None);
}
