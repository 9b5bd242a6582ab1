//! Rewritten statements that return the same rows.

use almanac_engine::{
    advise::database::query::{Action, Equality, Pattern},
    database::ParameterValues,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    cases::{Value, draw, rewrite, values, with_values},
    database::Database,
    tables,
};

/// Statements whose results are equal always.
const ALWAYS: [(Pattern, &str, &[Value]); 16] = [
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT count(*) FROM tasks WHERE owner_id = $1 AND status = $2) AS open, (SELECT count(*) FROM tasks WHERE owner_id = $1 \
         AND status = $3 AND due_at < now()) AS done, (SELECT max(created_at) FROM tasks WHERE owner_id = $1) AS changed, \
         (SELECT sum(priority) FROM tasks WHERE owner_id = $1 AND (priority = $4 OR score IS NULL))",
        &[Value::Key, Value::State, Value::State, Value::Small],
    ),
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT count(*) FROM tasks), (SELECT min(score) FROM tasks WHERE status = $1), (SELECT avg(priority) FROM tasks WHERE \
         priority BETWEEN $2 AND $3 AND NOT title = $4)",
        &[Value::State, Value::Small, Value::Small, Value::Name],
    ),
    (
        Pattern::ScalarSubqueries,
        "SELECT (SELECT count(*) FROM tasks t WHERE t.status = $1) AS a, (SELECT count(id) FROM users WHERE team_id = $2) AS b, \
         (SELECT count(priority) FROM tasks t WHERE t.status = $1 AND t.priority > $3) AS c, (SELECT max(title) FROM tasks t WHERE t.status = \
         $1 AND t.title IN ($4, $5)) AS d",
        &[Value::State, Value::Small, Value::Small, Value::Name, Value::Name],
    ),
    (Pattern::NotInNull, "SELECT t.id FROM tasks t WHERE t.owner_id NOT IN (SELECT id FROM users)", &[]),
    (
        Pattern::NotInNull,
        "SELECT title FROM tasks WHERE priority > $1 AND owner_id NOT IN (SELECT DISTINCT u.id FROM users u WHERE u.team_id = $2 OR u.name = \
         $3) ORDER BY id",
        &[Value::Small, Value::Small, Value::Name],
    ),
    (
        Pattern::OrColumns,
        "SELECT t.id, u.name FROM tasks t JOIN users u ON u.id = t.owner_id WHERE t.status = $1 OR u.team_id = $2",
        &[Value::State, Value::Small],
    ),
    (
        Pattern::OrColumns,
        "SELECT t.title AS name, t.created_at, t.id FROM tasks t LEFT JOIN users u ON u.id = t.assignee_id WHERE t.priority > $3 AND (u.email \
         = $1 OR t.title = $2 OR u.team_id IN ($4, $5)) ORDER BY t.created_at DESC, t.id LIMIT $6",
        &[Value::Name, Value::Name, Value::Small, Value::Small, Value::Small, Value::Limit],
    ),
    (
        Pattern::CountAsExists,
        "SELECT u.name FROM users u WHERE (SELECT count(*) FROM tasks t WHERE t.owner_id = u.id AND t.status = $1) > 0",
        &[Value::State],
    ),
    (Pattern::CountAsExists, "SELECT id, (SELECT count(*) FROM tasks WHERE owner_id = users.id) = 0 FROM users", &[]),
    (
        Pattern::CountAsExists,
        "SELECT id FROM users WHERE 1 <= (SELECT count(*) FROM tasks WHERE owner_id = users.id OR title = $1)",
        &[Value::Name],
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT u.id, u.name, (SELECT count(*) FROM tasks WHERE tasks.owner_id = u.id AND status = $1) AS n FROM users u WHERE u.team_id = $2 \
         ORDER BY n DESC",
        &[Value::State, Value::Small],
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT id, (SELECT max(t.created_at) FROM tasks t WHERE t.assignee_id = users.id) FROM users",
        &[],
    ),
    (
        Pattern::CorrelatedSubquery,
        "SELECT e.kind, (SELECT sum(score) FROM tasks WHERE e.owner_id = tasks.assignee_id) AS total FROM events e",
        &[],
    ),
    (
        Pattern::DistinctJoin,
        "SELECT DISTINCT u.id, u.name FROM users u JOIN tasks t ON t.owner_id = u.id WHERE t.status = $1 AND u.created_at > $2",
        &[Value::State, Value::Time],
    ),
    (
        Pattern::DistinctJoin,
        "SELECT DISTINCT users.id, email FROM tasks, users WHERE tasks.assignee_id = users.id AND (priority > $1 OR email = title) ORDER BY id \
         LIMIT $2",
        &[Value::Small, Value::Limit],
    ),
    (
        Pattern::DistinctJoin,
        "SELECT DISTINCT e.* FROM events e JOIN tasks t ON t.owner_id = e.owner_id AND t.status = e.kind",
        &[],
    ),
];

