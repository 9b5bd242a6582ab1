//! Type, unit and description of metrics as senders state them: brings them into rows and skips what was stored before.

use std::hash::Hasher;

use almanac_models::Timestamp;
use hashbrown::HashSet;
use parking_lot::RwLock;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::store::rows::{MetadataRow, MetricType};

/// Longest description that is kept, in bytes; a longer one is cut.
const MAX_HELP_BYTES: usize = 4096;

/// Longest metric name and unit that are kept, in bytes; metadata with a longer one are left out.
const MAX_NAME_BYTES: usize = 1024;

/// How many metadata are remembered as stored; past it all are forgotten, and handed to the store once more.
const MAX_SEEN: usize = 1 << 17;

/// The metadata of one metric family as a sender writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stated<'a> {
    /// The type.
    pub(crate) metric_type: MetricType,
    /// The family's name.
    pub(crate) metric: &'a [u8],
    /// The description; empty when none is stated.
    pub(crate) help: &'a [u8],
    /// The unit; empty when none is stated.
    pub(crate) unit: &'a [u8],
}

/// Remembers which metadata were handed to the store: senders repeat them with every request.
pub(crate) struct MetadataSeen {
    hasher: SipHasher13,
    seen: RwLock<HashSet<u128>>,
}

impl Default for MetadataSeen {
    fn default() -> Self {
        Self { hasher: SipHasher13::new_with_keys(rand::random(), rand::random()), seen: RwLock::default() }
    }
}

impl MetadataSeen {
    /// The rows of the metadata that were not seen before, one a metric.
    pub(crate) fn unseen<'a>(&self, stated: impl Iterator<Item = Stated<'a>>, now: Timestamp) -> Vec<MetadataRow> {
        let mut rows = Vec::new();
        for one in stated {
            let key = self.key(&one);
            if self.seen.read().contains(&key) {
                continue;
            }
            let mut seen = self.seen.write();
            if seen.len() >= MAX_SEEN {
                seen.clear();
            }
            if seen.insert(key) {
                rows.extend(row(&one, now));
            }
        }
        rows
    }

    /// Forgets rows that the store failed to keep, so that they are handed to it again.
    pub(crate) fn forget_all(&self) {
        self.seen.write().clear();
    }

    fn key(&self, one: &Stated<'_>) -> u128 {
        let mut hasher = self.hasher;
        hasher.write_u8(one.metric_type as u8);
        for part in [one.metric, one.help, one.unit] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }
}

fn row(one: &Stated<'_>, now: Timestamp) -> Option<MetadataRow> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if one.metric.is_empty() || one.metric.len() > MAX_NAME_BYTES || one.unit.len() > MAX_NAME_BYTES {
        return None;
    }
    let help = if one.help.len() > MAX_HELP_BYTES {
        // A character that is cut in two becomes a replacement character.
        text(&one.help[..MAX_HELP_BYTES]) + "…"
    } else {
        text(one.help)
    };
    Some(MetadataRow {
        metric: text(one.metric),
        metric_type: one.metric_type,
        help,
        unit: text(one.unit),
        updated_at: now,
    })
}

/// The family of a series by its name and type: histograms and summaries write several series with suffixes.
pub(crate) fn family(metric_type: MetricType, name: &[u8]) -> &[u8] {
    let suffixes: &[&[u8]] = match metric_type {
        MetricType::Histogram => &[b"_bucket", b"_sum", b"_count"],
        MetricType::GaugeHistogram => &[b"_bucket", b"_gsum", b"_gcount"],
        MetricType::Summary => &[b"_sum", b"_count"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).filter(|family| !family.is_empty()).unwrap_or(name)
}

/// The type that remote write numbers so, in both versions.
pub(crate) fn type_of_number(number: u64) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}

/// The type that a `# TYPE` line names; `untyped` is Prometheus' word for unknown.
pub(crate) fn type_of_word(word: &str) -> MetricType {
    match word {
        "counter" => MetricType::Counter,
        "gauge" => MetricType::Gauge,
        "histogram" => MetricType::Histogram,
        "gaugehistogram" => MetricType::GaugeHistogram,
        "summary" => MetricType::Summary,
        "info" => MetricType::Info,
        "stateset" => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}
