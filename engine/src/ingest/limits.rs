//! Limits of ingest, reasons for refused samples, and counts of accepted and refused samples.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use super::exemplars::ExemplarError;

/// Number of labels of a series up to which a decoder counts all of them; it stops a little above, because nothing else
/// is done with them.
pub(crate) const COUNTED_LABELS: usize = 1_000;

/// Limits on data from senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestLimits {
    /// Maximum number of labels of a series, including the metric name.
    pub labels: usize,
    /// Maximum length of a label name in bytes.
    pub label_name_bytes: usize,
    /// Maximum length of a label value in bytes.
    pub label_value_bytes: usize,
    /// Maximum decompressed size of a request or a scraped page in bytes.
    pub decoded_bytes: usize,
    /// Maximum time in milliseconds by which a timestamp may be ahead of the receiver's clock. A sample further ahead
    /// would block tasks that process data up to the newest sample.
    pub ahead_ms: i64,
    /// Exemplars that are kept in memory; 0: none.
    pub exemplars: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            labels: 64,
            label_name_bytes: 1024,
            label_value_bytes: 16 << 10,
            decoded_bytes: 32 << 20,
            ahead_ms: 3_600_000,
            exemplars: 10_000,
        }
    }
}

/// Reason for refusing a sample; the other samples of the request are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The series has no label `__name__`.
    #[error("series {series} has no metric name (label __name__)")]
    NoName {
        /// Labels of the series.
        series: String,
    },
    /// A label has an empty name.
    #[error("a label of series {series} has an empty name")]
    EmptyLabelName {
        /// Labels of the series.
        series: String,
    },
    /// A label name is repeated.
    #[error("duplicate label {label:?} in series {series}")]
    DuplicateLabel {
        /// Repeated name.
        label: String,
        /// Labels of the series.
        series: String,
    },
    /// A label is not UTF-8.
    #[error("a label of series {series} is not UTF-8 text")]
    NotUtf8 {
        /// Labels of the series, with replacement characters for invalid text.
        series: String,
    },
    /// The series has too many labels.
    #[error("series {series} has {count} labels{}; the limit is {limit}", if *count > COUNTED_LABELS { " or more" } else { "" })]
    TooManyLabels {
        /// Labels of the series, shortened.
        series: String,
        /// Number of labels.
        count: usize,
        /// Limit.
        limit: usize,
    },
    /// The name or value of a label is too long.
    #[error("the {part} of label {label:?} has {bytes} bytes; the limit is {limit}")]
    LabelTooLong {
        /// "name" or "value".
        part: &'static str,
        /// Name of the label, shortened.
        label: String,
        /// Length in bytes.
        bytes: usize,
        /// Limit.
        limit: usize,
    },
    /// The labels are not valid protobuf.
    #[error("the labels of a series are malformed protobuf")]
    MalformedLabels,
    /// The series is new and the store has reached its limit of series.
    #[error("series {series} is new and the store has reached its limit of {limit} series")]
    SeriesLimit {
        /// Labels of the series.
        series: String,
        /// Limit.
        limit: usize,
    },
    /// The series is new, and its names and values would exceed the store's limit of all labels.
    #[error(
        "series {series} is new and the distinct names and values of the store's labels have reached their limit of {} MiB",
        limit >> 20
    )]
    LabelLimit {
        /// Labels of the series.
        series: String,
        /// Limit in bytes.
        limit: usize,
    },
    /// The timestamp is outside the accepted range.
    #[error("timestamp {timestamp_ms} of series {series} is out of range; timestamps are epoch milliseconds")]
    TimestampRange {
        /// The timestamp.
        timestamp_ms: i64,
        /// Labels of the series.
        series: String,
    },
    /// The timestamp is too far ahead of the receiver's clock, possibly because of its unit.
    #[error(
        "timestamp {timestamp_ms} of series {series} is in the future; the latest accepted timestamp is {latest_ms} \
         (configuration ingest.max_ahead); timestamps are epoch milliseconds"
    )]
    TimestampAhead {
        /// The timestamp.
        timestamp_ms: i64,
        /// Latest accepted timestamp.
        latest_ms: i64,
        /// Labels of the series.
        series: String,
    },
    /// The timestamp is in early 1970 as milliseconds but in the years 2001 to 2099 as seconds.
    #[error("timestamp {timestamp_ms} of series {series} looks like epoch seconds; timestamps are epoch milliseconds")]
    TimestampSeconds {
        /// The timestamp.
        timestamp_ms: i64,
        /// Labels of the series.
        series: String,
    },
    /// A native histogram is invalid.
    #[error("a native histogram of series {series} is invalid: {problem}")]
    NativeHistogram {
        /// Labels of the series.
        series: String,
        /// What is wrong.
        problem: String,
    },
    /// An exemplar is not kept.
    #[error("{0}")]
    Exemplar(ExemplarError),
    /// No exemplars are kept.
    #[error("exemplars are not kept (configuration ingest.exemplars)")]
    NoExemplars,
}

