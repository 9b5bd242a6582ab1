//! Draws the evidence of a threshold recommendation: the signal with the present and the proposed bound, incidents, and
//! the alerts of each rule. Called by `advisor`; only `fetch` reads the store.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{
    applied_rule::AppliedRule,
    fetch::{EVALUATIONS_MAX, RuleHistory},
    replayed_rule::{DrawnBounds, Episode, EpisodeKind, ReplayedRule},
    terms::RuleTerms,
};
use crate::{
    advise::{
        FetchError,
        kit::in_force,
        picture::{
            DrawnRows, Line, LineRole, Picture, Quantity, Shape, Span, SpanBudget, SpanRole, position, spans_where,
        },
        threshold::{Comparison, LabelledIncident, ThresholdError, format_duration},
    },
    ledger::Promise,
    store::{Store, rows::RecommendationRow},
};

/// Draws a recommendation. Its rules are stored with it, so that it needs no specification.
///
/// # Errors
/// [`FetchError`] when the terms cannot be parsed or the signal cannot be evaluated.
pub(in crate::advise::threshold) fn pictures(
    store: &Store,
    row: &RecommendationRow,
    now: Timestamp,
) -> Result<Vec<Picture>, FetchError> {
    let facts = PictureFacts::fetch(store, row, now)?;
    if facts.history.aligned.timestamps.len() < 2 {
        return Ok(Vec::new());
    }
    let view = View::of(&facts).ok_or_else(|| FetchError::unreadable("rule"))?;
    Ok(std::iter::once(view.draw_signal()).chain(view.draw_burn_rate()).collect())
}

/// The stored rules, and the history that they are drawn on.
struct PictureFacts {
    history: RuleHistory,
    proposed: AppliedRule,
    /// The rule of before; none in a rollback.
    present: Option<AppliedRule>,
    /// Start and end of the scored part, epoch milliseconds. Rows of older releases lack them.
    scored_ms: Option<(i64, i64)>,
    /// Time of the application, epoch milliseconds, while the rule is in force.
    applied_ms: Option<i64>,
    evidence: Value,
}

impl PictureFacts {
    /// Reads the history that was decided on, and of a rule in force also the time since.
    fn fetch(store: &Store, row: &RecommendationRow, now: Timestamp) -> Result<Self, FetchError> {
        let unreadable = |_| FetchError::unreadable("terms");
        let promise = Promise::of(row).map_err(unreadable)?;
        let RuleTerms { rule, scored_from_ms, scored_until_ms, .. } =
            serde_json::from_value(promise.terms).map_err(unreadable)?;
        let before = promise.terms_before.map(serde_json::from_value::<RuleTerms>).transpose().map_err(unreadable)?;
        let scored_ms = scored_from_ms.zip(scored_until_ms);
        let decided_ms = scored_ms.map_or(row.evidence_at.millis(), |(_, until_ms)| until_ms);
        let applied = in_force(store, row, now)?;
        let end_ms = applied.map_or(decided_ms, |(_, until)| until.millis().max(decided_ms));
        let step_ms = rule.interval_ms.max(1);
        let evaluations = ((end_ms - decided_ms) / step_ms).saturating_add(EVALUATIONS_MAX).min(4 * EVALUATIONS_MAX);
        let history = RuleHistory::fetch(store, &rule.signal, step_ms, evaluations, Timestamp::from_millis(end_ms))
            .map_err(|error| match error {
                ThresholdError::Store(error) => error.into(),
                error => FetchError::other(error),
            })?;
        Ok(Self {
            history,
            proposed: rule,
            present: before.map(|terms| terms.rule),
            scored_ms,
            applied_ms: applied.map(|(at, _)| at.millis()),
            evidence: row.evidence.clone(),
        })
    }
}

/// One rule as it is drawn.
struct DrawnRule {
    /// `present` or `proposed`.
    name: &'static str,
    role: LineRole,
    /// Field of its figures in the evidence.
    field: &'static str,
    rule: ReplayedRule,
    episodes: Vec<Episode>,
}

/// What the pictures show.
struct View<'a> {
    facts: &'a PictureFacts,
    incidents: Vec<LabelledIncident>,
    /// The element nearest to the bound at each evaluation.
    signal: Vec<f64>,
    rules: Vec<DrawnRule>,
}

