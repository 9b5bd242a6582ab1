//! Detects values far beyond the range that a series ever had.

/// Number of values before the first score. Tried values: `docs/tuning/anomaly.md`.
const LEAST: f64 = 500.0;
/// Share of its distance from the mean by which a record must be exceeded. Tried values: `docs/tuning/anomaly.md`.
const BEYOND: f64 = 0.25;
/// Smallest distance from the mean, as a share of the range, so that the calm side of a series with one-sided bursts
/// may vary. Tried values: `docs/tuning/anomaly.md`.
const SHARE: f64 = 0.2;
/// Memory of the mean in values. Tried values: `docs/tuning/anomaly.md`.
const MEMORY: f64 = 4_096.0;
/// Weeks after which a record's distance has decayed to 1/e. Tried values: `docs/tuning/anomaly.md`.
const WEEKS: f64 = 6.0;
/// Limit of a new record, in bounds, so that one glitch does not hide anomalies for weeks.
const MOST: f64 = 2.0;
/// Smallest distance, in smallest scales.
const LEAST_SCALES: f64 = 8.0;

/// Decaying minimum and maximum of a series, and its mean.
///
/// Records of a stationary series become rare as 1/n for any distribution, and those a quarter beyond the last are
/// rarer still. The detector therefore needs no budget of alarms, and finds far values in a noisy series whose bounds
/// were raised.
///
/// # Reference
/// Arnold, Balakrishnan & Nagaraja (1998), Records. Deviates: records fade.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    low: f64,
    high: f64,
    mean: f64,
    seen: f64,
    fade: f64,
}

/// Widened range of the values so far; the score is above 1 outside of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Band {
    pub score: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Record {
    /// `week`: steps of a week.
    pub(crate) fn new(week: f64) -> Self {
        Self { low: 0.0, high: 0.0, mean: 0.0, seen: 0.0, fade: 1.0 / (WEEKS * week) }
    }

    /// Scores a value, then learns from it if `open`; `floor`: the least scale.
    pub(crate) fn push(&mut self, value: f64, floor: f64, open: bool) -> Band {
        if self.seen < 0.5 {
            (self.low, self.high, self.mean) = (value, value, value);
        }
        let least = (SHARE * (self.high - self.low)).max(LEAST_SCALES * floor);
        let up = (1.0 + BEYOND) * (self.high - self.mean).max(least);
        let down = (1.0 + BEYOND) * (self.mean - self.low).max(least);
        let departure = value - self.mean;
        let score = departure.abs() / if departure > 0.0 { up } else { down };
        let warm = self.seen >= LEAST;
        // The score is not finite where nothing ever changed, or where values overflow.
        let tells = warm && score.is_finite();
        let band = Band { score: if tells { score } else { 0.0 }, lower: self.mean - down, upper: self.mean + up };
        if open {
            self.seen += 1.0;
            self.high -= (self.high - self.mean) * self.fade;
            self.low += (self.mean - self.low) * self.fade;
            // The record fades towards the mean, then takes the limited value.
            let held = if tells { self.mean + departure.max(-MOST * down).min(MOST * up) } else { value };
            self.high = self.high.max(held);
            self.low = self.low.min(held);
            self.mean += (held - self.mean) / self.seen.min(MEMORY);
        }
        band
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bursts to 5, and after a thousand values one to 5.9, one to 8, one to −3, and others to 8.
    #[test]
    fn a_value_beyond_every_record_is_called_and_a_repeated_one_is_not() {
        let mut record = Record::new(10_080.0);
        let called: Vec<usize> = (0..2_000)
            .filter(|t| {
                let value = match t {
                    1_000 => 5.9,
                    1_100 | 1_300 | 1_500 => 8.0,
                    1_200 => -3.0,
                    t if t % 50 == 7 => 5.0,
                    t => 0.1 * (t % 3) as f64,
                };
                record.push(value, 1e-3, true).score > 1.0
            })
            .collect();
        assert_eq!(called, vec![1_100, 1_200]);
    }

    #[test]
    fn a_constant_series_has_no_record() {
        let mut record = Record::new(10_080.0);
        assert!((0..1_000).all(|_| record.push(7.0, 0.0, true).score <= 1.0));
        assert!(record.push(8.0, 0.0, true).score <= 1.0);
    }
}
