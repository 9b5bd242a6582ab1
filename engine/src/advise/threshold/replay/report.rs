//! What a replay takes and gives: recorded series, options, figures of a rule as it is and as recommended.

use almanac_models::Timestamp;

use crate::advise::threshold::{
    Alternative, Breach, Condition, Instance, KeptRule, RuleFile, RuleScore, RuleSpec, Setting, bounds::Judged,
    describe::lead_change_s, time_to_breach,
};

/// The history of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SignalHistory {
    /// Its name.
    pub name: String,
    /// Evaluation times, ascending, epoch milliseconds.
    pub timestamps: Vec<i64>,
    /// Values, as many; NaN = missing.
    pub values: Vec<f64>,
    /// Whether an incident was on, as many; `None` where nobody labelled.
    pub incident: Option<Vec<bool>>,
}

/// How a replay learns and chooses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdOptions {
    /// Share of the span that is learned from, in (0, 1).
    pub split: f64,
    /// Whether bounds by hour of week and bands around what is expected may be recommended.
    pub moving_bounds: bool,
}

impl Default for ThresholdOptions {
    fn default() -> Self {
        Self { split: 0.5, moving_bounds: false }
    }
}

/// What a rule does over the part that was not learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFigures {
    /// The expression.
    pub expr: String,
    /// `for`, milliseconds.
    pub for_ms: i64,
    /// `keep_firing_for`, milliseconds.
    pub keep_firing_for_ms: i64,
    /// What happened.
    pub score: RuleScore,
    /// False alerts a year to be expected by the tail of the signal; only where nobody labelled.
    pub expected_alerts_per_year: Option<f64>,
}

/// A rule on one series: as it is and as it is recommended.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleReplay {
    /// The alert's name.
    pub alert: String,
    /// The series.
    pub series: String,
    /// First moment that is scored.
    pub evaluated_from: Timestamp,
    /// Whether incidents are labelled; without labels nothing is known of false alerts and of recall.
    pub labelled: bool,
    /// The rule as it is.
    pub present: RuleFigures,
    /// The recommended rule; the present one where nothing is better.
    pub recommended: RuleFigures,
    /// Whether it differs from the present one.
    pub changed: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// Seconds by which the recommended rule alerts earlier, in the median over the incidents that both catch.
    pub lead_change_s: Option<f64>,
    /// What a person may choose instead, with its expression.
    pub alternatives: Vec<(String, Alternative)>,
    /// When the signal passes the present bound after the end of the series, if it trends there.
    pub breach: Option<Breach>,
}

/// The replay of a rule file.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdReplay {
    /// First moment that is scored, of the earliest series.
    pub evaluated_from: Timestamp,
    /// One entry for each rule and series.
    pub rules: Vec<RuleReplay>,
    /// Alerting rules that are kept as they are, with the reason.
    pub kept: Vec<KeptRule>,
    /// The file with the recommended rules in place of the present ones.
    pub recommended: RuleFile,
}

#[expect(clippy::too_many_arguments, reason = "the parts of one report, put together at two places")]
pub(super) fn report(
    spec: &RuleSpec,
    series: String,
    split_ms: i64,
    instances: &[Instance<'_>],
    labelled: bool,
    judged: Judged,
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
