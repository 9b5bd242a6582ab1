//! `POST /v1/admin/compact`: runs a compaction.

use almanac_engine::store::{Compaction, CompactionReport};
use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, AppState, Lane, Params};

/// Result of a compaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
pub(crate) struct CompactionBody {
    /// Samples moved out of hot and late segments.
    pub(crate) samples_moved: u64,
    /// Samples replaced by later writes.
    pub(crate) samples_replaced: u64,
    /// Samples deleted by retention.
    pub(crate) samples_expired: u64,
    /// Rows older than their retention that are held back, because they are more than the largest share at once.
    #[serde(default)]
    pub(crate) rows_held: u64,
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
            rows_held: report.rows_held,
            segments_written: report.segments_written,
            segments_dropped: report.segments_dropped,
            rollups_written: report.rollups_written,
        }
    }
}

/// Compacts all segments, computes rollups, applies retention and releases disk space; `what=due` does only what is
/// due. `allow_drop=true` lets retention delete any share of the rows at once. One requested compaction runs at a time.
#[utoipa::path(post, path = "/v1/admin/compact", tag = "operate",
    params(("what" = Option<String>, Query, description = "all or due [all]"), ("allow_drop" = Option<bool>, Query, description = "whether retention may delete any share of the rows [false]")),
    responses((status = 200, description = "result of the compaction", body = CompactionBody), (status = 400, description = "invalid parameter", body = crate::http::ErrorBody), (status = 409, description = "another requested compaction is running", body = crate::http::ErrorBody)))]
pub(super) async fn compact(State(state): State<AppState>, params: Params) -> Result<Json<CompactionBody>, ApiError> {
    params.only(&["what", "allow_drop"])?;
    let what = match params.get("what") {
        None | Some("all") => Compaction::All,
        Some("due") => Compaction::Due,
        Some(other) => {
            return Err(ApiError::bad_request("invalid_parameter", format!("what {other:?} is neither all nor due")));
        }
    };
    let allow_drop = match params.get("allow_drop") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let message = format!("allow_drop {other:?} is neither true nor false");
            return Err(ApiError::bad_request("invalid_parameter", message));
        }
    };
    let (store, now) = (state.store.clone(), state.steady_now()?);
    let report = state.run(Lane::Compact, move || store.compact_dropping(now, what, allow_drop)).await?;
    Ok(Json(report.into()))
}
