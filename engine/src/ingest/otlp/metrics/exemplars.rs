//! Exemplars of data points: the ids of trace and span, and the attributes that the metric does not have.

use opentelemetry_proto::tonic::metrics::v1::{Exemplar, exemplar::Value};

use super::map::{Context, Place};
use crate::ingest::{EXEMPLAR_LABEL_CHARS, otlp::translate::text_of, text::PageExemplar};

impl Context<'_> {
    /// Adds the exemplars of a point to the series that was added last: all, or those with a value in a bucket, above its
    /// lower and up to its upper bound.
    pub(super) fn exemplars(&mut self, exemplars: &[Exemplar], place: &Place<'_>, bucket: Option<(f64, f64)>) {
        for exemplar in exemplars {
            let value = match exemplar.value {
                Some(Value::AsDouble(value)) => value,
                #[expect(clippy::cast_precision_loss, reason = "samples are floating-point numbers")]
                Some(Value::AsInt(value)) => value as f64,
                None => continue,
            };
            if bucket.is_some_and(|(lower, upper)| !(value > lower && value <= upper)) {
                continue;
            }
            let at = i64::try_from(exemplar.time_unix_nano / 1_000_000).ok().filter(|at| *at > 0);
            self.rows.push_exemplar(PageExemplar {
                labels: labels(exemplar),
                value,
                timestamp_ms: Some(at.unwrap_or(place.time_ms)),
            });
        }
    }
}

/// Returns the labels of an exemplar. If they are too long together, only the ids are kept.
fn labels(exemplar: &Exemplar) -> Vec<(String, String)> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut labels = Vec::new();
    for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
        if !id.is_empty() && id.len() <= 16 {
            labels.push((name.to_owned(), hex(id)));
        }
    }
    let ids = labels.len();
    for attribute in &exemplar.filtered_attributes {
        if labels.iter().all(|(name, _)| *name != attribute.key) {
            labels.push((attribute.key.clone(), text_of(attribute.value.as_ref())));
        }
    }
    let chars = |(name, value): &(String, String)| name.chars().count() + value.chars().count();
    if labels.iter().map(chars).sum::<usize>() > EXEMPLAR_LABEL_CHARS {
        labels.truncate(ids);
    }
    labels
}