impl<'a> View<'a> {
    /// Replays the stored rules. None when one cannot be replayed.
    fn of(facts: &'a PictureFacts) -> Option<Self> {
        let PictureFacts { history, proposed, present, scored_ms, applied_ms, .. } = facts;
        let timestamps = &history.aligned.timestamps;
        let incidents = proposed.incidents(history);
        // Alerts start inactive where a part is scored by itself: the held-out part, what follows, the time in force.
        let restarts: Vec<i64> =
            scored_ms.iter().flat_map(|(from_ms, until_ms)| [*from_ms, until_ms + 1]).chain(*applied_ms).collect();
        let drawn = |name, role, field, rule: &AppliedRule| {
            let rule = ReplayedRule::of(rule, history)?;
            let episodes = rule.episodes(timestamps, &incidents, &restarts);
            Some(DrawnRule { name, role, field, rule, episodes })
        };
        let mut rules = Vec::new();
        if let Some(present) = present {
            rules.push(drawn("present", LineRole::Present, "present", present)?);
        }
        rules.push(drawn("proposed", LineRole::Proposed, "recommended", proposed)?);
        let is_upper = rules[0].rule.setting.comparison.is_upper();
        let nearest = if is_upper { f64::max } else { f64::min };
        // `f64::max` and `f64::min` ignore NaN.
        let at = |row: usize| history.aligned.values.iter().map(|values| values[row]).fold(f64::NAN, nearest);
        let signal = (0..timestamps.len()).map(at).collect();
        Some(Self { facts, incidents, signal, rules })
    }

    fn timestamps(&self) -> &[i64] {
        &self.facts.history.aligned.timestamps
    }

    /// Selects the rows of a picture: peaks and lows of the values survive, and where they are furthest beyond a bound.
    fn drawn_rows(&self, values: &[f64]) -> DrawnRows {
        let beyond = |row: usize| {
            let of = |rule: &DrawnRule| match &rule.rule.bounds {
                DrawnBounds::One(bounds) if rule.rule.setting.comparison.is_upper() => values[row] - bounds[row],
                DrawnBounds::One(bounds) => bounds[row] - values[row],
                DrawnBounds::Band(lower, upper) => (values[row] - upper[row]).max(lower[row] - values[row]),
                DrawnBounds::BurnRate(rates) => rates[row],
            };
            self.rules.iter().map(of).fold(f64::NAN, f64::max)
        };
        DrawnRows::select(values.len(), &[&|row| values[row], &|row| -values[row], &beyond])
    }

    /// Draws the signal with the bounds, incidents and alerts of both rules.
    fn draw_signal(&self) -> Picture {
        let drawn = self.drawn_rows(&self.signal);
        let name = match self.facts.history.aligned.values.len() {
            1 => "signal".to_owned(),
            n => format!("{} of {n} elements", if self.is_upper() { "highest" } else { "lowest" }),
        };
        let mut lines = vec![drawn.line(name, LineRole::Measured, Shape::Line, |row| self.signal[row])];
        for DrawnRule { name, role, rule, .. } in &self.rules {
            match &rule.bounds {
                DrawnBounds::One(bounds) => {
                    lines.push(drawn.line(format!("{name} bound"), *role, Shape::Steps, |row| bounds[row]));
                }
                DrawnBounds::Band(lower, upper) => {
                    let end = |end: &str| format!("{name} band, {end} end");
                    lines.push(drawn.line(end("lower"), LineRole::Lower, Shape::Line, |row| lower[row]));
                    lines.push(drawn.line(end("upper"), LineRole::Upper, Shape::Line, |row| upper[row]));
                }
                DrawnBounds::BurnRate(_) => {}
            }
        }
        lines.retain(Line::has_values);
        let (spans, text) = self.spans(&self.rules.iter().collect::<Vec<_>>());
        Picture {
            name: "signal",
            title: "Signal, bounds, incidents and alerts".to_owned(),
            text,
            x: drawn.axis(self.timestamps()),
            y: Quantity::new("signal", ""),
            lines,
            spans,
            marks: Vec::new(),
        }
    }

    /// Draws the burn rate of a rule on an objective. None without one.
    fn draw_burn_rate(&self) -> Option<Picture> {
        let (rule, rates) = self.rules.iter().find_map(|rule| match &rule.rule.bounds {
            DrawnBounds::BurnRate(rates) => Some((rule, rates)),
            DrawnBounds::One(_) | DrawnBounds::Band(..) => None,
        })?;
        let drawn = DrawnRows::select(rates.len(), &[&|row| rates[row], &|row| -rates[row]]);
        let mut lines = vec![
            drawn.line("burn rate of the error budget", LineRole::Measured, Shape::Line, |row| rates[row]),
            drawn.line(format!("{} bound", rule.name), rule.role, Shape::Line, |_| 1.0),
        ];
        lines.retain(Line::has_values);
        let (spans, text) = self.spans(&[rule]);
        Some(Picture {
            name: "burn_rate",
            title: "Burn rate of the error budget".to_owned(),
            text: format!(
                "Highest burn rate of all windows, as a multiple of the rate at which the alert fires. {text}"
            ),
            x: drawn.axis(self.timestamps()),
            y: Quantity::new("burn rate over the rate that alerts", "1"),
            lines,
            spans,
            marks: Vec::new(),
        })
    }

