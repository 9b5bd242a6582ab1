//! Tests of draws, values, comparisons and conclusions.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::*;
use crate::{
    advise::database::query::{Check, Parameter},
    database::{Catalogue, Column, ParameterValues, Table},
};

fn catalogue() -> Catalogue {
    let table = |name: &str, columns: &[(&str, &str)]| Table {
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns: columns
            .iter()
            .map(|(name, kind)| Column { name: (*name).to_owned(), type_name: (*kind).to_owned(), ..Column::default() })
            .collect(),
        ..Table::default()
    };
    let tasks =
        [("id", "bigint"), ("user_id", "bigint"), ("status", "text"), ("title", "text"), ("created_at", "date")];
    Catalogue {
        tables: vec![table("tasks", &tasks), table("users", &[("id", "bigint"), ("email", "text")])],
        ..Catalogue::default()
    }
}

fn slots(text: &str) -> (Draw, Vec<(usize, Slot)>) {
    let draw = draw(text, &catalogue()).unwrap();
    let slots = draw.slots.clone().into_iter().collect();
    (draw, slots)
}

#[test]
fn placeholders_are_traced_to_columns() {
    let check = |text: &str, expected: &[(usize, Slot)], expressions: &[&[&str]]| {
        let (draw, slots) = slots(text);
        assert_eq!(slots, expected, "{text}");
        let found: Vec<Vec<&str>> =
            draw.relations.iter().map(|source| source.expressions.iter().map(String::as_str).collect()).collect();
        assert_eq!(found, expressions, "{text}");
    };
    check(
        "SELECT id FROM tasks WHERE user_id = $1 AND status IN ($2, $3) ORDER BY id LIMIT $4 OFFSET $5",
        &[(1, Slot::Equal(0, 0)), (2, Slot::Equal(0, 1)), (3, Slot::Equal(0, 1)), (4, Slot::Limit), (5, Slot::Offset)],
        &[&["user_id", "status"]],
    );
    check(
        "SELECT 1 FROM tasks t JOIN users AS u ON u.id = t.user_id WHERE lower(u.email) = lower($1) OR $2 = lower(u.email) AND t.created_at BETWEEN $3 AND $4",
        &[(1, Slot::Equal(1, 0)), (2, Slot::Equal(1, 0)), (3, Slot::Lower(0, 0)), (4, Slot::Upper(0, 0))],
        &[&["t.created_at"], &["lower(u.email)"]],
    );
    check(
        "SELECT 1 FROM tasks WHERE title ILIKE $1 || $2 || $3 AND id = ANY($4) AND (created_at, id) < ($5::date, $6)",
        &[
            (1, Slot::Wildcard),
            (2, Slot::Word(0, 0)),
            (3, Slot::Wildcard),
            (4, Slot::Set(0, 1)),
            (5, Slot::Upper(0, 2)),
            (6, Slot::Upper(0, 1)),
        ],
        &[&["title", "id", "created_at"]],
    );
    check(
        "UPDATE tasks SET status = $1 WHERE id = $2",
        &[(1, Slot::Assigned(0, 0)), (2, Slot::Equal(0, 1))],
        &[&["status", "id"]],
    );
    check("SELECT $1 FROM nothing WHERE x = $2", &[], &[]);
}

#[test]
fn constants_that_only_normalised_texts_have_are_rewritten() {
    let check = |text: &str, expected: &str| assert_eq!(prepared(text), expected);
    check("SELECT now() - interval $1 FROM t WHERE a = $12", "SELECT now() - $1::interval FROM t WHERE a = $12");
    check("SELECT INTERVAL $1", "SELECT $1::interval");
    check("SELECT a FROM t WHERE an_interval > $1", "SELECT a FROM t WHERE an_interval > $1");
    check("SELECT '$' || $1 || $é", "SELECT '$' || $1 || $é");
    check("", "");
}

fn sample() -> Sample {
    let rows = (0..200).map(|i| vec![Some(i.to_string()), Some(format!("word{i} {i}"))]).collect();
    let sorted = vec![(0..200).map(|i| Some(i.to_string())).collect(), Vec::new()];
    Sample { rows, sorted }
}

