//! Tests of `work_mem` and `shared_buffers`.

use super::need::spills;
use crate::{
    advise::{
        Outcome,
        database::settings::{
            HourOfFamily, Reads, SettingsTerms,
            tests::{decided, facts, proposal, sort, spilling},
        },
    },
    database::{PlanNode, StatementUse, TableActivity, fixture::used, memory::bytes},
};

const KIB: f64 = 1024.0;
const GIB: f64 = 1_073_741_824.0;

/// Checks a need against the least `work_mem` in KiB at which PostgreSQL 15.18 wrote no temporary file, found by bisection
/// with steps of 5 % (tables of `docs/measured/databases.md`).
fn check(node: PlanNode, least_kib: f64) {
    let found = spills(&node, 150_018, 2.0);
    let [spill] = found.as_slice() else { panic!("{node:?}: {found:?}") };
    let ratio = spill.need / (least_kib * KIB);
    assert!((0.93..=1.6).contains(&ratio), "{ratio}: {node:?}");
}

#[test]
fn needs_are_those_that_were_found_by_trial() {
    let sorted = |rows: f64, disk_kib: f64| sort(rows, disk_kib * KIB / rows);
    // Integers, two integers, an integer with a text of 32 letters, rows of 177 bytes.
    for (rows, disk, least) in [
        (20_000.0, 280.0, 475.0),
        (300_000.0, 3_600.0, 7_038.0),
        (20_000.0, 392.0, 1_431.0),
        (300_000.0, 5_344.0, 21_131.0),
        (100_000.0, 4_672.0, 10_282.0),
        (300_000.0, 55_856.0, 73_826.0),
    ] {
        check(sorted(rows, disk), least);
    }
    let node = |node: &str, rows: f64, width: f64| PlanNode {
        node: node.to_owned(),
        batches: Some(16.0),
        actual_rows: Some(rows),
        rows,
        width,
        ..PlanNode::default()
    };
    for (rows, width, least) in [
        (20_000.0, 4.0, 554.0),
        (300_000.0, 4.0, 8_192.0),
        (100_000.0, 37.0, 4_299.0),
        (300_000.0, 37.0, 12_909.0),
        (100_000.0, 136.0, 9_177.0),
    ] {
        check(node("Hash", rows, width), least);
    }
    for (groups, width, least) in [
        (20_000.0, 12.0, 1_327.0),
        (100_000.0, 12.0, 7_310.0),
        (300_000.0, 12.0, 18_158.0),
        (100_000.0, 49.0, 9_532.0),
        (300_000.0, 49.0, 25_542.0),
        (100_000.0, 8.0, 3_985.0),
        (300_000.0, 8.0, 13_407.0),
    ] {
        check(node("Aggregate", groups, width), least);
    }
}

#[test]
fn nodes_in_memory_need_nothing() {
    let quick = PlanNode { sort_method: Some("quicksort".to_owned()), ..sort(1e6, 100.0) };
    let one_batch =
        PlanNode { node: "Hash".to_owned(), batches: Some(1.0), actual_rows: Some(1e6), ..PlanNode::default() };
    let estimated = PlanNode { actual_rows: None, ..sort(1e6, 100.0) };
    for node in [quick, one_batch, estimated] {
        assert_eq!(spills(&node, 150_000, 2.0), []);
    }
}

#[test]
fn a_statement_far_above_the_others_is_set_apart() {
    let mut statements = Vec::new();
    let mut plans = Vec::new();
    for (text, calls, rows) in [
        ("SELECT title FROM tasks ORDER BY title LIMIT $1", 5_000.0, 60_000.0),
        ("SELECT status FROM tasks ORDER BY status LIMIT $1", 5_000.0, 80_000.0),
        ("SELECT * FROM tasks ORDER BY due_at", 20.0, 2_000_000.0),
    ] {
        let (statement, plan) = spilling(text, calls, rows / 40.0, sort(rows, 100.0));
        statements.push(statement);
        plans.push(plan);
    }
    let mut facts = facts(statements);
    facts.database.workload.plans = plans;
    let all = decided(&facts);
    let common = proposal(&all, "app:work_mem");
    let value = bytes(common.proposed["value"].as_str().unwrap(), 1.0).unwrap();
    let need = 80_000.0 * 164.0;
    assert!((need..1.35 * need).contains(&value), "{value} {need}");
    let (target, apart) = all
        .iter()
        .find_map(|(target, outcome)| match outcome {
            Outcome::Propose(made) if made.proposed["scope"] == "statement" => Some((target, made)),
            _ => None,
        })
        .unwrap();
    assert!(target.starts_with("app:work_mem/"), "{target}");
    assert_eq!(apart.patch.format, "text");
    assert!(apart.patch.body.starts_with("BEGIN;\nSET LOCAL work_mem = '"), "{}", apart.patch.body);
    let SettingsTerms::TemporaryBytes { families, .. } = &apart.terms else { panic!("{apart:?}") };
    assert_eq!(families.len(), 1);
}

