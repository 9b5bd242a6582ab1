//! Ridge regression with exponential forgetting. Used by `forecaster`.

/// Ridge regression of several targets on the same features, with exponentially decaying weights.
///
/// Each point multiplies the weight of the earlier ones by `decay`. The penalty grows with the total weight, so that it
/// also acts on coefficients that the data hardly determine after a long history.
#[derive(Debug, Clone)]
pub(super) struct DecayedRidge<const FEATURES: usize, const TARGETS: usize> {
    decay: f64,
    penalty: f64,
    weight: f64,
    /// Weighted sums of products of features; only the lower triangle is filled.
    gram: Vec<[f64; FEATURES]>,
    moments: [[f64; FEATURES]; TARGETS],
    coefficients: [[f64; FEATURES]; TARGETS],
}

impl<const FEATURES: usize, const TARGETS: usize> DecayedRidge<FEATURES, TARGETS> {
    pub(super) fn new(decay: f64, penalty: f64) -> Self {
        Self {
            decay,
            penalty,
            weight: 0.0,
            gram: vec![[0.0; FEATURES]; FEATURES],
            moments: [[0.0; FEATURES]; TARGETS],
            coefficients: [[0.0; FEATURES]; TARGETS],
        }
    }

    /// Adds a point. It takes effect at the next [`Self::solve`].
    pub(super) fn add(&mut self, x: &[f64; FEATURES], targets: [f64; TARGETS]) {
        self.weight = self.weight * self.decay + 1.0;
        for (row, (sums, &x_row)) in self.gram.iter_mut().zip(x).enumerate() {
            for (sum, &x_col) in sums[..=row].iter_mut().zip(x) {
                *sum = *sum * self.decay + x_row * x_col;
            }
        }
        for (moment, target) in self.moments.iter_mut().zip(targets) {
            for (sum, &x_row) in moment.iter_mut().zip(x) {
                *sum = *sum * self.decay + x_row * target;
            }
        }
    }

    /// Solves for the coefficients by Cholesky decomposition.
    pub(super) fn solve(&mut self) {
        // A smaller pivot is rounding error of the subtraction.
        const LEAST_PIVOT: f64 = 1e-12;
        let penalty = self.penalty * (self.weight.sqrt() + 1e-3 * self.weight) + 1e-9;
        let mut lower = vec![[0.0; FEATURES]; FEATURES];
        for row in 0..FEATURES {
            for col in 0..=row {
                let dot: f64 = (0..col).map(|k| lower[row][k] * lower[col][k]).sum();
                let rest = self.gram[row][col] - dot;
                lower[row][col] =
                    if row == col { (rest + penalty).max(LEAST_PIVOT).sqrt() } else { rest / lower[col][col] };
            }
        }
        // Forward substitution, then backward substitution with the transposed factor.
        for (moment, coefficients) in self.moments.iter().zip(&mut self.coefficients) {
            let mut halfway = [0.0; FEATURES];
            for row in 0..FEATURES {
                let dot: f64 = (0..row).map(|k| lower[row][k] * halfway[k]).sum();
                halfway[row] = (moment[row] - dot) / lower[row][row];
            }
            for row in (0..FEATURES).rev() {
                let dot: f64 = (row + 1..FEATURES).map(|k| lower[k][row] * coefficients[k]).sum();
                coefficients[row] = (halfway[row] - dot) / lower[row][row];
            }
        }
    }

    /// Returns the value of each target at `x`, by the coefficients of the last solution.
    pub(super) fn predict(&self, x: &[f64; FEATURES]) -> [f64; TARGETS] {
        self.coefficients.map(|coefficients| coefficients.iter().zip(x).map(|(c, x)| c * x).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::DecayedRidge;

    #[test]
    fn finds_an_exact_linear_law() {
        let mut ridge = DecayedRidge::<3, 2>::new(1.0, 0.0);
        for i in 0..50 {
            let (a, b) = (f64::from(i % 7), f64::from(i % 5));
            ridge.add(&[1.0, a, b], [2.0 + 3.0 * a - b, b]);
        }
        ridge.solve();
        let [first, second] = ridge.predict(&[1.0, 10.0, -4.0]);
        assert!((first - 36.0).abs() < 1e-6, "{first}");
        assert!((second + 4.0).abs() < 1e-6, "{second}");
    }

    #[test]
    fn forgets_an_old_law() {
        let mut ridge = DecayedRidge::<1, 1>::new(0.9, 0.0);
        for _ in 0..200 {
            ridge.add(&[1.0], [5.0]);
        }
        for _ in 0..200 {
            ridge.add(&[1.0], [9.0]);
        }
        ridge.solve();
        assert!((ridge.predict(&[1.0])[0] - 9.0).abs() < 1e-6);
    }

    #[test]
    fn a_feature_that_never_varies_from_zero_gets_no_weight() {
        let mut ridge = DecayedRidge::<2, 1>::new(1.0, 0.1);
        for i in 0..20 {
            ridge.add(&[f64::from(i), 0.0], [f64::from(i)]);
        }
        ridge.solve();
        assert!(ridge.predict(&[0.0, 1.0])[0].abs() < 1e-12);
    }
}
