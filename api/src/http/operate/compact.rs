//! `POST /v1/admin/compact`: runs a compaction.

use almanac_engine::store::{Compaction, CompactionReport};
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, Params};

/// Result of a compaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct CompactionBody {
    /// Samples moved out of hot and late segments.
    pub(crate) samples_moved: u64,
    /// Samples replaced by later writes.
    pub(crate) samples_replaced: u64,
    /// Samples deleted by retention.
    pub(crate) samples_expired: u64,
    /// Segments written.
    pub(crate) segments_written: u64,
    /// Segments dropped.
    pub(crate) segments_dropped: u64,
    /// Rollup rows written.
    pub(crate) rollups_written: u64,
}

impl From<CompactionReport> for CompactionBody {
    fn from(report: CompactionReport) -> Self {
        Self {
            samples_moved: report.samples_moved,
            samples_replaced: report.samples_replaced,
            samples_expired: report.samples_expired,
            segments_written: report.segments_written,
            segments_dropped: report.segments_dropped,
            rollups_written: report.rollups_written,
        }
    }
}

/// Compacts all segments, computes rollups, applies retention and releases disk space; `what=due` does only what is
/// due.
#[utoipa::path(post, path = "/v1/admin/compact", tag = "operate",
    params(("what" = Option<String>, Query, description = "all or due [all]")),
    responses((status = 200, description = "result of the compaction", body = CompactionBody), (status = 400, description = "invalid parameter", body = crate::http::ErrorBody)))]
pub(super) async fn compact(State(state): State<AppState>, params: Params) -> Result<Json<CompactionBody>, ApiError> {
    params.only(&["what"])?;
    let what = match params.get("what") {
        None | Some("all") => Compaction::All,
        Some("due") => Compaction::Due,
        Some(other) => {
            return Err(ApiError::bad_request("invalid_parameter", format!("what {other:?} is neither all nor due")));
        }
    };
    let (store, now) = (state.store.clone(), state.clock.now());
    let report = state.blocking(move || store.compact(now, what)).await?;
    Ok(Json(report.into()))
}