#[test]
fn memory_bounds_the_value() {
    let (statement, plan) =
        spilling("SELECT title FROM tasks ORDER BY title LIMIT $1", 5_000.0, 25_000.0, sort(1_000_000.0, 100.0));
    let family = statement.family.clone();
    let mut facts = facts(vec![statement]);
    facts.database.workload.plans = vec![plan];
    // One statement with so large a need is set apart.
    let target = format!("app:work_mem/{family}");
    assert!(proposal(&decided(&facts), &target).confidence > 0.8);
    // Forty executions at one time need more than a quarter of 16 GB.
    facts.busiest.insert(family, HourOfFamily { concurrency: 40.0 });
    let all = decided(&facts);
    let kept = all.iter().find(|(target, _)| target.starts_with("app:work_mem"));
    assert!(matches!(kept, Some((_, Outcome::Keep { reason })) if reason.contains("more than 4 GB")), "{all:?}");
    // Without the memory it is assumed from shared_buffers, which is less sure.
    facts.busiest.clear();
    facts.memory = None;
    facts.database.catalogue.settings.insert("shared_buffers".to_owned(), "2GB".to_owned());
    let all = decided(&facts);
    let made = proposal(&all, &target);
    assert!((made.confidence - 0.7).abs() < 1e-9);
    assert!(made.evidence["memory_limit_source"].as_str().unwrap().contains("assumed"), "{}", made.evidence);
}

#[test]
fn a_sort_without_a_plan_is_sized_by_its_rows() {
    // 300,000 rows of 177 bytes: 55,856 KiB on disk, moved twice by two passes at 4 MB; the least work_mem was 73,826 kB.
    let statement = StatementUse {
        blocks_temporary: 50.0 * 2.0 * 2.0 * 55_856.0 / 8.0,
        ..used("SELECT title FROM tasks ORDER BY title", 50.0, 900.0, 300_000.0)
    };
    let all = decided(&facts(vec![statement]));
    let made = all.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Propose(made) => Some(made),
        _ => None,
    });
    let value = bytes(made.unwrap().proposed["value"].as_str().unwrap(), 1.0).unwrap() / KIB;
    assert!((73_826.0..2.0 * 73_826.0).contains(&value), "{value}");
    assert_eq!(made.unwrap().evidence["statements"][0]["basis"], "counters");
}

#[test]
fn buffers_grow_only_where_reads_take_time_and_the_data_fits() {
    let mut facts = facts(vec![used("SELECT count(*) FROM tasks", 10_000.0, 100.0, 1.0)]);
    let tasks = &mut facts.database.catalogue.tables[0];
    tasks.bytes = Some(3.0 * GIB);
    tasks.activity = Some(TableActivity { sequential_scans: 10_000.0, ..TableActivity::default() });
    let verdict = |facts: &_| {
        let all = decided(facts);
        all.into_iter()
            .find(|(target, _)| target == "app:shared_buffers" || target == "app")
            .map(|(_, outcome)| outcome)
    };
    let slow = Reads { hit: 1e7, read: 4e6, ms: 4e5 };
    facts.reads = Some(slow);
    assert!(matches!(verdict(&facts), Some(Outcome::Lacks { needs }) if needs[0].remedy.contains("track_io_timing")));
    facts.database.catalogue.settings.insert("track_io_timing".to_owned(), "on".to_owned());
    let all = decided(&facts);
    let made = proposal(&all, "app:shared_buffers");
    assert_eq!(made.proposed["value"], "3584MB");
    assert_eq!(made.proposed["restart"], true);
    assert!(made.effect.upper <= 400.0 + 1e-9, "no more than the time of reading is saved: {:?}", made.effect);
    assert!(made.rollback.as_ref().unwrap().patch.body.starts_with("ALTER SYSTEM SET shared_buffers = '128MB'"));
    // Reads of a few microseconds come from the operating system's memory.
    facts.reads = Some(Reads { ms: 4e6 * 0.008, ..slow });
    let all = decided(&facts);
    assert!(
        all.iter().any(|(target, outcome)| target == "app:shared_buffers"
            && matches!(outcome, Outcome::Keep { reason } if reason.contains("operating system"))),
        "{all:?}"
    );
    // Data beyond 40 % of the memory.
    facts.reads = Some(slow);
    facts.memory = Some(4.0 * GIB);
    let all = decided(&facts);
    assert!(
        all.iter().any(
            |(_, outcome)| matches!(outcome, Outcome::Keep { reason } if reason.contains("not known from counters"))
        ),
        "{all:?}"
    );
}
