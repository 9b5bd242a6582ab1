//! Words with a meaning of their own, and where they may be names nevertheless.

use crate::signal::plan::AggregateOp;

/// The aggregation of this name, in any case; none of what is an aggregation but not evaluated here.
pub(super) fn aggregation(word: &str) -> Option<Result<AggregateOp, &'static str>> {
    let lower = word.to_ascii_lowercase();
    if lower == "limit_ratio" {
        return Some(Err("limit_ratio"));
    }
    AggregateOp::ALL.into_iter().find(|op| op.name() == lower).map(Ok)
}

/// Whether a word, in any case, is one of these keywords.
pub(super) fn is_one_of(word: &str, keywords: &[&str]) -> bool {
    keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// `Inf` and `NaN` in any case.
pub(super) fn number(word: &str) -> Option<f64> {
    if word.eq_ignore_ascii_case("inf") {
        Some(f64::INFINITY)
    } else if word.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else {
        None
    }
}

/// Keywords that cannot be a metric's name where an expression begins; all others can.
pub(super) const NEVER_METRICS: [&str; 6] = ["atan2", "bool", "group_left", "group_right", "ignoring", "on"];

/// Keywords that a function cannot have as its name.
pub(super) const NEVER_FUNCTIONS: [&str; 14] = [
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
