//! Values of every type of the views, in binary form, and the description of every view.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use super::{START_MS, Service};

#[test]
fn every_view_is_described_and_read_in_binary_form() {
    Service::start("").with_client(|client| async move {
        let views = client.query("SELECT relname FROM pg_catalog.pg_class WHERE relkind = 'v' ORDER BY 1", &[]).await;
        let views: Vec<String> = views.unwrap().iter().map(|row| row.get(0)).collect();
        assert!(views.len() > 20 && views.contains(&"samples".to_owned()), "{views:?}");
        let mut seen = BTreeSet::new();
        for view in views {
            let statement = client.prepare(&format!("SELECT * FROM {view}")).await.unwrap();
            let described: Vec<(&str, u32)> =
                statement.columns().iter().map(|column| (column.name(), column.type_().oid())).collect();
            seen.extend(statement.columns().iter().map(|column| column.type_().name().to_owned()));
            // The catalogue names the same columns with the same types.
            let listed = "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = $1::regclass ORDER BY attnum";
            let listed = client.query(listed, &[&view]).await.unwrap();
            let listed: Vec<(&str, u32)> = listed.iter().map(|row| (row.get(0), row.get(1))).collect();
            assert_eq!(described, listed, "{view}");
            client.query(&statement, &[]).await.unwrap();
        }
        for name in ["bool", "float8", "int8", "json", "text", "timestamp"] {
            assert!(seen.contains(name), "{name}: {seen:?}");
        }
    });
}

#[test]
fn samples_and_labels_are_typed() {
    Service::start("").with_client(|client| async move {
        let sql = "SELECT x.series_id, x.timestamp, x.value, s.labels, s.name FROM samples x JOIN series s USING (series_id) ORDER BY 2";
        let rows = client.query(sql, &[]).await.unwrap();
        let types: Vec<&Type> = rows[0].columns().iter().map(|column| column.type_()).collect();
        assert_eq!(types, [&Type::INT8, &Type::TIMESTAMP, &Type::FLOAT8, &Type::JSON, &Type::TEXT]);
        assert_eq!(rows.len(), 60);
        for (minute, row) in rows.iter().enumerate() {
            let millis = i64::try_from(START_MS).unwrap() + i64::try_from(minute).unwrap() * 60_000;
            let at = chrono::DateTime::from_timestamp_millis(millis).unwrap().naive_utc();
            assert_eq!(row.get::<_, chrono::NaiveDateTime>(1), at);
            assert!((row.get::<_, f64>(2) - f64::from(u32::try_from(minute).unwrap())).abs() < f64::EPSILON);
            assert_eq!(row.get::<_, serde_json::Value>(3), serde_json::json!({"job": "api"}));
            assert_eq!(row.get::<_, &str>(4), "cpu");
        }
    });
}

#[test]
fn values_of_other_types_are_sent_as_the_nearest_type() {
    Service::start("").with_client(|client| async move {
        let sql = "SELECT 7::UTINYINT, 7::USMALLINT, 7::UINTEGER, 7.25::FLOAT, 'x'::BLOB, DATE '2026-01-02', TIME '01:02:03.5', \
             MAP {'a': [1, 2]}, {'b': NULL}, [[1], [2]], [1, NULL]::BIGINT[], ['a,b', 'c\"d', NULL], '{\"e\": 1}'::JSON, NULL, \
             [true]::BOOLEAN[], [1.5]::DOUBLE[], [TIMESTAMP '2026-01-02 03:04:05'], 'NaN'::DOUBLE, '-inf'::DOUBLE, \
             TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMP_NS '2026-01-02 03:04:05.123456789', 'up'::ENUM('up', 'down')";
        let row = client.query_one(sql, &[]).await.unwrap();
        assert_eq!((row.get::<_, i16>(0), row.get::<_, i32>(1), row.get::<_, i64>(2)), (7, 7, 7));
        assert!((row.get::<_, f32>(3) - 7.25).abs() < f32::EPSILON);
        assert_eq!(row.get::<_, &[u8]>(4), b"x");
        let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
        assert_eq!(row.get::<_, chrono::NaiveDate>(5), day);
        assert_eq!(row.get::<_, chrono::NaiveTime>(6), chrono::NaiveTime::from_hms_milli_opt(1, 2, 3, 500).unwrap());
        assert_eq!(row.get::<_, serde_json::Value>(7), serde_json::json!({"a": [1, 2]}));
        assert_eq!(row.get::<_, serde_json::Value>(8), serde_json::json!({"b": null}));
        assert_eq!(row.get::<_, serde_json::Value>(9), serde_json::json!([[1], [2]]));
        assert_eq!(row.get::<_, Vec<Option<i64>>>(10), [Some(1), None]);
        assert_eq!(row.get::<_, Vec<Option<&str>>>(11), [Some("a,b"), Some("c\"d"), None]);
        assert_eq!(row.get::<_, &str>(12), "{\"e\": 1}");
        assert_eq!(row.get::<_, Option<i32>>(13), None);
        assert_eq!((row.get::<_, Vec<bool>>(14), row.get::<_, Vec<f64>>(15)), (vec![true], vec![1.5]));
        let at = day.and_hms_opt(3, 4, 5).unwrap();
        assert_eq!(row.get::<_, Vec<chrono::NaiveDateTime>>(16), [at]);
        assert!(row.get::<_, f64>(17).is_nan() && row.get::<_, f64>(18) < f64::MIN);
        let before = chrono::DateTime::from_timestamp_micros(-1).unwrap().naive_utc();
        assert_eq!(row.get::<_, chrono::NaiveDateTime>(19), before);
        assert_eq!(row.get::<_, chrono::NaiveDateTime>(20), at + chrono::Duration::microseconds(123_456));
        assert_eq!(row.get::<_, &str>(21), "up");
    });
}
