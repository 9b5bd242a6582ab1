//! `POST /v1/admin/learn`: runs a learning cycle.

use almanac_engine::learn::CycleReport;
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, Lane, Params};

/// Result of a learning cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct CycleBody {
    /// Signals fitted.
    pub(crate) fitted: usize,
    /// Signals with too few values to fit.
    pub(crate) waiting: usize,
    /// Signals not due for a fit.
    pub(crate) current: usize,
    /// New values scored.
    pub(crate) values: usize,
    /// Scored values that are anomalies.
    pub(crate) anomalies: usize,
    /// Signals that could not be fitted or scored.
    pub(crate) failed: Vec<FailureBody>,
}

/// A signal that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FailureBody {
    /// Name of the signal.
    pub(crate) signal: String,
    /// Reason of the failure.
    pub(crate) reason: String,
}

impl From<CycleReport> for CycleBody {
    fn from(report: CycleReport) -> Self {
        let failed = report.learned.failed.into_iter().chain(report.scored.failed);
        Self {
            fitted: report.learned.fitted,
            waiting: report.learned.waiting,
            current: report.learned.current,
            values: report.scored.values,
            anomalies: report.scored.anomalies,
            failed: failed.map(|(signal, reason)| FailureBody { signal, reason }).collect(),
        }
    }
}

/// Chooses default signals, fits every signal that is due, and scores new values. Waits for a running cycle of the
/// schedule first; one requested cycle runs at a time.
#[utoipa::path(post, path = "/v1/admin/learn", tag = "operate",
    responses((status = 200, description = "result of the cycle", body = CycleBody), (status = 400, description = "invalid parameter", body = crate::http::ErrorBody), (status = 409, description = "another requested cycle is running", body = crate::http::ErrorBody)))]
pub(super) async fn learn(State(state): State<AppState>, params: Params) -> Result<Json<CycleBody>, ApiError> {
    params.only(&[])?;
    let (scheduler, now) = (state.scheduler.clone(), state.steady_now()?);
    let report = state
        .run(Lane::Learn, move || {
            let mut scheduler = scheduler.lock();
            scheduler.choose(now)?;
            scheduler.run_cycle(now, &|_| {})
        })
        .await?;
    Ok(Json(report.into()))
}
