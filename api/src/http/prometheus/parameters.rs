//! Parses parameters that several of Prometheus' routes have.

use super::answer::PromError;
use crate::http::{
    Params,
    shared::{parse_duration_ms, parse_time},
};

/// Parses an instant into epoch milliseconds; `None` when it is missing.
pub(super) fn instant_of(params: &Params, name: &str) -> Result<Option<i64>, PromError> {
    params
        .get(name)
        .map(|text| {
            parse_time(text, 1000.0).ok_or_else(|| {
                PromError::bad_data(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp"))
            })
        })
        .transpose()
}

/// Parses a duration into milliseconds, at least 0; `None` when it is missing.
pub(super) fn duration_of(params: &Params, name: &str) -> Result<Option<i64>, PromError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    match parse_duration_ms(text).filter(|ms| *ms >= 0) {
        Some(ms) => Ok(Some(ms)),
        None => Err(PromError::bad_data(format!(
            "invalid parameter {name:?}: cannot parse {text:?} to a valid duration, such as 30 or 30s"
        ))),
    }
}

/// Parses a limit; `None` when it is missing or 0, as in Prometheus.
pub(super) fn limit_of(params: &Params, name: &str) -> Result<Option<usize>, PromError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let wrong = || PromError::bad_data(format!("invalid parameter {name:?}: {text:?} is not a non-negative integer"));
    let limit: usize = text.parse().map_err(|_| wrong())?;
    Ok((limit > 0).then_some(limit))
}

/// Parses a flag as in Go; false when it is missing.
pub(super) fn flag_of(params: &Params, name: &str) -> Result<bool, PromError> {
    match params.get(name).map(str::to_lowercase).as_deref() {
        None | Some("false" | "f" | "0") => Ok(false),
        Some("true" | "t" | "1") => Ok(true),
        Some(other) => Err(PromError::bad_data(format!("invalid parameter {name:?}: {other:?} is not true or false"))),
    }
}

/// Parses an integer; `None` when it is missing.
pub(super) fn number_of(params: &Params, name: &str) -> Result<Option<i64>, PromError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| PromError::bad_data(format!("invalid parameter {name:?}: {text:?} is not an integer")))
}
