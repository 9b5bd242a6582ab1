//! Weighted ridge autoregression on lags and on means of short windows around seasonal lags.

use crate::stats::solve_spd;

/// One regressor: the mean of `width` values, the newest of which is `lag` steps before the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Regressor {
    pub lag: usize,
    pub width: usize,
}

impl Regressor {
    /// Returns the lag of the oldest value in use.
    const fn reach(self) -> usize {
        self.lag + self.width - 1
    }
}

/// A weighted ridge autoregression, iterated for longer horizons.
///
/// The regressors are lags 1–3 and lags around multiples of each season. For a season of many steps, means over a 24th
/// of it replace single values. Weights decay exponentially into the past.
#[derive(Debug, Clone)]
pub(crate) struct RidgeAr {
    pub seasons: Vec<usize>,
    /// Age in steps at which a row's weight is 1/e.
    pub decay: f64,
    /// Ridge penalty as a share of the sum of weights, for regressors of unit variance.
    pub ridge: f64,
    /// Maximum number of rows; longer histories are thinned evenly.
    pub max_rows: usize,
}

/// Parameters of a fitted [`RidgeAr`].
#[derive(Debug, Clone)]
pub(crate) struct FittedRidgeAr {
    regressors: Vec<Regressor>,
    /// Coefficients on sums: each is divided by the width of its regressor.
    coefficients: Vec<f64>,
    intercept: f64,
    /// Largest lag in use.
    reach: usize,
    /// Range of forecasts: that of the history, plus half of it on each side.
    low: f64,
    high: f64,
}

impl RidgeAr {
    /// Fits on `z`, finite throughout; `None` when it is too short for one regressor or the system is singular.
    pub(crate) fn fit(&self, z: &[f64]) -> Option<FittedRidgeAr> {
        let n = z.len();
        let regressors = regressors(&self.seasons, n)?;
        let p = regressors.len();
        let reach = regressors.iter().map(|r| r.reach()).max()?;
        let sums = prefix_sums(z);
        let rows = n - reach;
        let stride = rows.div_ceil(self.max_rows.max(1)).max(1);
        let d = p + 1;
        // Normal equations, accumulated row by row from the newest; only the lower triangle of `gram` is filled.
        let mut gram = vec![0.0; d * d];
        let mut moment = vec![0.0; d];
        let mut row = vec![0.0; d];
        let mut total = 0.0;
        let mut t = n;
        while t > reach {
            t -= 1;
            let weight = (-((n - 1 - t) as f64) / self.decay).exp();
            fill_row(&regressors, &sums, t, &mut row[..p]);
            row[p] = 1.0;
            for i in 0..d {
                let w_i = weight * row[i];
                moment[i] += w_i * z[t];
                for (g, x) in gram[i * d..=i * d + i].iter_mut().zip(&row) {
                    *g += w_i * x;
                }
            }
            total += weight;
            if t < reach + stride {
                break;
            }
            t = t + 1 - stride;
        }
        let mean = moment[p] / total;
        let variance: f64 = {
            let tail = &z[reach..];
            tail.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / tail.len() as f64
        };
        if variance <= 0.0 {
            return None;
        }
        for i in 0..p {
            gram[i * d + i] += self.ridge * total * variance;
        }
        gram[p * d + p] += 1e-9 * total;
        if !solve_spd(&mut gram, &mut moment) {
            return None;
        }
        let intercept = moment.pop()?;
        let (min, max) = z.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        let slack = 0.5 * (max - min);
        for (c, r) in moment.iter_mut().zip(&regressors) {
            *c /= r.width as f64;
        }
        Some(FittedRidgeAr { regressors, coefficients: moment, intercept, reach, low: min - slack, high: max + slack })
    }
}

impl FittedRidgeAr {
    /// Returns the `horizon` steps after a history given by its prefix sums (one longer than it). Forecasts replace the
    /// values that are not yet known.
    pub(crate) fn forecast(&self, sums: &[f64], horizon: usize) -> Vec<f64> {
        // Copy only what the regressors reach, so that the cost does not depend on the history length.
        let reach = self.reach.min(sums.len() - 1);
        let mut work: Vec<f64> = Vec::with_capacity(reach + 1 + horizon);
        work.extend_from_slice(&sums[sums.len() - 1 - reach..]);
        let mut out = Vec::with_capacity(horizon);
        for t in reach..reach + horizon {
            let mut value = self.intercept;
            for (r, c) in self.regressors.iter().zip(&self.coefficients) {
                let end = (t + 1).saturating_sub(r.lag);
                let start = end.saturating_sub(r.width);
                value += c * (work[end] - work[start]);
            }
            let value = value.clamp(self.low, self.high);
            work.push(work[t] + value);
            out.push(value);
        }
        out
    }
}

/// Returns the running sums of `z`, starting with 0: one longer than `z`.
pub(crate) fn prefix_sums(z: &[f64]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(z.len() + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for v in z {
        sum += v;
        sums.push(sum);
    }
    sums
}

fn fill_row(regressors: &[Regressor], sums: &[f64], t: usize, row: &mut [f64]) {
    for (x, r) in row.iter_mut().zip(regressors) {
        let end = t + 1 - r.lag;
        *x = (sums[end] - sums[end - r.width]) / r.width as f64;
    }
}

/// Returns the regressors for these seasons. Those with the longest lags are dropped until a history of `n` values has
/// enough rows; `None` when none is left.
fn regressors(seasons: &[usize], n: usize) -> Option<Vec<Regressor>> {
    let mut all: Vec<Regressor> = Vec::new();
    let mut add = |lag: usize, width: usize| {
        if lag >= 1 {
            all.push(Regressor { lag, width });
        }
    };
    for lag in 1..=3 {
        add(lag, 1);
    }
    for (i, &m) in seasons.iter().enumerate() {
        let width = (m / 24).max(1);
        let around = |k: usize, j: isize| (k * m).checked_add_signed(j * width as isize - (width as isize - 1) / 2);
        if width > 1 {
            add(1, width / 4 + 1);
            add(1, width);
            add(1, 3 * width);
            for k in 1..=2 {
                add(k * m, 1);
            }
        }
        let next = seasons.get(i + 1).copied();
        for j in -2..=2 {
            if let Some(lag) = around(1, j) {
                add(lag, width);
            }
        }
        let spans = if next.is_some() { 8 } else { 2 };
        for k in 2..=spans {
            // The next longer season adds its own regressors there.
            if next.is_some_and(|next| (k * m).abs_diff(next) <= 2 * width) {
                continue;
            }
            for j in if k == 2 { -1..=1 } else { 0..=0 } {
                if let Some(lag) = around(k, j) {
                    add(lag, width);
                }
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    loop {
        let reach = all.iter().map(|r| r.reach()).max()?;
        if n > reach && n - reach >= (3 * all.len()).max(10) {
            return Some(all);
        }
        all.retain(|r| r.reach() < reach);
    }
}
