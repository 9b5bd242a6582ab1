//! The translation of statements changes names of the catalogue and casts, and nothing that a user has written otherwise:
//! constants, comments, quoted names, and names that look like those of the catalogue.

use serde_json::{Value, json};
use tokio_postgres::{SimpleColumn, SimpleQueryMessage};

use super::Service;

/// Statements that mean the same in DuckDB's dialect, whatever words are in them.
const SAME: [&str; 25] = [
    "SELECT 'pg_catalog.version()' AS a, 'x::regclass' AS b, '''samples''::regclass' AS c",
    "SELECT E'pg_catalog.\\'x' AS a, $$ pg_catalog.pg_class $$ AS b, $q$ current_user $q$ AS c",
    "SELECT 1 AS a /* pg_catalog.version() ' */, 2 AS b -- ::regclass '",
    "SELECT 1 AS \"pg_catalog.version()\", 2 AS \"a::regclass\", 3 AS \"current_user\"",
    "SELECT \"current_user\", \"user\", \"version\" FROM (SELECT 1 AS \"current_user\", 2 AS \"user\", 3 AS \"version\")",
    "SELECT t.\"collate\", t.\"operator\" FROM (SELECT 'b' AS \"collate\", 'c' AS \"operator\") t",
    "SELECT pg_class.pg_class FROM (SELECT 1 AS pg_class) pg_class",
    "SELECT t.version, t.age, t.format FROM (SELECT 1 AS version, 2 AS age, 3 AS format) t",
    "SELECT version, age FROM (SELECT 1 AS version, 2 AS age)",
    "WITH version AS (SELECT 7 AS oid) SELECT oid FROM version",
    "SELECT public.a FROM (SELECT 5 AS a) public",
    "SELECT name, oid FROM (SELECT 1 AS name, 2 AS oid)",
    "SELECT labels['job'] AS job FROM series",
    "SELECT ['a', 'b'][1] AS a, [1, 2, 3][2:3] AS b",
    "SELECT CAST('7' AS INTEGER) AS a, '8'::BIGINT AS b, 1.5::DECIMAL(4, 2)::VARCHAR AS c",
    "SELECT a, b FROM (SELECT 'x' AS a, generate_series AS b FROM generate_series(1, 3))",
    "SELECT unnest([1, 2]) AS a, 'unnest(x) y' AS b",
    "SELECT x FROM unnest([3, 4]) AS u(x)",
    "SELECT x, y FROM (VALUES (1, 'as regclass)'), (2, 'from pg_class')) v(x, y)",
    "SELECT round(2.5) AS a, 7 // 2 AS b, 7 % 4 AS c, 2 ** 3 = 8 AS d",
    "SELECT CASE WHEN 'a' = 'A' THEN 1 ELSE 2 END AS a, 'a' < 'B' AS b",
    "SELECT ~(5) AS a, 5 & ~4 AS b, (~a) AS c FROM (SELECT 3 AS a)",
    "SELECT 'a~b' AS a, 'x' LIKE '%~%' AS b, 5 & 4 AS c, ~5 AS d",
    "SELECT date_trunc('hour', timestamp)::VARCHAR AS hour, count(*) AS n FROM samples GROUP BY ALL ORDER BY hour",
    "SELECT age(TIMESTAMP '2026-03-01', TIMESTAMP '2026-01-01')::VARCHAR AS a",
];

#[test]
fn what_is_not_of_the_catalogue_means_the_same_as_over_http() {
    let service = Service::start("");
    let server = &service.server;
    let over_http: Vec<Value> = SAME
        .iter()
        .map(|sql| {
            let request = server.request("POST", "/v1/sql").bearer_auth(&service.token).json(&json!({"sql": sql}));
            let reply = server.send(request);
            assert_eq!(reply.status, 200, "{sql}: {}", reply.text());
            reply.json()
        })
        .collect();
    service.with_client(|client| async move {
        for (sql, expected) in SAME.iter().zip(over_http) {
            let received = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let mut rows = Vec::new();
            for message in &received {
                if let SimpleQueryMessage::Row(row) = message {
                    let names: Vec<&str> = row.columns().iter().map(SimpleColumn::name).collect();
                    assert_eq!(json!(names), expected["columns"], "{sql}");
                    rows.push((0..row.len()).map(|idx| row.get(idx).map(str::to_owned)).collect::<Vec<_>>());
                }
            }
            let expected = expected["rows"].as_array().unwrap().iter();
            let expected: Vec<Vec<_>> =
                expected.map(|row| row.as_array().unwrap().iter().map(shown).collect()).collect();
            assert_eq!(rows, expected, "{sql}");
        }
    });
}

