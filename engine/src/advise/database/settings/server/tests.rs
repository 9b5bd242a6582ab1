//! Tests of connections and of the cost of a page.

use crate::{
    advise::database::settings::{
        Reads, Sessions, SettingsTerms,
        tests::{decided, facts, proposal},
    },
    database::{
        Plan, PlanNode,
        fixture::{btree, used},
    },
};

#[test]
fn idle_sessions_near_the_limit_call_for_a_pool_and_active_ones_for_more() {
    let statements = || vec![used("SELECT title FROM tasks WHERE id = $1", 1e6, 0.1, 1.0)];
    let mut facts = facts(statements());
    facts.sessions = Some(Sessions { peak: 92.0, active: 6.0, snapshots: 10_000.0 });
    let all = decided(&facts);
    let pool = proposal(&all, "app:max_connections");
    assert_eq!((pool.proposed["scope"].as_str(), pool.proposed["value"].as_str()), (Some("pool"), Some("9")));
    assert_eq!(pool.patch.format, "text");
    facts.sessions = Some(Sessions { peak: 92.0, active: 70.0, snapshots: 10_000.0 });
    let all = decided(&facts);
    let more = proposal(&all, "app:max_connections");
    assert!(more.patch.body.starts_with("ALTER SYSTEM SET max_connections = 150;"), "{}", more.patch.body);
    assert!(more.effect.value < more.rollback.as_ref().unwrap().baseline);
    // The present limit is measured against its own connections.
    let before = more.rollback.as_ref().unwrap().terms.as_ref();
    assert!(matches!(before, Some(SettingsTerms::Connections { usable, .. }) if (*usable - 97.0).abs() < 1e-9));
    for few in [
        Sessions { peak: 80.0, active: 70.0, snapshots: 10_000.0 },
        Sessions { peak: 92.0, active: 70.0, snapshots: 5.0 },
    ] {
        facts.sessions = Some(few);
        assert_eq!(decided(&facts).len(), 1);
    }
}

#[test]
fn the_cost_of_a_page_is_lowered_only_where_a_plan_shows_a_scan_that_an_index_serves() {
    // The tasks of 250 users: at a cost of 4 the planner scans all tasks and joins by hash.
    let text = "SELECT t.title FROM users u JOIN tasks t ON t.user_id = u.id WHERE u.team_id = $1";
    let statement = used(text, 10_000.0, 250.0, 12_500.0);
    let plan = |node: &str| Plan {
        family: statement.family.clone(),
        statement: statement.statement.clone(),
        duration_ms: Some(250.0),
        root: PlanNode {
            node: node.to_owned(),
            relation: Some("tasks".to_owned()),
            actual_rows: Some(1_000_000.0),
            ..PlanNode::default()
        },
    };
    let mut facts = facts(vec![statement.clone()]);
    facts.database.catalogue.tables[0].indexes.push(btree("tasks_user", &["user_id"]));
    facts.database.catalogue.tables[1].indexes.push(btree("users_team", &["team_id"]));
    facts.reads = Some(Reads { hit: 1e9, read: 1e5, ms: 0.0 });
    facts.database.workload.plans = vec![plan("Seq Scan")];
    let all = decided(&facts);
    let made = proposal(&all, "app:random_page_cost");
    assert_eq!(made.patch.body, "ALTER DATABASE shop SET random_page_cost = 1.1;\n");
    // The measured plan uses the index already, or the data is not in memory and reads were not timed.
    facts.database.workload.plans = vec![plan("Index Scan")];
    assert_eq!(decided(&facts).len(), 1);
    facts.database.workload.plans = vec![plan("Seq Scan")];
    facts.reads = Some(Reads { hit: 1e9, read: 1e8, ms: 0.0 });
    assert!(!decided(&facts).iter().any(|(target, _)| target == "app:random_page_cost"));
}
