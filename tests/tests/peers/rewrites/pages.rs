//! Keyset pages against the pages by OFFSET.

use almanac_engine::{
    advise::database::query::{Action, Pattern, Rewrite},
    database::Catalogue,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    cases::{Value, draw, finding, rewrite, values},
    database::{Database, Rows},
    tables,
};

/// Statements with the values before LIMIT and OFFSET, and the columns of the result that the order names.
const PAGES: [(&str, &[Value], &[&str]); 14] = [
    ("SELECT id, title FROM tasks ORDER BY id LIMIT $1 OFFSET $2", &[], &["id"]),
    (
        "SELECT id, created_at FROM tasks WHERE status = $1 ORDER BY created_at DESC LIMIT $2 OFFSET $3",
        &[Value::State],
        &["created_at"],
    ),
    (
        "SELECT tasks.id, tasks.title, tasks.created_at FROM tasks WHERE tasks.owner_id = $1::BIGINT ORDER BY tasks.created_at DESC, \
         tasks.id DESC LIMIT $2::INTEGER OFFSET $3::INTEGER",
        &[Value::Key],
        &["created_at", "id"],
    ),
    (
        "SELECT title, status, created_at FROM tasks ORDER BY status, created_at DESC LIMIT $1 OFFSET $2",
        &[],
        &["status", "created_at"],
    ),
    ("SELECT title, priority FROM tasks ORDER BY priority DESC LIMIT $1 OFFSET $2", &[], &["priority"]),
    ("SELECT title, priority FROM tasks ORDER BY priority NULLS FIRST, id DESC LIMIT $1 OFFSET $2", &[], &["priority"]),
    ("SELECT status, due_at FROM tasks ORDER BY status, due_at LIMIT $1 OFFSET $2", &[], &["status", "due_at"]),
    (
        "SELECT status, due_at FROM tasks ORDER BY status DESC, due_at DESC NULLS LAST LIMIT $1 OFFSET $2",
        &[],
        &["status", "due_at"],
    ),
    (
        "SELECT * FROM tasks WHERE score > $1 ORDER BY score, weight DESC, id LIMIT $2 OFFSET $3",
        &[Value::Small],
        &["score", "weight", "id"],
    ),
    ("SELECT kind, at FROM events WHERE owner_id = $1 ORDER BY at LIMIT $2 OFFSET $3", &[Value::Key], &["at"]),
    (
        "SELECT t.title AS name, u.name AS owner FROM tasks t LEFT JOIN users u ON u.id = t.owner_id WHERE t.status = $1 OR t.priority > $2 \
         ORDER BY t.title DESC LIMIT $3 OFFSET $4",
        &[Value::State, Value::Small],
        &["name"],
    ),
    (
        "SELECT u.name, t.title FROM tasks AS t JOIN users AS u ON t.assignee_id = u.id AND u.team_id = $1 ORDER BY t.created_at \
         LIMIT $2 OFFSET $3",
        &[Value::Small],
        &[],
    ),
    ("SELECT code AS id, title FROM tasks ORDER BY id LIMIT $1 OFFSET $2", &[], &["id"]),
    ("SELECT \"Order\", title FROM tasks ORDER BY \"Order\" DESC LIMIT $1 OFFSET $2", &[], &["Order"]),
];

/// Reads all keyset pages. `between` runs after each page.
fn walk(
    database: &Database,
    rewrite: &Rewrite,
    given: &[Option<String>],
    size: usize,
    mut between: impl FnMut(&Rows),
) -> Rows {
    let mut call = given.to_vec();
    call.push(Some(size.to_string()));
    let first = rewrite.first.as_ref().unwrap();
    let run = |text: &str, parameters: &[_], last: &dyn Fn(&str) -> Option<String>| {
        let values = values(parameters, std::slice::from_ref(&call), last);
        database.execute(text, &values).unwrap_or_else(|error| panic!("{text}\n{values:?}\n{error}"))
    };
    let mut page = run(&first.statement, &first.parameters, &|_| None);
    let mut all = page.clone();
    for _ in 0..500 {
        if page.rows.len() < size {
            return all;
        }
        between(&page);
        let last = |name: &str| page.column(name).last().unwrap().clone();
        let next = run(&rewrite.statement, &rewrite.parameters, &last);
        all.rows.extend(next.rows.iter().cloned());
        page = next;
    }
    panic!("the pages do not end: {}", rewrite.statement);
}

fn check(database: &Database, catalogue: &Catalogue, rng: &mut ChaCha8Rng, case: (&str, &[Value], &[&str])) -> usize {
    let (statement, kinds, order) = case;
    let rewrite = rewrite(finding(statement, Pattern::Keyset, catalogue), statement);
    let given = draw(kinds, rng);
    let size = rng.random_range(1..7);
    let call = |limit: usize, offset: usize| {
        let mut values = given.clone();
        values.extend([Some(limit.to_string()), Some(offset.to_string())]);
        database.execute(statement, &values).unwrap()
    };
    let whole = call(100_000, 0);
    let pages = walk(database, &rewrite, &given, size, |_| {});
    let columns = whole.names.len();
    assert_eq!(pages.names[..columns], whole.names[..], "{}", rewrite.statement);
    assert_eq!(pages.names[columns..], rewrite.added[..], "{}", rewrite.statement);
    assert_eq!(pages.multiset(columns), whole.multiset(columns), "{statement}\n{}\n{given:?}", rewrite.statement);
    // 0 and -0 are equal, so that any order of them is right.
    let ordered = |values: Vec<Option<String>>| -> Vec<Option<String>> {
        values.into_iter().map(|value| value.map(|text| if text == "-0" { "0".to_owned() } else { text })).collect()
    };
    for name in order {
        assert_eq!(ordered(pages.column(name)), ordered(whole.column(name)), "order by {name}: {}", rewrite.statement);
    }
    // The last key is unique: where the order was total before, each page is equal row by row.
    if order.contains(&"id") && !statement.contains("AS id") {
        assert_eq!(pages.multiset(columns).len(), pages.rows.len());
        let rows: Vec<_> = pages.rows.iter().map(|row| row[..columns].to_vec()).collect();
        assert_eq!(rows, whole.rows, "{}", rewrite.statement);
    }
    whole.rows.len()
}

