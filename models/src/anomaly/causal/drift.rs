//! Detects drifts: persistent departures on one side, each inside the band of single values.

use super::budget::Budget;
use super::tail::{Body, Tail};

/// Smoothing factors of the mean and of its reference. About three values make a drift and about twenty make it
/// ordinary, so that a new level after a deploy is called once and not for a day. Chosen on:
/// `docs/tuning/anomaly.md`.
const ALPHA: f64 = 0.3;
const FOLLOW: f64 = 0.05;
/// Body of the means: means of several values have lighter tails than single values, between exponential and normal.
/// The bound does not exceed the one of the body, since missed drifts enter the tail.
const BODY: Body = Body { shape: 1.5, reach: 1.0 };
/// Decayed number of drifts above which the bound grows in proportion to it, and the number of values after which the
/// weight of a drift is 1/e. Tried values: `docs/tuning/anomaly.md`.
const ORDINARY: f64 = 3.0;
const MEMORY: f64 = 4_096.0;

/// Time scale and strictness of a [`Drift`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slowness {
    /// Factor by which the mean and its reference are slower than `ALPHA` and `FOLLOW`.
    pace: f64,
    /// Limit of a departure, in scales, so that one value alone never makes a drift.
    held: f64,
    /// Smallest bound, in spreads of the mean; the tail of a mean of bursts is unreliable.
    least: f64,
    /// Share of the risk.
    share: f64,
}

impl Slowness {
    /// Drifts within a few values: one value reaches 0.3 · 4 = 1.2, and the bound is above 2. Tried values:
    /// `docs/tuning/anomaly.md`.
    pub(crate) const VALUES: Self = Self { pace: 1.0, held: 4.0, least: 6.0, share: 1.0 };

    /// Drifts at the pace that [`Self::VALUES`] has at five-minute steps, for steps below about three minutes; `None`
    /// for longer steps. A leak of half an hour is hidden in the noise of one-minute values. Tried values:
    /// `docs/tuning/anomaly.md`.
    pub(crate) fn minutes(week: f64) -> Option<Self> {
        /// Steps of a week of five minutes.
        const WEEK: f64 = 2_016.0;
        let pace = week / WEEK;
        (pace > 1.5).then_some(Self { pace, held: 2.0, least: 8.0, share: 0.2 })
    }
}

/// Exponentially weighted mean of standardised departures, with a bound on each side.
///
/// The bounds are fitted to the mean itself. Autocorrelation, which widens the range of the mean, is thus included
/// without being modelled.
///
/// # Reference
/// Roberts (1959), Control chart tests based on geometric moving averages. Deviates: bounds come from the tails of the
/// mean itself and not from a normal law of independent values, and grow with the number of drifts.
#[derive(Debug, Clone)]
pub(crate) struct Drift {
    slowness: Slowness,
    /// Smoothing factors of the mean and of the reference.
    alpha: f64,
    follow: f64,
    /// Standard deviation of the mean for independent values of variance 1, the unit of the tails.
    spread: f64,
    mean: f64,
    reference: f64,
    above: Tail,
    below: Tail,
    rarer: [Budget; 2],
    seen: usize,
    /// Decayed number of drifts.
    drifts: f64,
    drifting: bool,
}

/// Score of a departure, and the range of departures that score at most 1; `lower ≤ 0 ≤ upper`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drifted {
    pub score: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Drift {
    /// `kept`: number of means that the tails are fitted to; `risk`: share of ordinary values beyond the bound on each
    /// side; `week`: steps of a week; `budget`: alarms per week, see [`Budget`].
    pub(crate) fn new(slowness: Slowness, kept: f64, risk: f64, week: f64, budget: f64) -> Self {
        let risk = risk * slowness.share;
        Self {
            slowness,
            alpha: ALPHA / slowness.pace,
            follow: FOLLOW / slowness.pace,
            spread: (ALPHA / (2.0 * slowness.pace - ALPHA)).sqrt(),
            mean: 0.0,
            reference: 0.0,
            above: Tail::new(kept, risk, BODY),
            below: Tail::new(kept, risk, BODY),
            rarer: [Budget::new(week, budget), Budget::new(week, budget)],
            seen: 0,
            drifts: 0.0,
            drifting: false,
        }
    }

    /// Scores a `departure` in scales, then learns from it unless the value is an anomaly by itself (`alone`); the
    /// tails learn only when `open`. The score is above 1 only while values are on the side of the drift.
    pub(crate) fn push(&mut self, departure: f64, alone: bool, open: bool) -> Drifted {
        let Slowness { held, least, .. } = self.slowness;
        let Self { alpha, follow, spread, .. } = *self;
        // Divisions dominate the cost of a score, so that each side divides only when its result is needed.
        let habit = spread * if self.drifts > ORDINARY { self.drifts / ORDINARY } else { 1.0 };
        let (first_above, first_below) = (habit * self.above.bound().max(least), habit * self.below.bound().max(least));
        let (above, below) = (first_above * self.rarer[0].factor(), first_below * self.rarer[1].factor());
        let kept = (1.0 - alpha) * self.mean;
        let upper = self.edge((above - kept) / alpha).max(0.0);
        let lower = self.edge((-below - kept) / alpha).min(0.0);
        let mean = kept + alpha * (departure - self.reference).clamp(-held, held);
        let score = if mean > 0.0 { mean / above } else { -mean / below };
        let score =
            if departure > upper || departure < lower { score.max(1.0 + f64::EPSILON) } else { score.clamp(0.0, 1.0) };
        self.seen += 1;
        self.drifts *= 1.0 - 1.0 / MEMORY;
        let drifting = score > 1.0;
        if drifting && !self.drifting && !alone {
            self.drifts += 1.0;
        }
        self.drifting = drifting;
        // An anomaly by itself is not a drift and does not enter the mean.
        if !alone {
            self.mean = mean;
            self.reference += follow * (departure - self.reference);
            if open && self.seen > 10 {
                self.rarer[0].push_of(mean, first_above);
                self.rarer[1].push_of(-mean, first_below);
                let spreads = mean / spread;
                self.above.push(spreads.clamp(0.0, self.above.bound()));
                self.below.push((-spreads).clamp(0.0, self.below.bound()));
            }
        }
        Drifted { score, lower, upper }
    }

    /// Returns the departure that brings the mean to its bound, `needed` beyond the reference; infinite where `needed`
    /// exceeds the limit of departures.
    fn edge(&self, needed: f64) -> f64 {
        if needed.abs() > self.slowness.held { f64::INFINITY.copysign(needed) } else { self.reference + needed }
    }
}
