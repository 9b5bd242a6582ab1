//! Tests of the review of indexes.

use super::{Limits, SurplusReason, review};
use crate::database::{
    Catalogue, Index, ParameterValues, StatementUse, Table, TableKind, Workload,
    fixture::{application, btree, column, table, used, workload},
};

fn created(catalogue: &Catalogue, statements: Vec<StatementUse>) -> Vec<String> {
    let found = review(catalogue, &workload(statements), &Limits::default());
    found
        .create
        .into_iter()
        .map(|new| {
            let text = new.statement.replace("CREATE INDEX CONCURRENTLY ", "");
            text.split_once(" ON ").map_or_else(String::new, |(_, rest)| rest.to_owned())
        })
        .collect()
}

/// One slow statement, and the index that an experienced person would create.
#[test]
fn one_slow_statement_gets_the_index_that_fits_it() {
    let cases = [
        ("SELECT title FROM tasks WHERE user_id = $1", 50.0, "tasks (user_id)"),
        (
            "SELECT title FROM tasks WHERE user_id = $1 AND created_at > $2 AND created_at < $3",
            5.0,
            "tasks (user_id, created_at)",
        ),
        (
            "SELECT * FROM tasks WHERE user_id = $1 ORDER BY created_at DESC LIMIT 20",
            20.0,
            "tasks (user_id, created_at)",
        ),
        (
            "SELECT * FROM tasks WHERE user_id = $1 ORDER BY created_at DESC, id LIMIT 20",
            20.0,
            "tasks (user_id, created_at DESC, id)",
        ),
        ("SELECT id FROM users WHERE lower(email) = lower($1)", 1.0, "users ((lower(email)))"),
        ("SELECT id, title FROM tasks WHERE title ILIKE $1 LIMIT 20", 20.0, "tasks USING gin (title gin_trgm_ops)"),
        ("SELECT id, title FROM tasks WHERE tags @> $1", 20.0, "tasks USING gin (tags)"),
        ("SELECT * FROM tasks WHERE NOT is_done ORDER BY due_at LIMIT 20", 20.0, "tasks (due_at) WHERE NOT is_done"),
        (
            "SELECT * FROM tasks WHERE deleted_at IS NOT NULL AND team_id = $1",
            13.0,
            "tasks (team_id) WHERE deleted_at IS NOT NULL",
        ),
        ("SELECT t.title FROM users u JOIN tasks t ON t.user_id = u.id WHERE u.id = $1", 50.0, "tasks (user_id)"),
        ("DELETE FROM users WHERE id = $1", 1.0, "tasks (user_id)"),
        // As an ORM compares without case.
        (
            r#"SELECT "users"."id" FROM "users" WHERE UPPER("users"."email"::text) = UPPER($1) LIMIT 21"#,
            1.0,
            "users ((upper(email::text)))",
        ),
        // The order of the first table lasts through the join, so that the limit ends it early.
        (
            "SELECT t.title, u.email FROM tasks t JOIN users u ON u.id = t.user_id WHERE t.team_id = $1 \
             ORDER BY t.created_at DESC LIMIT 25",
            25.0,
            "tasks (team_id, created_at)",
        ),
    ];
    for (text, rows, expected) in cases {
        let found = created(&application(), vec![used(text, 2000.0, 90.0, rows)]);
        assert_eq!(found, [expected], "{text}");
    }
}

/// `lower` of 20,000 values takes 13 ms on an idle server; a busy one takes six times as long, as for all of its statements.
#[test]
fn computing_an_expression_for_each_row_explains_a_long_time() {
    let mut small = application();
    let users = &mut small.tables[1];
    (users.rows, users.pages) = (Some(20_000.0), Some(500.0));
    let statement = used("SELECT id FROM users WHERE lower(email) = lower($1)", 24.0, 81.0, 1.0);
    let found = review(&small, &workload(vec![statement]), &Limits::default());
    let [index] = found.create.as_slice() else { panic!("{found:?}") };
    assert!(index.families[0].after_ms < 1.0, "{index:?}");
}

/// Few of many different values contain one: that the limit did not end the scan shows in the blocks.
#[test]
fn a_limit_that_is_not_reached_does_not_make_a_scan_cheap() {
    let mut statement = used("SELECT id, title FROM tasks WHERE tags @> $1 LIMIT $2", 2000.0, 90.0, 1.0);
    statement.blocks_hit = 12_500.0 * statement.calls;
    assert_eq!(created(&application(), vec![statement.clone()]), ["tasks USING gin (tags)"]);
    // An execution that reads few blocks ends at its first rows.
    statement.blocks_hit = 40.0 * statement.calls;
    assert_eq!(created(&application(), vec![statement]), Vec::<String>::new());
}

