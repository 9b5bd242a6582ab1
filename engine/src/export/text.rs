//! Series as lines of JSON and as rows of CSV.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::series::{Labels, METRIC_NAME, SeriesSamples, is_stale, stale_marker};

/// Word for a stale marker in a line of JSON.
const STALE: &str = "stale";

/// One series with its samples, as VictoriaMetrics exports them.
#[derive(Serialize, Deserialize)]
struct Line {
    metric: Map<String, Value>,
    values: Vec<Value>,
    timestamps: Vec<Value>,
}

/// Returns a series as one line of JSON without its end: `{"metric":{…},"values":[…],"timestamps":[…]}`. The values that JSON has no
/// number for are the texts `NaN`, `Inf`, `-Inf` and `stale`.
#[must_use]
pub fn line(series: &SeriesSamples) -> String {
    let metric = series.labels.iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    let values = series.values.iter().map(|value| match *value {
        value if is_stale(value) => STALE.into(),
        value if value.is_nan() => "NaN".into(),
        value if value.is_infinite() => if value > 0.0 { "Inf" } else { "-Inf" }.into(),
        value => Value::from(value),
    });
    let line = Line {
        metric,
        values: values.collect(),
        timestamps: series.timestamps.iter().map(|at| written(*at)).collect(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// Epoch milliseconds below which a number may be read as seconds: 1973.
const AMBIGUOUS_MS: u64 = 100_000_000_000;

/// Returns epoch milliseconds as a number, or as an instant where a number may be read as seconds.
fn written(at: i64) -> Value {
    if at.unsigned_abs() >= AMBIGUOUS_MS { at.into() } else { instant(at).into() }
}

/// Formats epoch milliseconds as RFC 3339.
fn instant(at: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(at).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Writes a part of the samples as lines of JSON.
///
/// # Errors
/// The writer's.
pub fn lines(out: &mut impl Write, series: &[SeriesSamples]) -> io::Result<()> {
    series.iter().try_for_each(|one| writeln!(out, "{}", line(one)))
}

/// Reads a line that [`line()`] has written.
///
/// # Errors
/// What is wrong with it, in one sentence without a full stop.
pub fn parse_line(text: &str) -> Result<SeriesSamples, String> {
    let Line { metric, values, timestamps } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if values.len() != timestamps.len() {
        return Err(format!("it has {} values and {} timestamps", values.len(), timestamps.len()));
    }
    let pairs = metric.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let labels = Labels::from_pairs(pairs).map_err(|error| error.to_string())?;
    let number = |value: &Value| match value.as_str() {
        Some(STALE) => Some(stale_marker()),
        Some(text) => text.parse().ok(),
        None => value.as_f64(),
    };
    let values: Option<Vec<f64>> = values.iter().map(number).collect();
    let values = values.ok_or_else(|| "a value is no number".to_owned())?;
    let time = |value: &Value| match value.as_str() {
        Some(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis()),
        None => value.as_i64(),
    };
    let timestamps: Option<Vec<i64>> = timestamps.iter().map(time).collect();
    let timestamps = timestamps.ok_or_else(|| "a timestamp is no time".to_owned())?;
    Ok(SeriesSamples { labels, timestamps, values })
}

/// Header of the CSV files.
pub(super) const HEADER: &str = "metric,labels,timestamp,value,stale_marker\n";

/// Writes a part of the samples as rows of CSV, sorted by series and time.
pub(super) fn csv(out: &mut impl Write, series: &[SeriesSamples]) -> io::Result<()> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    for one in series {
        let head = format!("{},{}", quoted(one.labels.metric_name()), quoted(&labels_json(&one.labels)));
        for (timestamp, value) in one.timestamps.iter().zip(&one.values) {
            let at = instant(*timestamp);
            if is_stale(*value) {
                writeln!(out, "{head},{at},,true")?;
            } else {
                writeln!(out, "{head},{at},{value},false")?;
            }
        }
    }
    Ok(())
}

/// Returns the labels without the metric's name as a JSON object.
pub(super) fn labels_json(labels: &Labels) -> String {
    let others = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let object: Map<String, Value> = others.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    Value::Object(object).to_string()
}