/// Statements whose results are equal under the condition that the finding states, and holds here.
const CONDITIONAL: [(Pattern, &str, &[Value]); 9] = [
    (Pattern::ImplicitCast, "SELECT title FROM tasks WHERE id::text = $1", &[Value::Code]),
    (Pattern::ImplicitCast, "SELECT id FROM tasks WHERE CAST(code AS integer) = $1", &[Value::Code]),
    (Pattern::ImplicitCast, "SELECT id FROM tasks WHERE priority = $1::numeric", &[Value::Small]),
    (Pattern::ImplicitCast, "SELECT id FROM users WHERE created_at::date = $1", &[Value::Day]),
    (
        Pattern::ImplicitCast,
        "SELECT id FROM tasks WHERE status = $2 AND date(due_at) = $1",
        &[Value::Day, Value::State],
    ),
    (
        Pattern::ImplicitCast,
        "SELECT id FROM tasks WHERE $1::date = CAST(created_at AS date) ORDER BY id",
        &[Value::Day],
    ),
    (
        Pattern::NotInNull,
        "SELECT id FROM tasks WHERE assignee_id NOT IN (SELECT id FROM users WHERE team_id = $1)",
        &[Value::Small],
    ),
    (
        Pattern::NotInNull,
        "SELECT name FROM users WHERE id NOT IN (SELECT assignee_id FROM tasks WHERE status = $1)",
        &[Value::State],
    ),
    (Pattern::NotInNull, "SELECT id FROM tasks WHERE priority NOT IN (SELECT team_id FROM users)", &[]),
];

fn check(
    database: &Database,
    (pattern, statement, kinds): (Pattern, &str, &[Value]),
    rng: &mut ChaCha8Rng,
    always: bool,
) -> usize {
    let found = with_values(statement, pattern, &database.catalogue(), Vec::<ParameterValues>::new());
    let rewrite = rewrite(found, statement);
    assert_eq!(matches!(rewrite.equality, Equality::Always), always, "{statement}: {:?}", rewrite.equality);
    let given = draw(kinds, rng);
    let before = database.execute(statement, &given).unwrap();
    let after = values(&rewrite.parameters, std::slice::from_ref(&given), &|_| None);
    let after =
        database.execute(&rewrite.statement, &after).unwrap_or_else(|error| panic!("{}: {error}", rewrite.statement));
    assert_eq!(after.names, before.names, "{}", rewrite.statement);
    let columns = before.names.len();
    assert_eq!(after.multiset(columns), before.multiset(columns), "{statement}\n{}\n{given:?}", rewrite.statement);
    if statement.contains("ORDER BY id") || statement.contains("t.id LIMIT") {
        assert_eq!(after.rows, before.rows, "{}", rewrite.statement);
    }
    before.rows.len()
}

#[test]
fn rewrites_that_are_always_equal_return_the_same_rows() {
    let database = Database::start();
    tables::create(&database);
    let mut compared = [0; ALWAYS.len()];
    for seed in 0..14 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        tables::fill(&database, &mut rng, if seed % 4 == 0 { 0.0 } else { 0.3 });
        for (at, case) in ALWAYS.into_iter().enumerate() {
            compared[at] += check(&database, case, &mut rng, true);
        }
    }
    println!("{compared:?} rows compared");
    assert!(compared.iter().all(|rows| *rows > 0), "{compared:?}");
}

#[test]
fn rewrites_with_a_condition_return_the_same_rows_where_it_holds() {
    let database = Database::start();
    tables::create(&database);
    let mut compared = [0; CONDITIONAL.len()];
    for seed in 0..14 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Without NULLs, numbers written plainly, days without a clock change at midnight.
        tables::fill(&database, &mut rng, 0.0);
        database.run(if seed % 2 == 0 { "SET timezone = 'UTC'" } else { "SET timezone = 'America/New_York'" });
        for (at, case) in CONDITIONAL.into_iter().enumerate() {
            compared[at] += check(&database, case, &mut rng, false);
        }
    }
    println!("{compared:?} rows compared");
    assert!(compared.iter().all(|rows| *rows > 0), "{compared:?}");
}