fn drawn(text: &str, types: &[&str], known: &[ParameterValues]) -> Result<Vec<Vec<String>>, String> {
    let (draw, _) = slots(text);
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    let samples: Vec<Sample> = draw.relations.iter().map(|_| sample()).collect();
    values(&draw, &types, &samples, &Known { values: known, prefix: false }, 50, &mut ChaCha8Rng::seed_from_u64(1))
}

#[test]
fn values_of_one_relation_come_from_one_row() {
    for set in
        drawn("SELECT 1 FROM tasks WHERE user_id = $1 AND title = $2 LIMIT $3", &["bigint", "text", "bigint"], &[])
            .unwrap()
    {
        assert_eq!(set[1], format!("word{0} {0}", set[0]));
        assert_eq!(set[2], "20");
    }
    let between = "SELECT 1 FROM tasks WHERE user_id >= $1 AND user_id < $2";
    for set in drawn(between, &["bigint", "bigint"], &[]).unwrap() {
        let [low, high] = [&set[0], &set[1]].map(|text| text.parse::<i64>().unwrap());
        assert_eq!(high - low, 10, "a twentieth of 200");
    }
    let one = drawn("SELECT 1 FROM tasks WHERE user_id < $1", &["bigint"], &[]).unwrap();
    assert!(one.iter().all(|set| set[0].parse::<i64>().unwrap() >= 160), "{one:?}");
}

#[test]
fn known_values_are_taken_where_one_row_is_not_needed() {
    let known = |number| ParameterValues { number, seen: 3.0, values: vec![("seen".to_owned(), 3.0)] };
    let sets = drawn("SELECT 1 FROM tasks WHERE title = $1", &["text"], &[known(1)]).unwrap();
    assert!(sets.iter().all(|set| set[0] == "seen"));
    let both = "SELECT 1 FROM tasks WHERE user_id = $1 AND title = $2";
    let sets = drawn(both, &["bigint", "text"], &[known(2)]).unwrap();
    assert!(sets.iter().all(|set| set[1].starts_with("word")), "no row has the value that was seen");
    let seven = ParameterValues { number: 1, seen: 1.0, values: vec![("7".to_owned(), 1.0)] };
    let sets = drawn(both, &["bigint", "text"], &[seven]).unwrap();
    assert!(sets.iter().all(|set| set[1] == "word7 7"), "{sets:?}");
}

#[test]
fn a_few_first_pages_do_not_stand_for_the_deep_ones() {
    let paged = "SELECT 1 FROM tasks ORDER BY id LIMIT $1 OFFSET $2";
    let known = |seen: f64| ParameterValues { number: 2, seen, values: vec![("0".to_owned(), seen)] };
    let deep = |seen: f64| {
        let sets = drawn(paged, &["bigint", "bigint"], &[known(seen)]).unwrap();
        sets.iter().filter(|set| set[1] != "0").count()
    };
    assert!(deep(3.0) > 20, "of 50 sets");
    assert_eq!(deep(200.0), 0, "that many tell how pages are read");
}

#[test]
fn a_pattern_with_a_fixed_beginning_is_that_of_a_row() {
    let (draw, _) = slots("SELECT 1 FROM tasks WHERE title LIKE $1");
    let rows = vec![vec![Some("two words".to_owned())], vec![Some("a_b".to_owned())]];
    let samples = [Sample { rows, sorted: Vec::new() }];
    let known = Known { values: &[], prefix: true };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let sets = values(&draw, &["text".to_owned()], &samples, &known, 50, &mut rng).unwrap();
    assert!(sets.iter().all(|set| ["two word%", "a%"].contains(&set[0].as_str())), "{sets:?}");
}

