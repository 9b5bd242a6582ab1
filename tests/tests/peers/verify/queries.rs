//! `almanac verify database` with other statements: loops, pages with their index, searches, and what is no such statement.

use serde_json::{Value, json};

use super::{BEFORE, Place};

fn query(id: &str, before: &str, proposed: Value) -> Value {
    json!({"id": id, "kind": "query", "target": format!("app:{id}"), "state": "proposed", "current": {"statement": before},
        "proposed": proposed, "effect": {"value": 1.0},
        "evidence": {"families": ["f"], "calls_per_day": 1000.0, "mean_ms": 1.5, "calls_of_a_loop": 20.0}})
}

#[test]
fn the_calls_of_a_loop_are_compared_with_one_statement() {
    let place = Place::new();
    let row = |id: &str, condition: &str| {
        let after = format!("SELECT email, id FROM users WHERE id = ANY($1){condition}");
        let proposed = json!({"statement": after, "check": "loop", "parameters": [{"array": 1}], "added_columns": ["id"], "needs": []});
        query(id, "SELECT email FROM users WHERE id = $1", proposed)
    };
    let each = query(
        "each",
        "SELECT id FROM tasks WHERE user_id = $1 AND status = $2 ORDER BY id LIMIT $3",
        json!({"statement": "SELECT loop_row.id, loop_key.loop_place FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS \
            loop_key (value_1, value_2, loop_place) CROSS JOIN LATERAL (SELECT id FROM tasks WHERE user_id = loop_key.value_1 AND \
            status = loop_key.value_2 ORDER BY id LIMIT $3) AS loop_row ORDER BY loop_key.loop_place",
            "check": "loop", "parameters": [{"array": 1}, {"array": 2}, {"same": 3}], "added_columns": ["loop_place"], "needs": []}),
    );
    place.review(&[row("good", ""), row("wrong", " AND id % 7 <> 0"), each]);
    let (ended, reports) = place.verify(&["--seconds", "2"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let [good, wrong, each] = [&reports[0], &reports[1], &reports[2]];
    assert_eq!(good["conclusion"]["confirmed"], true, "{good:#}");
    assert_eq!(good["results"], json!({"compared": 4, "different": 0, "rows": 80}), "{good:#}");
    assert_eq!(good["statements"][0]["before"]["rows"], 20.0, "{good:#}");
    assert!(good["notes"].to_string().contains("the 20 executions of a loop"), "{good:#}");
    assert_eq!(wrong["conclusion"]["confirmed"], false, "{wrong:#}");
    assert!(wrong["results"]["different"].as_u64().unwrap() > 0, "{wrong:#}");
    // Each call has rows of its own, though the statement after is slow without an index.
    assert_eq!((&each["results"]["compared"], &each["results"]["different"]), (&json!(4), &json!(0)), "{each:#}");
    assert!(each["results"]["rows"].as_u64().unwrap() > 80, "{each:#}");
}

#[test]
fn pages_are_compared_behind_the_same_rows_with_the_index_that_they_need() {
    let place = Place::new();
    // 60 tasks of a user are equal in the order.
    let order = "ORDER BY user_id DESC, id DESC LIMIT $2";
    let row = |id: &str, bound: &str| {
        let first = format!("SELECT id, title, user_id FROM tasks WHERE status <> $1 {order}");
        let next = format!(
            "SELECT id, title, user_id FROM tasks WHERE status <> $1 AND (user_id, id) {bound} ($3, $4) {order}"
        );
        let same = [json!({"same": 1}), json!({"same": 2})];
        let all = [&same[..], &[json!({"last": "user_id"}), json!({"last": "id"})]].concat();
        let proposed = json!({"statement": next, "check": "pages", "parameters": all, "added_columns": ["user_id"],
            "first_page": {"statement": first, "parameters": same},
            "needs": [{"table": "public.tasks", "columns": ["user_id", "id"], "method": "btree"}]});
        query(id, "SELECT id, title FROM tasks WHERE status <> $1 ORDER BY user_id DESC LIMIT $2 OFFSET $3", proposed)
    };
    place.review(&[row("pages", "<"), row("wrong", "<=")]);
    let (ended, reports) = place.verify(&[]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let [pages, wrong] = [&reports[0], &reports[1]];
    assert_eq!(pages["conclusion"]["confirmed"], true, "{pages:#}");
    assert_eq!(pages["results"]["different"], 0, "{pages:#}");
    assert!(pages["results"]["compared"].as_u64().unwrap() >= 4, "{pages:#}");
    assert!(pages["statements"][0]["plan_change"].as_str().unwrap().contains("Scan almanac_verify_"), "{pages:#}");
    assert!(pages["build"]["bytes"].as_f64().unwrap() > 500_000.0, "{pages:#}");
    assert!(pages["notes"].to_string().contains("Pages behind "), "{pages:#}");
    assert!(wrong["conclusion"]["text"].as_str().unwrap().starts_with("the results differ"), "{wrong:#}");
    assert_eq!(place.indexes(), BEFORE);
}

#[test]
fn a_search_is_measured_with_its_extension_and_what_is_no_index_is_refused() {
    let place = Place::new();
    let search = "SELECT id FROM tasks WHERE title ILIKE $1 ORDER BY id LIMIT $2";
    let words = "SELECT id FROM tasks WHERE to_tsvector('simple', title) @@ plainto_tsquery('simple', ($1)::text) ORDER BY id LIMIT $2";
    let with = |id: &str, needs: Value| {
        query(
            id,
            search,
            json!({"statement": search, "needs": needs, "alternative": {"statement": words, "check": "difference"}}),
        )
    };
    let trigrams =
        |keys: &str| json!([{"extension": "pg_trgm"}, {"table": "public.tasks", "columns": [keys], "method": "gin"}]);
    let written = json!({"statement": "UPDATE tasks SET title = c.v FROM unnest($1::bigint[], $2::text[]) AS c (k, v) WHERE tasks.id = c.k",
        "check": "written", "parameters": [{"array": 1}, {"array": 2}], "needs": []});
    place.review(&[
        with("search", trigrams("title gin_trgm_ops")),
        with("two", trigrams("title gin_trgm_ops); DROP TABLE tasks; SELECT (1")),
        with("none", json!([{"extension": "pg_trgm; DROP TABLE tasks"}])),
        query("written", "UPDATE tasks SET title = $2 WHERE id = $1", written),
    ]);
    let (ended, reports) = place.verify(&["search"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(reports[0]["build"]["extension"], "pg_trgm", "{reports:#}");
    assert!(reports[0]["statements"][0]["plan_change"].as_str().unwrap().contains("almanac_verify"), "{reports:#}");
    // A part of a word is found by the pattern alone; a whole word by both.
    let other = &reports[0]["difference"];
    let count = |name: &str| other[name].as_u64().unwrap();
    assert_eq!((count("compared"), count("further")), (12, 0), "{other:#}");
    assert!(count("missing") > 0 && count("missing") < count("rows"), "{other:#}");
    assert_eq!(place.indexes(), BEFORE);
    assert_eq!(place.cluster.sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"), "0\n");
    for (id, reason) in [("two", "cannot be read"), ("none", "no plain name"), ("written", "it changes rows")] {
        let (ended, _) = place.verify(&[id]);
        assert!(ended.code != Some(0) && ended.stderr.contains(reason), "{id}: {ended:?}");
    }
    assert_eq!(place.cluster.sql("SELECT count(*) FROM tasks"), "60000\n");
}
