//! Analysts' SQL: views, rejected statements, limits.

mod document;
mod functions;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use almanac_engine::store::{
    AnalystLimits, Compaction, EvaluatePromql, IsCancelled, PromqlCall, PromqlSeries, SqlError, SqlLimits, SqlParam,
    Store, StoreOptions,
};
use almanac_models::Timestamp;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::support::{Fresh, labels, put};

pub(crate) fn rows(store: &Store, sql: &str, params: &[SqlParam]) -> Vec<String> {
    let answer = store.analyst_sql(sql, params, SqlLimits::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &answer.batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

fn filled() -> Fresh {
    let fresh = Fresh::new();
    let (up, down) = (labels(&[("__name__", "up"), ("job", "a"), ("zone", "q\"")]), labels(&[("__name__", "down")]));
    put(&fresh.store, &[(&up, 1_000, 1.0), (&up, 2_000, 2.0), (&down, 1_000, almanac_engine::series::stale_marker())]);
    fresh.store.compact(Timestamp::from_millis(0), Compaction::All).unwrap();
    put(&fresh.store, &[(&up, 2_000, 3.0), (&up, 3_000, 4.0)]);
    fresh
}

#[test]
fn analysts_see_deduplicated_samples_and_readable_series() {
    let fresh = filled();
    let store = &fresh.store;
    let samples = rows(store, "SELECT series_id, epoch_ms(timestamp), value FROM samples ORDER BY ALL", &[]);
    assert_eq!(samples, ["0|1000|1.0", "0|2000|3.0", "0|3000|4.0"]);
    let series = rows(store, "SELECT name, labels['job'], series FROM series ORDER BY series_id", &[]);
    assert_eq!(series, [r#"up|a|up{job="a",zone="q\""}"#, "down|NULL|down"]);
    let joined = rows(
        store,
        "WITH hot AS (SELECT * FROM samples WHERE value > $1) SELECT name, count(*) FROM hot JOIN series USING (series_id) GROUP BY 1",
        &[SqlParam::Float(2.5)],
    );
    assert_eq!(joined, ["up|2"]);
    assert_eq!(rows(store, "SELECT count, sum, last FROM rollups_1h", &[]), ["2|3.0|2.0"]);
}

#[test]
fn everything_but_queries_is_rejected() {
    let fresh = filled();
    let file = fresh.folder.path().join("out.csv");
    let check = |sql: &str, code: &str| {
        let sql = sql.replace("FILE", file.to_str().unwrap());
        let error = fresh.store.analyst_sql(&sql, &[], SqlLimits::default()).unwrap_err();
        assert_eq!(error.code(), code, "{sql}: {error}");
    };
    for sql in [
        "INSERT INTO store.hot_1 VALUES (1, NULL, 1)",
        "DELETE FROM samples",
        "UPDATE store.meta SET value = '9'",
        "DROP VIEW samples",
        "CREATE TABLE x (a INTEGER)",
        "CREATE TEMP TABLE x AS SELECT 1",
        "COPY samples TO 'FILE'",
        "COPY (SELECT 1) TO 'FILE'",
        "EXPORT DATABASE 'FILE'",
        "ATTACH 'FILE' AS x",
        "ATTACH ':memory:' AS x",
        "DETACH almanac",
        "SET threads = 1",
        "RESET threads",
        "SET search_path = 'store'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CHECKPOINT",
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "LOAD httpfs",
        "INSTALL httpfs",
        "USE store",
        "VACUUM",
        "PREPARE x AS SELECT 1",
        "EXECUTE x",
        "CREATE SECRET s (TYPE S3)",
        "EXPLAIN DELETE FROM samples",
        "EXPLAIN ANALYZE DELETE FROM samples",
        "MERGE INTO samples USING series ON true WHEN MATCHED THEN DELETE",
        "PIVOT samples ON series_id USING sum(value)",
    ] {
        check(sql, "sql_not_read_only");
    }
    for sql in ["", "-- nothing", "SELECT 1; SELECT 2", "SELECT 1; DELETE FROM samples", "EXPLAIN SELECT 1; SELECT 2"] {
        let code = if sql.contains("DELETE") { "sql_not_read_only" } else { "sql_statement_count" };
        check(sql, code);
    }
    for sql in [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('FILE')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM query('DELETE FROM samples')",
        "SELECT * FROM query_table('series')",
        "SELECT * FROM checkpoint()",
        "SELECT * FROM system.main.checkpoint()",
        "SELECT * FROM force_checkpoint()",
        "SELECT * FROM duckdb_databases()",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM pragma_database_size()",
        "SELECT * FROM json_execute_serialized_sql('{}')",
        "SELECT * FROM enable_logging()",
        "SELECT current_setting('temp_directory')",
        "SELECT getvariable('x')",
        "SELECT nextval('s')",
        "SELECT repeat('x', 4000000000)",
        "SELECT lpad('x', 2000000000, 'y')",
        "SELECT sleep_ms(100000)",
        "SELECT pg_sleep(100)",
        "SELECT (SELECT max(x) FROM (SELECT setseed(0.5) AS x))",
        "SELECT list_transform([1], lambda x: repeat('a', x))",
        "SELECT sum(value) FILTER (WHERE write_log('x')) OVER () FROM samples",
        "SELECT 1 ORDER BY current_setting('threads')",
        "SELECT * FROM samples WHERE EXISTS (FROM duckdb_secrets())",
    ] {
        check(sql, "sql_function_not_allowed");
    }
    for sql in [
        "SELECT * FROM store.meta",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'FILE'",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM duckdb_tables",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT * FROM pg_tables",
        "SELECT * FROM other.main.samples",
        "SELECT * FROM information_schema.schemata JOIN information_schema.table_constraints ON true",
        "SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x), x",
        "DESCRIBE store.meta",
        "SUMMARIZE store.meta",
        "SELECT * FROM series WHERE series_id IN (TABLE nothing)",
    ] {
        check(sql, "sql_table_unknown");
    }
    check("WITH duckdb_tables AS (SELECT 1) SELECT * FROM duckdb_tables", "sql_construct_not_allowed");
    for sql in ["SHOW DATABASES", "SHOW SCHEMAS", "SHOW ALL TABLES", "DESCRIBE", "SHOW TABLES FROM store"] {
        check(sql, "sql_construct_not_allowed");
    }
    check("UNPIVOT samples ON value INTO NAME n VALUE v", "sql_construct_not_allowed");
    check("SELECT * FROM (PIVOT samples ON series_id USING sum(value))", "sql_not_read_only");
    check("SELECT list_sum(range(100000000))", "sql_construct_not_allowed");
    check("SELECT list_transform(range(1000), lambda x: range(x))", "sql_function_not_allowed");
    check("SELECT [x FOR x IN [1]]", "sql_function_not_allowed");
    check("SELECT json_structure('[]')", "sql_function_not_allowed");
    check("SELECT from_json('1', '\"INT\"')", "sql_function_not_allowed");
    check("SELECT string_agg('a', '') OVER (ORDER BY 1)", "sql_construct_not_allowed");
    check("SELECT name LIKE name FROM series", "sql_construct_not_allowed");
    check("SELECT 'aaaa' ILIKE '%a%a%a%b'", "sql_too_complex");
    check("SELECT 'a' LIKE '%' || name FROM series", "sql_construct_not_allowed");
    check("SELECT 'a' LIKE '%a' || lower('%b') || '%c%'", "sql_too_complex");
    check("SELECT nothing FROM samples", "sql_invalid");
    check("SELECT \0", "sql_invalid");
    check("SELEC 1", "sql_invalid");
    assert!(!file.exists());
    assert_eq!(rows(&fresh.store, "SELECT count(*) FROM samples", &[]), ["3"]);
}

/// An error names the rejected construct as written, and an alternative.
#[test]
fn errors_name_the_construct_as_written() {
    let fresh = filled();
    for (sql, parts) in [
        ("SELECT name LIKE name || '%' FROM series", ["LIKE with a computed pattern", "starts_with"]),
        ("SELECT name NOT ILIKE name FROM series", ["NOT ILIKE with a computed pattern", "parameter"]),
        ("SELECT name GLOB name || '*' FROM series", ["GLOB with a computed pattern", "regexp_matches"]),
        ("SHOW ALL TABLES", ["SHOW ALL TABLES", "DESCRIBE samples"]),
        ("SHOW DATABASES", ["SHOW DATABASES", "SHOW TABLES"]),
        ("PIVOT samples ON series_id USING sum(value)", ["not PIVOT", "FILTER"]),
        ("SELECT * FROM (PIVOT samples ON series_id USING sum(value))", ["not PIVOT", "FILTER"]),
        ("UNPIVOT samples ON value INTO NAME n VALUE v", ["UNPIVOT", "UNION ALL"]),
        ("SELECT * FROM read_csv('x.csv')", ["function read_csv", "almanac import"]),
        ("SELECT [x FOR x IN [1]]", ["list_apply", "[x FOR x IN list]"]),
        ("SELECT printf('%d', 1)", ["function printf", "concat"]),
        ("FROM duckdb_tables()", ["function duckdb_tables", "SHOW TABLES"]),
        ("CREATE TABLE x (a INTEGER)", ["not CREATE", "WITH"]),
        ("SELECT 1767225600 * 1000", ["Overflow", "::BIGINT"]),
    ] {
        let error = fresh.store.analyst_sql(sql, &[], SqlLimits::default()).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{sql}: {error}");
    }
}

/// Runs the statements in `docs/analysts.md`.
#[test]
fn documented_statements_run() {
    let fresh = filled();
    let page = include_str!("../../../../docs/analysts.md");
    let statements: Vec<&str> = page
        .split("```sql\n")
        .skip(1)
        .flat_map(|block| block.split("```").next().unwrap_or_default().split_inclusive(';'))
        .filter(|statement| !statement.trim().is_empty())
        .collect();
    assert!(statements.len() >= 2);
    let promql: Arc<dyn EvaluatePromql> = Arc::new(Nothing);
    for statement in statements {
        let run = fresh.store.analyst_sql_with(statement, &[], SqlLimits::default(), Some(&promql));
        run.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// Evaluates every expression to no series.
#[derive(Debug)]
struct Nothing;

impl EvaluatePromql for Nothing {
    fn evaluate(&self, _: &PromqlCall, _: Instant, _: &IsCancelled<'_>) -> Result<Vec<PromqlSeries>, String> {
        Ok(Vec::new())
    }
}

#[test]
fn ordinary_queries_run() {
    let fresh = filled();
    for sql in [
        "SELECT time_bucket(INTERVAL '5 minutes', timestamp) AS t, quantile_cont(value, 0.95) FROM samples GROUP BY t ORDER BY t",
        "SELECT *, lag(value) OVER (PARTITION BY series_id ORDER BY timestamp) FROM samples",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t",
        "SELECT * FROM range(1000000) AS r(i) WHERE i % 100000 = 0",
        "SELECT * FROM generate_series(TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', INTERVAL '1 hour')",
        "SELECT unnest(range(-3, 3)), 'up' NOT ILIKE '%u%p%', {'a': 1}.a, CASE WHEN true THEN 1 END, 'x' LIKE '%', 1::DOUBLE",
        "VALUES (1, 'a'), (2, 'b')",
        "FROM series SELECT COLUMNS('.*')",
        "SELECT * FROM samples ASOF JOIN signals ON samples.timestamp >= signals.fitted_at",
        "SELECT DISTINCT ON (series_id) * FROM samples ORDER BY series_id, timestamp DESC",
        "SELECT count(*) FILTER (WHERE value > 1), extract(hour FROM max(timestamp)), now()::TIMESTAMP > max(timestamp) FROM samples",
        "SUMMARIZE SELECT * FROM samples",
        "SUMMARIZE samples",
        "DESC samples",
        "SHOW samples",
        "SHOW TABLES FROM main",
        "SELECT column_name FROM (DESCRIBE samples)",
        "SELECT map_keys(labels), labels FROM series WHERE labels['job'] IN ('a', 'b') AND name ~ 'u.*'",
        "SELECT '{\"a\": 1}'->>'a', evidence->'$.x' FROM recommendations",
        "SELECT 1 UNION SELECT 2 EXCEPT SELECT 3",
    ] {
        let _ = rows(&fresh.store, sql, &[]);
    }
    let params = [SqlParam::Text("up".into()), SqlParam::Int(1_500), SqlParam::Null, SqlParam::Bool(true)];
    let found = rows(
        &fresh.store,
        "SELECT value, ?3 FROM samples JOIN series USING (series_id) WHERE name = ?1 AND epoch_ms(timestamp) < ?2 AND ?4",
        &params,
    );
    assert_eq!(found, ["1.0|NULL"]);
    let error = fresh.store.analyst_sql("SELECT ?", &[], SqlLimits::default()).unwrap_err();
    assert_eq!(error.to_string(), "the statement has 1 parameters but got 0 values");
}

#[test]
fn oversized_statements_are_rejected_before_planning() {
    let fresh = filled();
    let check = |sql: &str, what: &str| match fresh.store.analyst_sql(sql, &[], SqlLimits::default()) {
        Err(SqlError::TooComplex { what: found, .. }) => assert_eq!(found, what),
        other => panic!("{other:?}"),
    };
    let mut chain = "WITH c0 AS (SELECT 1 AS a)".to_owned();
    for n in 1..40 {
        chain.push_str(&format!(", c{n} AS (SELECT x.a FROM c{} x, c{} y)", n - 1, n - 1));
    }
    check(&format!("{chain} SELECT count(*) FROM c39"), "table references");
    check(&format!("SELECT {}1{}", "(1 + ".repeat(200), ")".repeat(200)), "nesting");
    check(&format!("SELECT '{}'", "x".repeat(70_000)), "length in bytes");
    let many = format!("SELECT 1 {}", ", (SELECT max(value) FROM samples)".repeat(300));
    check(&many, "table references");
    // Nested so deeply that DuckDB's own parser fails.
    let deep = format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000));
    assert_eq!(fresh.store.analyst_sql(&deep, &[], SqlLimits::default()).unwrap_err().code(), "sql_invalid");
}

/// DuckDB's own functions of these names return instants with a time zone, which cannot be compared with `timestamp`.
#[test]
fn the_clock_can_be_compared_with_timestamps() {
    let fresh = filled();
    for (condition, expected) in [
        ("timestamp < now() - INTERVAL 1 HOUR", "3"),
        ("timestamp > current_timestamp - INTERVAL 1 DAY", "0"),
        ("timestamp >= to_timestamp(2.5)", "1"),
        // An integer of 32 bits, and one of 64.
        ("to_timestamp(1767225600) = TIMESTAMP '2026-01-01'", "3"),
        ("to_timestamp(4102444800) = TIMESTAMP '2100-01-01'", "3"),
        ("to_timestamp(1767225600.25::DOUBLE) = TIMESTAMP '2026-01-01 00:00:00.25'", "3"),
    ] {
        let sql = format!("SELECT count(*) FROM samples WHERE {condition}");
        assert_eq!(rows(&fresh.store, &sql, &[]), [expected], "{condition}");
    }
    let types = "SELECT typeof(now()), typeof(current_timestamp), typeof(to_timestamp(0))";
    assert_eq!(rows(&fresh.store, types, &[]), ["TIMESTAMP|TIMESTAMP|TIMESTAMP"]);
}

/// A waiting statement blocks a thread of the service, so their number is limited.
#[test]
fn statements_above_the_queue_limit_are_rejected_at_once() {
    let analyst = AnalystLimits { concurrent: 1, ..AnalystLimits::default() };
    let fresh = Fresh::with(StoreOptions { analyst, ..StoreOptions::default() });
    let limits = SqlLimits { deadline: Duration::from_secs(2), ..SqlLimits::default() };
    let endless = "SELECT count(*) FROM range(100000000000) a, range(100000) b WHERE a.range + b.range = 3";
    let codes: Vec<&str> = std::thread::scope(|scope| {
        let ask = || fresh.store.analyst_sql(endless, &[], limits).unwrap_err().code();
        let threads: Vec<_> = (0..14).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let of = |code: &str| codes.iter().filter(|found| **found == code).count();
    // One runs and eight wait; the others are rejected.
    assert_eq!((of("sql_busy"), of("sql_deadline")), (5, 9), "{codes:?}");
    assert_eq!(rows(&fresh.store, "SELECT 1", &[]), ["1"]);
}

#[test]
fn a_long_query_ends_at_its_deadline_and_a_long_answer_is_truncated() {
    let fresh = filled();
    let limits = SqlLimits { deadline: Duration::from_millis(300), rows: 10, bytes: 1 << 20 };
    let started = Instant::now();
    let endless = "SELECT count(*) FROM range(100000000000) a, range(100000) b WHERE a.range + b.range = 3";
    let error = fresh.store.analyst_sql(endless, &[], limits).unwrap_err();
    assert!(matches!(error, SqlError::Deadline { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    let answer = fresh.store.analyst_sql("SELECT range FROM range(5000)", &[], limits).unwrap();
    assert_eq!((answer.batches.iter().map(|b| b.num_rows()).sum::<usize>(), answer.truncated), (10, true));
    let whole = SqlLimits { rows: usize::MAX, ..SqlLimits::default() };
    let answer = fresh.store.analyst_sql("SELECT range FROM range(5000)", &[], whole).unwrap();
    assert_eq!((answer.batches.iter().map(|b| b.num_rows()).sum::<usize>(), answer.truncated), (5_000, false));
    assert_eq!(answer.types, ["BIGINT"]);
    let few_bytes = SqlLimits { bytes: 100_000, rows: usize::MAX, ..SqlLimits::default() };
    let answer = fresh.store.analyst_sql("SELECT range FROM range(5000000)", &[], few_bytes).unwrap();
    let rows: usize = answer.batches.iter().map(|b| b.num_rows()).sum();
    assert!(answer.truncated && rows > 1_000 && rows < 13_000, "{rows}");
    put(&fresh.store, &[(&labels(&[("__name__", "after")]), 1, 1.0)]);
}

#[test]
fn every_view_can_be_described_and_read() {
    let fresh = filled();
    for table in almanac_engine::store::rows::TABLES {
        let name = table.name;
        let described = rows(&fresh.store, &format!("DESCRIBE {name}"), &[]);
        assert_eq!(described.len(), table.columns.len());
        assert!(rows(&fresh.store, &format!("SELECT * FROM main.{name} LIMIT 1"), &[]).len() <= 1);
    }
    assert!(!rows(&fresh.store, "EXPLAIN SELECT * FROM samples", &[]).is_empty());
    assert!(!rows(&fresh.store, "/* x */ explain analyze SELECT count(*) FROM samples", &[]).is_empty());
    assert!(rows(&fresh.store, "SHOW TABLES", &[]).contains(&"samples".to_owned()));
}

#[test]
fn every_described_column_is_in_the_database_with_its_type_and_comment() {
    let fresh = filled();
    let found = rows(
        &fresh.store,
        "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || \"COLUMN_COMMENT\" FROM information_schema.columns
         WHERE table_schema = 'main' ORDER BY table_name, ordinal_position",
        &[],
    );
    let mut tables: Vec<_> = almanac_engine::store::rows::TABLES.to_vec();
    tables.sort_by_key(|table| table.name);
    let expected: Vec<String> = tables
        .iter()
        .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
        .map(|(table, column)| {
            format!("{}.{} {} {}", table.name, column.name, column.column_type.sql(), column.description())
        })
        .collect();
    assert_eq!(found, expected);
}
