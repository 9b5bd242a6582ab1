//! Rows of advice: recommendations, their outcomes, and the present advice status of each target.

use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Kind, table::table, words::words};

/// State of a recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No decision yet.
    Proposed,
    /// A person or a rule accepted it.
    Accepted,
    /// A person declined it.
    Dismissed,
    /// The proposed setting is in effect.
    Applied,
    /// The measured effect agrees with the predicted one.
    Verified,
    /// The predicted effect did not appear, or the change did harm.
    Regressed,
    /// The validity ended, or a newer recommendation replaced it.
    Expired,
}
words!(State, "state of a recommendation", {
    Proposed => "proposed",
    Accepted => "accepted",
    Dismissed => "dismissed",
    Applied => "applied",
    Verified => "verified",
    Regressed => "regressed",
    Expired => "expired",
});

/// Predicted effect of a recommendation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Metric of the effect, such as `replica_hours_per_week`.
    pub metric: String,
    /// Unit of the metric, such as `h` or `1`.
    pub unit: String,
    /// Predicted change or value.
    pub value: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// Level of the interval, such as 0.8.
    pub level: f64,
}

/// Recommendation in machine-readable form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// Format of the body, such as `keda/scaledobject+yaml`.
    pub format: String,
    /// Text of the patch.
    pub body: String,
}

/// A recommendation with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendationRow {
    /// Identifier and key.
    pub id: String,
    /// Advisor that made it.
    pub kind: Kind,
    /// Workload, container, cache or alert that it concerns.
    pub target: String,
    /// Present setting.
    pub current: Value,
    /// Proposed setting.
    pub proposed: Value,
    /// Start of validity.
    pub valid_from: Timestamp,
    /// End of validity; `None` = until it is replaced.
    pub valid_until: Option<Timestamp>,
    /// Predicted effect.
    pub effect: Effect,
    /// Probability in [0, 1] that the proposed setting is no worse than the present one.
    pub confidence: f64,
    /// Reason, in one sentence.
    pub reason: String,
    /// Replay figures and span of the data, as JSON.
    pub evidence: Value,
    /// Patch that applies the proposed setting.
    pub patch: Patch,
    /// State of the recommendation.
    pub state: State,
    /// Time of the first proposal.
    pub created_at: Timestamp,
    /// Time of the last change of state, setting or patch. Newer evidence alone is no change.
    pub updated_at: Timestamp,
    /// Time of the newest evidence.
    pub evidence_at: Timestamp,
    /// Identifier of the recommendation that this one replaces.
    pub replaces: Option<String>,
}

table! {
    impl RecommendationRow in "recommendations" since 1, "Recommendations with their evidence and their state";
    id: String = "identifier of the recommendation" from id;
    kind: Kind = "the advisor, such as scaling, rightsizing, ttl or threshold" from kind;
    target: String = "the workload, cache or alert" from target;
    current: Value = "present setting" unit "JSON" from current;
    proposed: Value = "proposed setting" unit "JSON" from proposed;
    valid_from: Timestamp = "start of validity" unit "UTC" from valid_from;
    valid_until: Option<Timestamp> = "end of validity, NULL = until it is replaced" unit "UTC" from valid_until;
    effect_metric: String = "metric of the predicted effect" flat "effect" from effect.metric;
    effect_unit: String = "unit of the effect" from effect.unit;
    effect_value: f64 = "predicted effect" unit "in effect_unit" from effect.value;
    effect_lower: f64 = "lower end of its interval" unit "in effect_unit" from effect.lower;
    effect_upper: f64 = "upper end of its interval" unit "in effect_unit" from effect.upper;
    effect_level: f64 = "level of the interval" unit "0 to 1" from effect.level;
    confidence: f64 = "probability that the proposal is no worse" unit "0 to 1" from confidence;
    reason: String = "reason, in one sentence" from reason;
    evidence: Value = "replay figures and span of the data" unit "JSON" flat "" from evidence;
    patch_format: String = "format of patch_body" from patch.format;
    patch_body: String = "patch in machine-readable form" flat "" from patch.body;
    state: State = "proposed, accepted, dismissed, applied, verified, regressed or expired" from state;
    created_at: Timestamp = "when it was first proposed" unit "UTC" flat "time" from created_at;
    updated_at: Timestamp = "when its state, setting or patch last changed" unit "UTC" from updated_at;
    evidence_at: Timestamp = "time of the newest evidence" unit "UTC" added 4 default "updated_at" from evidence_at;
    replaces: Option<String> = "the recommendation that it replaces" from replaces;
    @read RecommendationRow {
        id, kind, target, current, proposed, valid_from, valid_until,
        effect: Effect {
            metric: effect_metric,
            unit: effect_unit,
            value: effect_value,
            lower: effect_lower,
            upper: effect_upper,
            level: effect_level,
        },
        confidence, reason, evidence,
        patch: Patch { format: patch_format, body: patch_body },
        state, created_at, updated_at, evidence_at, replaces,
    }
}

