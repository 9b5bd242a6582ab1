//! Maps an export of metrics to series: walks resources, scopes and metrics.

use hashbrown::HashMap;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::KeyValue,
    metrics::v1::{AggregationTemporality, Metric, ResourceMetrics, metric::Data},
};

use super::StreamChanges;
use crate::{
    ingest::{
        cache::{SeriesCache, SeriesKey},
        metadata::DeclaredMetadata,
        otlp::{
            OtlpError, OtlpSettings,
            report::Report,
            rows::{LabelText, NO_POINT, Rows},
            translate::{Identity, NameKind, metric_name, unit_name},
        },
        refuse::timestamp_refusal,
        timestamp::AcceptedTimestamps,
    },
    store::rows::MetricType,
};

/// Flag of a data point without a value: the series ends.
pub(super) const NO_RECORDED_VALUE: u32 = 1;

/// Longest name of a metric with its unit in bytes.
const MAX_NAME_BYTES: usize = 1_024;

/// What the mapping of an export needs and produces.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a OtlpSettings,
    pub(crate) cache: &'a SeriesCache,
    /// Scope of the keys of streams in the cache's hash.
    pub(crate) scope: u64,
    pub(crate) accepted: AcceptedTimestamps,
    pub(crate) rows: Rows,
    pub(crate) report: Report,
    /// Streams of deltas.
    pub(crate) deltas: StreamChanges<'a>,
    /// Start times of cumulative streams.
    pub(crate) starts: StreamChanges<'a>,
    pub(crate) metadata: Vec<Declared>,
    /// Original name, unit and type of each metric name of the export.
    names: HashMap<String, (String, String)>,
    points: u32,
}

/// Type, description and unit of a metric.
#[derive(Debug)]
pub(crate) struct Declared {
    metric: String,
    metric_type: MetricType,
    help: String,
    unit: String,
}

impl Declared {
    /// Returns the metadata of a metric.
    pub(crate) fn new(metric: &str, metric_type: MetricType, help: &str, unit: &str) -> Self {
        Self { metric: metric.to_owned(), metric_type, help: help.to_owned(), unit: unit.to_owned() }
    }

    /// Returns the form that the store takes.
    pub(crate) fn borrowed(&self) -> DeclaredMetadata<'_> {
        DeclaredMetadata {
            metric_type: self.metric_type,
            metric: self.metric.as_bytes(),
            help: self.help.as_bytes(),
            unit: self.unit.as_bytes(),
        }
    }
}

/// A data point's place in its metric.
pub(super) struct Place<'a> {
    /// Name of the series, or of the family of a histogram or a summary.
    pub(super) name: &'a str,
    pub(super) labels: LabelText,
    pub(super) key: SeriesKey,
    pub(super) start_ms: i64,
    pub(super) time_ms: i64,
    pub(super) point: u32,
}

impl<'a> Context<'a> {
    /// Returns an empty result.
    pub(crate) fn new(
        settings: &'a OtlpSettings,
        (cache, scope): (&'a SeriesCache, u64),
        accepted: AcceptedTimestamps,
        rows_limit: usize,
        (deltas, starts): (StreamChanges<'a>, StreamChanges<'a>),
    ) -> Self {
        Self {
            settings,
            cache,
            scope,
            accepted,
            rows: Rows::new(rows_limit),
            report: Report::default(),
            deltas,
            starts,
            metadata: Vec::new(),
            names: HashMap::new(),
            points: 0,
        }
    }

    /// Counts a data point and returns its place; `None` if its timestamp is not accepted.
    ///
    /// Attributes that get the same name are joined, with a warning.
    pub(super) fn place<'n>(
        &mut self,
        name: &'n str,
        identity: &Identity,
        attributes: &[KeyValue],
        (start_nanos, time_nanos): (u64, u64),
    ) -> Option<Place<'n>> {
        self.report.items += 1;
        let (start_ms, time_ms) = (millis(start_nanos), millis(time_nanos));
        if time_nanos == 0 {
            self.report.reject(format!("a point of {name:?} has no time (time_unix_nano)"), 1);
            return None;
        }
        if let Some(refusal) = timestamp_refusal(self.accepted, time_ms, || name.to_owned()) {
            self.report.refuse(refusal);
            return None;
        }
        let report = &mut self.report;
        let labels = identity.labels(attributes, |label| {
            report.warn(format!(
                "attributes of {name:?} have the same name {label:?} in the store; their values are joined"
            ));
        });
        let labels = LabelText::new(&labels);
        self.rows.count_built(&labels);
        // A metric name contains no such byte.
        let key = self.cache.text_key(self.scope, &[name.as_bytes(), &[0xff], labels.bytes()].concat());
        let point = self.points;
        self.points = self.points.saturating_add(1).min(NO_POINT - 1);
        Some(Place { name, labels, key, start_ms, time_ms, point })
    }

    /// Counts points that are not stored, for a reason of their metric.
    pub(super) fn reject_all(&mut self, reason: String, points: usize) {
        self.report.items += points as u64;
        self.report.reject(reason, points as u64);
    }

    /// Counts a point, already placed, that is not stored.
    pub(super) fn reject(&mut self, reason: String) {
        self.report.reject(reason, 1);
    }
}

/// Maps an export of metrics.
///
/// # Errors
/// [`OtlpError::TooManySeries`].
pub(crate) fn map_metrics(request: &ExportMetricsServiceRequest, context: &mut Context<'_>) -> Result<(), OtlpError> {
    for resource in &request.resource_metrics {
        map_resource(resource, context)?;
    }
    Ok(())
}

