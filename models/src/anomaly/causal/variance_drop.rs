//! Detects a drop of variance: departures smaller than they ever were.

/// Values that the size of departures is averaged over, and those of a block: what falls must not at once be the least so
/// far.
const SPAN: f64 = 60.0;
const BLOCK: usize = 240;
/// A departure counts up to so many mean ones, so that after a spike no calm has to be waited for.
const HELD: f64 = 8.0;
/// Blocks that the usual size stands on, and weeks after which the least is e^−1 of its way from the usual.
const BLOCKS: f64 = 40.0;
const WEEKS: f64 = 6.0;
/// The share of the usual size that is told at most, and how many times as far below it as ever, in logarithms: a series of
/// bursts has calms. A noise that shrinks to a tenth is told after 90 to 155 values with a third, 115 to 300 with a
/// quarter, 70 to 120 with .4; at 3 two more alarms are false on the halves of nine KPI series and 4 of NAB, at 2 5 and
/// 5, at 4 1 and 4.
const LESS: f64 = 1.0 / 3.0;
const FURTHER: f64 = 3.0;
/// Values after which a calm is ordinary.
const PATIENCE: usize = 10;

/// Mean size of departures, and the usual and the least of it.
///
/// # Reference
/// MacGregor & Harris (1993), The exponentially weighted moving variance. Deviates: absolute departures, a lower limit only,
/// and that from the least that was seen.
#[derive(Debug, Clone)]
pub(crate) struct VarianceDropDetector {
    week: f64,
    mean: f64,
    seen: usize,
    /// Logarithms of the usual and of the least size, and blocks that they stand on.
    usual: f64,
    least: f64,
    blocks: f64,
    /// Least sizes of the block before this one, and of this one.
    late: [f64; 2],
    /// The size below which it is told.
    bound: f64,
    run: usize,
}

impl VarianceDropDetector {
    /// `week`: steps of a week, before which nothing is told.
    pub(crate) fn new(week: f64) -> Self {
        let late = [f64::INFINITY; 2];
        Self { week, mean: 0.0, seen: 0, usual: 0.0, least: 0.0, blocks: 0.0, late, bound: 0.0, run: 0 }
    }

    /// Learns how far a value was from what was expected; the score is above 1 where departures are smaller than ever.
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
        if low && self.run <= PATIENCE {
            return score;
        }
        // The first block is that of a detector that knows nothing.
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
            // What never varied cannot vary less.
            self.bound = if bound.is_normal() { bound } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Departures of 1 that fall to a share for good, after a week; the first value told, and how many are.
    fn told(share: f64, bursts: bool) -> (Option<usize>, usize) {
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
    fn a_tenth_is_told_and_half_is_not_nor_what_comes_in_bursts() {
        let (first, count) = told(0.1, false);
        assert!(first.is_some_and(|t| (3_030..3_150).contains(&t)), "{first:?}");
        assert_eq!(count, PATIENCE);
        assert_eq!(told(0.5, false), (None, 0));
        assert_eq!(told(0.1, true), (None, 0));
    }

    #[test]
    fn nothing_is_told_of_what_never_varied() {
        let mut calm = VarianceDropDetector::new(500.0);
        assert!((0..3_000).all(|_| !(calm.push(0.0) > 1.0)));
        assert!(!(calm.push(f64::NAN) > 1.0 || calm.push(f64::INFINITY) > 1.0));
    }
}
