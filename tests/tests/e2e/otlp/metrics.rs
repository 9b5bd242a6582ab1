//! Metrics over HTTP: every kind as the Collector writes it, names, labels, deltas, resets, partial success, restarts.

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{now_nanos, one_metric, query, value};
use crate::harness::Server;

const SECOND: u64 = 1_000_000_000;

fn post(server: &Server, metric: &Value) -> Value {
    let reply = server.post_json("/v1/metrics", &one_metric(metric));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Returns a sum with one point of a counter, `seconds` before now.
fn sum(temporality: u8, start: u64, time: u64, count: u64) -> Value {
    json!({"name": "orders", "unit": "{order}", "sum": {"aggregationTemporality": temporality, "isMonotonic": true,
        "dataPoints": [{"startTimeUnixNano": start.to_string(), "timeUnixNano": time.to_string(),
            "asInt": count.to_string(), "attributes": [{"key": "order.outcome", "value": {"stringValue": "paid"}}]}]}})
}

#[test]
fn names_units_and_labels_are_those_of_prometheus() {
    let folder = tempdir().unwrap();
    std::fs::write(
        folder.path().join("almanac.toml"),
        "[otlp]\npromote_resource_attributes = [\"host.name\", \"absent\"]\n",
    )
    .unwrap();
    let server = Server::start(folder.path());
    let now = now_nanos();
    // Integers of 64 bits come as strings, and unknown fields are skipped.
    let metric = json!({"name": "http.server.active", "unit": "1", "description": "Share of busy threads", "later": [1],
        "gauge": {"dataPoints": [{"timeUnixNano": now.to_string(), "asDouble": 0.25, "flags": 0, "unknown": {"a": null},
            "attributes": [{"key": "thread.pool", "value": {"intValue": "7"}}, {"key": "ok", "value": {"boolValue": true}},
                {"key": "list", "value": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "b"}]}}}]}]}});
    assert_eq!(post(&server, &metric), json!({}));
    let found = query(&server, "http_server_active_ratio");
    let expected = json!({"__name__": "http_server_active_ratio", "thread_pool": "7", "ok": "true", "list": "[1,\"b\"]",
        "job": "shop", "instance": "1", "host_name": "web-1", "otel_scope_name": "checkout", "otel_scope_version": "1.2.3"});
    assert_eq!(found, [(expected, 0.25)]);
    let found = query(&server, "target_info");
    assert_eq!(
        found,
        [(json!({"__name__": "target_info", "job": "shop", "instance": "1", "host_name": "web-1"}), 1.0)]
    );
    let metadata = server.get("/api/v1/metadata?metric=http_server_active_ratio").json();
    assert_eq!(metadata["data"]["http_server_active_ratio"][0]["help"], "Share of busy threads", "{metadata}");
}

#[test]
fn names_that_become_equal_are_reported_and_nothing_is_lost() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_nanos().to_string();
    let metric = json!({"name": "load", "gauge": {"dataPoints": [{"timeUnixNano": now, "asInt": 3, "attributes": [
        {"key": "a_b", "value": {"stringValue": "2"}}, {"key": "a.b", "value": {"stringValue": "1"}}]}]}});
    let answer = post(&server, &metric);
    assert_eq!(answer["partialSuccess"]["rejectedDataPoints"], "0", "{answer}");
    let message = answer["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert!(message.contains("have the same name \"a_b\""), "{message}");
    assert_eq!(query(&server, "load")[0].0["a_b"], "1;2");
}