#[test]
fn the_functions_of_a_statement_are_listed() {
    let check = |text: &str, expected: &[&str]| assert_eq!(functions(text).unwrap(), expected, "{text}");
    check("SELECT id FROM tasks WHERE id = $1", &[]);
    check(
        "WITH a AS (SELECT app.Touch(id) FROM tasks) SELECT count(*) FROM a, dblink($1) AS d (id bigint) WHERE d.id > nextval($2)",
        &["count", "dblink", "nextval", "touch"],
    );
    check("UPDATE tasks SET title = \"Send\"(title) WHERE id = $1", &["Send"]);
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let error = drawn("SELECT 1 FROM tasks WHERE box(title) @> $1", &["box"], &[]).unwrap_err();
    assert_eq!(error, "$1 of type box has no column to take a value from");
    let (draw, _) = slots("SELECT 1 FROM tasks WHERE user_id = $1");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let error =
        values(&draw, &["bigint".to_owned()], &[Sample::default()], &Known::default(), 1, &mut rng).unwrap_err();
    assert_eq!(error, "no row of the copy has a value of user_id for $1");
}

#[test]
fn a_sample_is_one_statement_that_parses() {
    let (draw, _) = slots("SELECT 1 FROM tasks t WHERE t.user_id = $1 AND t.created_at > $2");
    let text = sample_statement(&draw.relations[0], Some("(status = 'open'::text)"), Some(1e6), &[1], 7);
    assert!(text.contains("FROM tasks AS t WHERE (status") && text.contains("ORDER BY e1"), "{text}");
    crate::database::statement::parse(&text).unwrap();
    let text = sample_statement(&draw.relations[0], None, Some(1e6), &[], 7);
    assert!(text.contains("TABLESAMPLE SYSTEM (0.8000) REPEATABLE (7)"), "{text}");
    assert_eq!(literal("it's \\ a"), "E'it''s \\\\ a'");
}

#[test]
fn a_change_counts_when_the_rounds_agree() {
    let check = |before: &[f64], after: &[f64], expected: Outcome| {
        let found = compare(before, after, 1).unwrap();
        assert_eq!(found.outcome, expected, "{found:?}");
        assert!(found.lower <= found.ratio && found.ratio <= found.upper, "{found:?}");
    };
    check(&[10.0, 11.0, 10.5, 9.8], &[1.0, 1.1, 0.9, 1.0], Outcome::Faster);
    check(&[1.0, 1.1, 0.9, 1.0], &[10.0, 11.0, 10.5, 9.8], Outcome::Slower);
    check(&[10.0, 10.1, 10.05, 9.95], &[10.02, 10.0, 10.1, 9.9], Outcome::Same);
    check(&[10.0, 1.0, 20.0, 5.0], &[9.0, 2.0, 15.0, 7.0], Outcome::Unclear);
    check(&[10.0, 10.0], &[1.0, 1.0], Outcome::Unclear);
    assert_eq!(compare(&[], &[1.0], 1), None);
}

fn recommendation(statement: &str) -> serde_json::Value {
    json!({"id": "index-app-1", "kind": "index", "target": "app:tasks_user", "proposed": {"statement": statement, "table": "public.tasks"},
        "evidence": {"statements": [{"family": "f", "statement": "SELECT 1 FROM tasks WHERE user_id = $1", "calls": 10.0, "mean_ms": 20.0, "expected_ms": 2.0}]}})
}

