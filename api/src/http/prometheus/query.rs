//! Queries at one time and over a range, and the thread and deadline of every evaluation.

use std::time::Duration;

use almanac_engine::signal::{self, Cancel, EvalLimits, SignalError, Value};
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    answer::{PromError, signal_error, success, write_matrix, write_value},
    parameters::{duration_of, instant_of, limit_of},
};
use crate::http::{ApiError, AppState, Params, shared::parse_duration_ms};

/// Longest that an evaluation may take; `timeout` may ask for less.
const LONGEST: Duration = Duration::from_secs(120);

/// Evaluates an expression at one time.
///
/// `query`; `time` (Unix seconds or RFC 3339, the present when missing); `timeout`; `limit` (series); `lookback_delta`.
#[utoipa::path(get, path = "/api/v1/query", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL"), ("time" = Option<String>, Query, description = "Unix seconds or RFC 3339"), ("timeout" = Option<String>, Query, description = "such as 30s")),
    responses((status = 200, description = "Prometheus' answer: scalar, string, vector or matrix"), (status = 400, description = "wrong parameter or expression"), (status = 422, description = "cannot be evaluated"), (status = 503, description = "timeout")))]
pub(super) async fn query(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let time_ms = instant_of(&params, "time")?.unwrap_or_else(|| state.clock.now().millis());
    let query = expression(&params)?;
    let (store, most) = (state.store.clone(), limit_of(&params, "limit")?);
    let (data, truncated) = evaluate(&state, &params, move |limits| {
        signal::instant(&store, &query, time_ms, limits).map(|mut value| {
            let truncated = cut(&mut value, most);
            (write_value(&value, time_ms), truncated)
        })
    })
    .await?;
    Ok(success(&data, truncated))
}

/// The same with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query(state, params).await
}

/// Evaluates an expression at every step of a span.
///
/// `query`, `start`, `end` (Unix seconds or RFC 3339), `step` (seconds or such as 15s), `timeout`, `limit` (series), `lookback_delta`.
#[utoipa::path(get, path = "/api/v1/query_range", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL"), ("start" = String, Query, description = "Unix seconds or RFC 3339"), ("end" = String, Query, description = "Unix seconds or RFC 3339"), ("step" = String, Query, description = "seconds or such as 15s"), ("timeout" = Option<String>, Query, description = "such as 30s")),
    responses((status = 200, description = "Prometheus' answer: a matrix"), (status = 400, description = "wrong parameter or expression"), (status = 422, description = "cannot be evaluated"), (status = 503, description = "timeout")))]
