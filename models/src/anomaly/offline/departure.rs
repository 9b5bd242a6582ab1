//! How far values lie from what was expected of them, and how far ordinary ones do.

use std::rc::Rc;

use super::season::scale_profile;
use crate::stats::quantile;

/// The quantiles of departures that an exponential tail is laid through. Incidents of up to 1 % of the time do not move
/// them. All else equal, KPI's mean VUS-PR in units of this bound, of the 98th, 99th and 99.5th percentile alone and of the
/// standard deviation was .61, .59, .59, .57 and .54.
const MIDDLE: f64 = 0.5;
const HIGH: f64 = 0.99;
/// The same through a lower quantile, times this, is the most: incidents that take 1 to 10 % of the time (a level that is
/// off for two days of two months) would else be ordinary. It hardly binds on KPI (1.57 false alarms a week and series
/// become 1.58); with .95 and factors up to 3 the series that mostly stands still is called 218 times a week.
const BODY: f64 = 0.9;
const BODY_REACH: f64 = 1.6;
/// Of series that hardly ever move: what departs in a share of values up to this is odd by that alone.
const RARE: f64 = 2e-3;

/// Departures of one kind.
#[derive(Debug, Clone)]
pub(super) struct Departures {
    sizes: Vec<f64>,
    /// Where each value lies in its season, any number of seasons on.
    places: Rc<[usize]>,
    /// Relative scale of each phase, one for all without a season.
    scale: Vec<f64>,
    /// What an ordinary departure, divided by its phase's scale, exceeds with the probability asked for.
    bound: f64,
}

impl Departures {
    /// `sizes`: at least 0, NaN where missing; `places`: as many; `least`: the smallest bound, above 0.
    pub(super) fn new(sizes: Vec<f64>, places: Rc<[usize]>, season: Option<usize>, risk: f64, least: f64) -> Self {
        let scale = scale_profile(&sizes, &places, season);
        let evened: Vec<f64> =
            sizes.iter().zip(places.iter()).map(|(d, place)| d / scale[place % scale.len()]).collect();
        let bound = bound(&evened, risk, least);
        Self { sizes, places, scale, bound }
    }

    /// The same with a bound of at least `least`.
    pub(super) fn at_least(self, least: f64) -> Self {
        Self { bound: self.bound.max(least), ..self }
    }

    /// The size at `t` that only the share `risk` of ordinary departures exceeds.
    pub(super) fn bound_at(&self, t: usize) -> f64 {
        self.bound * self.scale[self.places[t] % self.scale.len()]
    }

    /// The departure at `t` in such bounds; 0 where it is missing.
    pub(super) fn ratio(&self, t: usize) -> f64 {
        let ratio = self.sizes[t] / self.bound_at(t);
        if ratio.is_nan() { 0.0 } else { ratio }
    }

    /// The bound of a phase of usual scale.
    pub(super) fn bound(&self) -> f64 {
        self.bound
    }
}

/// The size exceeded with probability `risk`, were the tail exponential from the median on; not far beyond what the body
/// alone says.
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
    // A flag, or a counter of failures: nothing departs in 99 % of values.
    let (sum, moved, seen) = sizes.iter().filter(|d| !d.is_nan()).fold((0.0, 0.0, 0.0), |(sum, moved, seen), d| {
        if *d > least { (sum + d, moved + 1.0, seen + 1.0) } else { (sum, moved, seen + 1.0) }
    });
    if moved > 0.0 { (sum / moved * (moved / seen / RARE).ln().max(0.5)).max(least) } else { least }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_tail_is_met() {
        // Quantiles of the unit exponential: the bound at risk q is −ln q.
        let sizes: Vec<f64> = (0..20_000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 20_000.0).ln()).collect();
        for risk in [1e-2, 1e-4, 1e-6_f64] {
            let found = bound(&sizes, risk, 1e-9);
            assert!((found + risk.ln()).abs() < 0.01, "{found} at {risk}");
        }
    }

    #[test]
    fn what_hardly_ever_moves_may_not_move() {
        let flag: Vec<f64> = (0..3_000).map(|t| f64::from(u8::from(t % 700 == 699))).collect();
        assert!(bound(&flag, 1e-4, 1e-6) < 1.0);
        let often: Vec<f64> = (0..3_000).map(|t| f64::from(u8::from(t % 110 == 0))).collect();
        assert!(bound(&often, 1e-4, 1e-6) > 1.0);
        assert_eq!((bound(&[0.0; 9], 1e-4, 1e-6), bound(&[], 1e-4, 1e-6)), (1e-6, 1e-6));
    }
}