#[test]
fn deltas_are_accumulated_and_a_repeated_export_is_not_added_twice() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let start = now_nanos() - 60 * SECOND;
    let at = |seconds: u64| start + seconds * SECOND;
    assert_eq!(post(&server, &sum(1, at(0), at(10), 5)), json!({}));
    assert_eq!(post(&server, &sum(1, at(10), at(20), 7)), json!({}));
    assert_eq!(post(&server, &sum(1, at(10), at(20), 7)), json!({}), "sent again");
    let late = post(&server, &sum(1, at(5), at(15), 100));
    assert_eq!(late["partialSuccess"]["rejectedDataPoints"], "1");
    assert!(late["partialSuccess"]["errorMessage"].as_str().unwrap().contains("is older than the last one"), "{late}");
    assert_eq!(value(&server, "orders_total"), 12.0);
    assert_eq!(value(&server, "count_over_time(orders_total[2m])"), 3.0, "with the zero at the start");
    // A restart forgets the sums: the stream begins at zero again, which is a reset, and no increase is lost.
    assert!(server.stop().success());
    let server = Server::start(folder.path());
    assert_eq!(post(&server, &sum(1, at(20), at(30), 40)), json!({}));
    assert_eq!(post(&server, &sum(1, at(30), at(40), 1)), json!({}));
    assert_eq!(value(&server, "orders_total"), 41.0);
    assert_eq!(value(&server, "resets(orders_total[2m])"), 1.0);
    let increase = value(&server, "increase(orders_total[60s])");
    assert!((52.0..70.0).contains(&increase), "12 and 41, extrapolated: {increase}");
}

#[test]
fn a_new_start_of_a_cumulative_counter_is_a_reset_also_when_the_value_rises() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let start = now_nanos() - 60 * SECOND;
    let at = |seconds: u64| start + seconds * SECOND;
    post(&server, &sum(2, at(0), at(10), 5));
    post(&server, &sum(2, at(15), at(20), 9));
    assert_eq!(value(&server, "orders_total"), 9.0);
    assert_eq!(value(&server, "resets(orders_total[2m])"), 1.0);
    // A process that ran for days before has no zero at its start.
    let old = now_nanos() - 86_400 * SECOND;
    let mut metric = sum(2, old, at(20), 1_000_000);
    metric["name"] = json!("old");
    post(&server, &metric);
    assert_eq!(value(&server, "count_over_time(old_total[2d])"), 1.0);
}

#[test]
fn histograms_and_summaries_become_classic_series() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_nanos();
    let (time, start) = (now.to_string(), (now - 30 * SECOND).to_string());
    let point = json!({"startTimeUnixNano": start, "timeUnixNano": time, "count": "10", "sum": 12.5,
        "explicitBounds": [0.1, 1, 5], "bucketCounts": ["4", 3, "2", "1"], "min": 0.01, "max": 9});
    let metric =
        json!({"name": "duration", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}});
    assert_eq!(post(&server, &metric), json!({}));
    for (le, count) in [("0.1", 4.0), ("1", 7.0), ("5", 9.0), ("+Inf", 10.0)] {
        assert_eq!(value(&server, &format!("duration_seconds_bucket{{le=\"{le}\"}}")), count, "{le}");
    }
    assert_eq!(value(&server, "duration_seconds_sum"), 12.5);
    assert_eq!(value(&server, "duration_seconds_count"), 10.0);
    let point = json!({"timeUnixNano": time, "count": "2", "sum": 3.0,
        "quantileValues": [{"quantile": 0.5, "value": 1.0}, {"quantile": 0.99, "value": 2.0}]});
    let metric = json!({"name": "rpc", "summary": {"dataPoints": [point]}});
    assert_eq!(post(&server, &metric), json!({}));
    assert_eq!(value(&server, "rpc{quantile=\"0.99\"}"), 2.0);
    assert_eq!(value(&server, "rpc_sum / rpc_count"), 1.5);
    // Buckets that do not fit their bounds, no temporality, no value, no time.
    for (data, message) in [
        (
            json!({"histogram": {"aggregationTemporality": 2, "dataPoints": [{"timeUnixNano": time, "explicitBounds": [1], "bucketCounts": [1]}]}}),
            "1 buckets with 1 bounds",
        ),
        (
            json!({"histogram": {"aggregationTemporality": 2, "dataPoints": [{"timeUnixNano": time, "explicitBounds": [2, 1], "bucketCounts": [1, 1, 1]}]}}),
            "not ascending",
        ),
        (json!({"sum": {"dataPoints": [{"timeUnixNano": time, "asInt": 1}]}}), "no aggregation temporality"),
        (json!({"gauge": {"dataPoints": [{"timeUnixNano": time}]}}), "has no value"),
        (json!({"gauge": {"dataPoints": [{"asInt": 1}]}}), "has no time"),
        (json!({"gauge": {"dataPoints": [{"timeUnixNano": "4102444800000000000", "asInt": 1}]}}), "is in the future"),
    ] {
        let mut metric = data;
        metric["name"] = json!("wrong");
        let answer = post(&server, &metric);
        assert_eq!(answer["partialSuccess"]["rejectedDataPoints"], "1", "{answer}");
        assert!(answer["partialSuccess"]["errorMessage"].as_str().unwrap().contains(message), "{answer}");
    }
    assert!(query(&server, "wrong").is_empty());
}