/// Returns a value of an answer over HTTP as PostgreSQL writes it.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(true) => Some("t".to_owned()),
        Value::Bool(false) => Some("f".to_owned()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(shown).collect();
            Some(format!("{{{}}}", items.join(",")))
        }
        other => Some(other.to_string()),
    }
}

#[test]
fn what_is_of_the_catalogue_means_what_it_means_in_postgres() {
    Service::start("").with_client(|client| async move {
        // Expected values are those of PostgreSQL 15 for a view "samples".
        for (sql, expected) in [
            ("SELECT oid::regclass::text FROM pg_class WHERE relname = 'samples'", "samples"),
            ("SELECT (SELECT relname FROM pg_class WHERE oid = 'public.samples'::regclass)", "samples"),
            ("SELECT CAST('samples' AS regclass) = CAST('samples' AS pg_catalog.regclass)", "t"),
            ("SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'samples'", "public"),
            ("SELECT 'pg_catalog'::regnamespace::oid", "11"),
            ("SELECT 1114::regtype, 'int8'::regtype::oid", "timestamp without time zone"),
            ("SELECT (1000 + 16)::regtype", "bigint[]"),
            ("SELECT format_type(1016, -1)", "bigint[]"),
            ("SELECT typinput = 'pg_catalog.array_in'::regproc FROM pg_type WHERE typname = '_int8'", "t"),
            ("SELECT 'a'::name || 'b'::\"char\"", "ab"),
            ("SELECT count(*) FROM pg_class WHERE relname ~ '^SAMP'", "0"),
            ("SELECT count(*) FROM pg_class WHERE relname ~* '^SAMP' AND relkind = 'v'", "1"),
            ("SELECT count(*) FROM pg_class WHERE relname !~ 'pg_' AND relname = 'samples'", "1"),
            ("SELECT 'xaby' OPERATOR(pg_catalog.~) 'ab' COLLATE pg_catalog.default", "t"),
            ("SELECT 'xaby' ~ $$ab$$", "t"),
            ("SELECT 'xaby' ~ CAST('ab' AS text)", "t"),
            ("SELECT 'xaby' ~* CASE WHEN true THEN 'AB' END", "t"),
            ("SELECT i FROM generate_series(2, 3) AS i ORDER BY i DESC", "3"),
            ("SELECT count(*) FROM generate_series(1, 3) OFFSET 0", "3"),
            ("SELECT pg_catalog.sum(g) FROM pg_catalog.generate_series(1, 4) g", "10"),
            ("SELECT (current_schemas(true))[1]", "pg_catalog"),
            ("SELECT u FROM unnest(ARRAY['a', 'b']) u ORDER BY u DESC", "b"),
            ("SELECT s FROM current_schema() s", "public"),
            ("SELECT user = current_user AND current_user = session_user", "t"),
            ("SELECT json_build_object('a', 1, 'b', 'x')", "{\"a\":1,\"b\":\"x\"}"),
            ("SELECT array_to_string(array_remove(ARRAY['a', 'b'], 'a'), ',')", "b"),
            ("SELECT quote_ident('Ab') || quote_literal('it''s')", "\"Ab\"'it''s'"),
            ("SELECT word FROM pg_get_keywords() WHERE word = 'select' AND catcode = 'R'", "select"),
            ("SELECT timestamp '2026-01-02 03:00:00' = '2026-01-02 04:00:00+01'::timestamptz", "t"),
            ("SELECT CAST('2026-01-02T04:00:00+01:00' AS timestamp with time zone)", "2026-01-02 03:00:00"),
            ("SELECT count(*) FROM samples WHERE timestamp >= '2026-09-21 17:13:20+03'::timestamptz", "60"),
            ("SELECT count(*) FROM pg_attribute WHERE attrelid = 'samples'::regclass AND xmin IS NOT NULL", "3"),
        ] {
            let received = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            let row = received.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            assert_eq!(row.unwrap_or_else(|| panic!("{sql}")).get(0), Some(expected), "{sql}");
        }
    });
}
