//! A bound that moves with what is expected of the signal: the band of the causal detector, some times as wide.

use super::{learn::merit, views::Views};
use crate::{
    advise::threshold::{
        Comparison, Condition, Instance, LabelledIncident, Rule, RuleScore, Setting, format_bound, replay::median_step,
        score_rule,
    },
    calendar::Calendar,
    learn::{Training, score_rows},
};

/// Widths that are tried, in those of the detector's own band.
const WIDTHS: [f64; 14] = [0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.35, 1.5, 2.0, 3.0];
/// What a width e times as far from the detector's own must gain in incidents: few of them must not draw the width far. With the 99th
/// percentile for the present rule, a band on every series keeps as many incidents on KPI series and on NAB at 2 and at 4; at 0.5
/// NAB loses three of 53, at 8 KPI two of 144.
const STRAY: f64 = 2.0;

/// A band that is recommended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::advise::threshold) struct Band {
    /// Half width in units of the detector's own; `for` and `keep_firing_for` stand in the setting.
    pub(in crate::advise::threshold) width: f64,
    /// The rule on distances.
    pub(in crate::advise::threshold) setting: Setting,
    /// The ends of the signal's scale: a band beyond them would only look as if it could fire there.
    pub(in crate::advise::threshold) scale: (Option<f64>, Option<f64>),
}

impl Band {
    /// How far each value lies from what is expected of it, in half widths of the detector's own band on its side; 0 where there is no
    /// band yet or no value.
    pub(in crate::advise::threshold) fn distances(instances: &[Instance<'_>]) -> Views {
        let calendar = Calendar::default();
        Views::new(instances, |instance| {
            let scored = score_rows(instance.timestamps, instance.values, Training::Online, &calendar);
            // By the band alone: the score counts what goes on and what drifts as well, which no bound on the signal shows.
            scored.iter().zip(instance.values).map(|(scored, &value)| scored.for_value(value).score).collect()
        })
    }

    /// A band of this width with the `for` and `keep_firing_for` of a rule.
    pub(in crate::advise::threshold) fn of(width: f64, rule: &Setting) -> Self {
        Self { width, setting: Setting { comparison: Comparison::Greater, bound: width, ..*rule }, scale: (None, None) }
    }

    /// What the band would have done; `views`: the instances as [`Band::distances`].
    pub(in crate::advise::threshold) fn score(
        &self,
        views: &[Instance<'_>],
        incidents: &[LabelledIncident],
    ) -> RuleScore {
        score_rule(views, incidents, &self.setting)
    }

    /// The width that serves best on what is known: incidents caught against false alerts, near the detector's own.
    pub(in crate::advise::threshold) fn fit(
        views: &[Instance<'_>],
        incidents: &[LabelledIncident],
        present: &Setting,
    ) -> Self {
        let step_ms = views.iter().map(|view| median_step(view.timestamps)).max().unwrap_or(0);
        // A band calls what stands out by itself: to wait for more of it loses half of what it catches.
        let holds = if present.for_ms > step_ms { vec![0, present.for_ms] } else { vec![0] };
        let of = |(width, for_ms): (f64, i64)| {
            let band = Self::of(width, &Setting { for_ms, ..*present });
            let worth = merit(&band.score(views, incidents)) - STRAY * width.ln().abs();
            (band, worth)
        };
        let tried = holds.iter().flat_map(|&for_ms| WIDTHS.iter().map(move |&width| (width, for_ms)));
        let own = of((1.0, 0));
        tried.map(of).fold(own, |best, next| if next.1 > best.1 { next } else { best }).0
    }
}

/// The recording rules of a band around the signal named `signal`, and the expression of the alert that reads them.
///
/// `name`: of the upper bound's recording rule; the lower bound's ends in `:lower`.
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

    /// A wave between 20 and 100 of 25 hours, which no bound by the hour follows, with some noise; each third day an hour is 30 off,
    /// at the wave's bottom as well as at its top, where no constant bound sees it.
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
    fn a_band_sees_at_the_bottom_what_no_constant_can() {
        let replay = replayed(history(40, 0));
        let rule = &replay.rules[0];
        let (present, recommended) = (&rule.present.score, &rule.recommended.score);
        assert!(present.false_alerts > 10, "{present:?}");
        assert_eq!((recommended.incidents_caught, recommended.false_alerts), (recommended.incidents, 0), "{rule:?}");
        assert!(rule.reason.starts_with("a band around what is expected"), "{}", rule.reason);
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

    /// What comes later changes no distance before it, and so no decision.
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

    /// Nobody labelled the first half: the band has to show that it is quiet, and is taken as it stands.
    #[test]
    fn without_incidents_to_learn_from_the_band_is_the_detectors_own() {
        let replay = replayed(history(40, 20 * DAY));
        let rule = &replay.rules[0];
        assert!(rule.reason.starts_with("a band around what is expected"), "{}", rule.reason);
        assert!(rule.recommended.score.incidents_caught > 3, "{:?}", rule.recommended.score);
    }
}
