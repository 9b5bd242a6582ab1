//! Chooses the smoothing factor of the quick level, and whether the seasons help, by comparing eight predictions.

/// Smoothing factors of the levels.
const ALPHAS: [f64; 4] = [0.9, 0.5, 0.2, 0.06];
const N: usize = 2 * ALPHAS.len();
/// Number of values after which the weight of an error is 1/e, and number of values between two choices.
const MEMORY: f64 = 4_000.0;
const EVERY: u32 = 64;
/// Limit of one error, in mean errors, so that an incident does not decide the choice.
const HELD: f64 = 5.0;
/// The choice changes when another prediction has less than this share of the current one's error.
const BETTER: f64 = 0.97;

/// Levels at four paces, with and without the seasonal profile, and their mean absolute errors.
///
/// # Reference
/// Trigg & Leach (1967), Exponential smoothing with an adaptive response rate. Deviates: the
/// factor is the one of four with the smallest past error.
#[derive(Debug, Clone)]
pub(crate) struct Bank {
    /// The first half predicts with the seasons, the second without.
    levels: [f64; N],
    errors: [f64; N],
    seen: f64,
    since: u32,
    chosen: usize,
}

impl Bank {
    pub(crate) fn new() -> Self {
        Self { levels: [0.0; N], errors: [0.0; N], seen: 0.0, since: 0, chosen: 1 }
    }

    /// Smoothing factor of the chosen prediction.
    pub(crate) fn alpha(&self) -> f64 {
        ALPHAS[self.chosen % ALPHAS.len()]
    }

    /// Whether the chosen prediction uses the seasons.
    pub(crate) fn is_seasonal(&self) -> bool {
        self.chosen < ALPHAS.len()
    }

    /// Learns a value with the seasonal part `base`; returns whether the choice changes.
    pub(crate) fn push(&mut self, value: f64, base: f64) -> bool {
        // The first value sets every level.
        if self.seen < 0.5 {
            for (k, level) in self.levels.iter_mut().enumerate() {
                *level = if k < ALPHAS.len() { value - base } else { value };
            }
        }
        self.seen += 1.0;
        let rate = if self.seen < MEMORY { 1.0 / self.seen } else { 1.0 / MEMORY };
        for k in 0..N {
            let rest = if k < ALPHAS.len() { value - base } else { value };
            let error = rest - self.levels[k];
            self.levels[k] += ALPHAS[k % ALPHAS.len()] * error;
            // The first ten errors set the mean that later errors are limited by.
            let held = if self.seen < 10.0 { error.abs() } else { error.abs().min(HELD * self.errors[k]) };
            self.errors[k] += rate * (held - self.errors[k]);
        }
        self.since += 1;
        if self.since < EVERY {
            return false;
        }
        self.since = 0;
        let best = (0..N).fold(0, |best, k| if self.errors[k] < self.errors[best] { k } else { best });
        let changes = best != self.chosen && self.errors[best] < BETTER * self.errors[self.chosen];
        if changes {
            self.chosen = best;
        }
        changes
    }
}
