//! Outages of counts: events that fail to come for longer than chance allows.

use super::rate::HourlyRate;

/// The share of the usual rate that an outage leaves, which the likelihoods compare.
const REMAINS: f64 = 0.25;
/// Logarithm of the likelihood ratio that calls an outage: by chance once in a million steps.
const BOUND: f64 = 14.0;
/// One step gives at most this share of the bound: a single empty scrape is no outage yet.
const MOST_OF_A_STEP: f64 = 0.55;
/// The bound lies this much above the largest ratio that the series reached by itself.
const ABOVE: f64 = 1.3;
/// A value below this share of the rate belongs to an outage.
const LOW: f64 = 0.5;
/// The ratio does not grow beyond this many bounds, so that the end of an outage ends the alarm.
const MOST: f64 = 1.5;
/// Days before which nothing is called, and days before which the bound is `CAUTION` times as far: weekends are not
/// known yet.
const WARM_DAYS: f64 = 2.0;
const WEEK_DAYS: f64 = 8.0;
const CAUTION: f64 = 4.0;
/// Values that the dispersion stands on.
const MEMORY: f64 = 4_096.0;
/// A value counts up to so many deviations for the dispersion, so that an incident does not hide the next.
const HELD: f64 = 6.0;
/// Weeks after which e^−1 of the largest ratio is remembered.
const WEEKS: f64 = 6.0;
/// Steps after which an outage is how the series is; half a day at least.
const PATIENCE: f64 = 200.0;

/// Cumulative sum of the likelihood ratio of an outage against the usual rate of the hour.
///
/// The likelihood is that of a Poisson count, divided by the dispersion (variance by mean) that the series has: counts in
/// bursts need longer. The bound lies above all that the series reached without an outage.
///
/// # Reference
/// Lucas (1985), Counted data CUSUM's. McCullagh & Nelder (1989), chapter 9, for the quasi-likelihood. Deviates: the rate
/// is the least of neighbouring hours, and the bound follows the series.
#[derive(Debug, Clone)]
pub(in crate::anomaly) struct CountDeficit {
    rate: HourlyRate,
    /// Steps of a day.
    day: f64,
    t: usize,
    sum: f64,
    /// The largest sum of late, and that since the sum was 0.
    peak: f64,
    excursion: f64,
    /// Decayed sums of squared departures and of rates, and the number of values.
    squares: f64,
    rates: f64,
    seen: f64,
    whole: bool,
    negative: bool,
    /// Steps that the outage lasts.
    lasts: f64,
    /// The outage is how the series is, until events come again.
    accepted: bool,
}

/// What an outage says of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::anomaly) struct Shortfall {
    /// Above 1 in an outage.
    pub score: f64,
    /// The rate of the hour.
    pub expected: f64,
    /// The value below which it would be one.
    pub lower: f64,
}

impl CountDeficit {
    /// `day`: steps of a day; `None` where the hours of a day are not known or no more than one value has a day.
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
            whole: true,
            negative: false,
            lasts: 0.0,
            accepted: false,
        })
    }

    /// Scores a value, then learns from it if `open`.
    pub(in crate::anomaly) fn push(&mut self, value: f64, open: bool) -> Option<Shortfall> {
        self.negative |= value < 0.0;
        if self.negative {
            return None;
        }
        self.whole &= (value - value.round()).abs() < 1e-9;
        self.rate.go_to(self.t);
        self.t += 1;
        let found = self.judge(value);
        let is_out = found.is_some_and(|found| found.score > 1.0);
        if open && !is_out {
            self.learn(value);
        }
        found
    }

    /// There is no value at this step.
    pub(in crate::anomaly) fn skip(&mut self) {
        self.t += 1;
    }

    /// The step that comes is at the hour of the one `steps` ago.
    pub(in crate::anomaly) fn set_back(&mut self, steps: usize) {
        self.t = self.t.saturating_sub(steps);
        self.rate.go_to(self.t);
    }

    /// Variance by mean; of whole numbers at least that of independent events.
    fn dispersion(&self) -> f64 {
        let dispersion = self.squares / self.rates.max(f64::MIN_POSITIVE);
        if self.whole { dispersion.max(1.0) } else { dispersion.max(1e-12) }
    }

    fn judge(&mut self, value: f64) -> Option<Shortfall> {
        let rate = self.rate.least()?;
        let days = self.t as f64 / self.day;
        // A level such as a utilisation is no count: it halves without an outage.
        if !self.whole || self.rates <= 0.0 || rate <= 0.0 || self.rate.rests() {
            self.sum = 0.0;
            return None;
        }
        let unit = 1.0 / self.dispersion();
        let per_event = -REMAINS.ln() * unit;
        let most = MOST_OF_A_STEP * BOUND;
        let gain = (rate * (1.0 - REMAINS) * unit).min(most);
        let step = (gain - value * per_event).max(-2.0 * most);
        let before = self.sum;
        let caution = if days < WEEK_DAYS { CAUTION } else { 1.0 };
        let bound = caution * BOUND.max(ABOVE * self.peak);
        self.sum = (before + step).clamp(0.0, MOST * bound);
        self.peak *= 1.0 - 1.0 / (WEEKS * 7.0 * self.day);
        let is_low = value < LOW * rate;
        if !is_low {
            self.accepted = false;
        }
        let is_out = self.sum > bound && is_low && days >= WARM_DAYS && !self.accepted;
        self.learn_excursion(if is_out { bound / ABOVE.sqrt() } else { self.sum.min(bound) });
        self.lasts = if is_out { self.lasts + 1.0 } else { 0.0 };
        if days < WARM_DAYS || self.accepted {
            return None;
        }
        if self.lasts > PATIENCE.max(0.5 * self.day) {
            (self.accepted, self.sum, self.lasts) = (true, 0.0, 0.0);
            return None;
        }
        // The value at which the sum would be at its bound.
        let lower = ((before + gain - bound) / per_event).min(LOW * rate);
        (lower > 0.0).then_some(Shortfall {
            score: if is_out { self.sum / bound } else { 0.0 },
            expected: self.rate.mean().unwrap_or(rate).max(rate),
            lower,
        })
    }

    /// The largest sum counts for the bound once the sum is back at 0: while it grows it must not move its own bound.
    fn learn_excursion(&mut self, sum: f64) {
        if self.sum > 0.0 {
            self.excursion = self.excursion.max(sum);
        } else {
            self.peak = self.peak.max(std::mem::take(&mut self.excursion));
        }
    }

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

    /// Counts at five minutes with a daily wave of `share` around `mean`, none in `outage`; the steps that are called.
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
    fn an_outage_is_called_when_chance_would_not_give_it_and_nothing_else_is() {
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
