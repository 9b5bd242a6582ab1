//! Answers of the query API in a form that can be compared.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::process::client;

/// Labels of a series as in Prometheus' JSON.
pub(crate) type Labels = BTreeMap<String, String>;

/// Answer of `/api/v1/query` or `/api/v1/query_range`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// Milliseconds and value of each sample of each series. A scalar is one series without labels.
    Series(BTreeMap<Labels, Vec<(i64, f64)>>),
    /// The HTTP status and the message.
    Error(u16, String),
}

impl Answer {
    pub(crate) fn series(self) -> BTreeMap<Labels, Vec<(i64, f64)>> {
        match self {
            Self::Series(series) => series,
            Self::Error(status, message) => panic!("{status}: {message}"),
        }
    }

    /// Returns whether two answers have the same series at the same times with values that differ at most by rounding.
    /// Two errors agree.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Error(..), Self::Error(..)) => true,
            (Self::Series(mine), Self::Series(others)) => {
                mine.len() == others.len()
                    && mine.iter().zip(others).all(|((labels, samples), (other_labels, other_samples))| {
                        labels == other_labels
                            && samples.len() == other_samples.len()
                            && samples.iter().zip(other_samples).all(|(a, b)| a.0 == b.0 && close(a.1, b.1))
                    })
            }
            _ => false,
        }
    }
}

/// Evaluates at one time, in epoch milliseconds.
pub(crate) fn instant(url: &str, expr: &str, time_ms: i64) -> Answer {
    ask(&format!("{url}/api/v1/query"), &[("query", expr), ("time", &seconds(time_ms))])
}

/// Evaluates over a range, in epoch milliseconds.
pub(crate) fn range(url: &str, expr: &str, start_ms: i64, end_ms: i64, step_ms: i64) -> Answer {
    let (start, end, step) = (seconds(start_ms), seconds(end_ms), seconds(step_ms));
    ask(&format!("{url}/api/v1/query_range"), &[("query", expr), ("start", &start), ("end", &end), ("step", &step)])
}

fn ask(url: &str, form: &[(&str, &str)]) -> Answer {
    let reply = client().post(url).form(form).send().unwrap();
    let status = reply.status().as_u16();
    let body: Value = serde_json::from_slice(&reply.bytes().unwrap()).unwrap();
    if body["status"] != "success" {
        return Answer::Error(status, body["error"].as_str().unwrap_or("no message").to_owned());
    }
    let result = &body["data"]["result"];
    let samples = |list: &Value| list.as_array().unwrap().iter().map(sample).collect::<Vec<_>>();
    Answer::Series(match body["data"]["resultType"].as_str().unwrap() {
        "scalar" => BTreeMap::from([(Labels::new(), vec![sample(result)])]),
        _ => {
            let rows = result.as_array().unwrap().iter();
            rows.map(|row| {
                let labels: Labels = serde_json::from_value(row["metric"].clone()).unwrap();
                let samples =
                    if row["value"].is_null() { samples(&row["values"]) } else { vec![sample(&row["value"])] };
                (labels, samples)
            })
            .collect()
        }
    })
}

#[expect(clippy::cast_possible_truncation, reason = "epoch milliseconds")]
fn sample(pair: &Value) -> (i64, f64) {
    let time_ms = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
    (time_ms, pair[1].as_str().unwrap().parse().unwrap())
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

/// Returns whether two values are equal within a relative error of 1e-9, since the order of additions may differ.
#[expect(clippy::float_cmp, reason = "infinities and zeros")]
fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}
