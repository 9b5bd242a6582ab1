//! Verdicts as JSON.

use almanac_engine::store::rows::AdviceStatusRow;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::iso;

/// The current verdicts: `proposed` first, then `kept`, then `lacks`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdviceList {
    /// One row for each target of each advisor.
    pub advice: Vec<AdviceBody>,
    /// Cursor of the next page, empty on the last one; only with `page`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The verdict of an advisor on one target.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdviceBody {
    /// The advisor, such as `scaling`.
    pub kind: String,
    /// The workload, resource of a container, cache or alert.
    pub target: String,
    /// `proposed`, `kept` or `lacks`.
    pub state: String,
    /// Reason in one sentence.
    pub reason: String,
    /// What is missing, and the configuration or data that provides it.
    pub needs: Vec<String>,
    /// Id of the recommendation on this target; null if there is none.
    pub recommendation: Option<String>,
    /// Time of the last decision.
    pub updated_at: String,
}

impl From<AdviceStatusRow> for AdviceBody {
    fn from(row: AdviceStatusRow) -> Self {
        let needs = row.needs.as_array().into_iter().flatten().filter_map(|need| Some(need.as_str()?.to_owned()));
        Self {
            kind: row.kind,
            target: row.target,
            state: row.state.to_string(),
            reason: row.reason,
            needs: needs.collect(),
            recommendation: row.recommendation,
            updated_at: iso(row.updated_at.millis()),
        }
    }
}
