//! A band around the expected value of the signal: the band of the causal detector, scaled by a learned width.

use almanac_models::anomaly::Scored;

use super::{learn::utility, transformed::TransformedHistories};
use crate::{
    advise::threshold::{
        Comparison, Condition, Instance, LabelledIncident, Rule, RuleScore, Setting, format_bound, replay::median_step,
        score_rule,
    },
    calendar::Calendar,
    learn::{Training, score_rows},
};

/// Widths that are tried, in widths of the detector's own band.
const WIDTHS: [f64; 14] = [0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0];
/// Cost of a width e times (or 1/e times) the detector's own, in incidents: it keeps few incidents from moving the
/// width far. Tried values: `docs/tuning/threshold.md`.
const WIDTH_CHANGE_COST: f64 = 2.0;

/// A band around the expected value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::advise::threshold) struct Band {
    /// Half-width in half-widths of the detector's own band.
    pub(in crate::advise::threshold) width: f64,
    /// The rule on distances from the expected value: its bound is `width`.
    pub(in crate::advise::threshold) setting: Setting,
    /// Ends of the signal's scale. The band is clamped to them, since values beyond cannot occur.
    pub(in crate::advise::threshold) scale: (Option<f64>, Option<f64>),
}

impl Band {
    /// Computes the distance of each value from its expected value, in half-widths of the detector's own band on that
    /// side; 0 where there is no band yet or no value. Causal.
    pub(in crate::advise::threshold) fn distances(instances: &[Instance<'_>]) -> TransformedHistories {
        TransformedHistories::new(instances, |instance| {
            let scored = scored(instance);
            // The distance from the band alone. The anomaly score also covers level shifts and drifts, which no bound
            // on the signal can express.
            scored.iter().zip(instance.values).map(|(scored, &value)| scored.for_value(value).score).collect()
        })
    }

    /// Computes for each evaluation of one instance the ends of the band, lower and upper, and whether the value is
    /// beyond them. NaN where there is no band yet. Causal.
    pub(in crate::advise::threshold) fn ends(&self, instance: &Instance<'_>) -> Vec<([f64; 2], bool)> {
        let end = |scored: &Scored, end: f64| scored.expected + self.width * (end - scored.expected);
        let of = |(scored, &value): (&Scored, &f64)| {
            let breached = self.setting.comparison.holds(scored.for_value(value).score, self.setting.bound);
            ([end(scored, scored.lower), end(scored, scored.upper)], breached)
        };
        scored(instance).iter().zip(instance.values).map(of).collect()
    }

    /// Creates a band of this width with the `for` and `keep_firing_for` of a rule.
    pub(in crate::advise::threshold) fn of(width: f64, rule: &Setting) -> Self {
        Self { width, setting: Setting { comparison: Comparison::Greater, bound: width, ..*rule }, scale: (None, None) }
    }

    /// Replays the band. `transformed`: the instances as [`Band::distances`].
    pub(in crate::advise::threshold) fn score(
        &self,
        transformed: &[Instance<'_>],
        incidents: &[LabelledIncident],
    ) -> RuleScore {
        score_rule(transformed, incidents, &self.setting)
    }

    /// Fits the width of the highest utility, penalised by its distance from the detector's own.
    pub(in crate::advise::threshold) fn fit(
        transformed: &[Instance<'_>],
        incidents: &[LabelledIncident],
        present: &Setting,
    ) -> Self {
        let step_ms = transformed.iter().map(|instance| median_step(instance.timestamps)).max().unwrap_or(0);
        // Only 0 and the present `for` are tried: a band selects outliers, which are short, and waiting loses half of
        // the catches.
        let holds = if present.for_ms > step_ms { vec![0, present.for_ms] } else { vec![0] };
        let of = |(width, for_ms): (f64, i64)| {
            let band = Self::of(width, &Setting { for_ms, ..*present });
            let worth = utility(&band.score(transformed, incidents)) - WIDTH_CHANGE_COST * width.ln().abs();
            (band, worth)
        };
        let tried = holds.iter().flat_map(|&for_ms| WIDTHS.iter().map(move |&width| (width, for_ms)));
        let own = of((1.0, 0));
        tried.map(of).fold(own, |best, next| if next.1 > best.1 { next } else { best }).0
    }
}

/// Scores each value by the causal detector.
fn scored(instance: &Instance<'_>) -> Vec<Scored> {
    score_rows(instance.timestamps, instance.values, Training::Online, &Calendar::default())
}

/// Writes the expression of the alert, and the recording rules of the band around the learned signal `signal`.
///
/// `name`: name of the upper bound's recording rule; that of the lower bound is suffixed with `:lower`.
pub(in crate::advise::threshold) fn band_rules(
    condition: &Condition,
    band: &Band,
    signal: &str,
    name: &str,
) -> (String, Vec<Rule>) {
    let width = format_bound(band.width);
    let matcher = format!("{{signal=\"{}\"}}", signal.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
    let expected = format!("max(almanac_signal_expected{matcher})");
    let (lowest, highest) = band.scale;
    // The band is scaled around the expected value: expected + width · (end − expected).
    let bound = |end: &str| {
        let moving = format!("{expected} + {width} * (max(almanac_signal_{end}{matcher}) - {expected})");
        let expr = match (end, lowest, highest) {
            ("upper", _, Some(highest)) => format!("clamp_max({moving}, {})", format_bound(highest)),
            ("lower", Some(lowest), _) => format!("clamp_min({moving}, {})", format_bound(lowest)),
            _ => moving,
        };
        let record = Some(if end == "upper" { name.to_owned() } else { format!("{name}:lower") });
        Rule { record, expr, ..Rule::default() }
    };
    let signal = &condition.signal;
    let expr = format!("{signal} > on() group_left() {name} or {signal} < on() group_left() {name}:lower");
    (expr, vec![bound("upper"), bound("lower")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::{RuleFile, SignalHistory, ThresholdOptions, replay_rules};

    const STEP_MS: i64 = 300_000;
    const DAY: usize = 288;
    const WAVE: usize = 300;

    /// A noisy wave between 20 and 100 with a period of 25 hours, so that bounds by hour of week do not fit it. On each
    /// third day one hour is raised by 30 at any phase, where no constant bound can catch it.
    fn history(days: usize, labelled_from: usize) -> SignalHistory {
        let n = days * DAY;
        let during = |t: usize| (t / DAY) % 3 == 2 && (t % DAY) / 12 == (t / DAY) * 7 % 24;
        let value = |t: usize| {
            let noise = (t * 7919 % 101) as f64 / 25.0;
            60.0 + 40.0 * (std::f64::consts::TAU * (t % WAVE) as f64 / WAVE as f64).sin()
                + noise
                + if during(t) { 30.0 } else { 0.0 }
        };
        SignalHistory {
            name: "api \"p95\"".to_owned(),
            timestamps: (0..n).map(|t| i64::try_from(t).unwrap() * STEP_MS).collect(),
            values: (0..n).map(value).collect(),
            incident: Some((0..n).map(|t| t >= labelled_from && during(t)).collect()),
        }
    }

    fn replayed(history: SignalHistory) -> crate::advise::threshold::ThresholdReplay {
        let rules = "groups:\n- name: g\n  rules:\n  - alert: High\n    expr: value > 98\n";
        let options = ThresholdOptions { moving_bounds: true, ..ThresholdOptions::default() };
        replay_rules("r.yml", &RuleFile::parse("r.yml", rules).unwrap(), &[history], &options).unwrap()
    }

    #[test]
    fn a_band_catches_incidents_at_low_values() {
        let replay = replayed(history(40, 0));
        let rule = &replay.rules[0];
        let (present, recommended) = (&rule.present.score, &rule.recommended.score);
        assert!(present.false_alerts > 10, "{present:?}");
        assert_eq!((recommended.incidents_caught, recommended.false_alerts), (recommended.incidents, 0), "{rule:?}");
        assert!(rule.reason.starts_with("a band around the expected value"), "{}", rule.reason);
        let rules = &replay.recommended.groups[0].rules;
        let records: Vec<&str> = rules.iter().filter_map(|rule| rule.record.as_deref()).collect();
        assert_eq!(records, ["almanac:bound:high", "almanac:bound:high:lower"]);
        assert_eq!(
            rules[2].expr,
            "value > on() group_left() almanac:bound:high or value < on() group_left() almanac:bound:high:lower"
        );
        assert!(rules[0].expr.contains(r#"almanac_signal_upper{signal="api \"p95\""}"#), "{}", rules[0].expr);
        assert!(rules.iter().all(|rule| promql_parser::parser::parse(&rule.expr).is_ok()));
    }

    /// Later values change no earlier distance.
    #[test]
    fn distances_are_causal() {
        let whole = history(12, 0);
        let mut changed = whole.clone();
        let cut = 7 * DAY;
        changed.values[cut..].iter_mut().for_each(|value| *value = -1e6);
        let of = |history: &SignalHistory| {
            let instances = [Instance { timestamps: &history.timestamps, values: &history.values }];
            Band::distances(&instances).of(&instances)[0].values.to_vec()
        };
        let (whole, changed) = (of(&whole), of(&changed));
        assert!(whole[..cut].iter().zip(&changed).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert!(whole[cut - 1] > 0.0);
    }

    /// The training half has no incidents: the band is used at the detector's width, and only if it has few false
    /// alerts.
    #[test]
    fn without_training_incidents_the_band_has_the_detectors_width() {
        let replay = replayed(history(40, 20 * DAY));
        let rule = &replay.rules[0];
        assert!(rule.reason.starts_with("a band around the expected value"), "{}", rule.reason);
        assert!(rule.recommended.score.incidents_caught > 3, "{:?}", rule.recommended.score);
    }
}
