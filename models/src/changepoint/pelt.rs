//! Shifts of the mean by PELT (pruned exact linear time).

use std::f64::consts::SQRT_2;

use crate::stats::mad;

/// Ratio of the median deviation of differences to their root mean square below which most differences are equal.
const TIED: f64 = 1e-9;

/// Detects shifts of the mean by pruned exact search.
///
/// Minimises the squared error of piecewise constant means plus a penalty per change. The noise is estimated from
/// differences of neighbours, so that shifts hardly count as noise.
///
/// ```
/// use almanac_models::changepoint::Pelt;
/// let y: Vec<f64> = (0..200).map(|t| if t < 120 { 1.0 } else { 4.0 } + 0.1 * f64::from(t * 7 % 5)).collect();
/// assert_eq!(Pelt::default().detect(&y), vec![120]);
/// ```
///
/// # Reference
/// Killick, Fearnhead & Eckley (2012), Optimal detection of changepoints with a linear computational cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pelt {
    penalty: f64,
    least_length: usize,
}

impl Default for Pelt {
    /// A penalty of 3 (the Bayesian information criterion has 2) and segments of at least five values.
    fn default() -> Self {
        Self { penalty: 3.0, least_length: 5 }
    }
}

impl Pelt {
    /// Sets the penalty: a change must lower the squared error by `penalty · ln n` noise variances. The default
    /// replaces a penalty that is not positive and finite.
    #[must_use]
    pub fn with_penalty(mut self, penalty: f64) -> Self {
        self.penalty = if penalty > 0.0 && penalty.is_finite() { penalty } else { Self::default().penalty };
        self
    }

    /// Sets the smallest length of a segment in values, at least one.
    #[must_use]
    pub fn with_least_length(mut self, values: usize) -> Self {
        self.least_length = values.max(1);
        self
    }

    /// Returns the first index of each new level, ascending. Values that are not finite are skipped. A series that is
    /// constant or shorter than two segments has no change.
    #[must_use]
    pub fn detect(&self, y: &[f64]) -> Vec<usize> {
        let (place, values): (Vec<usize>, Vec<f64>) =
            y.iter().enumerate().filter(|(_, v)| v.abs() <= 1e150).map(|(i, v)| (i, *v)).unzip();
        let n = values.len();
        if n < 2 * self.least_length {
            return Vec::new();
        }
        let largest = values.iter().fold(0.0f64, |a, v| a.max((v - values[0]).abs()));
        // Without noise every step larger than rounding is a change.
        let noise = noise(&values).max(1e-6 * largest);
        if noise <= 0.0 {
            return Vec::new();
        }
        let z: Vec<f64> = values.iter().map(|v| (v - values[0]) / noise).collect();
        self.search(&z).into_iter().map(|i| place[i]).collect()
    }

    /// Finds the optimal segments of standardised values; returns the start of each but the first.
    fn search(&self, z: &[f64]) -> Vec<usize> {
        let n = z.len();
        let penalty = self.penalty * (n as f64).ln();
        let (mut sums, mut squares) = (vec![0.0; n + 1], vec![0.0; n + 1]);
        for (i, v) in z.iter().enumerate() {
            sums[i + 1] = sums[i] + v;
            squares[i + 1] = squares[i] + v * v;
        }
        // Squared error of a segment around its mean, from cumulative sums.
        let cost = |from: usize, to: usize| {
            let sum: f64 = sums[to] - sums[from];
            (squares[to] - squares[from] - sum * sum / (to - from) as f64).max(0.0)
        };
        let mut best = vec![f64::INFINITY; n + 1];
        let mut last = vec![0usize; n + 1];
        best[0] = -penalty;
        let mut open = vec![0usize];
        for end in self.least_length..=n {
            for &start in &open {
                let total = best[start] + cost(start, end) + penalty;
                if total < best[end] {
                    best[end] = total;
                    last[end] = start;
                }
            }
            // Pruning: a start that costs more now can never be the best again.
            let bound = best[end];
            open.retain(|&start| best[start] + cost(start, end) <= bound);
            // From the next end on, a segment may start here.
            let next = end + 1 - self.least_length;
            if next >= self.least_length {
                open.push(next);
            }
        }
        let mut changes = Vec::new();
        let mut at = last[n];
        while at > 0 {
            changes.push(at);
            at = last[at];
        }
        changes.reverse();
        changes
    }
}

