//! Measures the latency of five queries over the newest part of a stream, and checks their answers.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use super::{server::Server, stream::Shape};

/// Repetitions of a query; the result is the median.
const TIMES: usize = 7;
/// Share of the samples that an answer must have from a system that lost some at a kill.
const ENOUGH: f64 = 0.9;

/// Counts the series that have the last step of a stream.
const COUNT: &str = "count(count_over_time({job=~\".+\"}[1s]))";
/// Longest time until acknowledged samples are visible.
const VISIBLE: Duration = Duration::from_secs(60);

/// A measured query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Query {
    /// All samples of one series.
    Raw,
    /// Rates of all counters, summed by path.
    Rates,
    /// The sum of all gauges.
    Gauges,
    /// The newest value of each series.
    Last,
    /// A quantile over series, by job.
    Quantile,
}

impl Query {
    /// All queries, in the order of the rows.
    pub(super) const ALL: [Self; 5] = [Self::Raw, Self::Last, Self::Rates, Self::Gauges, Self::Quantile];

    /// Returns the description in the tables.
    pub(super) fn describe(self, shape: Shape) -> String {
        let over = |what: &str| format!("{what}, {} at 15 s", duration(range_ms(shape)));
        match self {
            Self::Raw => "one raw series, whole stream".to_owned(),
            Self::Last => "last value of all series".to_owned(),
            Self::Rates => over("`sum by (path) (rate(…[5m]))`"),
            Self::Gauges => over("`sum` of the gauges"),
            Self::Quantile => over("`quantile by (job) (0.95, …)`"),
        }
    }
}

/// Median latencies in the order of [`Query::ALL`], and a value that is the same in all systems.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answers {
    pub(super) latencies: Vec<Duration>,
    /// Sum of the gauges at the last step.
    pub(super) sum: f64,
}

/// Returns the span of range queries: an hour, or half of a shorter stream.
fn range_ms(shape: Shape) -> i64 {
    (shape.span_ms() / 2).min(3_600_000)
}

fn duration(ms: i64) -> String {
    if ms >= 3_600_000 { format!("{} h", ms / 3_600_000) } else { format!("{} s", ms / 1000) }
}

/// Waits until queries find the samples that were acknowledged; VictoriaMetrics shows them a second later. All systems get
/// this second.
///
/// # Errors
/// When they do not find them within a minute.
pub(super) fn wait_until_visible(server: &Server, shape: Shape) -> io::Result<()> {
    let started = Instant::now();
    loop {
        thread::sleep(Duration::from_secs(1));
        let end = (shape.start_ms + shape.span_ms()) / 1000;
        let text = server.get("/api/v1/query", &[("query", COUNT), ("time", &end.to_string())])?.0;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let found = answer["data"]["result"][0]["value"][1].as_str().and_then(|text| text.parse::<usize>().ok());
        if found == Some(shape.series) {
            return Ok(());
        }
        if started.elapsed() > VISIBLE {
            return Err(io::Error::other(format!("{} of {} series are visible", found.unwrap_or(0), shape.series)));
        }
    }
}

/// Measures each query over the newest part of a stream. `lost`: number of samples that the system has lost.
///
/// # Errors
/// When a query fails or an answer lacks samples.
pub(super) fn ask_all(server: &Server, shape: Shape, lost: usize) -> io::Result<Answers> {
    let end = shape.start_ms + shape.span_ms();
    let seconds = |millis: i64| format!("{}.{:03}", millis / 1000, millis % 1000);
    let (now, from) = (seconds(end), seconds(end - range_ms(shape)));
    let raw = format!("bench_gauge{{index=\"14\"}}[{}s]", shape.span_ms() / 1000 + 1);
    let instant = |query: &str| ask(server, "/api/v1/query", &[("query", query), ("time", &now)]);
    let range = |query: &str| {
        ask(server, "/api/v1/query_range", &[("query", query), ("start", &from), ("end", &now), ("step", "15")])
    };
    let (mut latencies, mut sum) = (Vec::new(), f64::NAN);
    for query in Query::ALL {
        let (latency, text) = match query {
            Query::Raw => instant(&raw),
            Query::Last => instant("{job=~\".+\"}"),
            Query::Rates => range("sum by (path) (rate(bench_requests_total[5m]))"),
            Query::Gauges => range("sum(bench_gauge)"),
            Query::Quantile => range("quantile by (job) (0.95, bench_noise)"),
        }?;
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let result = answer["data"]["result"].as_array().map_or(&[][..], Vec::as_slice);
        match query {
            Query::Raw => {
                let values = result.first().and_then(|series| series["values"].as_array()).map_or(0, Vec::len);
                check(values, shape.steps, lost, "samples of one raw series")?;
            }
            Query::Last => check(result.len(), shape.series, lost, "series with a last value")?,
            Query::Gauges => {
                let last = result.first().and_then(|series| series["values"].as_array()?.last()?.get(1)?.as_str());
                sum = last.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
            }
            Query::Rates => check(result.len(), 8.min(shape.series), lost, "paths with a rate")?,
            // Twenty series in turn have a job of four.
            Query::Quantile => check(result.len(), (shape.series / 20).clamp(1, 4), lost, "jobs with a quantile")?,
        }
        latencies.push(latency);
    }
    Ok(Answers { latencies, sum })
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

/// Checks that the answer is complete: the latency of an incomplete answer does not count.
fn check(count: usize, expected: usize, lost: usize, what: &str) -> io::Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let is_enough = count == expected || lost > 0 && count as f64 >= ENOUGH * expected as f64;
    if is_enough { Ok(()) } else { Err(io::Error::other(format!("got {count} of {expected} {what}"))) }
}
