//! Distribution of standardised errors with exponential forgetting. Used by `forecaster`.

/// Edges of the histogram: lowest edge, cell width and number of cells, in standard errors.
const LOWEST_EDGE: f64 = -8.0;
const CELL_WIDTH: f64 = 0.1;
const CELLS: usize = 380;
/// Share of the last cell's tail that is assumed one unit further out.
const BEYOND_SHARE: f64 = 0.02;

/// Distribution of standardised errors with exponential forgetting: P(error > z).
#[derive(Debug, Clone)]
pub(super) struct ErrorTail {
    /// One cell below the lowest edge, `CELLS` of equal width, one above.
    counts: Vec<f64>,
    exceeding: Vec<f64>,
    /// Weight of the next error. It grows instead of the old weights being scaled down.
    unit: f64,
    growth: f64,
    total: f64,
}

impl ErrorTail {
    /// Creates an empty distribution. `memory`: number of errors after which one has weight 1/e.
    pub(super) fn new(memory: f64) -> Self {
        Self {
            counts: vec![0.0; CELLS + 2],
            exceeding: vec![0.0; CELLS + 2],
            unit: 1.0,
            growth: 1.0 / (1.0 - 1.0 / memory.max(2.0)),
            total: 0.0,
        }
    }

    /// Adds an error. It takes effect at the next [`Self::refresh`].
    pub(super) fn add(&mut self, z: f64) {
        if let Some(count) = self.counts.get_mut(cell(z)) {
            *count += self.unit;
        }
        self.total += self.unit;
        self.unit *= self.growth;
        // Weights are rescaled before they overflow.
        if self.unit > 1e100 {
            for count in &mut self.counts {
                *count /= self.unit;
            }
            self.total /= self.unit;
            self.unit = 1.0;
        }
    }

    /// Recomputes the distribution from all errors added.
    pub(super) fn refresh(&mut self) {
        let mut above = 0.0;
        let whole = self.total.max(self.unit);
        for (count, exceeding) in self.counts.iter().zip(&mut self.exceeding).rev() {
            above += count;
            *exceeding = above / whole;
        }
    }

    /// Returns the total weight in units of a new error.
    pub(super) fn weight(&self) -> f64 {
        self.total / self.unit
    }

    /// Returns P(error > z), linear within a cell.
    pub(super) fn exceeds(&self, z: f64) -> f64 {
        let place = (z - LOWEST_EDGE) / CELL_WIDTH;
        if place.is_nan() || place <= 0.0 {
            return 1.0;
        }
        let cell = whole(place);
        if cell >= CELLS {
            let out = place - cell_edge(CELLS);
            return BEYOND_SHARE / (1.0 + out * CELL_WIDTH) * self.exceeding[CELLS + 1];
        }
        let inside = place - cell_edge(cell);
        self.exceeding[cell + 1] * (1.0 - inside) + self.exceeding[cell + 2] * inside
    }
}

fn cell(z: f64) -> usize {
    let place = (z - LOWEST_EDGE) / CELL_WIDTH;
    if place.is_nan() || place < 0.0 { 0 } else { (whole(place) + 1).min(CELLS + 1) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates at both ends")]
fn whole(place: f64) -> usize {
    place as usize
}

#[expect(clippy::cast_precision_loss, reason = "at most a few hundred cells")]
fn cell_edge(cell: usize) -> f64 {
    cell as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ErrorTail;

    #[test]
    fn is_the_share_of_errors_above() {
        let mut tail = ErrorTail::new(1e12);
        for i in 0..1000 {
            tail.add(f64::from(i) / 100.0);
        }
        tail.refresh();
        for (z, expected) in [(-9.0, 1.0), (0.0, 1.0), (2.5, 0.75), (9.0, 0.1), (10.0, 0.0), (1e9, 0.0)] {
            assert!((tail.exceeds(z) - expected).abs() < 2e-3, "{z}: {}", tail.exceeds(z));
        }
    }

    #[test]
    fn old_errors_fade() {
        let mut tail = ErrorTail::new(50.0);
        (0..1000).for_each(|_| tail.add(5.0));
        (0..500).for_each(|_| tail.add(-1.0));
        tail.refresh();
        assert!(tail.exceeds(1.0) < 1e-4);
        // 1/(1 − 49/50) errors; the newest already has weight 49/50.
        assert!((tail.weight() - 49.0).abs() < 0.1, "{}", tail.weight());
    }

    proptest! {
        #[test]
        fn falls_from_one_to_zero(errors in prop::collection::vec(-20.0f64..60.0, 1..60), a in -30.0f64..80.0, b in -30.0f64..80.0) {
            let mut tail = ErrorTail::new(100.0);
            errors.iter().for_each(|&z| tail.add(z));
            tail.refresh();
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(tail.exceeds(low) >= tail.exceeds(high) - 1e-12);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&tail.exceeds(low)));
        }
    }
}
