use crate::stats::mad;

/// Shifts of the mean by pruned exact search.
///
/// Minimises the squared error of piecewise constant means plus a penalty for each change. The noise is estimated from
/// differences of neighbours, so that shifts do not count as noise.
///
/// ```
/// use almanac_models::changepoint::Pelt;
/// let noise = |t: i32| (f64::from(t * t) * 12.9898).sin();
/// let y: Vec<f64> = (0..200).map(|t| if t < 120 { 1.0 } else { 4.0 } + 0.3 * noise(t)).collect();
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
    /// A penalty of 3 (that of the Bayesian criterion is 2), segments of at least five values.
    fn default() -> Self {
        Self { penalty: 3.0, least_length: 5 }
    }
}

impl Pelt {
    /// A change must lower the squared error by `penalty · ln n` noise variances; not positive or NaN: the default.
    #[must_use]
    pub fn with_penalty(mut self, penalty: f64) -> Self {
        self.penalty = if penalty > 0.0 && penalty.is_finite() { penalty } else { Self::default().penalty };
        self
    }

    /// No segment is shorter than this many values (at least one).
    #[must_use]
    pub fn with_least_length(mut self, values: usize) -> Self {
        self.least_length = values.max(1);
        self
    }

    /// The first index of each new level, ascending. Values that are not finite are passed over; a series that is
    /// constant or shorter than two segments has no change.
    #[must_use]
    pub fn detect(&self, y: &[f64]) -> Vec<usize> {
        let (place, values): (Vec<usize>, Vec<f64>) =
            y.iter().enumerate().filter(|(_, v)| v.abs() <= 1e150).map(|(i, v)| (i, *v)).unzip();
        let n = values.len();
        if n < 2 * self.least_length {
            return Vec::new();
        }
        let differences: Vec<f64> = values.windows(2).map(|w| w[1] - w[0]).collect();
        let largest = values.iter().fold(0.0f64, |a, v| a.max((v - values[0]).abs()));
        // Differences of independent values vary twice as much as they do. Without noise any step is a change.
        let noise = (mad(&differences).unwrap_or(0.0) / std::f64::consts::SQRT_2).max(1e-6 * largest);
        if noise <= 0.0 {
            return Vec::new();
        }
        let z: Vec<f64> = values.iter().map(|v| (v - values[0]) / noise).collect();
        self.search(&z).into_iter().map(|i| place[i]).collect()
    }

    fn search(&self, z: &[f64]) -> Vec<usize> {
        let n = z.len();
        let penalty = self.penalty * (n as f64).ln();
        let (mut sums, mut squares) = (vec![0.0; n + 1], vec![0.0; n + 1]);
        for (i, v) in z.iter().enumerate() {
            sums[i + 1] = sums[i] + v;
            squares[i + 1] = squares[i] + v * v;
        }
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
            let bound = best[end];
            open.retain(|&start| best[start] + cost(start, end) <= bound);
            // The next end may have a segment that starts here.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(t: usize) -> f64 {
        ((t * 7_919 + t * t * 31) % 101) as f64 / 50.0 - 1.0
    }

    #[test]
    fn shifts_are_found_and_noise_is_not() {
        let y: Vec<f64> = (0..600).map(|t| noise(t) + [0.0, 5.0, 2.0][t / 200]).collect();
        let found = Pelt::default().detect(&y);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].abs_diff(200) <= 2 && found[1].abs_diff(400) <= 2, "{found:?}");
        assert!(Pelt::default().detect(&y[..190]).is_empty());
    }

    #[test]
    fn odd_input_has_no_change() {
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
        let y: Vec<f64> = (0..300).map(|t| noise(t) + if t < 140 { 0.0 } else { 4.0 }).collect();
        let moved: Vec<f64> = y.iter().map(|v| v * 1e-9 + 3.0).collect();
        assert_eq!(Pelt::default().detect(&y), Pelt::default().detect(&moved));
    }
}
