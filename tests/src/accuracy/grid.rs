//! Rows on an even grid, as the command line lays them.

use almanac_models::Step;

/// A day in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// Steps that a median distance within a hundredth stands for, in milliseconds.
const USUAL_MS: [i64; 8] = [1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 3_600_000];

/// The step of ascending timestamps: the median distance of those that differ, or the usual one that it lies near;
/// `None` when all are the same.
#[must_use]
pub fn step(timestamps: &[i64]) -> Option<Step> {
    let mut gaps: Vec<i64> = timestamps.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0).collect();
    let middle = gaps.len() / 2;
    if gaps.is_empty() {
        return None;
    }
    let median = *gaps.select_nth_unstable(middle).1;
    let usual = USUAL_MS.into_iter().find(|usual| (usual - median).abs() * 100 <= *usual);
    Step::from_millis(usual.unwrap_or(median)).ok()
}

/// The means of the values nearest to each point of a grid that ends at the last timestamp; NaN where there is none.
#[must_use]
pub fn regular(timestamps: &[i64], values: &[f64], step: Step) -> Vec<f64> {
    let (Some(&first), Some(&last)) = (timestamps.first(), timestamps.last()) else { return Vec::new() };
    let back = |at: i64| usize::try_from((last - at + step.millis() / 2) / step.millis()).unwrap_or(0);
    let slots = back(first) + 1;
    let (mut sums, mut counts) = (vec![0.0; slots], vec![0.0; slots]);
    for (&at, &value) in timestamps.iter().zip(values).filter(|(_, value)| value.is_finite()) {
        sums[slots - 1 - back(at)] += value;
        counts[slots - 1 - back(at)] += 1.0;
    }
    sums.iter().zip(&counts).map(|(sum, count)| if *count > 0.0 { sum / count } else { f64::NAN }).collect()
}

/// Steps in so many milliseconds, at least one.
#[must_use]
pub fn steps(span_ms: i64, step: Step) -> usize {
    usize::try_from(span_ms / step.millis()).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_with_jitter_and_gaps() {
        let stamps = [0, 299_000, 601_000, 900_000, 1_500_000, 1_500_000];
        let step = step(&stamps).unwrap();
        assert_eq!(step.millis(), 300_000);
        let grid = regular(&stamps, &[1.0, 2.0, 3.0, 4.0, 6.0, 8.0], step);
        assert_eq!(grid[..4], [1.0, 2.0, 3.0, 4.0]);
        assert!(grid[4].is_nan() && grid.len() == 6 && (grid[5] - 7.0).abs() < f64::EPSILON);
        assert_eq!(steps(DAY_MS, step), 288);
        assert!(super::step(&[5, 5]).is_none());
    }
}
