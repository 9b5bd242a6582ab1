//! Keywords of PromQL, and where they may be names of metrics and functions.

use crate::signal::plan::AggregateOp;

/// Returns the aggregation with this name, ignoring case.
pub(super) fn aggregation(word: &str) -> Option<AggregateOp> {
    let lower = word.to_ascii_lowercase();
    AggregateOp::ALL.into_iter().find(|op| op.name() == lower)
}

/// Whether a word is one of these keywords, ignoring case.
pub(super) fn is_one_of(word: &str, keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Returns the value of `Inf` and `NaN`, ignoring case.
pub(super) fn number(word: &str) -> Option<f64> {
    if word.eq_ignore_ascii_case("inf") {
        Some(f64::INFINITY)
    } else if word.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else {
        None
    }
}

/// Keywords that cannot be a metric name at the start of an operand. All others can.
pub(super) const NOT_METRIC_NAMES: [&str; 6] = ["atan2", "bool", "group_left", "group_right", "ignoring", "on"];

/// Keywords that cannot be the name of a function.
pub(super) const NOT_FUNCTION_NAMES: [&str; 14] = [
    "and",
    "atan2",
    "bool",
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "offset",
    "on",
    "or",
    "unless",
    "without",
    "inf",
    "nan",
];
