//! Detects a drop of variance: departures smaller than ever before.

/// Number of values in the mean size of departures, and in a block. Minima are learned a block late, so that a drop is
/// not its own minimum.
const SPAN: f64 = 60.0;
const BLOCK: usize = 240;
/// Limit of a departure, in mean ones, so that a spike does not delay the detection.
const HELD: f64 = 8.0;
/// Memory of the usual size in blocks, and weeks after which the distance of the minimum from it has decayed to 1/e.
const BLOCKS: f64 = 40.0;
const WEEKS: f64 = 6.0;
/// Largest ratio to the usual size that is called, and smallest ratio, in logarithms, to the largest drop so far, since
/// a series of bursts has calm times. Tried values: `docs/tuning/anomaly.md`.
const LESS: f64 = 1.0 / 3.0;
const FURTHER: f64 = 3.0;
/// Number of called values after which the smaller size is ordinary.
const PATIENCE: usize = 10;

/// Mean size of departures, with its usual value and its minimum.
///
/// # Reference
/// MacGregor & Harris (1993), The exponentially weighted moving variance. Deviates: absolute departures, and a lower
/// limit only, taken from the minimum so far.
#[derive(Debug, Clone)]
pub(crate) struct VarianceDropDetector {
    week: f64,
    mean: f64,
    seen: usize,
    /// Logarithms of the usual size and of the minimum, and the number of blocks in them.
    usual: f64,
    least: f64,
    blocks: f64,
    /// Minimum of the previous block, and of this one.
    late: [f64; 2],
    /// Size below which the score is above 1.
    bound: f64,
    run: usize,
}

impl VarianceDropDetector {
    /// `week`: steps of a week, during which nothing is called.
    pub(crate) fn new(week: f64) -> Self {
        let late = [f64::INFINITY; 2];
        Self { week, mean: 0.0, seen: 0, usual: 0.0, least: 0.0, blocks: 0.0, late, bound: 0.0, run: 0 }
    }

    /// Learns the departure of a value; returns a score above 1 where departures are smaller than ever.
    pub(crate) fn push(&mut self, departure: f64) -> f64 {
        let size = departure.abs();
        if !size.is_finite() {
            return 0.0;
        }
        self.seen += 1;
        let count = (self.seen as f64).min(SPAN);
        let held = if count < SPAN { size } else { size.min(HELD * self.mean) };
        self.mean += (held - self.mean) / count;
        let score = if self.bound > self.mean { self.bound / self.mean } else { 0.0 };
        let low = score > 1.0;
        self.run = if low { self.run + 1 } else { 0 };
        // A drop that is called is not learned until it has lasted for `PATIENCE` values.
        if low && self.run <= PATIENCE {
            return score;
        }
        // The first block is skipped: its expectations are not fitted yet.
        if self.seen > BLOCK {
            self.late[1] = self.late[1].min(self.mean);
        }
        if self.seen.is_multiple_of(BLOCK) {
            self.learn();
        }
        if low { 1.0 } else { score }
    }

    fn learn(&mut self) {
        let [before, now] = self.late;
        self.late = [now, f64::INFINITY];
        if !before.is_finite() {
            return;
        }
        let size = before.max(f64::MIN_POSITIVE).ln();
        if self.blocks < 0.5 {
            (self.usual, self.least) = (size, size);
        }
        self.blocks += 1.0;
        self.usual += (size - self.usual) / self.blocks.min(BLOCKS);
        self.least += (self.usual - self.least).max(0.0) * (BLOCK as f64 / (WEEKS * self.week)).min(1.0);
        self.least = self.least.min(size);
        if self.blocks * BLOCK as f64 >= self.week {
            let further = (FURTHER * (self.usual - self.least)).max(-LESS.ln());
            let bound = (self.usual - further).exp();
            // A series without variance has no drop.
            self.bound = if bound.is_normal() { bound } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Departures of 1 that fall to a share for good, after a week; the first value called, and the number of them.
    fn called(share: f64, bursts: bool) -> (Option<usize>, usize) {
        let mut calm = VarianceDropDetector::new(2_016.0);
        let scores: Vec<f64> = (0..4_000)
            .map(|t| {
                let size = 0.5 + (t * 7_919 % 101) as f64 / 101.0;
                let quiet = bursts && t % 700 > 200;
                calm.push(size * if t < 3_000 && !quiet { 1.0 } else { share })
            })
            .collect();
        (scores.iter().position(|s| *s > 1.0), scores.iter().filter(|s| **s > 1.0).count())
    }

    #[test]
    fn a_tenth_is_called_but_neither_a_half_nor_bursts() {
        let (first, count) = called(0.1, false);
        assert!(first.is_some_and(|t| (3_030..3_150).contains(&t)), "{first:?}");
        assert_eq!(count, PATIENCE);
        assert_eq!(called(0.5, false), (None, 0));
        assert_eq!(called(0.1, true), (None, 0));
    }

    #[test]
    fn a_constant_series_is_not_called() {
        let mut calm = VarianceDropDetector::new(500.0);
        assert!((0..3_000).all(|_| !(calm.push(0.0) > 1.0)));
        assert!(!(calm.push(f64::NAN) > 1.0 || calm.push(f64::INFINITY) > 1.0));
    }
}