/// Values between 1 ms and 10 s, each with the same logarithmic distance to the next.
fn spread() -> Vec<f64> {
    (0..2_000).map(|idx| 0.001 * 10_000_f64.powf(f64::from(idx) / 2_000.0)).collect()
}

/// Returns an exponential histogram of values, with a scale of 5.
#[expect(clippy::cast_possible_truncation, reason = "indices of buckets are small")]
fn exponential(values: &[f64], temporality: u8, start: u64, time: u64) -> Value {
    let index = |value: f64| (value.log2() * 32.0).ceil() as i64 - 1;
    let (lowest, highest) = (index(values[0]), index(values[values.len() - 1]));
    let mut counts = vec![0_u64; usize::try_from(highest - lowest).unwrap() + 1];
    values.iter().for_each(|value| counts[usize::try_from(index(*value) - lowest).unwrap()] += 1);
    let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
    json!({"name": "latency", "unit": "s", "exponentialHistogram": {"aggregationTemporality": temporality,
        "dataPoints": [{"startTimeUnixNano": start.to_string(), "timeUnixNano": time.to_string(), "scale": 5,
            "count": values.len().to_string(), "sum": values.iter().sum::<f64>(), "zeroCount": "0",
            "positive": {"offset": lowest, "bucketCounts": counts}}]}})
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "an index of a value")]
fn quantiles_of_exponential_histograms_are_close() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let start = now_nanos() - 280 * SECOND;
    let at = |seconds: u64| start + seconds * SECOND;
    let values = spread();
    // The first point has only the lower half of the range, so that the later ones have bounds that are new.
    for temporality in [1, 2] {
        let low: Vec<f64> = values.iter().copied().filter(|value| *value < 0.05).collect();
        let mut metric = exponential(&low, temporality, at(0), at(200));
        metric["name"] = json!(format!("latency{temporality}"));
        assert_eq!(post(&server, &metric), json!({}));
        let mut all = low.clone();
        for (before, now) in [(200, 240), (240, 270)] {
            all.extend(&values);
            all.sort_by(f64::total_cmp);
            let (later, from) = if temporality == 1 { (&values, at(before)) } else { (&all, at(0)) };
            let mut metric = exponential(later, temporality, from, at(now));
            metric["name"] = json!(format!("latency{temporality}"));
            assert_eq!(post(&server, &metric), json!({}));
        }
        let name = format!("latency{temporality}_seconds");
        assert_eq!(value(&server, &format!("histogram_count({name})")), all.len() as f64);
        for quantile in [0.05, 0.5, 0.9, 0.99] {
            // The window has the last two points.
            let expr = format!("histogram_quantile({quantile}, sum(increase({name}[1m])))");
            let exact = values[(values.len() as f64 * quantile) as usize];
            let found = value(&server, &expr);
            let error = (found / exact - 1.0).abs();
            // A bucket is 2.2 % wide.
            assert!(error < 0.022, "{quantile}: {found}, exact {exact}");
        }
        assert_eq!(value(&server, &format!("count({name})")), 1.0);
    }
}

#[test]
fn a_point_without_a_value_ends_its_series() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let now = now_nanos();
    let point = |time: u64, flags: u8| {
        let mut point = json!({"timeUnixNano": time.to_string(), "flags": flags});
        if flags == 0 {
            point["asInt"] = json!("1");
        }
        json!({"name": "up", "gauge": {"dataPoints": [point]}})
    };
    post(&server, &point(now - 2 * SECOND, 0));
    assert_eq!(value(&server, "up"), 1.0);
    assert_eq!(post(&server, &point(now - SECOND, 1)), json!({}));
    assert!(query(&server, "up").is_empty());
}
