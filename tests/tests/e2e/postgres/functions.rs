//! The table functions of analysts through PostgreSQL's protocol: described without running, with parameters, and their
//! errors.

use std::time::{Duration, SystemTime};

use super::{START_MS, Service};

/// Returns the time of a sample.
fn at(minute: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(START_MS + minute * 60_000)
}

#[test]
fn promql_is_described_and_run_with_parameters() {
    Service::start("").with_client(|client| async move {
        let sql = "SELECT p.labels['job'], p.value FROM promql($1, $2, $3, '10m') AS p WHERE p.value > $4 ORDER BY 2";
        let statement = client.prepare(sql).await.unwrap();
        let types: Vec<&str> = statement.columns().iter().map(|column| column.type_().name()).collect();
        assert_eq!((types, statement.params().len()), (vec!["text", "float8"], 4));
        for _ in 0..2 {
            let rows = client.query(&statement, &[&"cpu", &at(0), &at(59), &10.0]).await.unwrap();
            let values: Vec<(&str, f64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            assert_eq!(values, [("api", 20.0), ("api", 30.0), ("api", 40.0), ("api", 50.0)]);
        }
        let whole = client.prepare("SELECT * FROM promql('cpu', now(), now(), '1m')").await.unwrap();
        let names: Vec<&str> = whole.columns().iter().map(tokio_postgres::Column::name).collect();
        assert_eq!(names, ["timestamp", "series", "labels", "value"]);
        let buckets = "SELECT count(*) FROM time_bucket_gapfill('1 hour', '2026-01-01', '2026-01-02')";
        assert_eq!(client.query_one(buckets, &[]).await.unwrap().get::<_, i64>(0), 24);
        // The text of the statement is translated before the call is found in it.
        let mixed = "SELECT 'promql(' AS \"promql\", count(*)::int8 FROM promql('cpu', $1, '2026-09-21 15:12:20'::timestamp, '10m') AS q";
        let row = client.query_one(mixed, &[&at(0)]).await.unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), ("promql(", 6));
        let wrong = client.query("SELECT * FROM promql('rate(cpu', now(), now(), '1m')", &[]).await.unwrap_err();
        assert!(wrong.as_db_error().unwrap().message().contains("promql(\"rate(cpu\")"), "{wrong:?}");
        let missing = client.query("SELECT nothing FROM promql('cpu', now(), now(), '1m')", &[]).await.unwrap_err();
        assert_eq!(super::sqlstate(&missing), "42703");
    });
}
