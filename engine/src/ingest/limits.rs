//! Bounds on what senders may send, why a sample is refused, and counts of both.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// Bounds on what a sender may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestLimits {
    /// Most labels of a series, the metric's name among them.
    pub labels: usize,
    /// Longest name of a label in bytes.
    pub label_name_bytes: usize,
    /// Longest value of a label in bytes.
    pub label_value_bytes: usize,
    /// Most bytes of a request or of a scraped page once it is unpacked.
    pub decoded_bytes: usize,
    /// How many milliseconds a timestamp may be ahead of the receiver's clock. A sample further ahead would hold back
    /// everything that works up to the newest sample.
    pub ahead_ms: i64,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            labels: 64,
            label_name_bytes: 1024,
            label_value_bytes: 16 << 10,
            decoded_bytes: 32 << 20,
            ahead_ms: 86_400_000,
        }
    }
}

/// Why a sample was not stored. Every other sample of the request may have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A series without `__name__`.
    #[error("series {series} has no metric name (label __name__)")]
    NoName {
        /// The series' labels.
        series: String,
    },
    /// A label without a name.
    #[error("a label of series {series} has an empty name")]
    EmptyLabelName {
        /// The series' labels.
        series: String,
    },
    /// A label that occurs twice.
    #[error("label {label:?} occurs twice in series {series}")]
    DuplicateLabel {
        /// The repeated name.
        label: String,
        /// The series' labels.
        series: String,
    },
    /// A label that is not UTF-8.
    #[error("a label of series {series} is not UTF-8 text")]
    NotUtf8 {
        /// The series' labels, replacement characters where they are not text.
        series: String,
    },
    /// More labels than are taken.
    #[error("series {series} has {count} labels; the limit is {limit}")]
    TooManyLabels {
        /// The series' labels, shortened.
        series: String,
        /// How many there are.
        count: usize,
        /// The limit in force.
        limit: usize,
    },
    /// A name or value of a label that is too long.
    #[error("the {part} of label {label:?} has {bytes} bytes; the limit is {limit}")]
    LabelTooLong {
        /// "name" or "value".
        part: &'static str,
        /// The label's name, shortened.
        label: String,
        /// Its length.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// Labels whose bytes are no protobuf.
    #[error("the labels of a series are malformed protobuf")]
    MalformedLabels,
    /// A new series, and the store is full.
    #[error("series {series} is new and the store holds {limit} series, its limit")]
    SeriesLimit {
        /// The series' labels.
        series: String,
        /// The limit in force.
        limit: usize,
    },
    /// A timestamp that can only be a mistake.
    #[error("timestamp {timestamp_ms} of series {series} is out of range; timestamps are epoch milliseconds")]
    TimestampRange {
        /// The timestamp.
        timestamp_ms: i64,
        /// The series' labels.
        series: String,
    },
    /// A timestamp that is ahead of the receiver's clock, or in a unit that makes it so.
    #[error(
        "timestamp {timestamp_ms} of series {series} is in the future: the latest that is accepted is {latest_ms}; \
         timestamps are epoch milliseconds"
    )]
    TimestampAhead {
        /// The timestamp.
        timestamp_ms: i64,
        /// The latest that is accepted.
        latest_ms: i64,
        /// The series' labels.
        series: String,
    },
    /// A timestamp that reads as January or February 1970, and as our time if it counts seconds.
    #[error("timestamp {timestamp_ms} of series {series} looks like epoch seconds; timestamps are epoch milliseconds")]
    TimestampSeconds {
        /// The timestamp.
        timestamp_ms: i64,
        /// The series' labels.
        series: String,
    },
    /// A native histogram.
    #[error("native histograms are not supported; send classic histograms")]
    NativeHistogram,
    /// An exemplar.
    #[error("exemplars are not kept")]
    Exemplar,
}

/// The kind of a [`Refusal`], for counting.
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
    /// New series past the limit.
    SeriesLimit,
    /// Timestamp out of range, in the future or in seconds.
    Timestamp,
    /// Native histogram.
    NativeHistogram,
    /// Exemplar.
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

    /// The reason in a label's value: `series_limit`.
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
    /// The refusal's kind.
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
            Self::SeriesLimit { .. } => Reason::SeriesLimit,
            Self::TimestampRange { .. } | Self::TimestampAhead { .. } | Self::TimestampSeconds { .. } => {
                Reason::Timestamp
            }
            Self::NativeHistogram => Reason::NativeHistogram,
            Self::Exemplar => Reason::Exemplar,
        }
    }
}

/// Counts since the start, for the service's own metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    refused: [AtomicU64; Reason::ALL.len()],
    malformed_requests: AtomicU64,
}

/// A reading of the counters of an [`Ingest`](super::Ingest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestCounts {
    /// Samples that were accepted and committed.
    pub accepted: u64,
    /// Samples, histograms and exemplars that were refused, by reason; every reason is there.
    pub refused: Vec<(Reason, u64)>,
    /// Requests and pages of which nothing could be read.
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

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteSummary {
    /// Samples that are stored now, those that were there already included.
    pub samples_written: u64,
    /// Samples refused.
    pub samples_refused: u64,
    /// Native histogram samples, all refused.
    pub histograms_refused: u64,
    /// Exemplars, all left out.
    pub exemplars_refused: u64,
    /// The refusals by reason with one example each, in the order in which they came up.
    pub refusals: Vec<(Refusal, u64)>,
}

impl WriteSummary {
    /// Notes that `samples` were refused for this reason; the first of each kind stays as the example.
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

    /// Whether the sender must hear of a failure: any sample or histogram was refused. Exemplars do
    /// not count: Prometheus sends them along by the way and treats a 4xx as loss of the samples.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.samples_refused + self.histograms_refused > 0
    }
}

/// `2 of 5 samples refused: series x{} is new … (2)`; says nothing of exemplars.
impl fmt::Display for WriteSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.samples_refused + self.histograms_refused;
        write!(f, "{refused} of {} samples refused", refused + self.samples_written)?;
        let told = self.refusals.iter().filter(|(refusal, _)| refusal.reason() != Reason::Exemplar);
        for (idx, (refusal, count)) in told.enumerate() {
            let lead = if idx == 0 { ":" } else { ";" };
            write!(f, "{lead} {refusal}")?;
            if *count != refused {
                write!(f, " ({count})")?;
            }
        }
        Ok(())
    }
}
