//! Results of expressions: scalars, vectors, matrices, and series at evenly spaced steps.

use std::sync::Arc;

use super::Arena;
use crate::{histogram::Histogram, series::Labels};

/// Result of an instant query.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number at the time of the query.
    Scalar(f64),
    /// One sample for each series, all at the time of the query.
    Vector(Vec<VectorSample>),
    /// The stored samples of each series within a range, with their own timestamps.
    Matrix(Vec<RangeSeries>),
    /// A string literal.
    String(String),
}

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// Labels of the element.
    pub labels: Labels,
    /// Time of the query in epoch milliseconds.
    pub timestamp_ms: i64,
    /// Value; may be NaN or infinite. NaN for a histogram.
    pub value: f64,
    /// The histogram, if the element is one.
    pub histogram: Option<Arc<Histogram>>,
}

impl VectorSample {
    /// Returns an element with a number.
    #[must_use]
    pub fn number(labels: Labels, timestamp_ms: i64, value: f64) -> Self {
        Self { labels, timestamp_ms, value, histogram: None }
    }
}

/// One series of a range: its floats and its histograms, of which one may be missing. Times and values have the same
/// length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RangeSeries {
    /// Labels of the series.
    pub labels: Labels,
    /// Times in epoch milliseconds, strictly ascending. Steps without a value are left out.
    pub timestamps: Vec<i64>,
    /// Values; may be NaN or infinite.
    pub values: Vec<f64>,
    /// Histograms with their times.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

impl RangeSeries {
    /// Returns a series of samples, some of which may be histograms.
    pub(super) fn new(labels: Labels, samples: impl Iterator<Item = (i64, f64)>, arena: &Arena) -> Self {
        let mut series = Self { labels, ..Self::default() };
        series.extend(samples, arena);
        series
    }

    /// Adds samples.
    pub(super) fn extend(&mut self, samples: impl Iterator<Item = (i64, f64)>, arena: &Arena) {
        for (at, value) in samples {
            match arena.get(value) {
                Some(histogram) => self.histograms.push((at, histogram)),
                None => {
                    self.timestamps.push(at);
                    self.values.push(value);
                }
            }
        }
    }

    /// Returns the number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps.len() + self.histograms.len()
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty() && self.histograms.is_empty()
    }
}

/// Result of an expression at evenly spaced steps, with one value for each step.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseSeries {
    /// Time of the first step in epoch milliseconds.
    pub start_ms: i64,
    /// Distance between steps in milliseconds.
    pub step_ms: i64,
    /// Number of steps.
    pub steps: usize,
    /// Series ordered by labels. Series without a value are left out.
    pub series: Vec<DenseRow>,
}

/// One series of a [`DenseSeries`].
#[derive(Debug, Clone, PartialEq)]
pub struct DenseRow {
    /// Labels of the series.
    pub labels: Labels,
    /// One value for each step; NaN where the series has none.
    pub values: Vec<f64>,
}

/// Kind of an expression's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// One number for each step.
    Scalar,
    /// An instant vector for each step.
    Vector,
    /// A range vector. Valid as the argument of a function, and as the whole expression of an instant query.
    Matrix,
    /// A string literal.
    String,
}

impl ValueKind {
    /// Returns the name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }

    /// Returns the name of the kind with its article.
    pub(super) fn with_article(self) -> &'static str {
        match self {
            Self::Scalar => "a scalar",
            Self::Vector => "an instant vector",
            Self::Matrix => "a range vector",
            Self::String => "a string",
        }
    }
}