/// The stated difference exists: with a NULL in the subquery, NOT IN returns nothing.
#[test]
fn a_condition_that_does_not_hold_changes_the_result() {
    let database = Database::start();
    tables::create(&database);
    database.run(
        "INSERT INTO users VALUES (1, 'a', NULL, 1, now()), (2, 'b', NULL, 1, now());
         INSERT INTO tasks (id, owner_id, assignee_id, status, created_at, code, \"Order\") VALUES (1, 1, NULL, 'open', now(), '007', 1)",
    );
    let (pattern, statement, _) = CONDITIONAL[7];
    let rewrite_of = |pattern, statement: &str| {
        rewrite(with_values(statement, pattern, &database.catalogue(), Vec::new()), statement)
    };
    let rewritten = rewrite_of(pattern, statement);
    let Equality::When(condition) = &rewritten.equality else { panic!("{:?}", rewritten.equality) };
    assert!(condition.contains("a single NULL there makes the result empty today"), "{condition}");
    let given = [Some("open".to_owned())];
    assert_eq!(database.execute(statement, &given).unwrap().rows.len(), 0);
    assert_eq!(database.execute(&rewritten.statement, &given).unwrap().rows.len(), 2);
    let (pattern, statement, _) = CONDITIONAL[1];
    let rewritten = rewrite_of(pattern, statement);
    let given = [Some("7".to_owned())];
    assert_eq!(database.execute(statement, &given).unwrap().rows.len(), 1);
    assert_eq!(database.execute(&rewritten.statement, &given).unwrap().rows.len(), 0);
}

/// Dashboards of random conditions.
#[test]
fn random_dashboards_return_the_same_row() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    let aggregates =
        ["count(*)", "count(title)", "sum(score)", "avg(priority)", "min(title)", "max(due_at)", "min(id)"];
    let conditions = [
        "status = $1",
        "priority > $2",
        "title IS NULL",
        "(score = 1.25 OR assignee_id IS NOT NULL)",
        "NOT status = 'open'",
        "due_at < now() - interval '1 day'",
        "lower(title) = 'ann'",
        "priority BETWEEN -1 AND 1",
        "owner_id IN (1, 2, 3)",
        "(title, status) = ('Ann', 'open')",
    ];
    let (mut rewritten, mut kept) = (0, 0);
    for seed in 0..120 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        if seed % 10 == 0 {
            tables::fill(&database, &mut rng, 0.3);
        }
        let common = tables::pick(
            &mut rng,
            &["status = $1 AND priority > $2", "priority > $2 AND status = $1", "$1 = status AND $2 < priority"],
        );
        let parts: Vec<String> = (0..rng.random_range(3..7))
            .map(|nth| {
                let mut all = vec![common.clone()];
                (0..rng.random_range(0..3)).for_each(|_| all.push(tables::pick(&mut rng, &conditions)));
                let from = tables::pick(&mut rng, &["tasks", "tasks", "tasks", "tasks", "tasks AS t"]);
                format!(
                    "(SELECT {} FROM {from} WHERE {}) AS part_{nth}",
                    tables::pick(&mut rng, &aggregates),
                    all.join(" AND ")
                )
            })
            .collect();
        let statement = format!("SELECT {}", parts.join(", "));
        let Some(found) = with_values(&statement, Pattern::ScalarSubqueries, &catalogue, Vec::new()) else {
            panic!("nothing found in {statement}");
        };
        let Action::Rewrite(rewrite) = found.action else {
            kept += 1;
            continue;
        };
        rewritten += 1;
        let given = draw(&[Value::State, Value::Small], &mut rng);
        let before = database.execute(&statement, &given).unwrap();
        let after = values(&rewrite.parameters, std::slice::from_ref(&given), &|_| None);
        let after = database
            .execute(&rewrite.statement, &after)
            .unwrap_or_else(|error| panic!("{}: {error}", rewrite.statement));
        assert_eq!(after, before, "{statement}\n{}", rewrite.statement);
    }
    println!("{rewritten} rewritten, {kept} kept");
    assert!(rewritten > 30 && kept > 5, "{rewritten} rewritten, {kept} kept");
}
