//! Burn-rate alerts on the error budget of a service-level objective, which replace a constant bound on an error ratio.

use promql_parser::parser::Expr;

use super::transformed::TransformedHistories;
use crate::{
    advise::threshold::{
        Comparison, Condition, Instance, LabelledIncident, Rule, RuleScore, RuleSpec, Setting, format_bound,
        format_duration, parse_duration, score_rule,
    },
    signal,
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Labels of a rule with its objective, such as `99.9`, and with the objective's period, such as `7d`.
const OBJECTIVE_LABEL: &str = "slo";
const PERIOD_LABEL: &str = "slo_period";
/// Period of an objective without the period label.
const PERIOD_MS: i64 = 30 * DAY_MS;

/// A share of the budget that may be consumed within a long window. The short window ends the alert soon after the
/// errors stop.
#[derive(Debug, Clone, Copy)]
struct WindowPair {
    share: f64,
    long_ms: i64,
    short_ms: i64,
    pages: bool,
}

/// Two pairs that page and two that open a ticket.
///
/// # Reference
/// Beyer et al. (2018), "The Site Reliability Workbook", ch. 5, table 5-8 and "Multiwindow, Multi-Burn-Rate Alerts".
const WINDOW_PAIRS: [WindowPair; 4] = [
    WindowPair { share: 0.02, long_ms: HOUR_MS, short_ms: 5 * MINUTE_MS, pages: true },
    WindowPair { share: 0.05, long_ms: 6 * HOUR_MS, short_ms: 30 * MINUTE_MS, pages: true },
    WindowPair { share: 0.1, long_ms: DAY_MS, short_ms: 2 * HOUR_MS, pages: false },
    WindowPair { share: 0.1, long_ms: 3 * DAY_MS, short_ms: 6 * HOUR_MS, pages: false },
];

/// A service-level objective on an error ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::advise::threshold) struct Objective {
    /// Share of requests that may fail over the period.
    pub(in crate::advise::threshold) budget: f64,
    /// Length of the period, milliseconds.
    pub(in crate::advise::threshold) period_ms: i64,
}

impl Objective {
    /// Reads the objective of a rule's label `slo`: `99.9`, `99.9%` or `0.999`, over 30 days or the label `slo_period`.
    ///
    /// Returns `None` without the label, when it cannot be parsed, for a rule that fires on small values, and for a
    /// period below fifty hours, over which no paging window consumes its share faster than the budget's even pace.
    pub(in crate::advise::threshold) fn of(spec: &RuleSpec) -> Option<Self> {
        let share: f64 = spec.rule.labels.get(OBJECTIVE_LABEL)?.trim().trim_end_matches('%').trim().parse().ok()?;
        let share = if share > 1.0 { share / 100.0 } else { share };
        let period_ms = match spec.rule.labels.get(PERIOD_LABEL) {
            Some(text) => parse_duration(text)?,
            None => PERIOD_MS,
        };
        // Removes the binary rounding error of 1 − 0.999.
        let budget = format!("{:.12}", 1.0 - share).parse().unwrap_or(1.0 - share);
        let objective = Self { budget, period_ms };
        let possible = 0.0 < share && share < 1.0 && spec.condition.comparison.is_upper();
        (possible && objective.pairs().any(|pair| pair.pages)).then_some(objective)
    }

    /// Returns the pairs with a factor of at least 1. A lower factor would alert although the budget lasts for the
    /// period.
    fn pairs(&self) -> impl Iterator<Item = &'static WindowPair> + '_ {
        WINDOW_PAIRS.iter().filter(|pair| self.factor(pair) > 1.0 - 1e-9)
    }

