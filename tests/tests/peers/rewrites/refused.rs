//! Statements that look alike and are not rewritten, with the reasons; and healthy ones without a finding.

use almanac_engine::advise::database::query::{Action, Pattern};

use super::{
    cases::{finding, looped},
    database::Database,
    tables,
};

/// Statements of a pattern that are refused, with a part of the reason.
const REFUSED: [(Pattern, &str, &str); 40] = [
    (Pattern::Keyset, "SELECT title FROM tasks LIMIT $1 OFFSET $2", "no ORDER BY"),
    (Pattern::Keyset, "SELECT title FROM tasks ORDER BY id OFFSET $1", "no LIMIT"),
    (
        Pattern::Keyset,
        "SELECT status, count(*) FROM tasks GROUP BY status ORDER BY status LIMIT $1 OFFSET $2",
        "GROUP BY",
    ),
    (Pattern::Keyset, "SELECT DISTINCT status FROM tasks ORDER BY status LIMIT $1 OFFSET $2", "DISTINCT"),
    (Pattern::Keyset, "SELECT title FROM tasks ORDER BY lower(title) LIMIT $1 OFFSET $2", "computed"),
    (Pattern::Keyset, "SELECT lower(title) AS title FROM tasks ORDER BY title LIMIT $1 OFFSET $2", "computed"),
    (Pattern::Keyset, "SELECT title FROM tasks ORDER BY $3 LIMIT $1 OFFSET $2", "computed"),
    (Pattern::Keyset, "SELECT id FROM tasks ORDER BY due_at LIMIT $1 OFFSET $2", "NULLs of due_at"),
    (Pattern::Keyset, "SELECT id FROM tasks ORDER BY due_at DESC NULLS LAST LIMIT $1 OFFSET $2", "NULLs of due_at"),
    (Pattern::Keyset, "SELECT a FROM log ORDER BY a DESC LIMIT $1 OFFSET $2", "no unique key"),
    (Pattern::Keyset, "SELECT id FROM tasks ORDER BY id LIMIT $1 OFFSET $2 FOR UPDATE", "locks"),
    (Pattern::Keyset, "SELECT id FROM open_tasks ORDER BY id LIMIT $1 OFFSET $2", "view"),
    (
        Pattern::Keyset,
        "SELECT u.id FROM users u JOIN tasks t ON t.owner_id = u.id ORDER BY u.id LIMIT $1 OFFSET $2",
        "may repeat a row",
    ),
    (
        Pattern::Keyset,
        "SELECT t.id FROM tasks t JOIN users u ON u.id = t.owner_id ORDER BY u.name LIMIT $1 OFFSET $2",
        "joined table",
    ),
    (
        Pattern::Keyset,
        "SELECT t.id FROM tasks t RIGHT JOIN users u ON u.id = t.owner_id ORDER BY t.id LIMIT $1 OFFSET $2",
        "may repeat a row",
    ),
    (Pattern::Keyset, "SELECT id, noise() FROM tasks ORDER BY id LIMIT $1 OFFSET $2", "noise"),
    (Pattern::Keyset, "SELECT id, row_number() OVER (ORDER BY id) FROM tasks ORDER BY id LIMIT $1 OFFSET $2", "window"),
    (Pattern::Keyset, "WITH t AS (SELECT * FROM tasks) SELECT id FROM t ORDER BY id LIMIT $1 OFFSET $2", "WITH"),
    (Pattern::Keyset, "SELECT id FROM (SELECT id FROM tasks) AS t ORDER BY id LIMIT $1 OFFSET $2", "subquery"),
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT count(*) FROM tasks WHERE owner_id = $1), (SELECT count(*) FROM users), (SELECT count(*) FROM events)",
        "different tables",
    ),
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT sum(weight) FROM tasks WHERE owner_id = $1), (SELECT count(*) FROM tasks WHERE owner_id = $1), (SELECT max(id) FROM \
         tasks WHERE owner_id = $1)",
        "exact sum",
    ),
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT count(*) FROM tasks WHERE owner_id = $1 AND code::integer = $2), (SELECT count(*) FROM tasks WHERE owner_id = $1), \
         (SELECT max(id) FROM tasks WHERE owner_id = $1)",
        "raise an error",
    ),
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT count(*) FROM tasks WHERE owner_id = $1), (SELECT count(*) FROM tasks WHERE id = $2), (SELECT count(*) FROM tasks WHERE \
         status = $3)",
        "indexes serve",
    ),
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT id FROM tasks WHERE owner_id = $1 LIMIT $2), (SELECT count(*) FROM tasks WHERE owner_id = $1), (SELECT max(id) FROM tasks \
         WHERE owner_id = $1)",
        "besides its conditions",
    ),
    (Pattern::NotInNull, "SELECT id FROM tasks WHERE owner_id NOT IN (SELECT max(id) FROM users)", "groups or limits"),
    (
        Pattern::NotInNull,
        "SELECT id FROM tasks WHERE id NOT IN (SELECT owner_id FROM tasks)",
        "one name inside and outside",
    ),
    (
        Pattern::NotInNull,
        "SELECT t.id FROM tasks t LEFT JOIN users u ON u.id = t.owner_id WHERE u.id NOT IN (SELECT owner_id FROM events)",
        "outer join",
    ),
    (
        Pattern::OrColumns,
        "SELECT count(*) FROM tasks t JOIN users u ON u.id = t.owner_id WHERE t.status = $1 OR u.team_id = $2",
        "groups its rows",
    ),
    (
        Pattern::OrColumns,
        "SELECT t.id FROM tasks t JOIN users u ON u.id = t.owner_id WHERE t.status = $1 OR u.team_id = $2 LIMIT $3",
        "LIMIT without ORDER BY",
    ),
    (
        Pattern::OrColumns,
        "SELECT t.id FROM tasks t JOIN users u ON u.id = t.owner_id WHERE t.status = $1 OR u.team_id = $2 ORDER BY u.name LIMIT $3",
        "not in the result",
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT id, (SELECT count(*) FROM tasks t WHERE t.owner_id = u.id) FROM users u LIMIT $1",
        "LIMIT",
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT id, (SELECT string_agg(title, ',') FROM tasks t WHERE t.owner_id = u.id) FROM users u",
        "something else than a count",
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT id, (SELECT count(*) FROM tasks t WHERE t.owner_id < u.id) FROM users u",
        "one equality",
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT *, (SELECT count(*) FROM tasks t WHERE t.owner_id = u.id) FROM users u",
        "all columns",
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT id, (SELECT count(*) FROM tasks t WHERE t.priority = u.id) FROM users u",
        "different types",
    ),
    (
        Pattern::DistinctJoin,
        "SELECT DISTINCT u.id FROM users u LEFT JOIN tasks t ON t.owner_id = u.id WHERE t.status = $1",
        "outer join",
    ),
    (
        Pattern::DistinctJoin,
        "SELECT DISTINCT u.id FROM users u JOIN tasks t ON t.owner_id = u.id LIMIT $1",
        "LIMIT without ORDER BY",
    ),
    (Pattern::ImplicitCast, "SELECT id FROM tasks WHERE created_at::text = $1", "depends on settings"),
    (Pattern::ImplicitCast, "SELECT id FROM tasks WHERE score::integer = $1", "may round or fail"),
    (Pattern::TextSearch, "SELECT id FROM tasks WHERE title ILIKE $1 OR priority = $2", "another side of OR"),
];

