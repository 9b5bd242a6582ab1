//! The words that all stages share: labels, matchers, samples and where samples come from.

mod labels;
mod matcher;
mod sample;
mod source;

pub use labels::{LabelError, Labels, LabelsBuilder, METRIC_NAME};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use sample::{STALE_NAN_BITS, Sample, SeriesId, SeriesSamples, is_stale, stale_marker};
pub use source::{SampleSource, SourceError};
