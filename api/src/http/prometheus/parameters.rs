//! Parameters that several of Prometheus' routes have.

use super::answer::PromError;
use crate::http::{
    Params,
    shared::{parse_duration_ms, parse_time},
};

/// An instant in epoch milliseconds; none when it is missing.
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

/// A duration in milliseconds, not negative; none when it is missing.
pub(super) fn duration_of(params: &Params, name: &str) -> Result<Option<i64>, PromError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    match parse_duration_ms(text).filter(|ms| *ms >= 0) {
        Some(ms) => Ok(Some(ms)),
        None => Err(PromError::bad_data(format!(
            "invalid parameter {name:?}: cannot parse {text:?} to a valid duration, such as 30 or 30s"
        ))),
    }
}

/// A limit; none when it is missing or 0, as in Prometheus.
pub(super) fn limit_of(params: &Params, name: &str) -> Result<Option<usize>, PromError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    let wrong = || PromError::bad_data(format!("invalid parameter {name:?}: {text:?} is not a whole number from 0 on"));
    let limit: usize = text.parse().map_err(|_| wrong())?;
    Ok((limit > 0).then_some(limit))
}

/// A whole number; none when it is missing.
pub(super) fn number_of(params: &Params, name: &str) -> Result<Option<i64>, PromError> {
    let Some(text) = params.get(name) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| PromError::bad_data(format!("invalid parameter {name:?}: {text:?} is not a whole number")))
}