#[test]
fn keyset_pages_have_the_rows_of_pages_by_offset() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    let mut compared = 0;
    for seed in 0..12 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        tables::fill(&database, &mut rng, 0.3);
        for case in PAGES {
            compared += check(&database, &catalogue, &mut rng, case);
        }
    }
    println!("{compared} rows compared");
    assert!(compared > 500, "{compared}");
}

/// Columns of an order with their directions, in any combination.
#[test]
fn keyset_pages_of_random_orders_have_the_rows_of_pages_by_offset() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    let columns =
        ["owner_id", "assignee_id", "title", "status", "priority", "score", "weight", "due_at", "created_at", "id"];
    let directions = ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"];
    let conditions = ["", " WHERE priority > $1", " WHERE due_at IS NOT NULL AND (status = $1 OR title = 'ann')"];
    let kinds: [&[Value]; 3] = [&[], &[Value::Small], &[Value::State]];
    let (mut rewritten, mut kept) = (0, 0);
    for seed in 0..150 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        if seed % 10 == 0 {
            tables::fill(&database, &mut rng, 0.35);
        }
        let keys: Vec<String> = (0..rng.random_range(1..5))
            .map(|_| format!("{}{}", tables::pick(&mut rng, &columns), tables::pick(&mut rng, &directions)))
            .collect();
        let condition = rng.random_range(0..conditions.len());
        let next = kinds[condition].len() + 1;
        let statement = format!(
            "SELECT title AS name, id AS code, * FROM tasks{} ORDER BY {} LIMIT ${next} OFFSET ${}",
            conditions[condition],
            keys.join(", "),
            next + 1
        );
        match finding(&statement, Pattern::Keyset, &catalogue).map(|finding| finding.action) {
            Some(Action::Rewrite(_)) => {
                let order: Vec<&str> = keys.iter().filter_map(|key| key.split(' ').next()).collect();
                check(&database, &catalogue, &mut rng, (&statement, kinds[condition], &order));
                rewritten += 1;
            }
            Some(Action::Keep { .. }) => kept += 1,
            other => panic!("{statement}: {other:?}"),
        }
    }
    println!("{rewritten} rewritten, {kept} kept");
    assert!(rewritten > 40 && kept > 20, "{rewritten} rewritten, {kept} kept");
}

/// Rows that stay during the walk come once, whatever is inserted and deleted between the pages.
#[test]
fn rows_inserted_between_pages_move_no_other_row() {
    let database = Database::start();
    tables::create(&database);
    let catalogue = database.catalogue();
    let statement = "SELECT id, created_at FROM tasks ORDER BY created_at DESC LIMIT $1 OFFSET $2";
    let rewrite = rewrite(finding(statement, Pattern::Keyset, &catalogue), statement);
    let mut by_offset_differs = false;
    for seed in 0..15 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        tables::fill(&database, &mut rng, 0.2);
        let before = database.rows("SELECT id FROM tasks WHERE id % 2 = 0").unwrap();
        let mut next = 1_001;
        let mut change = |_: &Rows| {
            for _ in 0..3 {
                tables::insert(&database, "tasks", &tables::task(&mut rng, next, 0.2));
                next += 2;
            }
            database.run("DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE id % 2 = 1 AND id < 1000 ORDER BY random() LIMIT 2)");
            if next > 1_400 {
                database.run("DELETE FROM tasks WHERE id > 1000");
            }
        };
        let pages = walk(&database, &rewrite, &[], 3, &mut change);
        let mut stayed: Vec<_> =
            pages.column("id").into_iter().flatten().filter(|id| id.parse::<i64>().unwrap() % 2 == 0).collect();
        let mut expected: Vec<_> = before.column("id").into_iter().flatten().collect();
        stayed.sort();
        expected.sort();
        assert_eq!(stayed, expected, "seed {seed}");
        // The same changes move rows between pages by OFFSET.
        let mut seen = Vec::new();
        for page in 0..200 {
            let values = [Some("3".to_owned()), Some((page * 3).to_string())];
            let rows = database.execute(statement, &values).unwrap();
            seen.extend(rows.column("id").into_iter().flatten().filter(|id| id.parse::<i64>().unwrap() % 2 == 0));
            if rows.rows.len() < 3 {
                break;
            }
            change(&rows);
        }
        seen.sort();
        by_offset_differs |= seen != expected;
    }
    assert!(by_offset_differs, "the changes between the pages are too weak to show a difference");
}
