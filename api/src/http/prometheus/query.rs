use std::time::Duration;

use almanac_engine::signal::{self, Cancel, EvalLimits, SignalError};
use axum::{extract::State, http::StatusCode, response::Response};

use super::answer::{PromError, success, write_matrix, write_value};
use crate::http::{
    ApiError, AppState, Params,
    shared::{parse_duration_ms, parse_time},
};

/// Longest that an evaluation may take; `timeout` may ask for less.
const LONGEST: Duration = Duration::from_secs(120);

/// Evaluates an expression at one time.
///
/// `query`; `time` (Unix seconds or RFC 3339, the present when missing); `timeout`.
#[utoipa::path(get, path = "/api/v1/query", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL"), ("time" = Option<String>, Query, description = "Unix seconds or RFC 3339"), ("timeout" = Option<String>, Query, description = "such as 30s")),
    responses((status = 200, description = "Prometheus' answer: scalar, string, vector or matrix"), (status = 400, description = "wrong parameter or expression"), (status = 422, description = "cannot be evaluated"), (status = 503, description = "timeout")))]
pub(super) async fn query(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let time_ms = instant_of(&params, "time")?.unwrap_or_else(|| state.clock.now().millis());
    let query = expression(&params)?;
    let store = state.store.clone();
    let data = evaluate(&state, &params, move |limits| {
        signal::instant(&store, &query, time_ms, limits).map(|value| write_value(&value, time_ms))
    })
    .await?;
    Ok(success(&data))
}

/// The same with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query(state, params).await
}

/// Evaluates an expression at every step of a span.
///
/// `query`, `start`, `end` (Unix seconds or RFC 3339), `step` (seconds or such as 15s), `timeout`.
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
    let step_ms = parse_duration_ms(step_ms)
        .ok_or_else(|| PromError::bad_data(format!("invalid parameter \"step\": {step_ms:?} is no duration")))?;
    if step_ms <= 0 {
        return Err(PromError::bad_data(
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    let query = expression(&params)?;
    let store = state.store.clone();
    let data = evaluate(&state, &params, move |limits| {
        signal::range(&store, &query, start_ms, end_ms, step_ms, limits).map(|series| write_matrix(&series))
    })
    .await?;
    Ok(success(&data))
}

/// The same with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query_range", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_range_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query_range(state, params).await
}

/// Evaluates on a thread of its own within the deadline; when the caller goes away the evaluation stops.
async fn evaluate<T: Send + 'static>(
    state: &AppState,
    params: &Params,
    work: impl FnOnce(&EvalLimits) -> Result<T, SignalError> + Send + 'static,
) -> Result<T, PromError> {
    let deadline = match params.get("timeout") {
        Some(text) => parse_duration_ms(text)
            .and_then(|millis| u64::try_from(millis).ok())
            .map(Duration::from_millis)
            .ok_or_else(|| PromError::bad_data(format!("invalid parameter \"timeout\": {text:?} is no duration")))?
            .min(LONGEST),
        None => LONGEST,
    };
    evaluate_within(state, deadline, work).await.map_err(evaluation_error)
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

pub(super) fn signal_error(error: &SignalError) -> PromError {
    let message = crate::chain(error);
    match error {
        SignalError::Parse { .. }
        | SignalError::Matcher(_)
        | SignalError::Range { .. }
        | SignalError::TooManySteps { .. }
        | SignalError::Kind { .. }
        | SignalError::TooDeep { .. } => PromError::bad_data(message),
        SignalError::Source(_) => PromError::internal(error),
        SignalError::Cancelled => PromError::timeout(message),
        _ => PromError::execution(message),
    }
}

fn expression(params: &Params) -> Result<signal::Query, PromError> {
    let text = params.get("query").ok_or_else(|| {
        PromError::bad_data("invalid parameter \"query\": unknown position: parse error: no expression found in input")
    })?;
    signal::parse(text).map_err(|error| signal_error(&error))
}

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
