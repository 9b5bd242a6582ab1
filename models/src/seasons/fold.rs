//! Folds a series over a period: the share of its variance that repeats, its profile, and its removal.

use crate::stats::{WindowMeans, mad};

/// Maximum number of bins per period, so that noise averages out in long periods.
const MAX_BINS: usize = 48;
/// Maximum number of bins of a profile.
const MAX_PROFILE: usize = 4_096;
/// Limit of departures in robust standard deviations, so that incidents do not hide a season. Tried values:
/// `docs/tuning/forecast.md`.
const HELD: f64 = 3.0;
/// Maximum number of values for the estimate of a scale: 1,024 give a relative error of 4 %. `GOLDEN`: the fractions of
/// its multiples are evenly distributed.
const SAMPLED: usize = 1_024;
const GOLDEN: f64 = 0.618_033_988_749_894_9;
/// Mean square below which the remainder of a series of range 1 is rounding error.
const ROUNDING: f64 = 1e-20;

/// Result of folding over a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Repeat {
    /// Share of the folded variance that cycles have in common; about 0 when nothing repeats.
    pub share: f64,
    /// Standard deviation of that share when nothing repeats.
    pub noise: f64,
}

/// Folds `x` (NaN in gaps), minus a centred mean over one `period`, and correlates each cycle with the mean of the
/// others. Patterns with the periods `shorter` are removed first. `None` when fewer than two cycles have enough values
/// or only rounding error is left.
///
/// The mean product of a cycle with the others is unbiased for any number of cycles. Its standard deviation follows
/// from the number of cycles and the effective number of values in one, given the autocorrelation of the residuals.
pub(crate) fn repeat(x: &[f64], period: f64, shorter: &[f64]) -> Option<Repeat> {
    let bins = bins(period);
    let mut flat = held(x, period);
    for &p in shorter {
        let folding = Folding::of_steps(x.len(), p);
        let profile = folding.profile(&flat);
        folding.subtract(&mut flat, &profile);
    }
    let folding = Folding::new(x.len(), period, bins);
    if folding.cycles < 2 {
        return None;
    }
    let means = folding.means(&flat);
    let (sum, count) = over_cycles(&means, bins);
    let (mut common, mut total, mut seen) = (0.0, 0.0, 0.0);
    let mut rest = vec![f64::NAN; means.len()];
    for (means, rest) in means.chunks(bins).zip(rest.chunks_mut(bins)) {
        for (b, v) in means.iter().enumerate().filter(|(b, v)| v.is_finite() && count[*b] >= 2.0) {
            common += v * (sum[b] - v) / (count[b] - 1.0);
            total += v * v;
            seen += 1.0;
            rest[b] = v - sum[b] / count[b];
        }
    }
    if total <= ROUNDING * seen || seen < 1.5 * bins as f64 {
        return None;
    }
    // Effective number of independent bins of a first-order autoregression.
    let alike = lag_one(&rest);
    let worth = (bins as f64 * (1.0 - alike) / (1.0 + alike)).clamp(2.0, bins as f64);
    let c = seen / bins as f64;
    Some(Repeat { share: common / total, noise: (2.0 / (c * (c - 1.0) * worth)).sqrt() })
}

/// Returns the autocorrelation at lag 1, clamped to [0, 0.99]; pairs with a gap are left out.
fn lag_one(x: &[f64]) -> f64 {
    let (mut lagged, mut square) = (0.0, 0.0);
    for pair in x.windows(2).filter(|p| p[0].is_finite() && p[1].is_finite()) {
        lagged += pair[0] * pair[1];
        square += 0.5 * (pair[0] * pair[0] + pair[1] * pair[1]);
    }
    if square > 0.0 { (lagged / square).clamp(0.0, 0.99) } else { 0.0 }
}

