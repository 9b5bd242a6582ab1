//! Recommendations as JSON.

use almanac_engine::store::rows::{OutcomeRow, RecommendationRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::shared::iso;

/// Recommendations, the newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecommendationList {
    /// Changes whenever anything in the ledger does; also the ETag.
    pub revision: u64,
    /// The recommendations.
    pub recommendations: Vec<RecommendationBody>,
}

/// A recommendation with its proof.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecommendationBody {
    /// Stable and readable, such as `scaling-api-1`.
    pub id: String,
    /// The advisor, such as `scaling` or `ttl`.
    pub kind: String,
    /// The workload, cache or alert.
    pub target: String,
    /// `proposed`, `accepted`, `dismissed`, `applied`, `verified`, `regressed` or `expired`.
    pub state: String,
    /// Why, in one sentence.
    pub reason: String,
    /// The present setting.
    pub current: Value,
    /// The proposed setting.
    pub proposed: Value,
    /// The predicted effect.
    pub effect: EffectBody,
    /// How sure the advisor is, in [0, 1].
    pub confidence: f64,
    /// From when it holds.
    pub valid_from: String,
    /// Until when; null = until it is replaced.
    pub valid_until: Option<String>,
    /// What a machine can apply.
    pub patch: PatchBody,
    /// Replay figures and the span of the data.
    pub evidence: Value,
    /// When it was first said.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// The id of the recommendation that it replaces.
    pub replaces: Option<String>,
    /// What happened to it; only where one recommendation is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<ChangeBody>>,
}

/// A predicted effect with its interval.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EffectBody {
    /// What changes.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// The prediction.
    pub value: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// The interval's level, such as 0.8.
    pub level: f64,
}

/// Something to apply.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PatchBody {
    /// What the body is, such as `keda/scaledobject+yaml`.
    pub format: String,
    /// The text.
    pub body: String,
}

/// A change of state and what came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChangeBody {
    /// When.
    pub at: String,
    /// The state before; null when it was first said.
    pub from: Option<String>,
    /// The state after.
    pub to: String,
    /// Who changed it.
    pub actor: String,
    /// What they said about it.
    pub note: Option<String>,
    /// The promised effect.
    pub predicted: Option<f64>,
    /// The measured effect.
    pub realised: Option<f64>,
    /// Lower end of the measurement.
    pub realised_lower: Option<f64>,
    /// Upper end of the measurement.
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
