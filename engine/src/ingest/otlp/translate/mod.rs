//! Translation of names, units and attributes of OpenTelemetry to those of Prometheus.

mod labels;
mod names;

pub(super) use labels::{Identity, attribute, text_of};
pub(super) use names::{NameKind, metric_name, unit_name};
