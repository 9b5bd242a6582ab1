//! Types that all stages share: labels, matchers, patterns, samples, and the trait of sources of samples.

mod labels;
mod matcher;
mod pattern;
mod sample;
mod source;

pub use labels::{LabelError, Labels, LabelsBuilder, METRIC_NAME};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub(crate) use pattern::Capturing;
pub use pattern::{Pattern, PatternError};
pub use sample::{STALE_NAN_BITS, Sample, SeriesHistograms, SeriesId, SeriesSamples, is_stale, stale_marker};
pub(crate) use source::Part;
pub use source::{SampleSource, SourceError};
