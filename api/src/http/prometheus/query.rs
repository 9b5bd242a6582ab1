//! `/api/v1/query` and `/api/v1/query_range`, and the thread and timeout of every evaluation.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use almanac_engine::{
    learn::LearnedSource,
    signal::{
        self, Cancel, EvalLimits, Feature, NoteKind, Query, RangeSeries, SampleCounts, SignalError, Value, VectorSample,
    },
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::json;

use super::{
    answer::{MatrixParts, PromError, Remarks, signal_error, success, success_in_parts, vector_parts, write_value},
    parameters::{duration_of, instant_of, limit_of},
};
use crate::http::{
    ApiError, AppState, Lane, Params,
    shared::{parse_duration_ms, spawn_blocking},
};

/// Maximum number of samples of an evaluation: some 16 bytes each. A range query that needs more is evaluated in parts.
pub(super) const MAX_SAMPLES: usize = 20_000_000;
/// Memory of a sample of a result in bytes.
const BYTES_PER_SAMPLE: usize = 16;
/// Time for which a response waits for memory.
const MEMORY_WAIT: Duration = Duration::from_secs(10);
/// Most remarks of each kind in an answer.
const MAX_REMARKS: usize = 10;
/// Timeout of an evaluation; the parameter `timeout` may lower it.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);

/// Evaluates an expression at one instant.
///
/// Parameters: `query`, `time` (Unix seconds or RFC 3339 [now]), `timeout`, `limit` (series), `lookback_delta`, `stats`.
#[utoipa::path(get, path = "/api/v1/query", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL expression"), ("time" = Option<String>, Query, description = "Unix seconds or RFC 3339 [now]"), ("timeout" = Option<String>, Query, description = "duration such as 30s, at most 120s")),
    responses((status = 200, description = "result as in Prometheus: scalar, string, vector or matrix"), (status = 400, description = "invalid parameter or expression"), (status = 422, description = "the evaluation failed"), (status = 503, description = "timeout")))]
pub(super) async fn query(State(state): State<AppState>, params: Params) -> Result<Response, PromError> {
    let time_ms = instant_of(&params, "time")?.unwrap_or_else(|| state.clock.now().millis());
    let most = limit_of(&params, "limit")?;
    let (mut value, remarks, stats) =
        evaluate(&state, &params, move |source, query, limits| signal::instant(source, query, time_ms, limits)).await?;
    let remarks = remarks.and_truncated(cut(&mut value, most));
    match value {
        Value::Matrix(series) => matrix(&state, series, &remarks, stats.as_deref()).await,
        Value::Vector(samples) => {
            let reserved = state.answers.reserve(samples.len() * size_of::<VectorSample>(), MEMORY_WAIT).await?;
            Ok(success_in_parts(vector_parts(samples, stats.as_deref()), &remarks, reserved))
        }
        value => Ok(success(&write_value(&value, time_ms, stats.as_deref()), &remarks)),
    }
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query(state, params).await
}

/// Evaluates an expression at every step of a span.
///
/// Parameters: `query`, `start`, `end` (Unix seconds or RFC 3339), `step` (seconds, or a duration such as 15s),
/// `timeout`, `limit` (series), `lookback_delta`, `stats`.
#[utoipa::path(get, path = "/api/v1/query_range", tag = "prometheus",
    params(("query" = String, Query, description = "PromQL expression"), ("start" = String, Query, description = "start of the span: Unix seconds or RFC 3339"), ("end" = String, Query, description = "end of the span: Unix seconds or RFC 3339"), ("step" = String, Query, description = "seconds, or a duration such as 15s"), ("timeout" = Option<String>, Query, description = "duration such as 30s, at most 120s")),
    responses((status = 200, description = "result as in Prometheus: a matrix"), (status = 400, description = "invalid parameter or expression"), (status = 422, description = "the evaluation failed"), (status = 503, description = "timeout")))]
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
    let most = limit_of(&params, "limit")?;
    let (mut series, remarks, stats) = evaluate(&state, &params, move |source, query, limits| {
        signal::range(source, query, start_ms, end_ms, step_ms, limits)
    })
    .await?;
    let remarks = remarks.and_truncated(shorten(&mut series, most));
    matrix(&state, series, &remarks, stats.as_deref()).await
}

/// Responds with a matrix, which is encoded while the client reads it.
async fn matrix(
    state: &AppState,
    series: Vec<RangeSeries>,
    remarks: &Remarks,
    stats: Option<&str>,
) -> Result<Response, PromError> {
    let weight = |one: &RangeSeries| one.histograms.iter().map(|(_, histogram)| histogram.weight()).sum::<usize>();
    let samples: usize = series.iter().map(|one| one.timestamps.len() + weight(one)).sum();
    let reserved = state.answers.reserve(samples.saturating_mul(BYTES_PER_SAMPLE), MEMORY_WAIT).await?;
    Ok(success_in_parts(MatrixParts::new(series, stats), remarks, reserved))
}

/// Same as GET, with the parameters in a form.
#[utoipa::path(post, path = "/api/v1/query_range", tag = "prometheus",
    responses((status = 200, description = "as GET"), (status = 400, description = "as GET")))]
pub(super) async fn query_range_posted(state: State<AppState>, params: Params) -> Result<Response, PromError> {
    query_range(state, params).await
}

/// Truncates a vector or matrix to `most` series; returns whether there were more.
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

