//! Short predictions tried side by side: which level, and whether the seasons help.

/// Shares of a departure that a level takes over.
const ALPHAS: [f64; 4] = [0.9, 0.5, 0.2, 0.06];
const N: usize = 2 * ALPHAS.len();
/// Values after which an error counts 1/e, and between two choices.
const MEMORY: f64 = 4_000.0;
const EVERY: u32 = 64;
/// An error counts up to this many mean errors, so that an incident chooses nothing.
const HELD: f64 = 5.0;
/// Another prediction is taken when its error is less than this share of the one in use.
const BETTER: f64 = 0.97;

/// Levels at four paces, with and without the seasonal profile, and their mean absolute errors.
///
/// # Reference
/// Trigg & Leach (1967), Exponential smoothing with an adaptive response rate. Deviates: paces are chosen among few by
/// what each would have foretold.
#[derive(Debug, Clone)]
pub(crate) struct Bank {
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

    /// Pace of the prediction in use.
    pub(crate) fn alpha(&self) -> f64 {
        ALPHAS[self.chosen % ALPHAS.len()]
    }

    /// Whether it takes the season from the values.
    pub(crate) fn is_seasonal(&self) -> bool {
        self.chosen < ALPHAS.len()
    }

    /// Learns a value of which the season has `base`; true when another prediction is in use from now on.
    pub(crate) fn push(&mut self, value: f64, base: f64) -> bool {
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