#[test]
fn a_subject_is_one_statement_on_one_index() {
    let found =
        subject(&recommendation("CREATE INDEX CONCURRENTLY \"Tasks user\" ON tasks (lower(title), (a || b))"), &[]);
    let found = found.unwrap();
    assert_eq!((found.index.as_str(), found.statements.len()), ("Tasks user", 1));
    assert!(matches!(found.action, Action::Create { has_expression: true, .. }));
    let other = Target {
        family: "g".to_owned(),
        statement: "SELECT 2 FROM tasks".to_owned(),
        calls: 1.0,
        mean_ms: 1.0,
        expected_ms: Some(1.0),
    };
    let unrelated = Target { family: "h".to_owned(), statement: "SELECT 2 FROM users".to_owned(), ..other.clone() };
    let found = subject(&recommendation("DROP INDEX CONCURRENTLY app.tasks_user;"), &[other, unrelated]).unwrap();
    assert_eq!((found.index.as_str(), found.action, found.statements.len()), ("tasks_user", Action::Drop, 2));
    let upper =
        subject(&recommendation("CREATE INDEX CONCURRENTLY Tasks_User ON public.Tasks (user_id)"), &[]).unwrap();
    assert_eq!(upper.index, "tasks_user", "as the server names it");
    // The index of a partitioned table is built in one statement, and not concurrently.
    let parts = subject(&recommendation("CREATE INDEX a ON ONLY tasks (user_id) INCLUDE (id)"), &[]).unwrap();
    assert!(parts.is_partitioned);
    assert!(
        matches!(&parts.action, Action::Create { statement, .. } if statement == "CREATE INDEX a ON tasks (user_id) INCLUDE (id)")
    );
    assert!(subject(&recommendation("DROP INDEX app.tasks_user"), &[]).unwrap().is_partitioned);
    for text in [
        "CREATE INDEX a ON tasks (user_id)",
        "CREATE INDEX CONCURRENTLY a ON ONLY tasks (user_id)",
        "DROP INDEX CONCURRENTLY a, b",
        "DROP TABLE tasks",
        "CREATE INDEX CONCURRENTLY a ON b (c); DROP TABLE tasks",
        "DROP INDEX CONCURRENTLY \"a",
        // The index would have another name, or be in another schema or on another table.
        "CREATE INDEX CONCURRENTLY ON tasks (user_id)",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON tasks (user_id)",
        "CREATE INDEX CONCURRENTLY a ON app.tasks (user_id)",
        "CREATE INDEX CONCURRENTLY a ON users (id)",
        "CREATE INDEX CONCURRENTLY a ON \"Tasks\" (user_id)",
    ] {
        let error = subject(&recommendation(text), &[]).unwrap_err();
        assert!(matches!(error, SubjectError::Statement { .. }), "{error}");
    }
    assert!(matches!(subject(&json!({"kind": "ttl", "id": "a"}), &[]), Err(SubjectError::Kind { .. })));
    assert!(matches!(subject(&json!({}), &[]), Err(SubjectError::Field { .. })));
}

#[test]
fn a_loop_has_as_many_calls_as_a_request_and_builds_its_index() {
    let row = |calls: serde_json::Value, statement: &str, check: serde_json::Value| {
        json!({"id": "query-1", "kind": "query", "target": "app:n_plus_one", "current": {"statement": "SELECT 1 FROM tasks WHERE id = $1"},
            "proposed": {"statement": statement, "check": check, "parameters": [{"array": 1}], "added_columns": ["id"],
                "needs": [{"table": "App.Tasks", "columns": ["lower(title) text_pattern_ops", "id DESC"], "method": "btree"}]},
            "evidence": {"families": ["f"], "calls_of_a_loop": calls}})
    };
    let definition = "ON \"App\".\"Tasks\" USING btree (lower(title) text_pattern_ops, id DESC)";
    for (calls, expected) in [(json!(31.4), 31), (json!(1e9), 100), (json!(null), 20)] {
        let found = subject(&row(calls, "SELECT 1, id FROM tasks WHERE id = ANY($1)", json!("loop")), &[]).unwrap();
        let Action::Rewrite(rewrite) = &found.action else { panic!("{found:?}") };
        assert_eq!((rewrite.calls, rewrite.added.as_slice()), (expected, &["id".to_owned()][..]));
        let built = format!("CREATE INDEX CONCURRENTLY {} {definition}", found.index);
        assert_eq!((found.table.as_str(), found.built()), ("App.Tasks", Some((built.as_str(), None))));
        assert!(found.index.starts_with("almanac_verify_"), "{}", found.index);
    }
    // A statement that stays is measured as its index is.
    let found = subject(&row(json!(null), "SELECT 1 FROM tasks WHERE id = $1", json!(null)), &[]).unwrap();
    assert!(matches!(found.action, Action::Create { .. }) && found.has_index(), "{found:?}");
}

fn measured(ratio: f64, reads: &str) -> StatementReport {
    let times = |ms: f64| vec![ms, ms * 1.001, ms * 0.999, ms];
    StatementReport {
        family: "f".to_owned(),
        statement: "SELECT 1".to_owned(),
        calls: 10.0,
        values: 5,
        comparison: compare(&times(5.0), &times(5.0 * ratio), 1).unwrap(),
        before: PlanSide { reads: reads.to_owned(), ..PlanSide::default() },
        after: PlanSide::default(),
        plan_change: String::new(),
        production_ms: 20.0,
        expected_ms: Some(2.0),
    }
}

