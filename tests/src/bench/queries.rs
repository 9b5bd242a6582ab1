//! Measures the latency of five queries over the newest part of a stream, and checks their answers.

use std::{io, time::Duration};

use super::{
    server::Server,
    stream::{START_MS, Shape},
};

/// Repetitions of a query; the result is the median.
const TIMES: usize = 7;

/// Name of a query and its median latency.
pub(super) type Latency = (&'static str, Duration);

/// Returns the span of range queries: an hour, or half of a shorter stream.
pub(super) fn range_ms(shape: Shape) -> i64 {
    (shape.span_ms() / 2).min(3_600_000)
}

/// Measures each query over the newest part of a stream.
///
/// # Errors
/// When a query fails or an answer lacks samples.
pub(super) fn ask_all(server: &Server, shape: Shape) -> io::Result<Vec<Latency>> {
    let end = START_MS + shape.span_ms();
    let span = range_ms(shape);
    let seconds = |millis: i64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let (now, from) = (seconds(end), seconds(end - span));
    let raw = format!("bench_gauge{{index=\"14\"}}[{}s]", (end - START_MS) / 1000 + 1);
    let instant = |query: &str| ask(server, "/api/v1/query", &[("query", query), ("time", &now)]);
    let range = |query: &str| {
        ask(server, "/api/v1/query_range", &[("query", query), ("start", &from), ("end", &now), ("step", "15")])
    };
    let (one, text) = instant(&raw)?;
    check(&text, shape.steps, "one raw series")?;
    let (last, text) = instant("{job=~\".+\"}")?;
    if text.matches("\"metric\"").count() != shape.series {
        return Err(io::Error::other("the query of last values did not return all series"));
    }
    Ok(vec![
        ("one raw series, whole stream", one),
        ("sum(rate) by path, range at 15 s", range("sum by (path) (rate(bench_requests_total[5m]))")?.0),
        ("sum of gauges, range at 15 s", range("sum(bench_gauge)")?.0),
        ("last value of all series", last),
        ("quantile .95 by job, range at 15 s", range("quantile by (job) (0.95, bench_noise)")?.0),
    ])
}

fn ask(server: &Server, path: &str, query: &[(&str, &str)]) -> io::Result<(Duration, String)> {
    let mut times = Vec::with_capacity(TIMES);
    let mut answer = String::new();
    for _ in 0..TIMES {
        let (text, time) = server.get(path, query)?;
        times.push(time);
        answer = text;
    }
    times.sort_unstable();
    Ok((times[TIMES / 2], answer))
}

/// Checks that the answer has every sample of the series: the latency of an incomplete answer does not count.
fn check(text: &str, steps: usize, what: &str) -> io::Result<()> {
    let answer: serde_json::Value = serde_json::from_str(text)?;
    let values = answer["data"]["result"][0]["values"].as_array().map_or(0, Vec::len);
    if values == steps { Ok(()) } else { Err(io::Error::other(format!("{what}: got {values} of {steps} samples"))) }
}
