//! Detects outages of counts: missing events over a time too long for chance.

use super::rate::HourlyRate;

/// Share of the usual rate during an outage, the alternative of the likelihood ratio.
const REMAINS: f64 = 0.25;
/// Logarithm of the likelihood ratio from which on an outage is called: by chance once in a million steps.
const BOUND: f64 = 14.0;
/// Largest share of the bound that one step contributes: a single empty scrape is not an outage yet.
const MOST_OF_A_STEP: f64 = 0.55;
/// Ratio of the bound to the largest sum without an outage.
const ABOVE: f64 = 1.3;
/// Share of the rate below which a value belongs to an outage.
const LOW: f64 = 0.5;
/// Limit of the sum, in bounds, so that the end of an outage ends the alarm.
const MOST: f64 = 1.5;
/// Upper limit of the sum, in bounds, after the first value of an outage that is not low: the alarm ends with the outage,
/// and a chance gap after it starts no new one.
const AFTER_RETURN: f64 = 0.5;
/// Days without calls, and days during which the bound is `CAUTION` times as high, since weekends are not learned yet.
const WARM_DAYS: f64 = 2.0;
const WEEK_DAYS: f64 = 8.0;
const CAUTION: f64 = 4.0;
/// Memory of the dispersion in values.
const MEMORY: f64 = 4_096.0;
/// Limit of a departure, in standard deviations, in the dispersion, so that an incident does not hide the next.
const HELD: f64 = 6.0;
/// Weeks after which the largest sum has decayed to 1/e.
const WEEKS: f64 = 6.0;
/// Number of steps after which an outage is ordinary; half a day at least.
const PATIENCE: f64 = 200.0;

/// Cumulative sum of the likelihood ratio of an outage against the usual rate of the hour.
///
/// The log-likelihood is that of a Poisson count, divided by the dispersion (variance by mean) of the series: counts in
/// bursts need longer. The bound is above the largest sum without an outage.
///
/// # Reference
/// Lucas (1985), Counted data CUSUM's. McCullagh & Nelder (1989), chapter 9, for the quasi-likelihood. Deviates: the
/// rate is the smallest of neighbouring hours, and the bound follows the series.
#[derive(Debug, Clone)]
pub(in crate::anomaly) struct CountDeficit {
    rate: HourlyRate,
    /// Steps of a day.
    day: f64,
    /// Index of the next step.
    t: usize,
    /// Logarithm of the likelihood ratio since it was last 0.
    sum: f64,
    /// Decayed maximum of the sum, and its maximum since it was last 0.
    peak: f64,
    excursion: f64,
    /// Decayed sums of squared departures and of rates, and the number of values.
    squares: f64,
    rates: f64,
    seen: f64,
    /// Whether all values so far are whole numbers of at least 0.
    is_count: bool,
    /// Steps since the start of the outage.
    outage_steps: f64,
    /// Whether the outage counts as ordinary, until events occur again.
    accepted: bool,
}

/// Score of a value by the outage detector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::anomaly) struct Shortfall {
    /// Above 1 in an outage, otherwise 0.
    pub score: f64,
    /// Rate of the hour.
    pub expected: f64,
    /// Value below which an outage would be called.
    pub lower: f64,
}

impl CountDeficit {
    /// `day`: steps of a day; `None` below four steps.
    pub(in crate::anomaly) fn new(day: f64) -> Option<Self> {
        (day >= 4.0 && day.is_finite()).then(|| Self {
            rate: HourlyRate::new(day),
            day,
            t: 0,
            sum: 0.0,
            peak: 0.0,
            excursion: 0.0,
            squares: 0.0,
            rates: 0.0,
            seen: 0.0,
            is_count: true,
            outage_steps: 0.0,
            accepted: false,
        })
    }

    /// Scores a value, then learns from it if `open`; `None` where nothing can be called.
    pub(in crate::anomaly) fn push(&mut self, value: f64, open: bool) -> Option<Shortfall> {
        // A level such as a utilisation is no count: it halves without an outage.
        self.is_count &= value >= 0.0 && (value - value.round()).abs() < 1e-9;
        if !self.is_count {
            return None;
        }
        self.rate.go_to(self.t);
        self.t += 1;
        let found = self.judge(value);
        let is_out = found.is_some_and(|found| found.score > 1.0);
        if open && !is_out {
            self.learn(value);
        }
        found
    }

    /// Passes a step without a value.
    pub(in crate::anomaly) fn skip(&mut self) {
        self.t += 1;
    }

    /// Moves the next step back by `steps`.
    pub(in crate::anomaly) fn set_back(&mut self, steps: usize) {
        self.t = self.t.saturating_sub(steps);
        self.rate.go_to(self.t);
    }

