//! The one statement of a loop against the calls of the loop.

use almanac_engine::advise::database::query::{Action, Check, Pattern};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    cases::{Value, draw, looped, rewrite, values},
    database::Database,
    tables,
};

/// Reads with the kinds of their values and the numbers of the placeholders that vary in the loop.
const READS: [(&str, &[Value], &[usize]); 14] = [
    ("SELECT id, name, email FROM users WHERE id = $1", &[Value::Key], &[1]),
    ("SELECT name, email FROM users WHERE id = $1", &[Value::Key], &[1]),
    ("SELECT * FROM tasks WHERE owner_id = $1", &[Value::Key], &[1]),
    ("SELECT tasks.title FROM tasks WHERE tasks.assignee_id = $1::BIGINT", &[Value::Key], &[1]),
    ("SELECT title FROM tasks WHERE status = $1 AND priority > $2", &[Value::State, Value::Small], &[1]),
    ("SELECT title, status FROM tasks WHERE title = $1 ORDER BY created_at DESC", &[Value::Name], &[1]),
    (
        "SELECT t.title, u.name FROM tasks t LEFT JOIN users u ON u.id = t.assignee_id WHERE t.owner_id = $1",
        &[Value::Key],
        &[1],
    ),
    (
        "SELECT u.name FROM tasks t LEFT JOIN users u ON u.id = t.assignee_id WHERE u.id = $1 OR t.id < $2 AND t.id = $3",
        &[Value::Key, Value::Small, Value::Key],
        &[],
    ),
    ("SELECT title FROM tasks WHERE owner_id = $1 AND status = $2", &[Value::Key, Value::State], &[1, 2]),
    (
        "SELECT id, title FROM tasks WHERE owner_id = $1 ORDER BY created_at DESC, id LIMIT $2",
        &[Value::Key, Value::Limit],
        &[1],
    ),
    ("SELECT count(*) FROM tasks WHERE owner_id = $1", &[Value::Key], &[1]),
    ("SELECT status, count(*) AS n, max(priority) FROM tasks WHERE owner_id = $1 GROUP BY status", &[Value::Key], &[1]),
    ("SELECT DISTINCT kind FROM events WHERE owner_id = $1", &[Value::Key], &[1]),
    (
        "SELECT max(created_at) AS newest FROM tasks WHERE assignee_id = $1 AND status <> $2",
        &[Value::Key, Value::State],
        &[1],
    ),
];

/// Draws the values of the calls of a loop: distinct in those that vary, equal in the others.
fn calls(kinds: &[Value], varying: &[usize], rng: &mut ChaCha8Rng) -> Vec<Vec<Option<String>>> {
    let constant = draw(kinds, rng);
    let mut calls: Vec<Vec<Option<String>>> = Vec::new();
    for _ in 0..rng.random_range(1..9) {
        let drawn = draw(kinds, rng);
        let call: Vec<Option<String>> = (0..kinds.len())
            .map(|at| if varying.contains(&(at + 1)) { drawn[at].clone() } else { constant[at].clone() })
            .collect();
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
    calls
}

#[test]
fn one_read_has_the_rows_of_all_calls_of_a_loop() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    let mut compared = 0;
    for seed in 0..12 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        tables::fill(&database, &mut rng, 0.3);
        for (statement, kinds, varying) in READS.into_iter().filter(|(_, _, varying)| !varying.is_empty()) {
            let found = looped(statement, &catalogue);
            assert_eq!(found.pattern, Pattern::NPlusOne);
            let rewrite = rewrite(Some(found), statement);
            assert_eq!(rewrite.check, Check::Loop);
            let calls = calls(kinds, varying, &mut rng);
            let mut expected = Vec::new();
            let mut columns = 0;
            for call in &calls {
                let rows = database.execute(statement, call).unwrap();
                columns = rows.names.len();
                expected.extend(rows.rows);
            }
            expected.sort();
            let given = values(&rewrite.parameters, &calls, &|_| None);
            let rows = database
                .execute(&rewrite.statement, &given)
                .unwrap_or_else(|error| panic!("{}: {error}", rewrite.statement));
            assert_eq!(rows.multiset(columns), expected, "{statement}\n{}\n{given:?}", rewrite.statement);
            assert_eq!(rows.names.len(), columns + rewrite.added.len(), "{}", rewrite.statement);
            compared += expected.len();
            // Where the rows of each call are ordered and limited, they come in the order of the calls.
            if statement.contains("LIMIT") {
                let places: Vec<i64> =
                    rows.column("loop_place").into_iter().flatten().map(|place| place.parse().unwrap()).collect();
                assert!(places.is_sorted(), "{places:?}");
                let ordered: Vec<_> =
                    calls.iter().flat_map(|call| database.execute(statement, call).unwrap().rows).collect();
                let mine: Vec<_> = rows.rows.iter().map(|row| row[..columns].to_vec()).collect();
                assert_eq!(mine, ordered, "{}", rewrite.statement);
            }
        }
    }
    println!("{compared} rows compared");
    assert!(compared > 500, "{compared}");
}

