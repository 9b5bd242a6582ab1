//! Samples what the process and its files take, and reads the service's own metrics.

use super::{
    load::Load,
    service::{Handle, Service},
};

/// Quantities of a sample that are judged, in the order of the columns.
pub(super) const QUANTITIES: [Quantity; 9] = [
    Quantity { name: "memory of the service", unit: "MiB", digits: 1, bound: Bound { share: 0.05, least: 16.0 } },
    Quantity { name: "memory of SQL's workers", unit: "MiB", digits: 1, bound: Bound { share: 0.05, least: 16.0 } },
    Quantity { name: "file", unit: "MiB", digits: 1, bound: Bound { share: 0.05, least: 8.0 } },
    Quantity { name: "log", unit: "MiB", digits: 1, bound: Bound { share: 0.0, least: 64.0 } },
    Quantity { name: "stored samples", unit: "1,000", digits: 0, bound: Bound { share: 0.05, least: 10.0 } },
    Quantity { name: "open descriptors", unit: "1", digits: 0, bound: Bound { share: 0.0, least: 8.0 } },
    Quantity { name: "threads", unit: "1", digits: 0, bound: Bound { share: 0.0, least: 8.0 } },
    Quantity { name: "longest acknowledgement", unit: "ms", digits: 0, bound: Bound { share: 0.5, least: 500.0 } },
    Quantity { name: "longest question", unit: "ms", digits: 0, bound: Bound { share: 0.5, least: 500.0 } },
];

/// A judged quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantity {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Decimals in the tables.
    pub(super) digits: usize,
    pub(super) bound: Bound,
}

/// Largest growth in an hour that counts as flat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    /// As a share of the median.
    pub(super) share: f64,
    /// At least this much, in the quantity's unit.
    pub(super) least: f64,
}

impl Bound {
    /// Returns the bound in the quantity's unit.
    pub(super) fn per_hour(self, median: f64) -> f64 {
        (self.share * median).max(self.least)
    }
}

/// State of the service at a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// Time since the start, in seconds.
    pub(super) seconds: f64,
    /// Values in the order of [`QUANTITIES`]; NaN where one is not known.
    pub(super) values: [f64; QUANTITIES.len()],
    /// Errors so far.
    pub(super) errors: u64,
}

/// Samples the service.
///
/// # Errors
/// When it does not answer its metrics.
pub(super) fn sample(seconds: f64, service: &Service, load: &Load, handle: &Handle) -> Result<Sample, String> {
    let metrics = Metrics::read(handle)?;
    let mib = |name: &str| metrics.sum(name) / f64::from(1 << 20);
    let stored: f64 =
        ["hot", "late", "cold"].map(|kind| metrics.sum(&format!("almanac_store_samples_{kind}"))).iter().sum();
    let [ack, question] = load.take_longest().map(|time| time.as_secs_f64() * 1e3);
    let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let process = &service.process;
    let values = [
        known(process.memory_mib()),
        known(process.children_mib()),
        mib("almanac_store_file_bytes"),
        mib("almanac_store_wal_bytes"),
        stored / 1e3,
        known(process.descriptors()),
        known(process.threads()),
        ack,
        question,
    ];
    Ok(Sample { seconds, values, errors: load.errors() })
}

/// The service's own metrics.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics(String);

impl Metrics {
    /// Reads them.
    pub(super) fn read(handle: &Handle) -> Result<Self, String> {
        Ok(Self(handle.get("/metrics", &[])?))
    }

    /// Returns the sum of a metric over its labels; 0 if it does not exist.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|(_, value)| value).sum()
    }

    /// Returns the labels, as they are written, and the values of a metric.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.0.lines().filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then(|| Some((labels, value.parse().ok()?)))?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_by_name() {
        let text = "# HELP a x\na 1\nab 7\nruns{task=\"x\"} 2\nruns{task=\"y z\"} 3.5\n";
        let metrics = Metrics(text.to_owned());
        assert_eq!((metrics.sum("a"), metrics.sum("runs"), metrics.sum("none")), (1.0, 5.5, 0.0));
        let labels: Vec<&str> = metrics.of("runs").map(|(labels, _)| labels).collect();
        assert_eq!(labels, ["{task=\"x\"}", "{task=\"y z\"}"]);
    }
}