    fn is_upper(&self) -> bool {
        self.rules.first().is_none_or(|rule| rule.rule.setting.comparison.is_upper())
    }

    /// Returns the spans and the text: parts of the history, incidents, and alerts of these rules.
    fn spans(&self, rules: &[&DrawnRule]) -> (Vec<Span>, String) {
        let timestamps = self.timestamps();
        let (mut budget, labelled) = (SpanBudget::default(), !self.incidents.is_empty());
        if let Some((from_ms, _)) = self.facts.scored_ms {
            let learned = |row: usize| timestamps[row] < from_ms;
            budget.add("parts", spans_where(timestamps, learned, SpanRole::Learned, "learned from, not scored"));
        }
        let missing = |row: usize| self.signal[row].is_nan();
        budget.add("gaps", spans_where(timestamps, missing, SpanRole::Missing, "the signal has no value"));
        let (first_ms, last_ms) = (timestamps[0], timestamps[timestamps.len() - 1]);
        let incident = |incident: &LabelledIncident| {
            let label = if incident.own { "incident" } else { "incident of another target" };
            let (from_ms, to_ms) = (incident.start_ms.max(first_ms), incident.end_ms.min(last_ms));
            (from_ms <= to_ms).then(|| span(from_ms, to_ms, SpanRole::Incident, label.to_owned()))
        };
        budget.add("incidents", self.incidents.iter().filter_map(incident).collect());
        for rule in rules {
            let alert = |episode: &Episode| {
                let (role, what) = match episode.kind {
                    _ if !labelled => (SpanRole::Alert, "alert"),
                    EpisodeKind::Right => (SpanRole::Alert, "alert during an incident"),
                    EpisodeKind::OfAnother => (SpanRole::Alert, "alert during an incident of another target"),
                    EpisodeKind::False => (SpanRole::FalseAlert, "false alert"),
                };
                span(episode.start_ms, episode.end_ms, role, format!("{} rule: {what}", rule.name))
            };
            budget.add(format!("alerts of the {} rule", rule.name), rule.episodes.iter().map(alert).collect());
        }
        budget.finish(self.text(rules, labelled))
    }

    /// Describes the rules with their figures on the held-out part.
    fn text(&self, rules: &[&DrawnRule], labelled: bool) -> String {
        let (from_ms, until_ms) = self.facts.scored_ms.unwrap_or((i64::MIN, i64::MAX));
        let clause = |rule: &&DrawnRule| {
            let scored = || rule.episodes.iter().filter(|alert| (from_ms..=until_ms).contains(&alert.start_ms));
            let alerts = scored().count();
            let Setting { bound, for_ms } = Setting::of(rule);
            let held = if for_ms > 0 { format!(" for {}", format_duration(for_ms)) } else { String::new() };
            let figures = if labelled {
                let wrong = scored().filter(|alert| alert.kind == EpisodeKind::False).count();
                format!("{alerts} alerts, {wrong} of them false{}", self.caught(rule))
            } else {
                format!("{alerts} alerts")
            };
            format!("the {} rule ({bound}{held}) gives {figures}", rule.name)
        };
        let clauses: Vec<String> = rules.iter().map(clause).collect();
        let part = if self.facts.scored_ms.is_some() { "On the part that was not learned from, " } else { "" };
        format!("{part}{}.", clauses.join("; "))
    }

    /// Returns how many incidents the rule catches, from the evidence; empty when that has no such figures.
    fn caught(&self, rule: &DrawnRule) -> String {
        let figures = &self.facts.evidence[rule.field];
        match (figures["incidents_caught"].as_u64(), figures["incidents"].as_u64()) {
            (Some(caught), Some(all)) => format!(", and catches {caught} of {all} incidents"),
            _ => String::new(),
        }
    }
}

/// Bound and `for` of a rule, for the text.
struct Setting {
    bound: String,
    for_ms: i64,
}

impl Setting {
    fn of(rule: &DrawnRule) -> Self {
        let setting = &rule.rule.setting;
        let comparison: Comparison = setting.comparison;
        let bound = match &rule.rule.bounds {
            DrawnBounds::One(_) if setting.bound.is_finite() => format!("{} {}", comparison.symbol(), setting.bound),
            DrawnBounds::One(_) => "a bound by hour of the week".to_owned(),
            DrawnBounds::Band(..) => "a band around the expected value".to_owned(),
            DrawnBounds::BurnRate(_) => "burn rates".to_owned(),
        };
        Self { bound, for_ms: setting.for_ms }
    }
}

fn span(from_ms: i64, to_ms: i64, role: SpanRole, label: String) -> Span {
    Span { from: position(from_ms), to: position(to_ms), role, label }
}