    /// Returns variance by mean; at least 1, that of independent events.
    fn dispersion(&self) -> f64 {
        let dispersion = self.squares / self.rates.max(f64::MIN_POSITIVE);
        dispersion.max(1.0)
    }

    /// Adds a value to the sum and scores it.
    fn judge(&mut self, value: f64) -> Option<Shortfall> {
        let rate = self.rate.least()?;
        let days = self.t as f64 / self.day;
        if self.rates <= 0.0 || rate <= 0.0 || self.rate.is_often_idle() {
            self.sum = 0.0;
            return None;
        }
        // Gain of a step: rate · (1 − REMAINS) + value · ln REMAINS, over the dispersion.
        let unit = 1.0 / self.dispersion();
        let per_event = -REMAINS.ln() * unit;
        let most = MOST_OF_A_STEP * BOUND;
        let gain = (rate * (1.0 - REMAINS) * unit).min(most);
        let step = (gain - value * per_event).max(-2.0 * most);
        let before = self.sum;
        let caution = if days < WEEK_DAYS { CAUTION } else { 1.0 };
        let bound = caution * BOUND.max(ABOVE * self.peak);
        self.sum = (before + step).clamp(0.0, MOST * bound);
        let is_low = value < LOW * rate;
        if before > bound && !is_low {
            self.sum = self.sum.min(AFTER_RETURN * bound);
        }
        self.peak *= 1.0 - 1.0 / (WEEKS * 7.0 * self.day);
        if !is_low {
            self.accepted = false;
        }
        let is_out = self.sum > bound && is_low && days >= WARM_DAYS && !self.accepted;
        self.learn_excursion(if is_out { bound / ABOVE.sqrt() } else { self.sum.min(bound) });
        self.outage_steps = if is_out { self.outage_steps + 1.0 } else { 0.0 };
        if days < WARM_DAYS || self.accepted {
            return None;
        }
        if self.outage_steps > PATIENCE.max(0.5 * self.day) {
            (self.accepted, self.sum, self.outage_steps) = (true, 0.0, 0.0);
            return None;
        }
        // The value that brings the sum to its bound.
        let lower = ((before + gain - bound) / per_event).min(LOW * rate);
        (lower > 0.0).then_some(Shortfall {
            score: if is_out { self.sum / bound } else { 0.0 },
            expected: self.rate.mean().unwrap_or(rate).max(rate),
            lower,
        })
    }

    /// Learns the maximum of the sum once it is back at 0, since a growing sum must not raise its own bound.
    fn learn_excursion(&mut self, sum: f64) {
        if self.sum > 0.0 {
            self.excursion = self.excursion.max(sum);
        } else {
            self.peak = self.peak.max(std::mem::take(&mut self.excursion));
        }
    }

    /// Learns dispersion and rate.
    fn learn(&mut self, value: f64) {
        if let Some(mean) = self.rate.mean() {
            self.seen += 1.0;
            let keep = 1.0 - 1.0 / self.seen.min(MEMORY);
            let spread = (self.dispersion() * mean).sqrt();
            let departure = (value - mean).abs();
            let held = if self.seen > 200.0 { departure.min(HELD * spread.max(1e-9)) } else { departure };
            self.squares = keep * self.squares + (1.0 - keep) * held * held;
            self.rates = keep * self.rates + (1.0 - keep) * mean;
        }
        self.rate.learn(value);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_distr::{Distribution, Poisson};

    use super::*;

    /// Called steps of five-minute counts with a daily wave of `share` around `mean` and none in `outage`.
    fn called(mean: f64, share: f64, days: usize, outage: std::ops::Range<usize>, seed: u64) -> Vec<usize> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut deficit = CountDeficit::new(288.0).unwrap();
        (0..288 * days)
            .filter(|&t| {
                let rate = mean * (1.0 + share * (t as f64 / 288.0 * std::f64::consts::TAU).sin());
                let value: f64 = Poisson::new(rate).unwrap().sample(&mut rng);
                let value = if outage.contains(&t) { 0.0 } else { value };
                deficit.push(value, true).is_some_and(|found| found.score > 1.0)
            })
            .collect()
    }

    #[test]
    fn an_improbable_outage_is_called_and_nothing_else_is() {
        for (mean, within) in [(1.0, 30), (4.0, 12), (50.0, 4)] {
            for seed in 1..4 {
                let start = 288 * 12 + 40;
                let called = called(mean, 0.7, 14, start..start + 72, seed);
                let first = called.first().copied();
                assert!(first.is_some_and(|t| (start..start + within).contains(&t)), "{mean}: {first:?}");
                assert!(called.iter().all(|t| (start..start + 72 + within).contains(t)), "{mean}: {called:?}");
            }
        }
    }
}
