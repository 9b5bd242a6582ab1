//! Draws the promised effect of an applied recommendation against the measured one, for every advisor. Called by `run`;
//! reads no store.

use almanac_models::Timestamp;

use super::types::{Axis, Line, LineRole, Mark, MarkRole, Picture, Quantity, Shape, position};
use crate::{
    advise::kit::rfc3339,
    ledger::{Measured, Promise},
    store::rows::{OutcomeRow, RecommendationRow, State},
};

/// Returns the picture of an applied recommendation: its promise, and each measurement at the end of the time that it
/// covers. None before the application, and while nothing is measured.
///
/// `outcomes`: all of the recommendation. `measured`: further measurements with their ends, in any order.
pub(in crate::advise) fn effect_picture(
    row: &RecommendationRow,
    outcomes: &[OutcomeRow],
    measured: &[(Timestamp, Measured)],
    now: Timestamp,
) -> Option<Picture> {
    let applied = outcomes.iter().find(|outcome| outcome.to_state == State::Applied)?;
    let recorded = outcomes.iter().filter_map(|outcome| {
        let (value, lower, upper) = (outcome.realised?, outcome.realised_lower?, outcome.realised_upper?);
        Some((outcome.at, [value, lower, upper]))
    });
    let later = measured.iter().map(|(at, measured)| (*at, [measured.value, measured.lower, measured.upper]));
    let mut points: Vec<(Timestamp, [f64; 3])> = recorded.chain(later).collect();
    points.sort_by_key(|point| point.0);
    let (last_at, [value, lower, upper]) = *points.last()?;
    // The outcome has the promise of the application; a refresh may have replaced that of the row.
    let effect = &row.effect;
    let promised = [
        applied.predicted.unwrap_or(effect.value),
        applied.predicted_lower.unwrap_or(effect.lower),
        applied.predicted_upper.unwrap_or(effect.upper),
    ];
    let mut at: Vec<i64> = points.iter().map(|point| point.0.millis()).collect();
    at.extend([applied.at.millis(), now.millis().max(last_at.millis())]);
    at.sort_unstable();
    at.dedup();
    let constant = |name: &str, role, value: f64| Line::new(name, role, Shape::Line, at.iter().map(|_| value));
    let value_at = |at_ms: &i64| points.iter().find(|point| point.0.millis() == *at_ms).map_or(f64::NAN, |p| p.1[0]);
    let mut lines = vec![
        Line::new("measured", LineRole::Measured, Shape::Points, at.iter().map(value_at)),
        constant("promised", LineRole::Proposed, promised[0]),
        constant("promised, lower end", LineRole::Lower, promised[1]),
        constant("promised, upper end", LineRole::Upper, promised[2]),
    ];
    let before = Promise::of(row).ok().and_then(|promise| promise.before);
    lines.extend(before.map(|before| constant("before", LineRole::Present, before)));
    lines.retain(Line::has_values);
    let metric = effect.metric.replace('_', " ");
    let place = if value < promised[1] {
        "below the promised interval"
    } else if value > promised[2] {
        "above the promised interval"
    } else {
        "inside the promised interval"
    };
    let text = format!(
        "Since it was applied at {}, {metric} was promised to be {} ({} to {}); until {} it was {} ({} to {}), {place}. Each \
         point covers the time from the application on.",
        rfc3339(applied.at.millis()),
        number(promised[0]),
        number(promised[1]),
        number(promised[2]),
        rfc3339(last_at.millis()),
        number(value),
        number(lower),
        number(upper),
    );
    let last = at.last().copied().unwrap_or_default();
    Some(Picture {
        name: "effect",
        title: "Promised and measured effect".to_owned(),
        text,
        x: Axis::time(at),
        y: Quantity::new(&metric, &effect.unit),
        lines,
        spans: Vec::new(),
        marks: vec![Mark::new(position(last), MarkRole::Now, "now")],
    })
}

/// Formats a figure to four significant digits, without trailing zeros.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        advise::picture::assert_sound,
        store::rows::{Effect, Kind, Patch},
    };

    const HOUR: i64 = 3_600_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * HOUR)
    }

    fn row() -> RecommendationRow {
        RecommendationRow {
            id: "ttl-pages-1".into(),
            kind: Kind::from_static("ttl"),
            target: "pages".into(),
            current: json!({}),
            proposed: json!({}),
            valid_from: at(0),
            valid_until: None,
            effect: Effect {
                metric: "hit_ratio".into(),
                unit: "1".into(),
                value: 0.7,
                lower: 0.65,
                upper: 0.75,
                level: 0.8,
            },
            confidence: 0.9,
            reason: String::new(),
            evidence: json!({"terms": {}, "before": 0.4}),
            patch: Patch { format: "text".into(), body: String::new() },
            state: State::Verified,
            created_at: at(0),
            updated_at: at(0),
            evidence_at: at(0),
            replaces: None,
        }
    }

    fn outcome(hours: i64, to_state: State, realised: Option<f64>) -> OutcomeRow {
        OutcomeRow {
            recommendation: "ttl-pages-1".into(),
            at: at(hours),
            from_state: None,
            to_state,
            actor: "a".into(),
            note: None,
            predicted: Some(0.72),
            predicted_lower: Some(0.7),
            predicted_upper: Some(0.74),
            realised,
            realised_lower: realised.map(|value| value - 0.01),
            realised_upper: realised.map(|value| value + 0.01),
        }
    }

    #[test]
    fn the_promise_of_the_application_is_drawn_against_every_measurement() {
        let outcomes = [
            outcome(0, State::Proposed, None),
            outcome(2, State::Applied, None),
            outcome(26, State::Verified, Some(0.71)),
        ];
        let later = Measured { value: 0.6, lower: 0.59, upper: 0.61, broken: None };
        let picture = effect_picture(&row(), &outcomes, &[(at(50), later)], at(60)).unwrap();
        assert_sound(&picture);
        assert_eq!(picture.x.values, [2, 26, 50, 60].map(|hours| position(hours * HOUR)));
        assert_eq!(picture.lines[0].values, [None, Some(0.71), Some(0.6), None]);
        let constants: Vec<(LineRole, Option<f64>)> =
            picture.lines[1..].iter().map(|line| (line.role, line.values[3])).collect();
        let expected = [
            (LineRole::Proposed, Some(0.72)),
            (LineRole::Lower, Some(0.7)),
            (LineRole::Upper, Some(0.74)),
            (LineRole::Present, Some(0.4)),
        ];
        assert_eq!(constants, expected);
        assert!(picture.text.contains("0.6 (0.59 to 0.61), below the promised interval"), "{}", picture.text);
    }

    #[test]
    fn nothing_is_drawn_before_a_measurement() {
        let applied = [outcome(0, State::Proposed, None), outcome(2, State::Applied, None)];
        assert_eq!(effect_picture(&row(), &applied[..1], &[], at(60)), None);
        assert_eq!(effect_picture(&row(), &applied, &[], at(60)), None);
    }
}
