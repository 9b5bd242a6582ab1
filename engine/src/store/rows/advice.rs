//! Rows of advice: recommendations, what became of them, and the present verdict on each target.

use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{table::table, words::words};

/// What a recommendation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// How many replicas and when.
    Scaling,
    /// How much CPU or memory a container asks for.
    Rightsizing,
    /// The time-to-live of a cache.
    Ttl,
    /// The bound of an alerting rule.
    Threshold,
}
words!(Kind, "kind of recommendation", { Scaling => "scaling", Rightsizing => "rightsizing", Ttl => "ttl", Threshold => "threshold" });

/// State of a recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not answered yet.
    Proposed,
    /// A person or a rule accepted it.
    Accepted,
    /// A person declined it.
    Dismissed,
    /// It is in effect.
    Applied,
    /// The promised effect appeared.
    Verified,
    /// It did harm, or the promised effect did not appear.
    Regressed,
    /// Its time passed, or a newer one replaced it.
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

/// The predicted effect of a recommendation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// What changes, such as `replica_hours_per_week`.
    pub metric: String,
    /// Its unit, such as `h` or `1`.
    pub unit: String,
    /// The predicted change or value.
    pub value: f64,
    /// Lower end of the interval.
    pub lower: f64,
    /// Upper end of the interval.
    pub upper: f64,
    /// The interval's level, such as 0.8.
    pub level: f64,
}

/// Something a machine can apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// What the body is, such as `keda/scaledobject+yaml`.
    pub format: String,
    /// The text itself.
    pub body: String,
}

/// A recommendation with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct RecommendationRow {
    /// The key.
    pub id: String,
    /// What it is about.
    pub kind: Kind,
    /// The workload, cache or alert that it is about.
    pub target: String,
    /// The present setting.
    pub current: Value,
    /// The proposed setting.
    pub proposed: Value,
    /// From when it holds.
    pub valid_from: Timestamp,
    /// Until when; `None` = until it is replaced.
    pub valid_until: Option<Timestamp>,
    /// What it is predicted to do.
    pub effect: Effect,
    /// How sure the advisor is, in [0, 1].
    pub confidence: f64,
    /// Why, in one sentence.
    pub reason: String,
    /// Replay figures and the span of the data.
    pub evidence: Value,
    /// What to apply.
    pub patch: Patch,
    /// Its state.
    pub state: State,
    /// When it was first proposed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The recommendation that it replaces.
    pub replaces: Option<String>,
}

table! {
    impl RecommendationRow in "recommendations" since 1, "Recommendations with their evidence and their state";
    id: String = "the recommendation" from id;
    kind: Kind = "the advisor, such as scaling, rightsizing, ttl or threshold" from kind;
    target: String = "the workload, cache or alert" from target;
    current: Value = "present setting" unit "JSON" from current;
    proposed: Value = "proposed setting" unit "JSON" from proposed;
    valid_from: Timestamp = "from when it holds" unit "UTC" from valid_from;
    valid_until: Option<Timestamp> = "until when it holds, NULL = until it is replaced" unit "UTC" from valid_until;
    effect_metric: String = "what is predicted to change" flat "effect" from effect.metric;
    effect_unit: String = "unit of the effect" from effect.unit;
    effect_value: f64 = "predicted effect" unit "in effect_unit" from effect.value;
    effect_lower: f64 = "lower end of its interval" unit "in effect_unit" from effect.lower;
    effect_upper: f64 = "upper end of its interval" unit "in effect_unit" from effect.upper;
    effect_level: f64 = "level of the interval" unit "0 to 1" from effect.level;
    confidence: f64 = "how sure the advisor is" unit "0 to 1" from confidence;
    reason: String = "why, in one sentence" from reason;
    evidence: Value = "replay figures and span of the data" unit "JSON" flat "" from evidence;
    patch_format: String = "format of patch_body" from patch.format;
    patch_body: String = "what a machine can apply" flat "" from patch.body;
    state: State = "proposed, accepted, dismissed, applied, verified, regressed or expired" from state;
    created_at: Timestamp = "when it was first proposed" unit "UTC" flat "time" from created_at;
    updated_at: Timestamp = "when it last changed" unit "UTC" from updated_at;
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
        state, created_at, updated_at, replaces,
    }
}

/// Which recommendations to list; the default lists all, the newest first.
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
    /// Only those that changed at this instant or later.
    pub updated_since: Option<Timestamp>,
    /// Only those that hold at this instant.
    pub valid_at: Option<Timestamp>,
    /// At most so many rows.
    pub limit: Option<usize>,
}

table! {
    /// One change of a recommendation's state, and what came of it.
    pub struct OutcomeRow in "outcomes" since 1,
        "Changes of state of recommendations, with the promised and the measured effect", hidden [seq: Int];
    recommendation: String = "the recommendation";
    at in timestamp: Timestamp = "when it changed" unit "UTC" flat "time";
    from_state: Option<State> = "state before, NULL when it was first proposed";
    to_state: State = "state after";
    actor: String = "who changed it";
    note: Option<String> = "their note";
    predicted: Option<f64> = "promised effect" unit "unit of the recommendation's effect";
    predicted_lower: Option<f64> = "lower end of the promise" unit "same unit";
    predicted_upper: Option<f64> = "upper end of the promise" unit "same unit";
    realised: Option<f64> = "measured effect" unit "same unit";
    realised_lower: Option<f64> = "lower end of the measurement" unit "same unit";
    realised_upper: Option<f64> = "upper end of the measurement" unit "same unit";
}

/// Which outcomes to list; the default lists all, in the order in which they were put.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutcomeFilter {
    /// Only of these recommendations; empty = all.
    pub recommendations: Vec<String>,
    /// From this instant on, itself included.
    pub start: Option<Timestamp>,
    /// Up to this instant, itself included.
    pub end: Option<Timestamp>,
    /// Only changes to this state.
    pub to_state: Option<State>,
    /// At most so many rows.
    pub limit: Option<usize>,
}

/// The verdict of an advisor on one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdviceState {
    /// A change is recommended.
    Proposed,
    /// The present setting is as good as any other.
    Kept,
    /// Data or configuration that the advisor needs is missing.
    Lacks,
}
words!(AdviceState, "state of advice", { Proposed => "proposed", Kept => "kept", Lacks => "lacks" });

table! {
    /// The present verdict of an advisor on one target; `kind` and `target` are the key.
    pub struct AdviceStatusRow in "advice_status" since 3,
        "The present verdict of each advisor on each of its targets, also where nothing is recommended";
    kind: String = "the advisor, such as scaling, rightsizing, ttl or threshold";
    target: String = "the workload, container, cache or alert";
    state: AdviceState = "proposed, kept (the present setting is as good) or lacks (something is missing)";
    reason: String = "why, in one sentence with its figures";
    needs: Value = "what is missing and what would give it, a list" unit "JSON";
    recommendation: Option<String> = "id of the recommendation, NULL where none is made";
    updated_at: Timestamp = "when the verdict was last given" unit "UTC";
}

/// Which verdicts to list; the default lists all, by kind and target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdviceStatusFilter {
    /// Only of these kinds; empty = all.
    pub kinds: Vec<String>,
    /// Only of these targets; empty = all.
    pub targets: Vec<String>,
    /// Only in these states; empty = all.
    pub states: Vec<AdviceState>,
}