/// Reads of random conditions, with and without an order, a limit and aggregates.
#[test]
fn random_reads_of_a_loop_have_the_rows_of_all_calls() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    let lists = [
        "id, title",
        "title",
        "*",
        "t.*",
        "count(*) AS n",
        "max(created_at)",
        "DISTINCT status",
        "owner_id AS id, title",
    ];
    let conditions = ["priority > -1", "title IS NOT NULL", "(status = 'open' OR score > 1)", "t.due_at < now()"];
    let (mut rewritten, mut kept) = (0, 0);
    for seed in 0..150 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        if seed % 10 == 0 {
            tables::fill(&database, &mut rng, 0.3);
        }
        let list = tables::pick(&mut rng, &lists);
        let key = tables::pick(&mut rng, &["owner_id", "assignee_id", "t.owner_id", "id"]);
        let mut all =
            vec![tables::pick(&mut rng, &[&format!("{key} = $1"), &format!("$1 = {key}"), &format!("({key} = $1)")])];
        (0..rng.random_range(0..3)).for_each(|_| all.push(tables::pick(&mut rng, &conditions)));
        let tail = match list.as_str() {
            "id, title" | "*" | "t.*" => tables::pick(
                &mut rng,
                &["", " ORDER BY title, id", " ORDER BY id DESC LIMIT 2", " ORDER BY created_at, id LIMIT 1 OFFSET 1"],
            ),
            _ => String::new(),
        };
        let statement = format!("SELECT {list} FROM tasks AS t WHERE {}{tail}", all.join(" AND "));
        let Action::Rewrite(rewrite) = looped(&statement, &catalogue).action else {
            kept += 1;
            continue;
        };
        rewritten += 1;
        let calls = calls(&[Value::Key], &[1], &mut rng);
        let mut expected = Vec::new();
        let mut columns = 0;
        for call in &calls {
            let rows = database.execute(&statement, call).unwrap();
            columns = rows.names.len();
            expected.extend(rows.rows);
        }
        expected.sort();
        let given = values(&rewrite.parameters, &calls, &|_| None);
        let rows = database
            .execute(&rewrite.statement, &given)
            .unwrap_or_else(|error| panic!("{}: {error}", rewrite.statement));
        assert_eq!(rows.multiset(columns), expected, "{statement}\n{}\n{given:?}", rewrite.statement);
    }
    println!("{rewritten} rewritten, {kept} kept");
    assert!(rewritten > 100, "{rewritten} rewritten, {kept} kept");
}

/// Writes with the kinds of their values and the table that they write.
const WRITES: [(&str, &[Value], &str); 6] = [
    ("UPDATE tasks SET status = $2, priority = $3 WHERE id = $1", &[Value::Key, Value::State, Value::Small], "tasks"),
    ("UPDATE tasks SET due_at = $1, title = $2, updates = NULL WHERE tasks.id = $3", &[], "tasks"),
    ("UPDATE users SET created_at = $2, name = $3 WHERE id = $1", &[Value::Key, Value::Time, Value::Name], "users"),
    ("DELETE FROM tasks WHERE id = $1", &[Value::Key], "tasks"),
    ("INSERT INTO log (b, a) VALUES ($1, $2)", &[Value::Name, Value::Small], "log"),
    ("INSERT INTO log (a, b) VALUES ($1, lower('X'))", &[Value::Key], "log"),
];

#[test]
fn one_write_leaves_the_rows_of_all_calls_of_a_loop() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    for seed in 0..10 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        tables::fill(&database, &mut rng, 0.3);
        for (statement, kinds, table) in WRITES.into_iter().filter(|(_, kinds, _)| !kinds.is_empty()) {
            let rewrite = rewrite(Some(looped(statement, &catalogue)), statement);
            assert_eq!(rewrite.check, Check::Written);
            let mut calls: Vec<Vec<Option<String>>> = Vec::new();
            for _ in 0..rng.random_range(1..7) {
                let call = draw(kinds, &mut rng);
                // Each key once, as the finding states.
                if calls.iter().all(|other| other[0] != call[0]) || table == "log" {
                    calls.push(call);
                }
            }
            let after = |run: &dyn Fn()| {
                database.run("BEGIN");
                run();
                let rows = database.rows(&format!("SELECT * FROM {table}")).unwrap();
                database.run("ROLLBACK");
                rows.multiset(rows.names.len())
            };
            let one_by_one = after(&|| {
                for call in &calls {
                    database.execute(statement, call).unwrap();
                }
            });
            let at_once = after(&|| {
                let given = values(&rewrite.parameters, &calls, &|_| None);
                database
                    .execute(&rewrite.statement, &given)
                    .unwrap_or_else(|error| panic!("{}: {error}", rewrite.statement));
            });
            assert_eq!(at_once, one_by_one, "{statement}\n{}\n{calls:?}", rewrite.statement);
        }
    }
}
