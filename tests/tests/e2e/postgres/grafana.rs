//! Queries of Grafana's PostgreSQL source: its macros expanded as it expands them, and what its builder asks for.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{START_MS, Service};

/// The panel shows from ten to forty minutes after the first sample.
const FROM: &str = "2026-09-21T14:23:20Z";
const TO: &str = "2026-09-21T14:53:20Z";
const FROM_S: u64 = START_MS / 1_000 + 600;
const TO_S: u64 = START_MS / 1_000 + 2_400;

/// Returns the rows of a query as texts, as Grafana reads them.
async fn rows(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let received = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let rows = received.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|idx| row.get(idx).unwrap_or("NULL").to_owned()).collect())
        }
        _ => None,
    });
    rows.collect()
}

/// Sums and numbers of the values in intervals of five minutes: value `n` is that of minute `n`.
fn groups() -> Vec<(u64, f64)> {
    let mut groups: Vec<(u64, f64)> = Vec::new();
    for minute in 10..=40_u32 {
        let start = (START_MS / 1_000 + u64::from(minute) * 60) / 300 * 300;
        match groups.last_mut() {
            Some((last, sum)) if *last == start => *sum += f64::from(minute),
            _ => groups.push((start, f64::from(minute))),
        }
    }
    groups
}

#[test]
fn time_filters_and_groups_select_what_the_panel_shows() {
    Service::start("").with_client(|client| async move {
        // $__time, $__timeFilter
        let filtered =
            format!("SELECT timestamp AS \"time\", value FROM samples WHERE timestamp BETWEEN '{FROM}' AND '{TO}' ORDER BY 1");
        let found = rows(&client, &filtered).await;
        assert_eq!(found.len(), 31);
        assert_eq!(found[0], ["2026-09-21 14:23:20", "10"]);
        assert_eq!(found[30], ["2026-09-21 14:53:20", "40"]);
        // Fractions of a second, as of a panel that refreshes itself.
        let fractions = filtered.replace(FROM, "2026-09-21T14:23:20.001Z").replace(TO, "2026-09-21T14:53:19.999Z");
        assert_eq!(rows(&client, &fractions).await.len(), 29);
        // $__timeFrom, $__timeTo
        let bounds = format!("SELECT count(*) FROM samples WHERE timestamp > '{FROM}' AND timestamp < '{TO}'");
        assert_eq!(rows(&client, &bounds).await, [["29"]]);
        // $__timeGroupAlias with $__timeFilter; $__timeGroup in GROUP BY
        let group = "floor(extract(epoch from timestamp)/300)*300";
        let grouped = format!(
            "SELECT {group} AS \"time\", sum(value) AS \"cpu\" FROM samples WHERE timestamp BETWEEN '{FROM}' AND '{TO}' \
             GROUP BY {group} ORDER BY 1"
        );
        let expected: Vec<Vec<String>> =
            groups().iter().map(|(start, sum)| vec![start.to_string(), sum.to_string()]).collect();
        assert_eq!(rows(&client, &grouped).await, expected);
        // The same with TimescaleDB's time_bucket.
        let bucketed = format!(
            "SELECT time_bucket('300.000s',timestamp) AS \"time\", sum(value) AS \"cpu\" FROM samples \
             WHERE timestamp BETWEEN '{FROM}' AND '{TO}' GROUP BY 1 ORDER BY 1"
        );
        let bucketed = rows(&client, &bucketed).await;
        let sums: Vec<&String> = bucketed.iter().map(|row| &row[1]).collect();
        assert_eq!(sums, expected.iter().map(|row| &row[1]).collect::<Vec<_>>());
        let start = chrono::DateTime::from_timestamp_millis(i64::try_from(groups()[0].0 * 1_000).unwrap()).unwrap();
        assert_eq!(bucketed[0][0], start.format("%Y-%m-%d %H:%M:%S").to_string());
        // $__unixEpochFilter, $__unixEpochGroup, $__unixEpochNanoFilter on seconds and nanoseconds
        let epochs = "SELECT epoch_ms(timestamp) / 1000 AS seconds, epoch_ns(timestamp) AS nanos, value FROM samples";
        let filtered = format!("SELECT count(*), min(value) FROM ({epochs}) s WHERE seconds >= {FROM_S} AND seconds <= {TO_S}");
        assert_eq!(rows(&client, &filtered).await, [["31", "10"]]);
        let grouped = format!(
            "SELECT floor((seconds)/300)*300 AS \"time\", sum(value) FROM ({epochs}) s WHERE seconds >= {FROM_S} AND seconds <= {TO_S} \
             GROUP BY 1 ORDER BY 1"
        );
        assert_eq!(rows(&client, &grouped).await, expected);
        let nanos = format!(
            "SELECT count(*), max(value) FROM ({epochs}) s WHERE nanos >= {FROM_S}000000000 AND nanos <= {TO_S}000000000"
        );
        assert_eq!(rows(&client, &nanos).await, [["31", "40"]]);
        // $__timeEpoch
        let epoch = "SELECT extract(epoch from timestamp) as \"time\" FROM samples ORDER BY 1 LIMIT 1";
        let epoch: f64 = rows(&client, epoch).await[0][0].parse().unwrap();
        assert!((epoch - 1_790_000_000.0).abs() < f64::EPSILON);
        // Metric names of a time series, and values of a variable.
        let metrics = "SELECT s.labels->>'job' AS metric, max(value) FROM samples x JOIN series s USING (series_id) GROUP BY 1";
        assert_eq!(rows(&client, metrics).await, [["api", "59"]]);
        let variable = "SELECT DISTINCT labels->>'job' AS __text, name AS __value FROM series WHERE name IN ('cpu','mem')";
        assert_eq!(rows(&client, variable).await, [["api", "cpu"]]);
    });
}

#[test]
fn the_builder_finds_version_tables_and_columns() {
    Service::start("").with_client(|client| async move {
        for ping in [";", "-- ping", "SELECT 1"] {
            client.simple_query(ping).await.unwrap();
        }
        assert_eq!(rows(&client, "SELECT current_setting('server_version_num')::int/100 as version").await[0][0].parse::<f64>(), Ok(1500.0));
        assert!(rows(&client, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").await.is_empty());
        // The tables of the schemas on the search path without their schema, others with it.
        let path = "string_to_array(current_setting('search_path'),',')";
        let tables = format!(
            "SELECT CASE WHEN quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE trim(s[i]) END \
             FROM generate_series(array_lower({path},1), array_upper({path},1)) as i, {path} s) THEN quote_ident(table_name) \
             ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS \"table\" FROM information_schema.tables \
             WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') ORDER BY 1"
        );
        let tables: Vec<String> = rows(&client, &tables).await.into_iter().map(|mut row| row.remove(0)).collect();
        assert!(tables.contains(&"samples".to_owned()) && tables.contains(&"series".to_owned()), "{tables:?}");
        assert!(tables.iter().all(|table| !table.contains('.')), "{tables:?}");
        let columns = "SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" FROM information_schema.columns \
                       WHERE CASE WHEN array_length(parse_ident('samples'),1) = 2 THEN quote_ident(table_schema) = \
                       (parse_ident('samples'))[1] ELSE quote_ident(table_name) = 'samples' END ORDER BY ordinal_position";
        let expected = [["series_id", "bigint"], ["timestamp", "timestamp without time zone"], ["value", "double precision"]];
        assert_eq!(rows(&client, columns).await, expected);
    });
}