/// Evaluates the parameter `query` with the timeout and the look-back of the parameters. Also returns the remarks about
/// the result, and with the parameter `stats` the statistics as JSON.
async fn evaluate<T: Send + 'static>(
    state: &AppState,
    params: &Params,
    work: impl FnOnce(&LearnedSource, &Query, &EvalLimits) -> Result<T, SignalError> + Send + 'static,
) -> Result<(T, Remarks, Option<String>), PromError> {
    let text = expression(params)?;
    let timeout = duration_of(params, "timeout")?
        .and_then(|millis| u64::try_from(millis).ok())
        .map_or(MAX_TIMEOUT, |millis| Duration::from_millis(millis).min(MAX_TIMEOUT));
    let lookback_ms = duration_of(params, "lookback_delta")?.filter(|ms| *ms > 0);
    let (source, config) = (LearnedSource::new(state.store.clone(), state.clock.now()), Arc::clone(&state.config));
    let asked = Instant::now();
    let evaluation = move |limits: &EvalLimits| {
        let started = Instant::now();
        let limits = EvalLimits {
            lookback_ms: lookback_ms.unwrap_or(limits.lookback_ms),
            delays_names: config.promql.enables(Feature::DelayedNameRemoval),
            ..limits.clone()
        };
        let query = signal::parse(&text)?;
        if let Err(message) = config.promql.permit(&query) {
            return Ok(Err(message));
        }
        let prepared = Instant::now();
        let value = work(&source, &query, &limits)?;
        let mut remarks = Remarks::default();
        for note in limits.notes.take() {
            let texts = match note.kind {
                NoteKind::Warning => &mut remarks.warnings,
                NoteKind::Info => &mut remarks.infos,
            };
            // As many of each kind as Prometheus shows.
            if texts.len() < MAX_REMARKS {
                texts.push(note.text(&text));
            }
        }
        let times = [started.duration_since(asked), prepared.duration_since(started), prepared.elapsed()];
        Ok(Ok((value, remarks, stats(times, limits.counts.get()))))
    };
    let done = evaluate_within(state, timeout, evaluation).await.map_err(evaluation_error)?;
    let (value, remarks, stats) = done.map_err(PromError::bad_data)?;
    Ok((value, remarks, params.get("stats").map(|_| stats)))
}

/// Returns the statistics of a query as in Prometheus: times in seconds, and numbers of samples. `times`: waiting,
/// preparing, evaluating.
fn stats(times: [Duration; 3], counts: SampleCounts) -> String {
    let [waiting, preparing, evaluating] = times.map(|time| time.as_secs_f64());
    json!({
        "timings": {
            "evalTotalTime": preparing + evaluating,
            "resultSortTime": 0.0,
            "queryPreparationTime": preparing,
            "innerEvalTime": evaluating,
            "execQueueTime": waiting,
            "execTotalTime": waiting + preparing + evaluating,
        },
        "samples": { "totalQueryableSamples": counts.read, "peakSamples": counts.peak },
    })
    .to_string()
}

/// Why an evaluation has no result.
#[derive(Debug)]
pub(in crate::http) enum EvaluationError {
    /// The expression failed.
    Signal(SignalError),
    /// Too many evaluations are waiting.
    Busy(ApiError),
    /// The evaluation timed out.
    Timeout(Duration),
    /// The evaluating thread panicked, or the runtime shut down.
    Lost,
}

/// Evaluates on a thread that may block, after waiting for a place in the lane; both together take at most `timeout`.
///
/// If the client disconnects or the timeout passes, the evaluation is cancelled.
pub(in crate::http) async fn evaluate_within<T: Send + 'static>(
    state: &AppState,
    timeout: Duration,
    work: impl FnOnce(&EvalLimits) -> Result<T, SignalError> + Send + 'static,
) -> Result<T, EvaluationError> {
    /// Cancels the evaluation when this future is dropped.
    struct CancelOnDrop(Cancel);
    impl Drop for CancelOnDrop {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }
    let limits = EvalLimits { max_samples: MAX_SAMPLES, ..EvalLimits::default() };
    let _cancel = CancelOnDrop(limits.cancel.clone());
    let evaluation = async {
        let place = state.lanes.enter(Lane::Heavy).await.map_err(EvaluationError::Busy)?;
        let task = spawn_blocking(move || {
            // Held until the work ends, also when nobody waits for it any more.
            let _place = place;
            work(&limits)
        });
        task.await.map_err(|_| EvaluationError::Lost)?.map_err(EvaluationError::Signal)
    };
    match tokio::time::timeout(timeout, evaluation).await {
        Ok(result) => result,
        Err(_) => Err(EvaluationError::Timeout(timeout)),
    }
}

/// Maps an evaluation error for all routes but Prometheus'.
impl From<EvaluationError> for ApiError {
    fn from(error: EvaluationError) -> Self {
        match error {
            EvaluationError::Signal(error) => error.into(),
            EvaluationError::Busy(error) => error,
            EvaluationError::Timeout(timeout) => {
                let message = format!("the evaluation took longer than {} s", timeout.as_secs());
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "deadline", message)
            }
            EvaluationError::Lost => Self::internal(&std::io::Error::other("the evaluation ended without a result")),
        }
    }
}

/// Maps an evaluation error to Prometheus' error types.
pub(super) fn evaluation_error(error: EvaluationError) -> PromError {
    match error {
        EvaluationError::Timeout(timeout) => {
            PromError::timeout(format!("query timed out in expression evaluation after {} ms", timeout.as_millis()))
        }
        EvaluationError::Lost => PromError::internal(&std::io::Error::other("the evaluation ended without a result")),
        EvaluationError::Signal(error) => signal_error(&error),
        EvaluationError::Busy(error) => error.into(),
    }
}

/// Returns the text of the expression. It is parsed on the thread that evaluates it: its patterns may take long.
pub(super) fn expression(params: &Params) -> Result<String, PromError> {
    params.get("query").map(str::to_owned).ok_or_else(|| {
        PromError::bad_data("invalid parameter \"query\": unknown position: parse error: no expression found in input")
    })
}
