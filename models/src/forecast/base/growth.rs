//! Damped growth from one season to the next.

/// Continues values one season ago with their recent growth over a season, damped.
#[derive(Debug, Clone)]
pub(crate) struct Growth {
    pub seasons: Vec<usize>,
}

/// A fitted [`Growth`].
#[derive(Debug, Clone)]
pub(crate) struct FittedGrowth {
    season: usize,
    /// Shortest season in steps: the window of the growth, and the time over which it is damped by `rho`.
    short: usize,
    /// Autocorrelation of the growth at a distance of `short` steps.
    rho: f64,
    /// Limit on the absolute growth.
    most: f64,
}

impl Growth {
    /// Fits on `z`, finite throughout; `None` without a season of which `z` has more than two.
    pub(crate) fn fit(&self, z: &[f64]) -> Option<FittedGrowth> {
        let season = self.seasons.iter().rev().copied().find(|&m| z.len() > 2 * m + 2)?;
        let short = self.seasons.first().copied()?;
        let mut growth = seasonal_growth(z, season, short);
        let (mut xy, mut xx) = (0.0, 0.0);
        for t in short..growth.len() {
            xy += growth[t] * growth[t - short];
            xx += growth[t - short] * growth[t - short];
        }
        // Least squares, limited so that growth neither reverses nor persists without damping.
        let rho = if xx > 0.0 { (xy / xx).clamp(0.0, 0.95) } else { 0.0 };
        growth.iter_mut().for_each(|g| *g = g.abs());
        let most = 3.0 * crate::stats::median(&growth)?;
        Some(FittedGrowth { season, short, rho, most })
    }
}

/// Returns means over `width` steps of the difference to one season before.
fn seasonal_growth(z: &[f64], season: usize, width: usize) -> Vec<f64> {
    let difference: Vec<f64> = (season..z.len()).map(|t| z[t] - z[t - season]).collect();
    let sums = super::prefix_sums(&difference);
    (width..sums.len()).map(|t| (sums[t] - sums[t - width]) / width as f64).collect()
}

impl FittedGrowth {
    /// Forecasts the `horizon` steps after `z`.
    pub(crate) fn forecast(&self, z: &[f64], horizon: usize) -> Vec<f64> {
        let (n, m) = (z.len(), self.season);
        let recent: Vec<f64> = (n.saturating_sub(self.short).max(m)..n).map(|t| z[t] - z[t - m]).collect();
        let growth = crate::stats::mean(&recent).unwrap_or(0.0).clamp(-self.most, self.most);
        let mut out: Vec<f64> = Vec::with_capacity(horizon);
        for k in 0..horizon {
            let damped = self.rho.powf(0.5 + (k as f64 + 1.0) / (2.0 * self.short as f64));
            let base = if k < m { z[n - m + k] } else { out[k - m] };
            out.push(base + growth * damped);
        }
        out
    }
}
