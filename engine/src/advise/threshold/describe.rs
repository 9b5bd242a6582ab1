//! Writes the sentence of a threshold recommendation: present and proposed setting, lead, false alerts, incidents
//! caught.

use super::{RuleScore, RuleSpec, Setting, bounds::MovingBound, bounds::ScoredDecision, format_bound, format_duration};

/// Returns the sentence of a recommendation. The lead follows the setting directly: an operator first checks whether
/// alerts fire later.
pub(super) fn sentence(spec: &RuleSpec, judged: &ScoredDecision, labelled: bool) -> String {
    let decision = &judged.decision;
    let change = match &decision.moving {
        Some(MovingBound::Hourly(_)) => {
            format!("Replace the bound of {} with one for each hour of the week", spec.alert)
        }
        Some(MovingBound::Band(_)) => {
            format!("Replace the bound of {} with a band around the expected value of its signal", spec.alert)
        }
        Some(MovingBound::BurnRate(_)) => {
            format!("Replace the bound of {} with alerts on the burn rate of its error budget", spec.alert)
        }
        None => changed(spec, &decision.setting),
    };
    if !labelled {
        return format!("{change}: {}.", decision.reason);
    }
    format!(
        "{change}: {}; {}. {}.",
        lead(&judged.present, &judged.recommended),
        counts(&judged.present, &judged.recommended),
        scored(&judged.recommended)
    )
}

/// Describes the change of a constant setting, such as "Raise the bound of High from > 1 to > 1.4 and `for` from 2m to
/// 5m".
fn changed(spec: &RuleSpec, setting: &Setting) -> String {
    let symbol = setting.comparison.symbol();
    let mut parts = Vec::new();
    if setting.bound.to_bits() != spec.condition.bound.to_bits() {
        let verb = if setting.bound > spec.condition.bound { "Raise" } else { "Lower" };
        let (now, then) = (format_bound(spec.condition.bound), format_bound(setting.bound));
        parts.push(format!("{verb} the bound of {} from {symbol} {now} to {symbol} {then}", spec.alert));
    }
    for (name, now_ms, then_ms) in
        [("for", spec.for_ms, setting.for_ms), ("keep_firing_for", spec.keep_firing_for_ms, setting.keep_firing_for_ms)]
    {
        if now_ms != then_ms {
            let of = if parts.is_empty() { format!("Change `{name}` of {}", spec.alert) } else { format!("`{name}`") };
            parts.push(format!("{of} from {} to {}", format_duration(now_ms), format_duration(then_ms)));
        }
    }
    parts.join(" and ")
}

/// Describes how much earlier or later alerts fire.
pub(super) fn lead(present: &RuleScore, recommended: &RuleScore) -> String {
    match lead_change_s(present, recommended) {
        None => "the change of the lead is unknown, because no incident is caught by both rules".to_owned(),
        Some(change) if change.abs() < 0.5 => "alerts fire as early as today".to_owned(),
        Some(change) => {
            // Rounded to whole seconds.
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a median lead")]
            let span = format_duration(((change.abs() * 1e3).round() as i64 + 500) / 1_000 * 1_000);
            let direction = if change > 0.0 { "earlier" } else { "later" };
            format!("alerts fire {span} {direction} than today in the median")
        }
    }
}

/// Returns by how many seconds alerts fire earlier, as the median over the incidents that both rules catch; negative
/// when later, `None` without such an incident.
pub(super) fn lead_change_s(present: &RuleScore, recommended: &RuleScore) -> Option<f64> {
    let mut changes: Vec<i64> = present
        .fired_ms
        .iter()
        .zip(&recommended.fired_ms)
        .filter_map(|(present, recommended)| {
            present.zip(*recommended).map(|(present, recommended)| present - recommended)
        })
        .collect();
    changes.sort_unstable();
    let (lower, upper) = (changes.get(changes.len().saturating_sub(1) / 2)?, changes.get(changes.len() / 2)?);
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    let middle = (lower + upper) as f64 / 2e3;
    Some(middle)
}

fn counts(present: &RuleScore, recommended: &RuleScore) -> String {
    format!(
        "{} false alerts a week instead of {}, {} of {} incidents caught instead of {}",
        figure(recommended.false_alerts_per_week()),
        figure(present.false_alerts_per_week()),
        recommended.incidents_caught,
        recommended.incidents,
        present.incidents_caught
    )
}

fn scored(score: &RuleScore) -> String {
    format!("Measured on {} of held-out history", days(score.span_ms))
}

fn days(span_ms: f64) -> String {
    let days = span_ms / 86_400_000.0;
    if days >= 2.0 { format!("{days:.0} days") } else { format!("{} hours", figure(24.0 * days)) }
}

/// Formats a value with two significant digits below ten and as a whole number above.
pub(super) fn figure(value: f64) -> String {
    let text = match value {
        _ if value >= 9.95 => format!("{value:.0}"),
        _ if value >= 0.995 || value == 0.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(fired_ms: &[Option<i64>]) -> RuleScore {
        RuleScore { fired_ms: fired_ms.to_vec(), ..RuleScore::default() }
    }

    #[test]
    fn leads_are_compared_on_incidents_that_both_catch() {
        let present = score(&[Some(0), Some(0), None, Some(0)]);
        for (recommended, expected) in [
            (score(&[Some(60_000), Some(60_000), Some(0), None]), "alerts fire 1m later than today in the median"),
            (score(&[Some(0), Some(0), Some(0), Some(-60_000)]), "alerts fire as early as today"),
            (score(&[Some(-90_000), None, None, None]), "alerts fire 1m30s earlier than today in the median"),
            (
                score(&[None, None, Some(5), None]),
                "the change of the lead is unknown, because no incident is caught by both rules",
            ),
        ] {
            assert_eq!(lead(&present, &recommended), expected);
        }
    }

    #[test]
    fn figures_are_short() {
        for (value, text) in [(0.0, "0"), (0.25, "0.25"), (1.0, "1"), (8.04, "8"), (9.94, "9.9"), (123.4, "123")] {
            assert_eq!(figure(value), text);
        }
    }
}