/// Filter of recommendations; the default lists all, the newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecommendationFilter {
    /// Only these; empty = all.
    pub ids: Vec<String>,
    /// Only of these kinds; empty = all.
    pub kinds: Vec<Kind>,
    /// Only in these states; empty = all.
    pub states: Vec<State>,
    /// Only of these targets; empty = all.
    pub targets: Vec<String>,
    /// Only those changed at this instant or later.
    pub updated_since: Option<Timestamp>,
    /// Only those valid at this instant.
    pub valid_at: Option<Timestamp>,
    /// Maximum number of rows.
    pub limit: Option<usize>,
}

table! {
    /// One change of a recommendation's state, with the predicted and the measured effect.
    pub struct OutcomeRow in "outcomes" since 1,
        "Changes of state of recommendations, with the promised and the measured effect", hidden [seq: Int];
    recommendation: String = "the recommendation";
    at in timestamp: Timestamp = "when it changed" unit "UTC" flat "time";
    from_state: Option<State> = "state before, NULL when it was first proposed";
    to_state: State = "state after";
    actor: String = "author of the change";
    note: Option<String> = "note of the author";
    predicted: Option<f64> = "promised effect" unit "unit of the recommendation's effect";
    predicted_lower: Option<f64> = "lower end of the promise" unit "same unit";
    predicted_upper: Option<f64> = "upper end of the promise" unit "same unit";
    realised: Option<f64> = "measured effect" unit "same unit";
    realised_lower: Option<f64> = "lower end of the measurement" unit "same unit";
    realised_upper: Option<f64> = "upper end of the measurement" unit "same unit";
}

/// Filter of outcomes; the default lists all, in insertion order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutcomeFilter {
    /// Only of these recommendations; empty = all.
    pub recommendations: Vec<String>,
    /// Start of the span, inclusive.
    pub start: Option<Timestamp>,
    /// End of the span, inclusive.
    pub end: Option<Timestamp>,
    /// Only changes to this state.
    pub to_state: Option<State>,
    /// Maximum number of rows.
    pub limit: Option<usize>,
}

/// Status of an advisor's advice on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdviceState {
    /// A change is recommended.
    Proposed,
    /// The present setting is as good as any alternative.
    Kept,
    /// The advisor lacks data or configuration.
    Lacks,
}
words!(AdviceState, "state of advice", { Proposed => "proposed", Kept => "kept", Lacks => "lacks" });

table! {
    /// Present advice status of one target of an advisor; `kind` and `target` are the key.
    pub struct AdviceStatusRow in "advice_status" since 3,
        "The present status of each advisor's advice on each of its targets, also where nothing is recommended";
    kind: String = "the advisor, such as scaling, rightsizing, ttl or threshold";
    target: String = "the workload, container, cache or alert";
    state: AdviceState = "proposed, kept (the present setting is as good) or lacks (something is missing)";
    reason: String = "reason, in one sentence with its figures";
    needs: Value = "list of missing data or configuration with remedies" unit "JSON";
    recommendation: Option<String> = "identifier of the recommendation, NULL if there is none";
    updated_at: Timestamp = "when the status was last determined" unit "UTC";
}

/// Filter of advice status rows; the default lists all, by kind and target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdviceStatusFilter {
    /// Only of these kinds; empty = all.
    pub kinds: Vec<String>,
    /// Only of these targets; empty = all.
    pub targets: Vec<String>,
    /// Only in these states; empty = all.
    pub states: Vec<AdviceState>,
}
