//! Encodes samples of several series as flat rows, in parts.

use std::{collections::BTreeSet, vec};

use almanac_engine::{series::METRIC_NAME, signal::RangeSeries};
use axum::http::StatusCode;

use super::{encode::record, flat::finite, format::Format};
use crate::http::{
    ApiError,
    shared::{PART_BYTES, iso},
};

/// Columns that are not labels.
const RESERVED_COLUMNS: [&str; 3] = ["time", "metric", "value"];
/// Maximum number of values of a response: rows times columns.
const MAX_CELLS: usize = 50_000_000;

/// Iterator over the parts of a response: one row per sample, sorted by time and series, each with every column.
pub(super) struct FlatSamples {
    series: Vec<RangeSeries>,
    /// Label and column of each label column.
    labels: Vec<(String, String)>,
    /// Time, series and index of each sample.
    order: vec::IntoIter<(i64, u32, u32)>,
    format: Format,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    FirstRow,
    Rows,
    Ended,
}

impl FlatSamples {
    /// Determines the columns and the order of the rows.
    ///
    /// # Errors
    /// 422 `too_many_values`.
    pub(super) fn new(series: Vec<RangeSeries>, format: Format) -> Result<Self, ApiError> {
        let names: BTreeSet<&str> = series
            .iter()
            .flat_map(|one| one.labels.iter())
            .map(|(name, _)| name)
            .filter(|name| *name != METRIC_NAME)
            .collect();
        // A label with the name of a reserved column gets the prefix `label_`.
        let column = |name: &str| {
            if RESERVED_COLUMNS.contains(&name) { format!("label_{name}") } else { name.to_owned() }
        };
        let labels: Vec<(String, String)> = names.iter().map(|&name| (name.to_owned(), column(name))).collect();
        let rows: usize = series.iter().map(|one| one.timestamps.len()).sum();
        let columns = labels.len() + RESERVED_COLUMNS.len();
        if rows.saturating_mul(columns) > MAX_CELLS {
            let message = format!(
                "the response would have {rows} rows of {columns} columns; at most {MAX_CELLS} values are sent: use a \
                 shorter span, a longer step, or labels that select fewer series"
            );
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_values", message));
        }
        let mut order = Vec::with_capacity(rows);
        for (number, one) in (0_u32..).zip(&series) {
            order.extend((0_u32..).zip(&one.timestamps).map(|(idx, &time_ms)| (time_ms, number, idx)));
        }
        order.sort_unstable();
        Ok(Self { series, labels, order: order.into_iter(), format, state: State::Start })
    }

    fn head(&self) -> Vec<u8> {
        match self.format {
            Format::Json => b"[".to_vec(),
            Format::Csv => {
                let labels = self.labels.iter().map(|(_, column)| column.as_str());
                record(["time", "metric"].into_iter().chain(labels).chain(["value"]))
            }
        }
    }

    fn write_row(&self, (time_ms, number, idx): (i64, u32, u32), out: &mut Vec<u8>) {
        let one = &self.series[number as usize];
        let metric = Some(one.labels.metric_name()).filter(|name| !name.is_empty());
        let value = finite(one.values[idx as usize]);
        match self.format {
            Format::Json => {
                if self.state == State::Rows {
                    out.push(b',');
                }
                // Writing to a `Vec` cannot fail, so the results are ignored.
                out.extend_from_slice(b"{\"time\":");
                let _ = serde_json::to_writer(&mut *out, &iso(time_ms));
                out.extend_from_slice(b",\"metric\":");
                let _ = serde_json::to_writer(&mut *out, &metric);
                for (name, column) in &self.labels {
                    out.push(b',');
                    let _ = serde_json::to_writer(&mut *out, column);
                    out.push(b':');
                    let _ = serde_json::to_writer(&mut *out, &one.labels.get(name));
                }
                out.extend_from_slice(b",\"value\":");
                let _ = serde_json::to_writer(&mut *out, &value);
                out.push(b'}');
            }
            Format::Csv => {
                let (time, value) = (iso(time_ms), value.map(|value| serde_json::json!(value).to_string()));
                let labels = self.labels.iter().map(|(name, _)| one.labels.get(name).unwrap_or_default());
                let cells = [time.as_str(), metric.unwrap_or_default()];
                out.extend(record(cells.into_iter().chain(labels).chain([value.as_deref().unwrap_or_default()])));
            }
        }
    }
}

impl Iterator for FlatSamples {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.state == State::Ended {
            return None;
        }
        let mut part = Vec::new();
        if self.state == State::Start {
            part = self.head();
            self.state = State::FirstRow;
        }
        while part.len() < PART_BYTES {
            let Some(sample) = self.order.next() else {
                self.state = State::Ended;
                if self.format == Format::Json {
                    part.push(b']');
                }
                break;
            };
            self.write_row(sample, &mut part);
            self.state = State::Rows;
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use almanac_engine::series::Labels;

    use super::*;

    fn encoded(series: Vec<RangeSeries>, format: Format) -> String {
        String::from_utf8(FlatSamples::new(series, format).unwrap().flatten().collect()).unwrap()
    }

    #[test]
    fn rows_have_the_same_keys_and_are_sorted_by_time() {
        let series = [
            RangeSeries {
                labels: Labels::from_pairs([("__name__", "m"), ("host", "a,b"), ("time", "x")]).unwrap(),
                timestamps: vec![0, 2000],
                values: vec![1.0, f64::NAN],
                histograms: Vec::new(),
            },
            RangeSeries {
                labels: Labels::from_pairs([("__name__", "m"), ("zone", "b")]).unwrap(),
                timestamps: vec![1000],
                values: vec![2.0],
                histograms: Vec::new(),
            },
        ];
        assert_eq!(
            encoded(series.to_vec(), Format::Json),
            r#"[{"time":"1970-01-01T00:00:00.000Z","metric":"m","host":"a,b","label_time":"x","zone":null,"value":1.0},{"time":"1970-01-01T00:00:01.000Z","metric":"m","host":null,"label_time":null,"zone":"b","value":2.0},{"time":"1970-01-01T00:00:02.000Z","metric":"m","host":"a,b","label_time":"x","zone":null,"value":null}]"#
        );
        let csv = "time,metric,host,label_time,zone,value\n1970-01-01T00:00:00.000Z,m,\"a,b\",x,,1.0\n\
                   1970-01-01T00:00:01.000Z,m,,,b,2.0\n1970-01-01T00:00:02.000Z,m,\"a,b\",x,,\n";
        assert_eq!(encoded(series.to_vec(), Format::Csv), csv);
        assert_eq!(encoded(Vec::new(), Format::Json), "[]");
        assert_eq!(encoded(Vec::new(), Format::Csv), "time,metric,value\n");
    }

    #[test]
    fn many_rows_with_many_columns_are_refused() {
        let wide = |number: usize| RangeSeries {
            labels: Labels::from_pairs((0..60).map(|label| (format!("l{number}_{label}"), "v".to_owned()))).unwrap(),
            timestamps: (0..100).collect(),
            values: vec![1.0; 100],
            histograms: Vec::new(),
        };
        let error = FlatSamples::new((0..1000).map(wide).collect(), Format::Json).map(|_| ()).unwrap_err();
        assert_eq!((error.status(), error.code()), (StatusCode::UNPROCESSABLE_ENTITY, "too_many_values"));
        assert!(error.message().starts_with("the response would have 100000 rows of 60003 columns"), "{error:?}");
    }
}
