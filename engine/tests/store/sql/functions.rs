//! Table functions of analysts: what they return, and how the arguments of `promql` are computed.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use almanac_engine::{
    series::Labels,
    store::{
        EvaluatePromql, IsCancelled, PromqlCall, PromqlSeries, PromqlStep, SqlLimits, SqlParam,
        rows::{AnomalyKind, AnomalyRow, ForecastRow},
    },
};
use almanac_models::Timestamp;

use crate::{sql::rows, support::Fresh};

const HOUR: i64 = 3_600_000;

fn at(hour: i64) -> Timestamp {
    Timestamp::from_millis(hour * HOUR)
}

#[test]
fn buckets_without_rows_are_there_too() {
    let fresh = Fresh::new();
    let store = &fresh.store;
    let buckets = "SELECT epoch_ms(bucket) // 60000, epoch_ms(bucket_end) // 60000 FROM time_bucket_gapfill";
    let expected = ["0|20", "20|40", "40|60"];
    for arguments in [
        "('20 minutes', '1970-01-01 00:05:00', '1970-01-01 01:00:00')",
        "(INTERVAL 20 MINUTE, TIMESTAMP '1970-01-01 00:05:00', TIMESTAMP_MS '1970-01-01 00:59:00')",
    ] {
        assert_eq!(rows(store, &format!("{buckets}{arguments} ORDER BY 1"), &[]), expected, "{arguments}");
    }
    let params = ["20 minutes", "1970-01-01", "1970-01-01 01:00:00"].map(|text| SqlParam::Text(text.into()));
    assert_eq!(rows(store, &format!("{buckets}($1, $2, $3) ORDER BY 1"), &params), expected);
    assert_eq!(rows(store, &format!("{buckets}('1 hour', now(), now() - INTERVAL 1 DAY)"), &[]), [""; 0]);
    let filled = "SELECT epoch_ms(b.bucket) // 60000, count(v), sum(v) FROM time_bucket_gapfill('1 hour', '1970-01-01', '1970-01-01 03:00:00') AS b
        LEFT JOIN (VALUES (TIMESTAMP '1970-01-01 00:30:00', 2), (TIMESTAMP '1970-01-01 02:00:00', 3)) AS d(t, v)
            ON d.t >= b.bucket AND d.t < b.bucket_end GROUP BY ALL ORDER BY 1";
    assert_eq!(rows(store, filled, &[]), ["0|1|2", "60|0|NULL", "120|1|3"]);
}

#[test]
fn forecasts_and_anomalies_have_functions() {
    let fresh = Fresh::new();
    let forecast = |signal: &str, hour: i64, made: i64| ForecastRow {
        signal: signal.into(),
        timestamp: at(hour),
        yhat: hour as f64,
        yhat_lower_80: 0.0,
        yhat_upper_80: 0.0,
        yhat_lower_95: 0.0,
        yhat_upper_95: 0.0,
        model: "ets".into(),
        made_at: at(made),
    };
    fresh
        .store
        .put_forecasts(&[
            forecast("a", 1, 0),
            forecast("a", 2, 0),
            forecast("a", 2, 1),
            forecast("a", 3, 1),
            forecast("b", 9, 2),
        ])
        .unwrap();
    let newest = rows(&fresh.store, "SELECT yhat, epoch_ms(made_at) FROM forecast('a')", &[]);
    assert_eq!(newest, ["2.0|3600000", "3.0|3600000"]);
    let named = rows(&fresh.store, "SELECT count(*) FROM forecast($1) WHERE yhat > 2", &[SqlParam::Text("a".into())]);
    assert_eq!(named, ["1"]);
    assert_eq!(rows(&fresh.store, "SELECT count(*) FROM FORECAST('none')", &[]), ["0"]);
    let anomaly = |hour: i64, score: f64| AnomalyRow {
        signal: "a".into(),
        timestamp: at(hour),
        value: 0.0,
        yhat: 0.0,
        yhat_lower: 0.0,
        yhat_upper: 0.0,
        score,
        kind: AnomalyKind::Value,
    };
    fresh.store.put_anomalies(&[anomaly(1, 2.0), anomaly(2, 0.5), anomaly(3, 3.0), anomaly(5, 9.0)]).unwrap();
    let between = "SELECT score FROM anomalies_between('1970-01-01', TIMESTAMP '1970-01-01 03:00:00')";
    assert_eq!(rows(&fresh.store, between, &[]), ["2.0", "3.0"]);
    assert_eq!(rows(&fresh.store, "SELECT count(*) FROM recommendation('none')", &[]), ["0"]);
    // Only in FROM, and only these.
    for (sql, part) in [
        ("SELECT forecast('a')", "forecast"),
        ("FROM system.main.forecast('a')", "forecast"),
        ("FROM forecast('a', 'b')", "forecast"),
        ("FROM duckdb_tables()", "duckdb_tables"),
        ("FROM promql_0('a', now(), now(), '1m')", "promql_0"),
        ("FROM query('SELECT 1')", "query"),
    ] {
        let error = fresh.store.analyst_sql(sql, &[], SqlLimits::default()).unwrap_err().to_string();
        assert!(error.contains(part), "{sql}: {error}");
    }
}