/// Returns the standard deviation of `values` about piecewise constant levels, from differences of neighbours, whose
/// variance is twice that of independent values.
///
/// Where most differences are equal (counts, rounded values, cycles), their median deviation is 0 or rounding, and
/// their root mean square replaces it. Shifts increase the latter without hiding themselves: without other noise,
/// levels of length L that differ by S give S/√(2L), and a change lowers the error by about L² such variances, more
/// than the penalty from about seven values on.
fn noise(values: &[f64]) -> f64 {
    let differences: Vec<f64> = values.windows(2).map(|w| w[1] - w[0]).collect();
    let largest = differences.iter().fold(0.0f64, |a, d| a.max(d.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return 0.0;
    }
    let square = differences.iter().map(|d| (d / largest).powi(2)).sum::<f64>() / differences.len() as f64;
    let (robust, full) = (mad(&differences).unwrap_or(0.0), largest * square.sqrt());
    if robust > TIED * full { robust / SQRT_2 } else { full / SQRT_2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jitter(t: usize) -> f64 {
        ((t * 7_919 + t * t * 31) % 101) as f64 / 50.0 - 1.0
    }

    #[test]
    fn shifts_are_found_and_noise_is_not() {
        let y: Vec<f64> = (0..600).map(|t| jitter(t) + [0.0, 5.0, 2.0][t / 200]).collect();
        let found = Pelt::default().detect(&y);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].abs_diff(200) <= 2 && found[1].abs_diff(400) <= 2, "{found:?}");
        assert!(Pelt::default().detect(&y[..190]).is_empty());
    }

    /// A count with the given mean, by inversion of the Poisson law.
    fn count(t: usize, mean: f64) -> f64 {
        let u = (t as f64 * 0.754_877_666 + (t * t) as f64 * 0.569_840_291).fract();
        let (mut k, mut p) = (0.0, (-mean).exp());
        let mut below = p;
        while u > below && k < 100.0 {
            k += 1.0;
            p *= mean / k;
            below += p;
        }
        k
    }

    #[test]
    fn tied_differences_still_have_noise() {
        type Value = fn(usize) -> f64;
        let cases: [(&str, Value, f64); 6] = [
            ("rare counts", |t| count(t, 0.1), 3.0),
            ("counts", |t| count(t, 0.5), 4.0),
            ("larger counts", |t| count(t, 20.0), 30.0),
            ("rounded", |t| (0.5 * jitter(t)).round(), 2.0),
            ("rounded to hundredths", |t| (0.6 * jitter(t)).round() * 0.01, 0.03),
            ("cycle", |t| 0.1 * (t * 7 % 5) as f64, 0.5),
        ];
        for (name, value, shift) in cases {
            let y: Vec<f64> = (0..600).map(value).collect();
            assert!(Pelt::default().detect(&y).is_empty(), "{name}: {:?}", Pelt::default().detect(&y));
            let y: Vec<f64> = (0..600).map(|t| value(t) + if t < 330 { 0.0 } else { shift }).collect();
            let found = Pelt::default().detect(&y);
            assert!(found.len() == 1 && found[0].abs_diff(330) <= 2, "{name}: {found:?}");
        }
    }

    #[test]
    fn levels_without_noise_are_all_found() {
        let y: Vec<f64> = (0..400).map(|t| [3.0, 8.0, 4.0, 4.5][t / 10 % 4]).collect();
        let found = Pelt::default().detect(&y);
        assert!(found.iter().all(|t| t % 10 == 0) && found.len() >= 29, "{found:?}");
    }

    #[test]
    fn invalid_and_constant_input_has_no_change() {
        for y in [vec![], vec![1.0], vec![3.0; 100], vec![f64::NAN; 50], vec![f64::INFINITY; 50]] {
            assert!(Pelt::default().detect(&y).is_empty());
        }
        let mut step = vec![0.0; 100];
        step[50..].fill(1e12);
        step[10] = f64::NAN;
        assert_eq!(Pelt::default().detect(&step), vec![50]);
    }

    #[test]
    fn scale_and_shift_change_nothing() {
        let y: Vec<f64> = (0..300).map(|t| jitter(t) + if t < 140 { 0.0 } else { 4.0 }).collect();
        let moved: Vec<f64> = y.iter().map(|v| v * 1e-9 + 3.0).collect();
        assert_eq!(Pelt::default().detect(&y), Pelt::default().detect(&moved));
    }
}
