//! A histogram of magnitudes with logarithmic buckets and decaying counts.

/// Base-2 logarithm of the buckets per octave: quantiles are exact to half of 1/16 of an octave, 2 %.
const SUB_BITS: u32 = 4;
/// Octaves from 2^LOWEST on. Standardised magnitudes below 0.001 count as 0, and callers push none above 2^20.
const OCTAVES: usize = 30;
const LOWEST: i32 = -10;
const BUCKETS: usize = OCTAVES << SUB_BITS;
/// Number of pushes between two decays of all counts.
const AGE_EVERY: u32 = 512;

/// Counts of magnitudes, decayed to a total weight of about `kept`.
///
/// # Reference
/// Masson, Rim & Lee (2019), DDSketch: relative accuracy from logarithmic buckets. Deviates: counts decay, and bucket
/// limits are linear within each octave, so that the index is read from the bits of the number.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Box<[f32; BUCKETS]>,
    /// Weight of all magnitudes, including those below the first bucket.
    total: f64,
    age: f32,
    since: u32,
}

impl Histogram {
    pub(crate) fn new(kept: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a share")]
        let age = (-f64::from(AGE_EVERY) / kept).exp() as f32;
        Self { counts: Box::new([0.0; BUCKETS]), total: 0.0, age, since: 0 }
    }

    pub(crate) fn push(&mut self, magnitude: f64) {
        self.total += 1.0;
        if let Some(bucket) = bucket(magnitude) {
            self.counts[bucket] += 1.0;
        }
        self.since += 1;
        if self.since == AGE_EVERY {
            self.since = 0;
            self.counts.iter_mut().for_each(|count| *count *= self.age);
            self.total *= f64::from(self.age);
        }
    }

    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// Returns the upper quantiles for ascending `shares` of all magnitudes; 0 where the quantile is below the first
    /// bucket.
    pub(crate) fn reached_by<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let mut out = [0.0; N];
        let (mut above, mut next) = (0.0, 0);
        // From the largest magnitude down; within a bucket the quantile is linear.
        for bucket in (0..BUCKETS).rev() {
            let count = f64::from(self.counts[bucket]);
            if count <= 0.0 {
                continue;
            }
            while next < N && above + count >= shares[next] * self.total {
                let part = ((shares[next] * self.total - above) / count).clamp(0.0, 1.0);
                out[next] = edge(bucket + 1) + part * (edge(bucket) - edge(bucket + 1));
                next += 1;
            }
            if next == N {
                break;
            }
            above += count;
        }
        out
    }

    /// Returns middles and weights of the buckets above `threshold`, ascending.
    pub(crate) fn above(&self, threshold: f64) -> impl Iterator<Item = (f64, f64)> + '_ {
        (bucket(threshold).unwrap_or(0)..BUCKETS)
            .map(|bucket| (0.5 * (edge(bucket) + edge(bucket + 1)), f64::from(self.counts[bucket])))
            .filter(move |(middle, count)| *middle > threshold && *count > 0.0)
    }
}

/// Returns the bucket of a magnitude; `None` below the first bucket.
fn bucket(magnitude: f64) -> Option<usize> {
    // Sign, exponent and the first bits of the mantissa, relative to the first bucket.
    const BASE: i64 = ((1_023 + LOWEST) as i64) << SUB_BITS;
    let place = (magnitude.to_bits() >> (52 - SUB_BITS)) as i64 - BASE;
    // Covers negative numbers and NaN, whose bits give other places.
    if !(magnitude > 0.0) || place < 0 {
        return None;
    }
    usize::try_from(place).ok().map(|place| place.min(BUCKETS - 1))
}

/// Lower end of a bucket.
fn edge(bucket: usize) -> f64 {
    let base = ((1_023 + LOWEST) as u64) << SUB_BITS;
    f64::from_bits((base + bucket as u64) << (52 - SUB_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_two_percent() {
        let mut histogram = Histogram::new(1e9);
        // The unit exponential by its quantiles: the share q reaches −ln q.
        for i in 0..20_000 {
            histogram.push(-(1.0 - (f64::from(i) + 0.5) / 20_000.0).ln());
        }
        for (found, share) in histogram.reached_by([0.01, 0.05, 0.5]).into_iter().zip([0.01f64, 0.05, 0.5]) {
            assert!((found / -share.ln() - 1.0).abs() < 0.02, "{share}: {found}");
        }
    }

    #[test]
    fn invalid_magnitudes_count_as_zero_and_infinity_as_the_largest() {
        let mut histogram = Histogram::new(1e9);
        for odd in [0.0, -1.0, f64::NAN, 1e-300] {
            histogram.push(odd);
        }
        assert!(histogram.reached_by([0.5])[0].abs() < f64::EPSILON);
        histogram.push(f64::INFINITY);
        assert!(histogram.reached_by([0.1])[0] > 1e5);
    }

    #[test]
    fn old_magnitudes_decay() {
        let mut histogram = Histogram::new(2_000.0);
        (0..10_000).for_each(|_| histogram.push(8.0));
        (0..10_000).for_each(|_| histogram.push(1.0));
        assert!(histogram.reached_by([0.05])[0] < 1.1);
        assert!((histogram.total() - 2_000.0).abs() < 500.0);
    }
}