/// Returns the share of the power repeating with `long` that also repeats with `short`, where `long` is `whole` times
/// `short`: near 1 for a daily pattern with slightly lower weekends, 1/7 for a pattern on one day of the week. `None`
/// when nothing repeats.
pub(crate) fn common_share(x: &[f64], short: f64, long: f64, whole: usize) -> Option<f64> {
    let bins = bins(short).min((MAX_PROFILE / whole).max(2));
    let means = Folding::new(x.len(), long, bins * whole).means(&held(x, short));
    let power = |bins: usize| {
        let (sum, count) = over_cycles(&means, bins);
        let products = means.iter().enumerate().filter(|(i, v)| v.is_finite() && count[i % bins] >= 2.0);
        let (p, n) = products
            .fold((0.0, 0.0), |(p, n), (i, v)| (p + v * (sum[i % bins] - v) / (count[i % bins] - 1.0), n + 1.0));
        if n > 0.0 { p / n } else { 0.0 }
    };
    let all = power(bins * whole);
    (all > 0.0).then(|| power(bins) / all)
}

/// Removes the pattern with `period` from `x`.
pub(crate) fn remove(x: &mut [f64], period: f64) {
    let folding = Folding::of_steps(x.len(), period);
    // Beside gaps and incidents the moving mean is biased by the season: the second round corrects that.
    for _ in 0..2 {
        let flat = detrend(x, period);
        folding.subtract(x, &held_profile(flat, &folding));
    }
}

/// Returns the mean over all cycles of `flat` at each step of a period, with departures from it clamped to [`HELD`].
fn held_profile(mut flat: Vec<f64>, folding: &Folding) -> Vec<f64> {
    let mut profile = folding.profile(&flat);
    folding.subtract(&mut flat, &profile);
    let most = HELD * scale(&flat);
    flat.iter_mut().for_each(|v| *v -= v.clamp(-most, most));
    let excess = folding.profile(&flat);
    profile.iter_mut().zip(excess).for_each(|(p, e)| *p -= e);
    profile
}

/// Returns `x` minus its centred mean over one `period`, clamped to [`HELD`], so that a few incidents do not hide a
/// pattern.
pub(crate) fn held(x: &[f64], period: f64) -> Vec<f64> {
    let mut flat = detrend(x, period);
    let most = HELD * scale(&flat);
    flat.iter_mut().for_each(|v| *v = v.clamp(-most, most));
    // Clamping one side more than the other leaves a mean, which all cycles would have in common: remove it.
    detrend(&flat, period)
}

/// Returns a robust scale: the median absolute deviation, or the mean one where more than half of the values are equal.
/// Long series are sampled at evenly scattered places, to avoid aliasing with any period.
fn scale(x: &[f64]) -> f64 {
    let scattered: Vec<f64>;
    let x = if x.len() > SAMPLED {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the length")]
        let place = |k: usize| ((k as f64 * GOLDEN).fract() * x.len() as f64) as usize;
        scattered = (0..SAMPLED).filter_map(|k| x.get(place(k)).copied()).collect();
        &scattered[..]
    } else {
        x
    };
    match mad(x) {
        Some(scale) if scale > 0.0 => scale,
        _ => {
            let (sum, n) = x.iter().filter(|v| v.is_finite()).fold((0.0, 0.0), |(s, n), v| (s + v.abs(), n + 1.0));
            if n > 0.0 { sum / n } else { 0.0 }
        }
    }
}

/// The bin of each step of a folded series, counted over all cycles. Computed once per period, because it costs a
/// division per step.
struct Folding {
    bins: usize,
    cycles: usize,
    /// Bin of each step, ascending.
    places: Vec<u32>,
}