    /// Returns the burn rate at which the long window consumes its share; 1 consumes the budget exactly in the period.
    fn factor(&self, pair: &WindowPair) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
        let windows = self.period_ms as f64 / pair.long_ms as f64;
        pair.share * windows
    }

    /// Computes at each evaluation the largest burn rate of all pairs, in units of the pair's factor: above 1 a page or
    /// a ticket fires. Causal.
    ///
    /// A window is the mean of its values, as in `avg_over_time`. For a ratio, whose written rule is the ratio over the
    /// window, this assumes evenly spread traffic.
    pub(in crate::advise::threshold) fn burn_rates(&self, instances: &[Instance<'_>]) -> TransformedHistories {
        TransformedHistories::new(instances, |instance| {
            let mut most = vec![f64::NAN; instance.values.len()];
            for pair in self.pairs() {
                let allowed = self.factor(pair) * self.budget;
                let (long, short) = (means(instance, pair.long_ms), means(instance, pair.short_ms));
                for ((most, long), short) in most.iter_mut().zip(long).zip(short) {
                    // Both windows must exceed the factor, so the lower one counts; NaN in `short` is kept. `f64::max`
                    // ignores NaN.
                    *most = most.max(if long < short { long } else { short } / allowed);
                }
            }
            most
        })
    }

    /// Replays the alerts. `transformed`: the instances as [`Objective::burn_rates`].
    pub(in crate::advise::threshold) fn score(
        transformed: &[Instance<'_>],
        incidents: &[LabelledIncident],
    ) -> RuleScore {
        score_rule(transformed, incidents, &Self::setting())
    }

    /// Returns the rule on burn rates. It has no `for`: the windows replace it.
    fn setting() -> Setting {
        Setting { comparison: Comparison::Greater, bound: 1.0, for_ms: 0, keep_firing_for_ms: 0 }
    }

    /// Writes the expression of the paging alert, and the rules before it: one recording rule for each window, and the
    /// ticket alert with the labels and annotations of `rule` but severity `ticket`.
    pub(in crate::advise::threshold) fn rules(
        &self,
        condition: &Condition,
        rule: &Rule,
        name: &str,
    ) -> (String, Vec<Rule>) {
        let mut windows: Vec<i64> = self.pairs().flat_map(|pair| [pair.short_ms, pair.long_ms]).collect();
        windows.sort_unstable();
        windows.dedup();
        let record = |window_ms: i64| format!("{name}:{}", format_duration(window_ms));
        let mut rules: Vec<Rule> = windows
            .iter()
            .map(|&window_ms| Rule {
                record: Some(record(window_ms)),
                expr: over(&condition.signal, window_ms),
                ..Rule::default()
            })
            .collect();
        let side = |pages: bool| {
            let pairs = self.pairs().filter(|pair| pair.pages == pages).map(|pair| {
                let bound = format_bound(rounded(self.factor(pair) * self.budget));
                format!("({} > {bound} and {} > {bound})", record(pair.long_ms), record(pair.short_ms))
            });
            pairs.collect::<Vec<_>>().join(" or ")
        };
        let waits = side(false);
        if !waits.is_empty() {
            let mut labels = rule.labels.clone();
            labels.insert("severity".to_owned(), "ticket".to_owned());
            let annotations = rule.annotations.clone();
            rules.push(Rule { alert: rule.alert.clone(), expr: waits, labels, annotations, ..Rule::default() });
        }
        (side(true), rules)
    }
}

/// Removes the binary rounding error of a product of decimal fractions.
fn rounded(value: f64) -> f64 {
    format!("{value:.9e}").parse().unwrap_or(value)
}

/// Computes the mean of the values within (t − window, t] at each evaluation; NaN where there is none. Linear time.
fn means(instance: &Instance<'_>, window_ms: i64) -> Vec<f64> {
    let (mut sum, mut n, mut first) = (0.0, 0_u32, 0);
    let times = instance.timestamps;
    (0..times.len())
        .map(|idx| {
            let value = instance.values[idx];
            if value.is_finite() {
                (sum, n) = (sum + value, n + 1);
            }
            while times[first] <= times[idx] - window_ms {
                let gone = instance.values[first];
                if gone.is_finite() {
                    (sum, n) = (sum - gone, n - 1);
                }
                first += 1;
            }
            // An empty window also resets the sum, which discards its rounding error.
            if n == 0 {
                sum = 0.0;
                f64::NAN
            } else {
                sum / f64::from(n)
            }
        })
        .collect()
}

/// Writes a signal over another window. The ranges of rates and similar functions are set to the window; any other
/// signal is averaged over the window by a subquery. NaN and infinity, such as 0/0 without traffic, are excluded from
/// that mean, because one such value would make the whole mean NaN.
fn over(signal: &str, window_ms: i64) -> String {
    let window = format_duration(window_ms);
    let averaged = format!("avg_over_time(({signal} >= 0 < +Inf)[{window}:])");
    let Ok(length) = u64::try_from(window_ms) else { return averaged };
    let length = std::time::Duration::from_millis(length);
    signal::tree(signal, |mut tree| (widen(&mut tree, length)?).then(|| tree.to_string())).unwrap_or(averaged)
}

/// Range functions whose meaning does not depend on the length of the range.
const WINDOWED_FUNCTIONS: [&str; 5] = ["rate", "increase", "sum_over_time", "count_over_time", "avg_over_time"];

/// Sets every range of an expression to `window`. Returns whether there was one, and `None` when a part cannot be
/// widened.
fn widen(expr: &mut Expr, window: std::time::Duration) -> Option<bool> {
    match expr {
        Expr::NumberLiteral(_) => Some(false),
        Expr::Binary(binary) => {
            let sides = (widen(&mut binary.lhs, window)?, widen(&mut binary.rhs, window)?);
            let constant = |side: &Expr| matches!(side, Expr::NumberLiteral(_));
            // A side without a range, such as a gauge, is not averaged by widening the other side.
            let all = (sides.0 || constant(&binary.lhs)) && (sides.1 || constant(&binary.rhs));
            all.then_some(sides.0 || sides.1)
        }
        Expr::Paren(inner) => widen(&mut inner.expr, window),
        Expr::Unary(inner) => widen(&mut inner.expr, window),
        Expr::Aggregate(aggregate) => widen(&mut aggregate.expr, window),
        Expr::Call(call) if WINDOWED_FUNCTIONS.contains(&call.func.name) => match call.args.args.as_mut_slice() {
            [arg] => match arg.as_mut() {
                Expr::MatrixSelector(matrix) => {
                    matrix.range = window;
                    Some(true)
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::threshold::{RuleFile, SignalHistory, ThresholdOptions, replay_rules};

    const RULES: &str = "groups:\n- name: g\n  rules:\n  - alert: Errors\n    expr: value > 0.001\n    for: 5m\n    labels: {severity: page, slo: \"99.9\"}\n";

    fn spec(labels: &str) -> RuleSpec {
        let text = RULES.replace("slo: \"99.9\"", labels);
        RuleFile::parse("r.yml", &text).unwrap().alerts("r.yml").0.remove(0)
    }

    #[test]
    fn objectives_are_read_from_labels() {
        for (labels, budget, days) in
            [("slo: \"99.9\"", 0.001, 30), ("slo: 99.5%", 0.005, 30), ("slo: \"0.99\", slo_period: 7d", 0.01, 7)]
        {
            let objective = Objective::of(&spec(labels)).unwrap();
            assert_eq!((objective.budget, objective.period_ms), (budget, days * DAY_MS), "{labels}");
        }
        for labels in [
            "slo: gold",
            "slo: \"100\"",
            "slo: \"99.9\", slo_period: month",
            "slo: \"99.9\", slo_period: 1d",
            "team: a",
        ] {
            assert_eq!(Objective::of(&spec(labels)), None, "{labels}");
        }
    }

    #[test]
    fn factors_match_the_workbook() {
        let objective = Objective { budget: 0.001, period_ms: PERIOD_MS };
        let factors: Vec<String> = WINDOW_PAIRS.iter().map(|pair| format!("{:.1}", objective.factor(pair))).collect();
        assert_eq!(factors, ["14.4", "6.0", "3.0", "1.0"]);
        // Over a week the pairs of one and three days have factors below 1.
        let week = Objective { budget: 0.001, period_ms: 7 * DAY_MS };
        assert_eq!(week.pairs().count(), 2);
    }

    #[test]
    fn windows_are_put_where_the_ranges_are() {
        for (signal, wider) in [
            ("errors:ratio", "avg_over_time((errors:ratio >= 0 < +Inf)[1h:])"),
            ("errors:ratio offset 5m", "avg_over_time((errors:ratio offset 5m >= 0 < +Inf)[1h:])"),
            ("irate(e[5m]) / irate(t[5m])", "avg_over_time((irate(e[5m]) / irate(t[5m]) >= 0 < +Inf)[1h:])"),
            ("1 - rate(ok[5m]) / rate(all[5m])", "1 - rate(ok[1h]) / rate(all[1h])"),
            ("rate(e[5m]) / limit", "avg_over_time((rate(e[5m]) / limit >= 0 < +Inf)[1h:])"),
            (
                "sum(rate(http_requests_total{code=~\"5..\"}[5m])) / sum(rate(http_requests_total[5m]))",
                "sum(rate(http_requests_total{code=~\"5..\"}[1h])) / sum(rate(http_requests_total[1h]))",
            ),
            ("errors / requests", "avg_over_time((errors / requests >= 0 < +Inf)[1h:])"),
        ] {
            assert_eq!(over(signal, HOUR_MS), wider);
            assert!(promql_parser::parser::parse(wider).is_ok(), "{wider}");
        }
    }

    /// Thirty days of minutes at a quarter of the budget, with ten short peaks a day that consume almost nothing, and
    /// four outages: two burn fast and two slowly.
    fn history() -> SignalHistory {
        let outages = [(3, 20, 0.05), (9, 300, 0.008), (18, 20, 0.05), (25, 300, 0.008)];
        let outage = |minute: i64| {
            outages.iter().find(|(day, length, _)| (day * 1_440 + 600..day * 1_440 + 600 + length).contains(&minute))
        };
        let minutes = 0..30 * 1_440_i64;
        let value = |minute: i64| {
            let blip = minute % 144 >= 137;
            outage(minute).map_or(if blip { 0.0015 } else { 0.00025 }, |outage| outage.2)
        };
        SignalHistory {
            name: "ratio".to_owned(),
            timestamps: minutes.clone().map(|minute| minute * MINUTE_MS).collect(),
            values: minutes.clone().map(value).collect(),
            incident: Some(minutes.map(|minute| outage(minute).is_some()).collect()),
        }
    }

    #[test]
    fn burn_rates_ignore_short_peaks_and_catch_the_outages() {
        let rules = RuleFile::parse("r.yml", RULES).unwrap();
        let replay = replay_rules("r.yml", &rules, &[history()], &ThresholdOptions::default()).unwrap();
        let rule = &replay.rules[0];
        let (present, recommended) = (&rule.present.score, &rule.recommended.score);
        assert!(present.false_alerts > 100, "{present:?}");
        assert_eq!((recommended.incidents_caught, recommended.false_alerts), (2, 0), "{recommended:?}");
        assert!(rule.reason.starts_with("an objective of 99.9 % over 30d"), "{}", rule.reason);
        let written = &replay.recommended.groups[0].rules;
        let page = written.last().unwrap();
        assert_eq!(
            page.expr,
            "(almanac:bound:errors:1h > 0.0144 and almanac:bound:errors:5m > 0.0144) or \
             (almanac:bound:errors:6h > 0.006 and almanac:bound:errors:30m > 0.006)"
        );
        assert_eq!((page.hold.as_deref(), page.labels["severity"].as_str()), (None, "page"));
        let ticket = &written[written.len() - 2];
        assert_eq!((ticket.alert.as_deref(), ticket.labels["severity"].as_str()), (Some("Errors"), "ticket"));
        assert!(written.iter().all(|rule| promql_parser::parser::parse(&rule.expr).is_ok()));
        assert_eq!(written.iter().filter(|rule| rule.record.is_some()).count(), 7);
    }

    #[test]
    fn means_are_those_of_avg_over_time() {
        let timestamps: Vec<i64> = (0..6).map(|minute| minute * MINUTE_MS).collect();
        let values = [1.0, 2.0, f64::NAN, 4.0, f64::NAN, f64::NAN];
        let of = means(&Instance { timestamps: &timestamps, values: &values }, 2 * MINUTE_MS);
        assert_eq!(of[..5], [1.0, 1.5, 2.0, 4.0, 4.0]);
        assert!(of[5].is_nan());
    }
}