fn map_resource(metrics: &ResourceMetrics, context: &mut Context<'_>) -> Result<(), OtlpError> {
    let identity = Identity::of_resource(metrics.resource.as_ref(), context.settings);
    let first = context.rows.timestamps.len();
    for scope in &metrics.scope_metrics {
        let identity = identity.with_scope(scope.scope.as_ref(), &scope.schema_url, context.settings);
        for metric in &scope.metrics {
            map_metric(metric, &identity, context)?;
        }
    }
    let latest = context.rows.timestamps[first..].iter().max().copied();
    if let Some(latest) = latest
        && let Some(labels) = Identity::target_info(metrics.resource.as_ref(), context.settings)
    {
        context.rows.push(NO_POINT, "target_info", (&LabelText::new(&labels), None), &[(latest, 1.0)]);
        context.metadata.push(Declared::new("target_info", MetricType::Gauge, "Target metadata", ""));
    }
    context.rows.check()
}

fn map_metric(metric: &Metric, identity: &Identity, context: &mut Context<'_>) -> Result<(), OtlpError> {
    let Some(data) = &metric.data else {
        // In JSON also data with a value of a wrong type.
        context.reject_all(format!("metric {:?} has no valid data of a known kind", shortened(&metric.name)), 1);
        return Ok(());
    };
    let (kind, metric_type) = match data {
        Data::Gauge(_) => (NameKind::Gauge, MetricType::Gauge),
        Data::Sum(sum) if sum.is_monotonic => (NameKind::Counter, MetricType::Counter),
        Data::Sum(_) => (NameKind::Other, MetricType::Gauge),
        Data::Histogram(_) | Data::ExponentialHistogram(_) => (NameKind::Other, MetricType::Histogram),
        Data::Summary(_) => (NameKind::Other, MetricType::Summary),
    };
    let points = match data {
        Data::Gauge(gauge) => gauge.data_points.len(),
        Data::Sum(sum) => sum.data_points.len(),
        Data::Histogram(histogram) => histogram.data_points.len(),
        Data::ExponentialHistogram(histogram) => histogram.data_points.len(),
        Data::Summary(summary) => summary.data_points.len(),
    };
    if metric.name.len() + metric.unit.len() > MAX_NAME_BYTES {
        let reason = format!("the name of metric {:?} has more than {MAX_NAME_BYTES} bytes", shortened(&metric.name));
        context.reject_all(reason, points);
        return Ok(());
    }
    let Some(name) = metric_name(&metric.name, &metric.unit, kind) else {
        context.reject_all(format!("the name of metric {:?} has no letter or digit", shortened(&metric.name)), points);
        return Ok(());
    };
    if points > 0 {
        context.declare(&name, metric, metric_type);
    }
    match data {
        Data::Gauge(gauge) => gauge.data_points.iter().try_for_each(|point| {
            context.gauge(&name, identity, point);
            context.rows.check()
        }),
        Data::Sum(sum) => {
            let Some(is_delta) = context.temporality(&name, sum.aggregation_temporality, points) else { return Ok(()) };
            sum.data_points.iter().try_for_each(|point| {
                context.sum(&name, identity, point, (is_delta, sum.is_monotonic));
                context.rows.check()
            })
        }
        Data::Histogram(histogram) => {
            let Some(is_delta) = context.temporality(&name, histogram.aggregation_temporality, points) else {
                return Ok(());
            };
            histogram.data_points.iter().try_for_each(|point| {
                context.histogram(&name, identity, point, is_delta);
                context.rows.check()
            })
        }
        Data::ExponentialHistogram(histogram) => {
            let Some(is_delta) = context.temporality(&name, histogram.aggregation_temporality, points) else {
                return Ok(());
            };
            histogram.data_points.iter().try_for_each(|point| {
                context.exponential(&name, identity, point, is_delta);
                context.rows.check()
            })
        }
        Data::Summary(summary) => summary.data_points.iter().try_for_each(|point| {
            context.summary(&name, identity, point);
            context.rows.check()
        }),
    }
}

impl Context<'_> {
    /// Adds the metadata of a metric, and warns when two metrics of the export get the same name.
    fn declare(&mut self, name: &str, metric: &Metric, metric_type: MetricType) {
        match self.names.get(name) {
            Some((known, unit)) if *known != metric.name || *unit != metric.unit => {
                let warning = format!(
                    "metrics {:?} and {:?} have the same name {name:?} in the store",
                    shortened(known),
                    shortened(&metric.name)
                );
                self.report.warn(warning);
            }
            Some(_) => {}
            None => {
                self.names.insert(name.to_owned(), (metric.name.clone(), metric.unit.clone()));
                let unit = unit_name(&metric.unit);
                self.metadata.push(Declared::new(name, metric_type, &metric.description, &unit));
            }
        }
    }

    /// Returns whether points are deltas; `None`, with all points rejected, when the export does not say.
    fn temporality(&mut self, name: &str, number: i32, points: usize) -> Option<bool> {
        match AggregationTemporality::try_from(number) {
            Ok(AggregationTemporality::Delta) => Some(true),
            Ok(AggregationTemporality::Cumulative) => Some(false),
            Ok(AggregationTemporality::Unspecified) | Err(_) => {
                let reason = format!("{name:?} has no aggregation temporality; use delta (1) or cumulative (2)");
                self.reject_all(reason, points);
                None
            }
        }
    }
}

/// Returns a time in epoch milliseconds.
fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

/// Returns the start of a name, for messages.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}
