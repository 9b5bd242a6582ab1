//! What expressions give: scalars, vectors, matrices, and series on a dense grid.

use crate::series::Labels;

/// What an instant query gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One number, at the time of the query.
    Scalar(f64),
    /// One sample per series, all at the time of the query.
    Vector(Vec<VectorSample>),
    /// The stored samples of each series within a range, at their own times.
    Matrix(Vec<RangeSeries>),
    /// A string literal.
    String(String),
}

/// One element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSample {
    /// The element's labels.
    pub labels: Labels,
    /// The time of the query, in epoch milliseconds.
    pub timestamp_ms: i64,
    /// The value; NaN and infinities are values.
    pub value: f64,
}

/// One series of a range: timestamps ascending, both vectors of one length, never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    /// The series' labels.
    pub labels: Labels,
    /// Epoch milliseconds, strictly ascending; steps without a value are left out.
    pub timestamps: Vec<i64>,
    /// The values; NaN and infinities are values.
    pub values: Vec<f64>,
}

/// What an expression gives at evenly spaced steps, one value a step.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseSeries {
    /// The instant of the first step, in epoch milliseconds.
    pub start_ms: i64,
    /// Distance of the steps in milliseconds.
    pub step_ms: i64,
    /// Number of steps.
    pub steps: usize,
    /// The series, ordered by labels; those without a value are left out.
    pub series: Vec<DenseRow>,
}

/// One series of a [`DenseSeries`].
#[derive(Debug, Clone, PartialEq)]
pub struct DenseRow {
    /// The series' labels.
    pub labels: Labels,
    /// One value a step; NaN where there is none.
    pub values: Vec<f64>,
}

/// What kind of value an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// One number per step.
    Scalar,
    /// An instant vector per step.
    Vector,
    /// A range vector, only by itself in an instant query or as a function's argument.
    Matrix,
    /// A string literal.
    String,
}

impl ValueKind {
    /// The kind's name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }
}
