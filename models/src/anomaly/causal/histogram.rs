//! Magnitudes counted in buckets of equal ratio, older ones counting less.

/// Buckets an octave, as a power of two: a quantile is met to half of 1/16 of an octave, 2 %.
const SUB_BITS: u32 = 4;
/// Octaves from 2^LOWEST on. Standardised magnitudes below 0.001 are as good as none, and none above 2^20 is taught.
const OCTAVES: usize = 30;
const LOWEST: i32 = -10;
const BUCKETS: usize = OCTAVES << SUB_BITS;
/// Pushes between two times that all counts are lowered.
const AGE_EVERY: u32 = 512;

/// Counts of magnitudes, decayed so that about `kept` of them count.
///
/// # Reference
/// Masson, Rim & Lee (2019), DDSketch: relative accuracy from logarithmic buckets. Deviates: counts decay, and bucket
/// limits lie on a line within each octave, so that the index is read from the bits of the number.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Box<[f32; BUCKETS]>,
    /// Weight of all magnitudes, those below the least bucket among them.
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

    /// Magnitudes that the largest shares reach, for ascending `shares` of all; 0 where the share is of values too small
    /// to be counted.
    pub(crate) fn reached_by<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let mut out = [0.0; N];
        let (mut above, mut next) = (0.0, 0);
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

    /// Middles and weights of the buckets above `threshold`, ascending.
    pub(crate) fn above(&self, threshold: f64) -> impl Iterator<Item = (f64, f64)> + '_ {
        (bucket(threshold).unwrap_or(0)..BUCKETS)
            .map(|bucket| (0.5 * (edge(bucket) + edge(bucket + 1)), f64::from(self.counts[bucket])))
            .filter(move |(middle, count)| *middle > threshold && *count > 0.0)
    }
}

/// The bucket of a magnitude; `None` for one too small.
fn bucket(magnitude: f64) -> Option<usize> {
    // Sign, exponent and the first bits of the mantissa, from the exponent of the least bucket on.
    const BASE: i64 = ((1_023 + LOWEST) as i64) << SUB_BITS;
    let place = (magnitude.to_bits() >> (52 - SUB_BITS)) as i64 - BASE;
    // Also negative numbers and NaN, whose bits are those of larger or negative places.
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
    fn quantiles_are_met_to_two_percent() {
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
    fn odd_magnitudes_count_as_none_or_as_the_largest() {
        let mut histogram = Histogram::new(1e9);
        for odd in [0.0, -1.0, f64::NAN, 1e-300] {
            histogram.push(odd);
        }
        assert!(histogram.reached_by([0.5])[0].abs() < f64::EPSILON);
        histogram.push(f64::INFINITY);
        assert!(histogram.reached_by([0.1])[0] > 1e5);
    }

    #[test]
    fn what_is_old_counts_less() {
        let mut histogram = Histogram::new(2_000.0);
        (0..10_000).for_each(|_| histogram.push(8.0));
        (0..10_000).for_each(|_| histogram.push(1.0));
        assert!(histogram.reached_by([0.05])[0] < 1.1);
        assert!((histogram.total() - 2_000.0).abs() < 500.0);
    }
}