impl Folding {
    /// Folds `n` steps, with `bins` bins per `period`.
    fn new(n: usize, period: f64, bins: usize) -> Self {
        let wide = bins as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 ≤ turns ≤ n and 0 ≤ fraction < 1; bins are hardly more than steps"
        )]
        let place = |t: usize| {
            let turns = t as f64 / period;
            let cycle = turns as i64;
            let bin = (((turns - cycle as f64) * wide + 1e-9) as i64).min(bins as i64 - 1);
            (cycle * bins as i64 + bin) as u32
        };
        let places: Vec<u32> = (0..n).map(place).collect();
        let cycles = places.last().map_or(0, |last| *last as usize / bins + 1);
        Self { bins, cycles, places }
    }

    /// Folds with one bin per step of the period, at most [`MAX_PROFILE`].
    fn of_steps(n: usize, period: f64) -> Self {
        Self::new(n, period, round(period).clamp(2, MAX_PROFILE))
    }

    /// Returns the mean of each bin of each cycle; NaN for an empty bin.
    fn means(&self, x: &[f64]) -> Vec<f64> {
        let mut means = vec![f64::NAN; self.cycles * self.bins];
        // Places ascend, so the values of one bin are consecutive.
        let (mut at, mut sum, mut count) = (0, 0.0, 0.0);
        for (v, place) in x.iter().zip(&self.places).filter(|(v, _)| v.is_finite()) {
            if *place != at {
                if count > 0.0 {
                    means[at as usize] = sum / count;
                }
                (at, sum, count) = (*place, 0.0, 0.0);
            }
            sum += v;
            count += 1.0;
        }
        if count > 0.0 {
            means[at as usize] = sum / count;
        }
        means
    }

    /// Returns the mean of each bin over all cycles; 0 for an empty bin.
    fn profile(&self, x: &[f64]) -> Vec<f64> {
        let (sum, count) = over_cycles(&self.means(x), self.bins);
        sum.iter().zip(&count).map(|(s, &c)| if c > 0.0 { s / c } else { 0.0 }).collect()
    }

    /// Subtracts from each value of `x` the entry of its bin in `profile`, which is one cycle long.
    fn subtract(&self, x: &mut [f64], profile: &[f64]) {
        let mut start = 0;
        for (v, place) in x.iter_mut().zip(&self.places) {
            let place = *place as usize;
            while place >= start + self.bins {
                start += self.bins;
            }
            *v -= profile[place - start];
        }
    }
}

/// Returns the sum and the number of the finite means of each bin over all cycles.
fn over_cycles(means: &[f64], bins: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut sum, mut count) = (vec![0.0; bins], vec![0.0; bins]);
    for cycle in means.chunks(bins) {
        for ((v, sum), count) in cycle.iter().zip(&mut sum).zip(&mut count).filter(|((v, _), _)| v.is_finite()) {
            *sum += v;
            *count += 1.0;
        }
    }
    (sum, count)
}

fn bins(period: f64) -> usize {
    round(period).clamp(2, MAX_BINS)
}

fn round(period: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "periods are positive and below 2^53")]
    let rounded = period.round() as usize;
    rounded
}

/// Returns `x` minus its mean over a window of `width` centred on each value; near the ends, over the nearest full
/// window.
pub(crate) fn detrend(x: &[f64], width: f64) -> Vec<f64> {
    let n = x.len();
    let width = round(width).clamp(1, n.max(1));
    let half = width / 2;
    if n == 0 || !x.iter().all(|v| v.is_finite()) {
        let means = WindowMeans::new(x);
        let start = |t: usize| t.saturating_sub(half).min(n - width);
        return x.iter().enumerate().map(|(t, v)| v - means.mean(start(t)..start(t) + width)).collect();
    }
    // Fast path without gaps: every window has the same number of values.
    let mut sums = vec![0.0; n + 1];
    let mut sum = 0.0;
    for (v, sums) in x.iter().zip(&mut sums[1..]) {
        sum += v;
        *sums = sum;
    }
    let wide = width as f64;
    let ends = half + n - width;
    let (first, last) = (sums[width] / wide, (sums[n] - sums[n - width]) / wide);
    let mut out = Vec::with_capacity(n);
    out.extend(x[..half].iter().map(|v| v - first));
    out.extend(x[half..=ends].iter().zip(&sums).zip(&sums[width..]).map(|((v, low), high)| v - (high - low) / wide));
    out.extend(x[ends + 1..].iter().map(|v| v - last));
    out
}
