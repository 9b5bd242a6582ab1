//! The farthest that a series ever went.

/// Values without which a record says nothing. 300 and 1,000 leave NAB and KPI as they are to 1 point and .01 of F1.
const LEAST: f64 = 500.0;
/// A record is broken by more than this share of its distance from the mean. At .2, .25, .3 and .5 NAB's standard score is
/// 65.1, 64.5, 62.9 and 61.5, KPI's F1 .554 to .556: both halves of NAB's series agree.
const BEYOND: f64 = 0.25;
/// No distance counts for less than this share of the range, so that the quiet side of a series that bursts to the other
/// may move. .05 to .2 make no difference above a point.
const SHARE: f64 = 0.2;
/// Values that the mean stands on; 1,000 and all are the same.
const MEMORY: f64 = 4_096.0;
/// Weeks after which e^−1 of a record's distance is left. Below two, false alarms on KPI rise from 1.6 to 2.4 a week.
const WEEKS: f64 = 6.0;
/// A value breaks a record to at most so many times its bound, so that one glitch does not blind for weeks.
const MOST: f64 = 2.0;
/// Least scales that no distance is below.
const LEAST_SCALES: f64 = 8.0;

/// Least and largest value, and the mean between them.
///
/// Records of a series that does not change grow rare by themselves, as 1/n, whatever its distribution, and those that
/// go a quarter further than the last are rarer still. So this needs no budget of alarms, and finds what is far out in a
/// series whose bounds were raised because it is restless.
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

/// The band that values were in so far, widened; the score is above 1 outside.
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
        // Not finite where nothing ever moved, or where values are too large to tell.
        let tells = warm && score.is_finite();
        let band = Band { score: if tells { score } else { 0.0 }, lower: self.mean - down, upper: self.mean + up };
        if open {
            self.seen += 1.0;
            self.high -= (self.high - self.mean) * self.fade;
            self.low += (self.mean - self.low) * self.fade;
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
    fn what_goes_further_than_ever_is_told_and_what_went_there_before_is_not() {
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
    fn what_never_moved_has_no_record() {
        let mut record = Record::new(10_080.0);
        assert!((0..1_000).all(|_| record.push(7.0, 0.0, true).score <= 1.0));
        assert!(record.push(8.0, 0.0, true).score <= 1.0);
    }
}