/// A frequent key of a document, or a user with half of the rows: an index would read as much as the scan.
#[test]
fn statements_that_return_most_rows_get_no_index() {
    for text in ["SELECT id, title FROM tasks WHERE tags @> $1", "SELECT * FROM tasks WHERE user_id = $1"] {
        assert_eq!(created(&application(), vec![used(text, 2000.0, 900.0, 500_000.0)]), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn one_index_serves_several_statements_and_keeps_the_shared_column_first() {
    let statements = vec![
        used("SELECT * FROM tasks WHERE team_id = $1 AND user_id = $2", 3000.0, 80.0, 1.0),
        used("SELECT * FROM tasks WHERE user_id = $1", 3000.0, 80.0, 50.0),
    ];
    let found = created(&application(), statements);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("tasks (user_id"), "{found:?}");
}

#[test]
fn a_value_that_nearly_all_executions_have_makes_the_index_partial() {
    let mut catalogue = application();
    let statistics = catalogue.tables[0]
        .columns
        .iter_mut()
        .find(|column| column.name == "status")
        .unwrap()
        .statistics
        .as_mut()
        .unwrap();
    statistics.common_values = vec!["done".to_owned(), "open".to_owned()];
    statistics.common_shares = vec![0.97, 0.01];
    let mut statement = used("SELECT * FROM tasks WHERE status = $1 ORDER BY due_at LIMIT 20", 2000.0, 90.0, 20.0);
    statement.parameters = vec![ParameterValues {
        number: 1,
        seen: 100.0,
        values: vec![("open".to_owned(), 99.0), ("done".to_owned(), 1.0)],
    }];
    let found = created(&catalogue, vec![statement]);
    assert_eq!(found, ["tasks (due_at) WHERE status = 'open'"]);
}

#[test]
fn a_healthy_workload_gets_no_index() {
    let mut catalogue = application();
    catalogue.tables[0].indexes.push(btree("tasks_user_created", &["user_id", "-created_at", "-id"]));
    let statements = vec![
        used("SELECT * FROM tasks WHERE id = $1", 100_000.0, 0.03, 1.0),
        used("SELECT * FROM tasks WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 20", 50_000.0, 0.12, 20.0),
        used("SELECT count(*) FROM tasks WHERE user_id = $1", 10_000.0, 0.1, 1.0),
        used("INSERT INTO tasks (title) VALUES ($1)", 50_000.0, 0.1, 1.0),
        used("UPDATE tasks SET status = $1 WHERE id = $2", 50_000.0, 0.1, 1.0),
        // Fast although the model expects a scan: something that the model does not know makes it fast.
        used("SELECT * FROM tasks WHERE team_id = $1", 5000.0, 0.4, 10.0),
        // Reads everything by its nature.
        used("SELECT status, count(*) FROM tasks GROUP BY status", 24.0, 150.0, 4.0),
    ];
    assert_eq!(created(&catalogue, statements), Vec::<String>::new());
}

#[test]
fn writes_count_against_an_index() {
    let statements = vec![used("SELECT * FROM tasks WHERE team_id = $1", 40.0, 90.0, 2500.0)];
    let mut workload = workload(statements.clone());
    assert_eq!(review(&application(), &workload, &Limits::default()).create.len(), 1);
    workload.writes.get_mut("public.tasks").unwrap().inserted = 2_000_000.0;
    assert!(review(&application(), &workload, &Limits::default()).create.is_empty());
}

#[test]
fn the_budget_of_bytes_is_kept() {
    let statements = vec![used("SELECT * FROM tasks WHERE user_id = $1", 2000.0, 90.0, 50.0)];
    let limits = Limits { bytes: Some(1000.0), ..Limits::default() };
    assert!(review(&application(), &workload(statements), &limits).create.is_empty());
}

#[test]
fn surplus_indexes_are_found_and_those_behind_constraints_are_kept() {
    let mut catalogue = application();
    let tasks = &mut catalogue.tables[0];
    tasks.indexes.extend([
        btree("a", &["team_id"]),
        btree("b", &["team_id", "status"]),
        btree("c", &["team_id", "status"]),
        Index { scans: Some(0.0), ..btree("never", &["due_at"]) },
        Index { scans: Some(0.0), ..btree("for_key", &["user_id"]) },
        Index { scans: Some(0.0), unique: true, constraint: Some("u".to_owned()), ..btree("u", &["title"]) },
        Index { valid: false, ..btree("broken", &["tags"]) },
        Index { predicate: Some("is_done".to_owned()), ..btree("partial", &["team_id"]) },
        Index { scans: Some(0.0), bytes: Some(8192.0), ..btree("tiny", &["is_done"]) },
    ]);
    let found = review(&catalogue, &Workload { seconds: Some(60.0), ..Workload::default() }, &Limits::default()).drop;
    let mut reasons: Vec<(String, String)> =
        found.iter().map(|surplus| (surplus.index.name.clone(), format!("{:?}", surplus.reason))).collect();
    reasons.sort();
    let names: Vec<&str> = reasons.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "broken", "c", "never"], "{reasons:?}");
    assert!(matches!(
        found.iter().find(|surplus| surplus.index.name == "c").unwrap().reason,
        SurplusReason::Duplicate { .. }
    ));
    // Statistics of a day say nothing about a month.
    catalogue.tables[0].activity.as_mut().unwrap().seconds = Some(86_400.0);
    let found = review(&catalogue, &Workload::default(), &Limits::default()).drop;
    assert!(found.iter().all(|surplus| surplus.index.name != "never"));
}