pub(super) async fn query_range(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let needed = |name: &str| {
        instant_of(&params, name)?
            .ok_or_else(|| PromError::bad_data(format!("invalid parameter \"{name}\": it is missing")))
    };
    let (start_ms, end_ms) = (needed("start")?, needed("end")?);
    if end_ms < start_ms {
        return Err(PromError::bad_data("invalid parameter \"end\": end timestamp must not be before start time"));
    }
    let step_ms = params.get("step").ok_or_else(|| PromError::bad_data("invalid parameter \"step\": it is missing"))?;
    let step_ms = parse_duration_ms(step_ms).ok_or_else(|| {
        PromError::bad_data(format!("invalid parameter \"step\": {step_ms:?} is not a duration such as 15 or 15s"))
    })?;
    if step_ms <= 0 {
        return Err(PromError::bad_data(
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    let query = expression(&params)?;
    let (store, most) = (state.store.clone(), limit_of(&params, "limit")?);
    let (data, truncated) = evaluate(&state, &params, move |limits| {
        signal::range(&store, &query, start_ms, end_ms, step_ms, limits).map(|mut series| {
            let truncated = shorten(&mut series, most);
            (write_matrix(&series), truncated)
        })
    })
    .await?;
    Ok(success(&data, truncated))
}

/// The same with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query_range", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_range_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query_range(state, params).await
}

/// Cuts a vector or matrix to so many series; says whether it did.
fn cut(value: &mut Value, most: Option<usize>) -> bool {
    match value {
        Value::Vector(samples) => shorten(samples, most),
        Value::Matrix(series) => shorten(series, most),
        Value::Scalar(_) | Value::String(_) => false,
    }
}

fn shorten<T>(all: &mut Vec<T>, most: Option<usize>) -> bool {
    let most = most.unwrap_or(usize::MAX);
    let is_longer = all.len() > most;
    all.truncate(most);
    is_longer
}

/// Evaluates on a thread of its own within the deadline and with the look-back that the parameters ask for; when the
/// caller goes away the evaluation stops.
async fn evaluate<T: Send + 'static>(
    state: &AppState,
    params: &Params,
    work: impl FnOnce(&EvalLimits) -> Result<T, SignalError> + Send + 'static,
) -> Result<T, PromError> {
    let deadline = duration_of(params, "timeout")?
        .and_then(|millis| u64::try_from(millis).ok())
        .map_or(LONGEST, |millis| Duration::from_millis(millis).min(LONGEST));
    let lookback_ms = duration_of(params, "lookback_delta")?.filter(|ms| *ms > 0);
    let with_lookback = move |limits: &EvalLimits| match lookback_ms {
        Some(lookback_ms) => work(&EvalLimits { lookback_ms, ..limits.clone() }),
        None => work(limits),
    };
    evaluate_within(state, deadline, with_lookback).await.map_err(evaluation_error)
}

/// Why an evaluation gave nothing.
#[derive(Debug)]
pub(in crate::http) enum Evaluation {
    /// The evaluator says why.
    Signal(SignalError),
    /// The deadline passed.
    Deadline(Duration),
    /// The evaluating thread panicked, or the service ends.
    Lost,
}

/// Evaluates on a thread of its own within `deadline`.
pub(in crate::http) async fn evaluate_within<T: Send + 'static>(
    state: &AppState,
    deadline: Duration,
    work: impl FnOnce(&EvalLimits) -> Result<T, SignalError> + Send + 'static,
) -> Result<T, Evaluation> {
    /// Stops the evaluation when the request is dropped, whatever the reason.
    struct StopOnDrop(Cancel);
    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }
    let limits = EvalLimits::default();
    let _stop = StopOnDrop(limits.cancel.clone());
    let evaluation = async {
        let place = state.evaluations.clone().acquire_owned().await.map_err(|_| Evaluation::Lost)?;
        let task = tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&limits)
        });
        task.await.map_err(|_| Evaluation::Lost)?.map_err(Evaluation::Signal)
    };
    match tokio::time::timeout(deadline, evaluation).await {
        Ok(result) => result,
        Err(_) => Err(Evaluation::Deadline(deadline)),
    }
}

/// What a failed evaluation means outside of Prometheus' interface.
impl From<Evaluation> for ApiError {
    fn from(error: Evaluation) -> Self {
        match error {
            Evaluation::Signal(error) => error.into(),
            Evaluation::Deadline(deadline) => {
                let message = format!("the evaluation did not end within {} s", deadline.as_secs());
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "deadline", message)
            }
            Evaluation::Lost => Self::internal(&std::io::Error::other("the evaluation ended without an answer")),
        }
    }
}

/// What a failed evaluation says in Prometheus' words.
fn evaluation_error(error: Evaluation) -> PromError {
    match error {
        Evaluation::Deadline(deadline) => {
            PromError::timeout(format!("query timed out in expression evaluation after {} ms", deadline.as_millis()))
        }
        Evaluation::Lost => PromError::internal(&std::io::Error::other("the evaluation ended without an answer")),
        Evaluation::Signal(error) => signal_error(&error),
    }
}

fn expression(params: &Params) -> Result<signal::Query, PromError> {
    let text = params.get("query").ok_or_else(|| {
        PromError::bad_data("invalid parameter \"query\": unknown position: parse error: no expression found in input")
    })?;
    signal::parse(text).map_err(|error| signal_error(&error))
}