/// Kind of a [`Refusal`], for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No metric name.
    NoName,
    /// An empty, repeated or malformed label, or one that is not UTF-8.
    InvalidLabel,
    /// Too many labels.
    LabelCount,
    /// A label's name or value is too long.
    LabelLength,
    /// New series above the limit.
    SeriesLimit,
    /// Timestamp out of range, in the future or in seconds.
    Timestamp,
    /// Invalid native histogram.
    NativeHistogram,
    /// Exemplar that is not kept.
    Exemplar,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::NoName,
        Self::InvalidLabel,
        Self::LabelCount,
        Self::LabelLength,
        Self::SeriesLimit,
        Self::Timestamp,
        Self::NativeHistogram,
        Self::Exemplar,
    ];

    /// Returns the reason as a label value, such as `series_limit`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoName => "no_name",
            Self::InvalidLabel => "invalid_label",
            Self::LabelCount => "label_count",
            Self::LabelLength => "label_length",
            Self::SeriesLimit => "series_limit",
            Self::Timestamp => "timestamp",
            Self::NativeHistogram => "native_histogram",
            Self::Exemplar => "exemplar",
        }
    }
}

impl Refusal {
    /// Returns the kind of the refusal.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoName { .. } => Reason::NoName,
            Self::EmptyLabelName { .. }
            | Self::DuplicateLabel { .. }
            | Self::NotUtf8 { .. }
            | Self::MalformedLabels => Reason::InvalidLabel,
            Self::TooManyLabels { .. } => Reason::LabelCount,
            Self::LabelTooLong { .. } => Reason::LabelLength,
            Self::SeriesLimit { .. } | Self::LabelLimit { .. } => Reason::SeriesLimit,
            Self::TimestampRange { .. } | Self::TimestampAhead { .. } | Self::TimestampSeconds { .. } => {
                Reason::Timestamp
            }
            Self::NativeHistogram { .. } => Reason::NativeHistogram,
            Self::Exemplar(_) | Self::NoExemplars => Reason::Exemplar,
        }
    }
}

/// Counters since the start, for the service's metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    malformed_requests: AtomicU64,
}

/// Snapshot of the counters of an [`Ingest`](super::Ingest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestCounts {
    /// Samples accepted and committed.
    pub accepted: u64,
    /// Refused samples, histograms and exemplars by reason; all reasons are listed.
    pub refused: Vec<(Reason, u64)>,
    /// Requests and pages that could not be decoded.
    pub malformed_requests: u64,
}

impl Counters {
    pub(crate) fn accept(&self, samples: u64) {
        self.accepted.fetch_add(samples, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, reason: Reason, samples: u64) {
        self.refused[reason as usize].fetch_add(samples, Ordering::Relaxed);
    }

    pub(crate) fn malformed(&self) {
        self.malformed_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> IngestCounts {
        IngestCounts {
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: Reason::ALL.map(|r| (r, self.refused[r as usize].load(Ordering::Relaxed))).to_vec(),
            malformed_requests: self.malformed_requests.load(Ordering::Relaxed),
        }
    }
}

/// Result of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteSummary {
    /// Stored samples, including those that were already stored.
    pub samples_written: u64,
    /// Refused samples.
    pub samples_refused: u64,
    /// Stored native histograms, and the ends of their series.
    pub histograms_written: u64,
    /// Exemplars that were accepted.
    pub exemplars_written: u64,
    /// Refused native histograms.
    pub histograms_refused: u64,
    /// Refused exemplars.
    pub exemplars_refused: u64,
    /// Counts of refusals by reason with one example each, in the order of occurrence.
    pub refusals: Vec<(Refusal, u64)>,
}

impl WriteSummary {
    /// Counts `samples` refused samples; the first refusal of each kind is kept as the example.
    pub(crate) fn refuse(&mut self, refusal: Refusal, samples: u64) {
        match refusal.reason() {
            Reason::NativeHistogram => self.histograms_refused += samples,
            Reason::Exemplar => self.exemplars_refused += samples,
            _ => self.samples_refused += samples,
        }
        match self.refusals.iter_mut().find(|(known, _)| known.reason() == refusal.reason()) {
            Some((_, count)) => *count += samples,
            None => self.refusals.push((refusal, samples)),
        }
    }

    /// Returns whether the sender must get an error status: any sample or histogram was refused. Exemplars do not
    /// count, because Prometheus sends them along with samples and treats a 4xx as loss of the samples.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.samples_refused + self.histograms_refused > 0
    }
}

/// Formats as `2 of 5 samples refused: series x{} is new … (2)`, without exemplars.
impl fmt::Display for WriteSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.samples_refused + self.histograms_refused;
        write!(f, "{refused} of {} samples refused", refused + self.samples_written + self.histograms_written)?;
        let reported = self.refusals.iter().filter(|(refusal, _)| refusal.reason() != Reason::Exemplar);
        for (idx, (refusal, count)) in reported.enumerate() {
            let lead = if idx == 0 { ":" } else { ";" };
            write!(f, "{lead} {refusal}")?;
            if *count != refused {
                write!(f, " ({count})")?;
            }
        }
        Ok(())
    }
}