#[test]
fn a_creation_must_be_faster_and_a_drop_not_slower() {
    let create = subject(&recommendation("CREATE INDEX CONCURRENTLY i ON tasks (user_id)"), &[]).unwrap();
    let drop = subject(&recommendation("DROP INDEX CONCURRENTLY i"), &[]).unwrap();
    let check = |subject: &Subject, ratio: f64, reads: &str, expected: bool| {
        let statement = measured(ratio, reads);
        let (found, _) = conclude(subject, Some(&statement.comparison), std::slice::from_ref(&statement), None);
        assert_eq!(found.confirmed, expected, "{found:?}");
    };
    check(&create, 0.2, "Seq Scan tasks", true);
    check(&create, 1.0, "Seq Scan tasks", false);
    check(&create, 2.0, "Seq Scan tasks", false);
    check(&drop, 1.0, "Index Scan i", true);
    check(&drop, 2.0, "Index Scan i", false);
    check(&drop, 0.5, "Seq Scan tasks", true);
    assert!(!conclude(&create, None, &[], None).0.confirmed);
    assert!(conclude(&drop, None, &[], None).0.confirmed);
    // 18 of 20 ms are predicted; a ratio of 0.2 saves 16 of 20 ms.
    let (_, prediction) = conclude(&create, None, &[measured(0.2, "")], None);
    let prediction = prediction.unwrap();
    assert!((prediction.factor.unwrap() - 1.125).abs() < 0.01 && prediction.is_good, "{prediction:?}");
}

#[test]
fn a_rewritten_statement_has_the_values_of_the_one_before() {
    let row = |check: &str, parameters: serde_json::Value, needs: serde_json::Value| {
        json!({"id": "query-1", "kind": "query", "target": "app:or", "current": {"statement": "SELECT 1 FROM tasks WHERE id = $1 OR user_id = $2"},
            "proposed": {"statement": "SELECT 1", "check": check, "parameters": parameters, "needs": needs},
            "effect": {"value": 1.5}, "evidence": {"families": ["f"], "calls_per_day": 100.0, "mean_ms": 20.0}})
    };
    let need = |key: &str| json!({"table": "public.tasks", "columns": [key], "method": "btree"});
    let found = subject(&row("multiset", json!([{"same": 2}, {"same": 1}]), json!([])), &[]).unwrap();
    let Action::Rewrite(rewrite) = &found.action else { panic!("{found:?}") };
    assert_eq!(rewrite.parameters, [Parameter::Same(2), Parameter::Same(1)]);
    assert_eq!((rewrite.check, rewrite.calls, found.statements[0].expected_ms), (Check::Multiset, 1, Some(5.0)));
    let check = |row: serde_json::Value, expected: &str| {
        let error = subject(&row, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(row("written", json!([]), json!([])), "it changes rows");
    check(row("pages", json!([]), json!([])), "proposed.first_page");
    check(row("ordered", json!([{"other": 1}]), json!([])), "proposed.parameters");
    check(row("ordered", json!([]), json!([{"extension": "pg_trgm"}, need("id")])), "install it in the copy");
    check(row("ordered", json!([]), json!([need("id"), need("user_id")])), "several indexes");
    check(row("ordered", json!([]), json!([need("id); DROP TABLE tasks; SELECT (1")])), "cannot be read");
    let results = |different| Some(Results { compared: 12, different, rows: 5 });
    let statement = measured(0.2, "");
    let judged = |different| {
        conclude(&found, Some(&statement.comparison), std::slice::from_ref(&statement), results(different)).0
    };
    assert!(judged(0).confirmed);
    assert_eq!(judged(1).text, "the results differ for 1 of 12 sets of values");
    assert!(!judged(1).confirmed);
    let none = Some(Results { compared: 0, different: 0, rows: 0 });
    let judged = conclude(&found, Some(&statement.comparison), std::slice::from_ref(&statement), none).0;
    assert!(!judged.confirmed && judged.text.contains("could not be compared"), "{judged:?}");
}