#[test]
fn a_statement_that_cannot_be_read_is_reported_and_stops_nothing() {
    let statements = vec![
        used("SELECT FROM WHERE nonsense (", 10.0, 5.0, 1.0),
        used("SELECT title FROM tasks WHERE user_id = $1", 2000.0, 90.0, 50.0),
    ];
    let found = review(&application(), &workload(statements), &Limits::default());
    assert_eq!((found.create.len(), found.unread.len()), (1, 1));
}

#[test]
fn an_index_stays_when_the_one_that_would_replace_it_is_dropped() {
    let dropped = |indexes: Vec<Index>| {
        let mut catalogue = application();
        catalogue.tables[0].indexes.extend(indexes);
        let found = review(&catalogue, &Workload::default(), &Limits::default()).drop;
        let mut names: Vec<String> = found.into_iter().map(|surplus| surplus.index.name).collect();
        names.sort();
        names
    };
    let unused = |name: &str, keys: &[&str]| Index { scans: Some(0.0), ..btree(name, keys) };
    // The wide one is never used: the narrow one is what statements have.
    assert_eq!(dropped(vec![btree("narrow", &["team_id"]), unused("wide", &["team_id", "status"])]), ["wide"]);
    // Three equal ones: one stays.
    let same = ["a", "b", "c"].map(|name| btree(name, &["team_id"]));
    assert_eq!(dropped(same.to_vec()), ["b", "c"]);
    // A prefix of a prefix: the widest stays.
    let chain = vec![
        btree("one", &["team_id"]),
        btree("two", &["team_id", "status"]),
        btree("three", &["team_id", "status", "due_at"]),
    ];
    assert_eq!(dropped(chain), ["one", "two"]);
    let invalid = Index { valid: false, ..btree("wide", &["team_id", "status"]) };
    assert_eq!(dropped(vec![btree("narrow", &["team_id"]), invalid]), ["wide"]);
    // Predicates are compared by what they say.
    let partial = |name: &str, keys: &[&str], predicate: &str| Index {
        predicate: Some(predicate.to_owned()),
        ..btree(name, keys)
    };
    let written = vec![
        partial("a", &["team_id"], "(status = 'open'::text)"),
        partial("b", &["team_id", "due_at"], "status = 'open'"),
        partial("c", &["team_id"], "status = 'done'"),
    ];
    assert_eq!(dropped(written), ["a"]);
}

#[test]
fn an_operator_that_gin_does_not_have_gets_no_index() {
    let mut catalogue = application();
    catalogue.tables[0].columns.push(column("payload", "jsonb", 0.0, -0.5, 100.0, 0.0));
    let of = |text: &str| created(&catalogue, vec![used(text, 2000.0, 90.0, 20.0)]);
    assert_eq!(of("SELECT id FROM tasks WHERE payload @> $1"), ["tasks USING gin (payload)"]);
    assert_eq!(of("SELECT id FROM tasks WHERE $1 <@ payload"), ["tasks USING gin (payload)"]);
    assert_eq!(of("SELECT id FROM tasks WHERE payload <@ $1"), Vec::<String>::new());
    assert_eq!(of("SELECT id FROM tasks WHERE $1 @> tags"), ["tasks USING gin (tags)"]);
    assert_eq!(of("SELECT id FROM tasks WHERE title @@ $1"), Vec::<String>::new());
}

