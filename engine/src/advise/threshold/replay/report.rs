//! Input and output types of a replay: recorded series, options, and figures of the present and the recommended rule.

use almanac_models::Timestamp;

use crate::advise::threshold::{
    Alternative, Breach, Condition, Instance, KeptRule, RuleFile, RuleScore, RuleSpec, Setting, bounds::ScoredDecision,
    describe::lead_change_s, time_to_breach,
};

/// History of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignalHistory {
    /// Name of the series.
    pub name: String,
    /// Evaluation times, ascending, epoch milliseconds.
    pub timestamps: Vec<i64>,
    /// Values, as many; NaN = missing.
    pub values: Vec<f64>,
    /// Whether each value lies in an incident, as many; `None` without labels.
    pub incident: Option<Vec<bool>>,
}

/// Options of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdOptions {
    /// Share of the span that is the training part, in (0, 1).
    pub split: f64,
    /// Whether bounds by hour of week and bands around the expected value may be recommended.
    pub moving_bounds: bool,
}

impl Default for ThresholdOptions {
    fn default() -> Self {
        Self { split: 0.5, moving_bounds: false }
    }
}

/// Figures of a rule on the held-out part.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFigures {
    /// The expression.
    pub expr: String,
    /// `for`, milliseconds.
    pub for_ms: i64,
    /// `keep_firing_for`, milliseconds.
    pub keep_firing_for_ms: i64,
    /// Score on the held-out part.
    pub score: RuleScore,
    /// Expected alerts a year by the tail of the signal; only without labels.
    pub expected_alerts_per_year: Option<f64>,
}

/// Replay of a rule on one series, with the present and the recommended setting.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleReplay {
    /// The alert's name.
    pub alert: String,
    /// The series.
    pub series: String,
    /// Start of the held-out part.
    pub evaluated_from: Timestamp,
    /// Whether incidents are labelled; without labels false alerts and caught incidents are unknown.
    pub labelled: bool,
    /// The present rule.
    pub present: RuleFigures,
    /// The recommended rule; the present one where nothing is better.
    pub recommended: RuleFigures,
    /// Whether the recommended rule differs from the present one.
    pub changed: bool,
    /// Reason as one sentence.
    pub reason: String,
    /// Seconds by which the recommended rule alerts earlier, as the median over the incidents that both rules catch.
    pub lead_change_s: Option<f64>,
    /// Alternatives for the operator, with their expressions.
    pub alternatives: Vec<(String, Alternative)>,
    /// Expected time at which the signal passes the present bound, if it trends towards it.
    pub breach: Option<Breach>,
}

/// Replay of a rule file.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdReplay {
    /// Start of the held-out part of the earliest series.
    pub evaluated_from: Timestamp,
    /// One entry for each rule and series.
    pub rules: Vec<RuleReplay>,
    /// Alerting rules that are kept unchanged, with the reason.
    pub kept: Vec<KeptRule>,
    /// The file with the recommended rules in place of the present ones.
    pub recommended: RuleFile,
}

/// Composes the replay of one rule. `condition`: the one that alternatives are written with.
#[expect(clippy::too_many_arguments, reason = "the parts of one report, composed at two places")]
pub(super) fn report(
    spec: &RuleSpec,
    series: String,
    split_ms: i64,
    instances: &[Instance<'_>],
    labelled: bool,
    judged: ScoredDecision,
    expr: String,
    condition: &Condition,
) -> RuleReplay {
    let present = spec.setting();
    let expected = |setting: &Setting| judged.tail.and_then(|tail| tail.alerts_per_year(setting.bound));
    let decision = &judged.decision;
    let breaches = instances.iter().filter_map(|instance| time_to_breach(instance, present.comparison, present.bound));
    RuleReplay {
        alert: spec.alert.clone(),
        series,
        evaluated_from: Timestamp::from_millis(split_ms),
        labelled,
        lead_change_s: lead_change_s(&judged.present, &judged.recommended).filter(|_| decision.changed),
        alternatives: judged
            .alternatives
            .iter()
            .map(|alternative| (condition.with_bound(alternative.setting.bound), alternative.clone()))
            .collect(),
        present: RuleFigures {
            expr: spec.expr.clone(),
            for_ms: present.for_ms,
            keep_firing_for_ms: present.keep_firing_for_ms,
            expected_alerts_per_year: expected(&present),
            score: judged.present.clone(),
        },
        recommended: RuleFigures {
            expr,
            for_ms: decision.setting.for_ms,
            keep_firing_for_ms: decision.setting.keep_firing_for_ms,
            expected_alerts_per_year: expected(&decision.setting),
            score: judged.recommended.clone(),
        },
        changed: decision.changed,
        breach: breaches.min_by_key(|breach| breach.expected_ms),
        reason: judged.decision.reason,
    }
}