/// Remembers the calls, and answers each with its start and its number of steps.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<PromqlCall>>);

impl EvaluatePromql for Recorder {
    fn evaluate(&self, call: &PromqlCall, _: Instant, _: &IsCancelled<'_>) -> Result<Vec<PromqlSeries>, String> {
        if call.expr == "wrong" {
            return Err("no such thing".to_owned());
        }
        self.0.lock().unwrap().push(call.clone());
        let labels = Labels::from_pairs([("__name__", call.expr.as_str()), ("job", "a\"b")]).unwrap();
        let none = PromqlSeries { labels: Labels::default(), timestamps: Vec::new(), values: Vec::new() };
        Ok(vec![
            none,
            PromqlSeries { labels, timestamps: vec![call.from_ms, call.until_ms], values: vec![1.5, f64::NAN] },
        ])
    }
}

#[test]
fn arguments_of_promql_are_computed_before_the_statement_runs() {
    let fresh = Fresh::new();
    let recorder = Arc::new(Recorder::default());
    let evaluator: Arc<dyn EvaluatePromql> = Arc::clone(&recorder) as _;
    let run = |sql: &str, params: &[SqlParam]| {
        fresh.store.analyst_sql_with(sql, params, SqlLimits::default(), Some(&evaluator)).map(|answer| {
            let counted = answer.batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>();
            (counted, std::mem::take(&mut *recorder.0.lock().unwrap()))
        })
    };
    let call = |expr: &str, from_ms: i64, until_ms: i64, step: PromqlStep| PromqlCall {
        expr: expr.into(),
        from_ms,
        until_ms,
        step,
    };
    let minute = || PromqlStep::Text("1m".into());
    let text = |text: &str| SqlParam::Text(text.into());

    let sql = "SELECT timestamp, series, labels['job'], value FROM promql('up', '1970-01-01', '1970-01-01 01:00:00', '1m') AS p";
    assert_eq!(run(sql, &[]).unwrap(), (2, vec![call("up", 0, HOUR, minute())]));
    let sql = "/* promql(, */ WITH a AS (FROM main.promql(lower('UP'), TIMESTAMP '1970-01-01' + INTERVAL 1 HOUR, $2, INTERVAL '90 seconds'))
        SELECT 'promql(' AS \"promql\", count(*) FROM a JOIN PromQL($1, '1970-01-01', '1970-01-02', 15) AS b USING (timestamp) WHERE b.value > $3";
    // A name with a schema cannot be replaced; without it the statement runs.
    assert!(
        run(sql, &[text("x"), text("1970-01-01 02:00:00"), SqlParam::Int(0)])
            .unwrap_err()
            .to_string()
            .contains("without a schema")
    );
    let (_, calls) =
        run(&sql.replace("main.", ""), &[text("x"), text("1970-01-01 02:00:00"), SqlParam::Int(0)]).unwrap();
    assert_eq!(
        calls,
        [
            call("up", HOUR, 2 * HOUR, PromqlStep::Millis(90_000)),
            call("x", 0, 24 * HOUR, PromqlStep::Text("15".into()))
        ]
    );
    assert_eq!(run("EXPLAIN SELECT * FROM promql('up', now(), now(), '1m')", &[]).unwrap().1.len(), 1);
    let value = "SELECT * FROM promql('up', '1970-01-01', '1970-01-02', '1m') WHERE isnan(value) AND series = 'up{job=\"a\\\"b\"}'";
    assert_eq!(run(value, &[]).unwrap().0, 1);

    for (sql, message) in [
        ("FROM promql('wrong', now(), now(), '1m')", "promql(\"wrong\"): no such thing"),
        ("FROM promql('up', now(), '1m')", "four arguments, 3 are given"),
        ("FROM promql('up', NULL, now(), '1m')", "promql: from is NULL"),
        ("FROM promql('up', 'soon', now(), '1m')", "soon"),
        ("SELECT * FROM series, promql(series.name, now(), now(), '1m')", "may not have columns"),
        ("FROM promql((SELECT min(name) FROM series), now(), now(), '1m')", "may not have subqueries"),
        ("SELECT promql('up', now(), now(), '1m')", "promql"),
    ] {
        let error = run(sql, &[]).unwrap_err().to_string();
        assert!(error.contains(message), "{sql}: {error}");
    }
    let many =
        (0..9).map(|number| format!("promql('up', now(), now(), '1m') AS p{number}")).collect::<Vec<_>>().join(", ");
    assert!(
        run(&format!("SELECT 1 FROM {many}"), &[]).unwrap_err().to_string().contains("calls of promql 9, at most 8")
    );
    let none = fresh.store.analyst_sql("FROM promql('up', now(), now(), '1m')", &[], SqlLimits::default()).unwrap_err();
    assert_eq!(none.to_string(), "promql is not available here");
}
