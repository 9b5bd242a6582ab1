//! A recommendation as pages show it: in lists as a card, in words with units.

use std::cmp::Ordering;

use almanac_engine::{
    advise::Registry,
    ledger::{Direction, Promise},
    store::rows::{RecommendationRow, State},
};
use almanac_models::Timestamp;

use super::{
    format::{capital, quantity, sentence, time, words},
    shell::segment,
};
use crate::http::shared::iso;

/// A time for the page: the script shows it in the reader's zone.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    /// RFC 3339.
    pub(super) iso: String,
    /// In UTC, for readers without scripts.
    pub(super) text: String,
}

impl Stamp {
    pub(super) fn of(at: Timestamp) -> Self {
        Self { iso: iso(at.millis()), text: time(at) }
    }
}

/// A recommendation in a list.
#[derive(Debug, Clone)]
pub(super) struct Card {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) title: String,
    pub(super) target: String,
    pub(super) state: String,
    pub(super) reason: String,
    /// `idle share 55.9 % (45.2 % to 69.2 %)`.
    pub(super) promise: String,
    /// `95 % of resampled histories …` in percent.
    pub(super) confidence: String,
    /// `from 3.1 %: 85 % less`, when the present value is known.
    pub(super) change: Option<String>,
    pub(super) updated: Stamp,
    worth: Option<f64>,
}

impl Card {
    /// Describes a recommendation.
    pub(super) fn of(row: &RecommendationRow, registry: &Registry) -> Self {
        let advisor = registry.get(row.kind);
        let effect = &row.effect;
        let unit = effect.unit.as_str();
        let before = Promise::of(row).ok().and_then(|promise| promise.before);
        let better = advisor.and_then(|advisor| advisor.effects().iter().find(|metric| metric.name == effect.metric));
        let worth = before.and_then(|before| {
            let scale = before.abs().max(effect.value.abs());
            let gain = match better?.better {
                Direction::Higher => effect.value - before,
                Direction::Lower => before - effect.value,
            };
            (scale > 0.0).then(|| gain / scale * row.confidence)
        });
        Self {
            id: row.id.clone(),
            path: format!("/recommendations/{}", segment(&row.id)),
            title: advisor.map_or_else(|| capital(&row.kind.to_string()), |advisor| advisor.title().to_owned()),
            target: row.target.clone(),
            state: row.state.to_string(),
            reason: sentence(&row.reason),
            promise: format!(
                "{} {} ({} to {})",
                words(&effect.metric),
                quantity(effect.value, unit),
                quantity(effect.lower, unit),
                quantity(effect.upper, unit)
            ),
            confidence: quantity(row.confidence, "1"),
            change: before.map(|before| format!("now {}", quantity(before, unit))),
            updated: Stamp::of(row.evidence_at),
            worth,
        }
    }
}

/// Sorts by worth: the promised change of the metric, relative to the larger of its values before and after, times the
/// confidence. Where the value before is unknown the worth is unknown too, and the recommendation comes later, by its
/// confidence.
pub(super) fn by_worth(rows: &mut [(RecommendationRow, Card)]) {
    rows.sort_by(|(a, x), (b, y)| match (x.worth, y.worth) {
        (Some(x), Some(y)) => y.total_cmp(&x),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => b.confidence.total_cmp(&a.confidence),
    });
}

/// Returns whether somebody still has to decide on a recommendation or apply it.
pub(super) fn is_open(state: State) -> bool {
    matches!(state, State::Proposed | State::Accepted)
}
