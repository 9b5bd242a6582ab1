//! Infers the step of recorded rows, and averages their values on an even grid that ends at the last row.

use almanac_models::Step;

/// Maximum number of grid slots; of a longer series the newest are kept.
const MAX_SLOTS: i64 = 4_000_000;

/// Infers the step of ascending timestamps in milliseconds: the median of the positive distances. `None` if all
/// timestamps are equal.
#[must_use]
pub fn infer_step(timestamps: &[i64]) -> Option<Step> {
    let mut gaps: Vec<i64> = timestamps.windows(2).map(|w| w[1].saturating_sub(w[0])).filter(|gap| *gap > 0).collect();
    if gaps.is_empty() {
        return None;
    }
    let middle = gaps.len() / 2;
    let median = *gaps.select_nth_unstable(middle).1;
    Step::from_millis(usual_step(median).unwrap_or(median)).ok()
}

/// Returns the usual step that differs from the median distance by at most 1 %, which is jitter.
fn usual_step(median_ms: i64) -> Option<i64> {
    const SECONDS: [i64; 20] =
        [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 604_800];
    SECONDS.iter().map(|seconds| seconds * 1_000).find(|step_ms| (step_ms - median_ms).abs() * 100 <= *step_ms)
}

/// Resamples values onto a grid that ends at the last timestamp: the mean of the values nearest to each slot, NaN where
/// there is none. `timestamps`: ascending, in milliseconds, as many as `values`.
#[must_use]
pub fn regular(timestamps: &[i64], values: &[f64], step: Step) -> Vec<f64> {
    let (Some(&first), Some(&last)) = (timestamps.first(), timestamps.last()) else { return Vec::new() };
    let step_ms = step.millis();
    // Slots are counted back from the end; each row belongs to the nearest slot.
    let slots_from_end = |t: i64| last.saturating_sub(t).saturating_add(step_ms / 2) / step_ms;
    let slots = usize::try_from(slots_from_end(first).saturating_add(1).min(MAX_SLOTS)).unwrap_or(1);
    let (mut sum, mut count) = (vec![0.0; slots], vec![0u32; slots]);
    for (&t, &v) in timestamps.iter().zip(values) {
        let slot = usize::try_from(slots_from_end(t)).ok().and_then(|b| slots.checked_sub(b + 1));
        if let Some(slot) = slot
            && v.is_finite()
        {
            sum[slot] += v;
            count[slot] += 1;
        }
    }
    sum.iter().zip(&count).map(|(s, &n)| if n > 0 { s / f64::from(n) } else { f64::NAN }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_belong_to_the_nearest_slot() {
        let step = Step::from_millis(1_000).unwrap();
        let y = regular(&[0, 990, 990, 3_010], &[1.0, 2.0, 4.0, 5.0], step);
        assert_eq!(y.len(), 4);
        assert_eq!((y[0], y[1], y[3]), (1.0, 3.0, 5.0));
        assert!(y[2].is_nan());
        assert_eq!(infer_step(&[0, 0, 1_000, 2_000, 9_000]), Some(step));
        assert_eq!(infer_step(&[7, 7]), None);
        let jittered: Vec<i64> = (0..50).map(|t| t * 300_000 + t * 7 % 5 * 100).collect();
        assert_eq!(infer_step(&jittered).map(Step::millis), Some(300_000));
        assert_eq!(infer_step(&[0, 7_000, 14_000]).map(Step::millis), Some(7_000));
        assert_eq!(regular(&[i64::MIN / 2, i64::MAX / 2], &[1.0, 2.0], step).len(), 4_000_000);
    }
}
