//! Recommendations as JSON.

use almanac_engine::store::rows::{OutcomeRow, RecommendationRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::shared::iso;

/// Recommendations, the newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecommendationList {
    /// Revision of the ledger, which increases with every change; also the ETag.
    pub revision: u64,
    /// The recommendations.
    pub recommendations: Vec<RecommendationBody>,
    /// Cursor of the next page, empty on the last one; only with `page`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A recommendation with its predicted effect, evidence and patch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecommendationBody {
    /// Stable id, such as `scaling-api-1`.
    pub id: String,
    /// The advisor, such as `scaling` or `ttl`.
    pub kind: String,
    /// The workload, resource of a container, cache or alert.
    pub target: String,
    /// `proposed`, `accepted`, `dismissed`, `applied`, `verified`, `regressed` or `expired`.
    pub state: String,
    /// Reason in one sentence.
    pub reason: String,
    /// Current setting.
    pub current: Value,
    /// Proposed setting.
    pub proposed: Value,
    /// Predicted effect.
    pub effect: EffectBody,
    /// Probability, in [0, 1], that the proposed setting is no worse than the current one.
    pub confidence: f64,
    /// Start of validity.
    pub valid_from: String,
    /// End of validity; null: until it is replaced.
    pub valid_until: Option<String>,
    /// Change that a machine can apply.
    pub patch: PatchBody,
    /// Replay figures, and the span of the data.
    pub evidence: Value,
    /// Time of the first proposal.
    pub created_at: String,
    /// Time of the last change of state, setting or patch.
    pub updated_at: String,
    /// Time of the newest evidence.
    pub evidence_at: String,
    /// Id of the recommendation that it replaces.
    pub replaces: Option<String>,
    /// Changes of state; only in the response for a single recommendation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<ChangeBody>>,
}

/// A predicted effect with its interval.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EffectBody {
    /// Name of the metric.
    pub metric: String,
    /// Unit of the metric.
    pub unit: String,
    /// Predicted value.
    pub value: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Level of the interval, such as 0.8.
    pub level: f64,
}

/// A change that a machine can apply.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatchBody {
    /// Format of the body, such as `keda/scaledobject+yaml`.
    pub format: String,
    /// Text of the patch.
    pub body: String,
}

/// A change of state, with the measured effect if there is one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChangeBody {
    /// Time of the change.
    pub at: String,
    /// Previous state; null for the first proposal.
    pub from: Option<String>,
    /// New state.
    pub to: String,
    /// Person or program that made the change.
    pub actor: String,
    /// Note of the actor.
    pub note: Option<String>,
    /// Predicted effect.
    pub predicted: Option<f64>,
    /// Measured effect.
    pub realised: Option<f64>,
    /// Lower end of the measured interval.
    pub realised_lower: Option<f64>,
    /// Upper end of the measured interval.
    pub realised_upper: Option<f64>,
}

impl From<RecommendationRow> for RecommendationBody {
    fn from(row: RecommendationRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind.to_string(),
            target: row.target,
            state: row.state.to_string(),
            reason: row.reason,
            current: row.current,
            proposed: row.proposed,
            effect: EffectBody {
                metric: row.effect.metric,
                unit: row.effect.unit,
                value: row.effect.value,
                lower: row.effect.lower,
                upper: row.effect.upper,
                level: row.effect.level,
            },
            confidence: row.confidence,
            valid_from: iso(row.valid_from.millis()),
            valid_until: row.valid_until.map(|until| iso(until.millis())),
            patch: PatchBody { format: row.patch.format, body: row.patch.body },
            evidence: row.evidence,
            created_at: iso(row.created_at.millis()),
            updated_at: iso(row.updated_at.millis()),
            evidence_at: iso(row.evidence_at.millis()),
            replaces: row.replaces,
            history: None,
        }
    }
}

impl From<OutcomeRow> for ChangeBody {
    fn from(row: OutcomeRow) -> Self {
        Self {
            at: iso(row.at.millis()),
            from: row.from_state.map(|state| state.to_string()),
            to: row.to_state.to_string(),
            actor: row.actor,
            note: row.note,
            predicted: row.predicted,
            realised: row.realised,
            realised_lower: row.realised_lower,
            realised_upper: row.realised_upper,
        }
    }
}
