//! Type, unit and description of metrics as declared by senders: converts them to rows and skips those already stored.

use std::hash::Hasher;

use almanac_models::Timestamp;
use hashbrown::HashSet;
use parking_lot::RwLock;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::store::rows::{MetadataRow, MetricType};

/// Maximum length of a description in bytes; longer ones are truncated.
const MAX_HELP_BYTES: usize = 4096;

/// Maximum length of a metric name and of a unit in bytes; metadata with a longer one are dropped.
const MAX_NAME_BYTES: usize = 1024;

/// Capacity of the set of stored metadata; when it is full it is cleared, and all metadata are passed to the store
/// again.
const MAX_SEEN: usize = 1 << 17;

/// Metadata of one metric family as declared by a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeclaredMetadata<'a> {
    /// Type of the metric.
    pub(crate) metric_type: MetricType,
    /// Name of the family.
    pub(crate) metric: &'a [u8],
    /// Description; empty if not declared.
    pub(crate) help: &'a [u8],
    /// Unit; empty if not declared.
    pub(crate) unit: &'a [u8],
}

/// Set of metadata already passed to the store, because senders repeat them with every request.
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
    /// Returns rows of the metadata that are not in the set, and adds them.
    pub(crate) fn unseen<'a>(
        &self,
        declared: impl Iterator<Item = DeclaredMetadata<'a>>,
        now: Timestamp,
    ) -> Vec<MetadataRow> {
        let mut rows = Vec::new();
        for one in declared {
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

    /// Clears the set after the store failed to write, so that the metadata are passed to it again.
    pub(crate) fn forget_all(&self) {
        self.seen.write().clear();
    }

    fn key(&self, one: &DeclaredMetadata<'_>) -> u128 {
        let mut hasher = self.hasher;
        hasher.write_u8(one.metric_type as u8);
        for part in [one.metric, one.help, one.unit] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }
}

fn row(one: &DeclaredMetadata<'_>, now: Timestamp) -> Option<MetadataRow> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if one.metric.is_empty() || one.metric.len() > MAX_NAME_BYTES || one.unit.len() > MAX_NAME_BYTES {
        return None;
    }
    let help = if one.help.len() > MAX_HELP_BYTES {
        // A character cut in two becomes a replacement character.
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

/// Returns the family name of a series: histograms and summaries have several series with suffixes.
pub(crate) fn family(metric_type: MetricType, name: &[u8]) -> &[u8] {
    let suffixes: &[&[u8]] = match metric_type {
        MetricType::Histogram => &[b"_bucket", b"_sum", b"_count"],
        MetricType::GaugeHistogram => &[b"_bucket", b"_gsum", b"_gcount"],
        MetricType::Summary => &[b"_sum", b"_count"],
        _ => &[],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(*suffix)).filter(|family| !family.is_empty()).unwrap_or(name)
}

/// Returns the type of a number of `MetricType` in remote write 1.0 and 2.0.
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

/// Returns the type of a word in a `# TYPE` line; `untyped` is Prometheus' word for unknown.
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