#[test]
fn names_that_need_quotes_keep_them() {
    let mut catalogue = application();
    let mut orders = table(
        "Orders",
        1_000_000.0,
        vec![
            column("userId", "bigint", 0.0, 20_000.0, 8.0, 0.0),
            column("isOpen", "boolean", 0.0, 2.0, 1.0, 0.0),
            column("user", "text", 0.0, -0.9, 20.0, 0.0),
        ],
    );
    let statistics =
        orders.columns.iter_mut().find(|column| column.name == "isOpen").unwrap().statistics.as_mut().unwrap();
    statistics.common_values = vec!["f".to_owned(), "t".to_owned()];
    statistics.common_shares = vec![0.99, 0.01];
    orders.schema = "shop".to_owned();
    catalogue.tables.push(orders);
    let of = |text: &str| {
        let found = review(&catalogue, &workload(vec![used(text, 2000.0, 90.0, 20.0)]), &Limits::default()).create;
        found.into_iter().map(|new| (new.statement, new.undo)).collect::<Vec<_>>()
    };
    let found = of(r#"SELECT * FROM shop."Orders" WHERE "userId" = $1 AND "isOpen""#);
    let name = r#""Orders_userid_part_idx""#;
    assert_eq!(
        found,
        [(
            format!(r#"CREATE INDEX CONCURRENTLY {name} ON shop."Orders" ("userId") WHERE "isOpen""#),
            format!("DROP INDEX CONCURRENTLY shop.{name}")
        )]
    );
    assert!(of(r#"SELECT id FROM shop."Orders" WHERE "user" = $1"#)[0].0.ends_with(r#"ON shop."Orders" ("user")"#));
}

#[test]
fn a_name_that_another_table_of_the_schema_has_is_not_given_again() {
    let mut catalogue = application();
    catalogue.tables[1].indexes.push(btree("tasks_user_id_idx", &["email"]));
    let statements = vec![used("SELECT title FROM tasks WHERE user_id = $1", 2000.0, 90.0, 50.0)];
    let found = review(&catalogue, &workload(statements), &Limits::default()).create;
    assert_eq!(found[0].index.name, "tasks_user_id_idx1");
}

#[test]
fn partitions_get_their_indexes_one_by_one_and_views_none() {
    let mut catalogue = application();
    let parent = &mut catalogue.tables[0];
    parent.kind = TableKind::Partitioned;
    let part = |name: &str| Table { parent: Some("public.tasks".to_owned()), ..table(name, 500_000.0, Vec::new()) };
    (parent.rows, parent.pages) = (None, None);
    catalogue.tables.extend([part("tasks_1"), part("tasks_2")]);
    catalogue.sum_partitions();
    let mut view = table("open_tasks", 1000.0, vec![column("user_id", "bigint", 0.0, 100.0, 8.0, 0.0)]);
    view.kind = TableKind::View;
    catalogue.tables.push(view);
    let statements = vec![
        used("SELECT title FROM tasks WHERE user_id = $1", 2000.0, 90.0, 50.0),
        used("SELECT id FROM open_tasks WHERE user_id = $1", 2000.0, 90.0, 50.0),
    ];
    let found = review(&catalogue, &workload(statements), &Limits::default());
    assert_eq!(found.create.len(), 1);
    assert_eq!(
        found.create[0].script,
        "CREATE INDEX tasks_user_id_idx ON ONLY tasks (user_id);\n\
         CREATE INDEX CONCURRENTLY tasks_1_user_id_idx ON tasks_1 (user_id);\n\
         ALTER INDEX tasks_user_id_idx ATTACH PARTITION tasks_1_user_id_idx;\n\
         CREATE INDEX CONCURRENTLY tasks_2_user_id_idx ON tasks_2 (user_id);\n\
         ALTER INDEX tasks_user_id_idx ATTACH PARTITION tasks_2_user_id_idx;\n"
    );
    assert!(found.unread[0].reason.contains("public.open_tasks"), "{:?}", found.unread);
}

#[test]
fn an_unused_index_with_a_twin_is_dropped_as_its_duplicate() {
    let mut catalogue = application();
    let unused = Index { scans: Some(0.0), ..btree("first", &["user_id"]) };
    catalogue.tables[0].indexes.extend([unused, btree("second", &["user_id"])]);
    let found = review(&catalogue, &workload(Vec::new()), &Limits::default()).drop;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].index.name.as_str(), &found[0].reason),
        ("first", &SurplusReason::Duplicate { of: "second".to_owned() })
    );
}
