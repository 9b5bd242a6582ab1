//! Departures from expected values, and the bound that ordinary departures exceed with a given probability.

use std::rc::Rc;

use super::season::scale_profile;
use crate::stats::quantile;

/// Quantiles of departures that define the exponential tail. Incidents of up to 1 % of the time do not move them. Tried
/// values: `docs/tuning/anomaly.md`.
const MIDDLE: f64 = 0.5;
const HIGH: f64 = 0.99;
/// Limit of the bound: `BODY_REACH` times the exponential tail through a lower quantile. Otherwise incidents that take
/// 1 to 10 % of the time (a shifted level for two days of two months) would be ordinary. Tried values:
/// `docs/tuning/anomaly.md`.
const BODY: f64 = 0.9;
const BODY_REACH: f64 = 1.6;
/// Share of departing values up to which, in a series that hardly ever changes, each departure is an anomaly.
const RARE: f64 = 2e-3;

/// Departures of one kind, with a bound by phase of the season.
#[derive(Debug, Clone)]
pub(super) struct Departures {
    /// Absolute departures, NaN where missing.
    sizes: Vec<f64>,
    /// Position of each value in its season, modulo the season.
    places: Rc<[usize]>,
    /// Relative scale of each phase; one element without a season.
    scale: Vec<f64>,
    /// Bound of departures divided by the scale of their phase.
    bound: f64,
}

impl Departures {
    /// `sizes`: at least 0, NaN where missing; `places`: as many; `risk`: share of ordinary departures beyond the
    /// bound; `least`: smallest bound, above 0.
    pub(super) fn new(sizes: Vec<f64>, places: Rc<[usize]>, season: Option<usize>, risk: f64, least: f64) -> Self {
        let scale = scale_profile(&sizes, &places, season);
        let evened: Vec<f64> =
            sizes.iter().zip(places.iter()).map(|(d, place)| d / scale[place % scale.len()]).collect();
        let bound = bound(&evened, risk, least);
        Self { sizes, places, scale, bound }
    }

    /// Raises the bound to at least `least`.
    pub(super) fn at_least(self, least: f64) -> Self {
        Self { bound: self.bound.max(least), ..self }
    }

    /// Returns the bound at step `t`.
    pub(super) fn bound_at(&self, t: usize) -> f64 {
        self.bound * self.scale[self.places[t] % self.scale.len()]
    }

    /// Returns the departure at step `t` in bounds; 0 where it is missing.
    pub(super) fn ratio(&self, t: usize) -> f64 {
        let ratio = self.sizes[t] / self.bound_at(t);
        if ratio.is_nan() { 0.0 } else { ratio }
    }

    /// Returns the bound of a phase with relative scale 1.
    pub(super) fn bound(&self) -> f64 {
        self.bound
    }
}

/// Returns the size exceeded with probability `risk` by an exponential tail from the median on, limited by the body.
fn bound(sizes: &[f64], risk: f64, least: f64) -> f64 {
    let (Some(middle), Some(high)) = (quantile(sizes, MIDDLE), quantile(sizes, HIGH)) else { return least };
    if high > least {
        let through = |share: f64, size: f64| {
            let steps = ((1.0 - MIDDLE) / risk).ln() / ((1.0 - MIDDLE) / (1.0 - share)).ln();
            middle + (size - middle) * steps
        };
        let body = quantile(sizes, BODY).filter(|body| *body > least);
        let most = body.map_or(f64::INFINITY, |body| BODY_REACH * through(BODY, body));
        return through(HIGH, high).min(most).max(least);
    }
    // A flag or a counter of failures: 99 % of the values do not depart. The bound is the mean departure, scaled by its
    // rarity.
    let (sum, moved, seen) = sizes.iter().filter(|d| !d.is_nan()).fold((0.0, 0.0, 0.0), |(sum, moved, seen), d| {
        if *d > least { (sum + d, moved + 1.0, seen + 1.0) } else { (sum, moved, seen + 1.0) }
    });
    if moved > 0.0 { (sum / moved * (moved / seen / RARE).ln().max(0.5)).max(least) } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_tail_is_found() {
        // Quantiles of the unit exponential: the bound at risk q is −ln q.
        let sizes: Vec<f64> = (0..20_000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 20_000.0).ln()).collect();
        for risk in [1e-2, 1e-4, 1e-6_f64] {
            let found = bound(&sizes, risk, 1e-9);
            assert!((found + risk.ln()).abs() < 0.01, "{found} at {risk}");
        }
    }

    #[test]
    fn rare_changes_are_beyond_the_bound_and_frequent_ones_are_not() {
        let flag: Vec<f64> = (0..3_000).map(|t| f64::from(u8::from(t % 700 == 699))).collect();
        assert!(bound(&flag, 1e-4, 1e-6) < 1.0);
        let often: Vec<f64> = (0..3_000).map(|t| f64::from(u8::from(t % 110 == 0))).collect();
        assert!(bound(&often, 1e-4, 1e-6) > 1.0);
        assert_eq!((bound(&[0.0; 9], 1e-4, 1e-6), bound(&[], 1e-4, 1e-6)), (1e-6, 1e-6));
    }
}