#[test]
fn what_is_not_understood_is_refused_with_its_reason() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    for (pattern, statement, reason) in REFUSED {
        // The statement itself is valid, or nothing would be shown.
        database.run(&format!("PREPARE tested AS {statement}; DEALLOCATE tested"));
        match finding(statement, pattern, &catalogue).map(|finding| finding.action) {
            Some(Action::Keep { reason: found }) => assert!(found.contains(reason), "{statement}: {found}"),
            other => panic!("{statement}: {other:?}"),
        }
    }
}

/// Statements of loops that are refused.
const LOOPS: [(&str, &str); 12] = [
    ("SELECT id FROM tasks WHERE id = $1 FOR UPDATE", "locks"),
    ("SELECT id FROM tasks WHERE id > $1", "no condition"),
    ("SELECT id FROM tasks WHERE id = $1 OR owner_id = $2", "no condition"),
    ("SELECT id FROM tasks WHERE owner_id = $1 AND assignee_id <> $1", "no condition"),
    ("SELECT noise() FROM tasks WHERE id = $1", "noise"),
    ("SELECT id FROM open_tasks WHERE id = $1", "view"),
    ("SELECT count(*), count(priority) FROM tasks WHERE owner_id = $1", "one name"),
    ("UPDATE tasks SET priority = priority + $2 WHERE id = $1", "computed"),
    ("UPDATE tasks SET status = $2 WHERE owner_id = $1", "does not identify a row"),
    ("UPDATE tasks SET status = $2 WHERE id = $1 RETURNING owner_id", "RETURNING"),
    ("INSERT INTO log (a, b) VALUES ($1, $2) RETURNING a", "RETURNING"),
    ("INSERT INTO log (a, b) VALUES ($1 + 1, $2)", "computed"),
];

#[test]
fn loops_that_depend_on_their_order_are_refused() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    for (statement, reason) in LOOPS {
        database.run(&format!("PREPARE tested AS {statement}; DEALLOCATE tested"));
        match looped(statement, &catalogue).action {
            Action::Keep { reason: found } => assert!(found.contains(reason), "{statement}: {found}"),
            other => panic!("{statement}: {other:?}"),
        }
    }
}
