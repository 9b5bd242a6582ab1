//! Seasonal profile: means by phase with decaying weights, plus a smoothed recent level.

/// Decayed means by phase of the longest season, shrunk towards those of the shorter seasons where cycles are few.
#[derive(Debug, Clone)]
pub(crate) struct SeasonalProfile {
    pub seasons: Vec<usize>,
    /// Weight of a cycle relative to the following one.
    pub keep: f64,
    /// Prior weight, in cycles, of the shorter season's profile.
    pub shrink: f64,
}

/// A fitted [`SeasonalProfile`]; phases count from the start of the fitted series.
#[derive(Debug, Clone)]
pub(crate) struct FittedProfile {
    profile: Vec<f64>,
    /// Smoothing constant of the level, as in simple exponential smoothing.
    alpha: f64,
}

impl SeasonalProfile {
    /// Fits on `z`, finite throughout and not empty. The smoothing constant of the level minimises the error up to
    /// `horizon` steps ahead.
    pub(crate) fn fit(&self, z: &[f64], horizon: usize) -> FittedProfile {
        let n = z.len();
        let seasons: Vec<usize> = self.seasons.iter().copied().filter(|&m| n >= m).collect();
        let trend = centred_mean(z, seasons.last().copied().unwrap_or(n));
        let mut profile = vec![0.0];
        // Shortest first: each profile is the prior of the next longer one.
        for &period in &seasons {
            let mut sum: Vec<f64> = vec![0.0; period];
            let mut weight = vec![0.0; period];
            let mut w = 1.0;
            for (age, t) in (0..n).rev().enumerate() {
                if age > 0 && age % period == 0 {
                    w *= self.keep;
                }
                sum[t % period] += w * (z[t] - trend[t]);
                weight[t % period] += w;
            }
            let wide = smooth_width(period);
            if wide > 1 {
                sum = smooth_circular(&sum, wide);
                weight = smooth_circular(&weight, wide);
            }
            let base = profile;
            profile = (0..period)
                .map(|phase| (sum[phase] + self.shrink * base[phase % base.len()]) / (weight[phase] + self.shrink))
                .collect();
        }
        let mut fitted = FittedProfile { profile, alpha: 1.0 };
        let rest: Vec<f64> = z.iter().enumerate().map(|(t, v)| v - fitted.at(t)).collect();
        fitted.alpha = best_alpha(&rest, horizon, seasons.first().copied().unwrap_or(24));
        fitted
    }
}

impl FittedProfile {
    /// Returns the profile's value for step `t` since the start of the fitted series.
    pub(crate) fn at(&self, t: usize) -> f64 {
        self.profile[t % self.profile.len()]
    }

    /// Returns the smoothed distance of `z` from the profile. `z` is not empty and starts where the fitted series
    /// started.
    pub(crate) fn level(&self, z: &[f64]) -> f64 {
        let (mut sum, mut weight, mut w) = (0.0, 0.0, 1.0);
        for (t, v) in z.iter().enumerate().rev() {
            sum += w * (v - self.at(t));
            weight += w;
            w *= 1.0 - self.alpha;
            if w < 1e-4 {
                break;
            }
        }
        sum / weight
    }

    /// Returns the level after one more value, at step `t` since the start of the fitted series.
    pub(crate) fn next_level(&self, level: f64, value: f64, t: usize) -> f64 {
        level + self.alpha * (value - self.at(t) - level)
    }

    /// Returns the course from step `origin`, counted from the start of the fitted series, at this level.
    pub(crate) fn forecast(&self, origin: usize, level: f64, horizon: usize) -> Vec<f64> {
        (origin..origin + horizon).map(|t| self.at(t) + level).collect()
    }
}

/// Returns the smoothing constant with the least mean absolute error on `rest`, at leads from 1 to `horizon`.
fn best_alpha(rest: &[f64], horizon: usize, season: usize) -> f64 {
    let m = season as f64;
    let leads = [1 + horizon / 8, 1 + horizon / 2, horizon.max(1)];
    let mut best = (f64::INFINITY, 1.0);
    for alpha in [0.9, 0.5, 4.0 / m, 1.0 / m, 0.25 / m, 0.05 / m].map(|a| a.clamp(1e-5, 0.9)) {
        let (mut level, mut loss, mut weight, mut w) = (rest[0], 0.0, 0.0, 1e-300);
        // Later errors weigh more: the weight falls to 1/e over a fifth of the history.
        let grow = (5.0 / rest.len() as f64).exp();
        let burn = rest.len() / 5;
        for t in 0..rest.len() {
            level += alpha * (rest[t] - level);
            if t < burn {
                continue;
            }
            w *= grow;
            for &lead in &leads {
                if let Some(actual) = rest.get(t + lead) {
                    loss += w * (actual - level).abs();
                    weight += w;
                }
            }
        }
        if weight > 0.0 && loss / weight < best.0 {
            best = (loss / weight, alpha);
        }
    }
    best.1
}

/// Returns the mean over a window of `width` centred on each value; near the ends, over the nearest full window.
fn centred_mean(z: &[f64], width: usize) -> Vec<f64> {
    let n = z.len();
    let width = width.clamp(1, n);
    let sums = super::prefix_sums(z);
    (0..n)
        .map(|t| {
            let start = t.saturating_sub(width / 2).min(n - width);
            (sums[start + width] - sums[start]) / width as f64
        })
        .collect()
}

/// Returns the number of phases to average in a season of many steps: a 96th of it, odd.
fn smooth_width(period: usize) -> usize {
    let width = period / 96;
    if width > 1 { width | 1 } else { 1 }
}

/// Returns the centred mean over `width` (odd) entries of a ring.
fn smooth_circular(ring: &[f64], width: usize) -> Vec<f64> {
    let n = ring.len();
    let half = width / 2;
    let mut sum: f64 = (0..width).map(|k| ring[(n + k - half) % n]).sum();
    let mut out = Vec::with_capacity(n);
    for i in 0..n {
        out.push(sum / width as f64);
        sum += ring[(i + half + 1) % n] - ring[(i + n - half) % n];
    }
    out
}
