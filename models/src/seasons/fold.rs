//! Folding a series over a period: how much of it repeats, and what it looks like.

/// Bins a period is folded into at most, so that noise averages out of long ones.
const MAX_BINS: usize = 48;

/// What folding says of a period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Repeat {
    /// Share of the folded variance that each cycle has in common with the others; about 0 when nothing repeats.
    pub share: f64,
    /// Standard deviation of that share when nothing repeats.
    pub noise: f64,
}

/// Folds `x` (NaN in gaps), less a centred mean over one `period`, and correlates each cycle with the mean of the
/// others. `None` when fewer than two cycles hold enough values.
///
/// The mean product of a cycle with the others is free of bias however few they are; its spread follows from the
/// number of cycles and from how many values a cycle is worth, given how alike neighbouring residuals are.
pub(crate) fn repeat(x: &[f64], period: f64) -> Option<Repeat> {
    let bins = bins(period);
    let (means, cycles) = fold(&detrend(x, period), period, bins);
    if cycles < 2 {
        return None;
    }
    let (mut sum, mut count) = (vec![0.0; bins], vec![0.0; bins]);
    for (i, v) in means.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        sum[i % bins] += v;
        count[i % bins] += 1.0;
    }
    let (mut common, mut total, mut seen) = (0.0, 0.0, 0.0);
    let mut rest = vec![f64::NAN; means.len()];
    for (i, v) in means.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let b = i % bins;
        if count[b] >= 2.0 {
            common += v * (sum[b] - v) / (count[b] - 1.0);
            total += v * v;
            seen += 1.0;
            rest[i] = v - sum[b] / count[b];
        }
    }
    if total <= 0.0 || seen < 1.5 * bins as f64 {
        return None;
    }
    let (mut lagged, mut square, mut pairs) = (0.0, 0.0, 0.0);
    for pair in rest.windows(2).filter(|p| p[0].is_finite() && p[1].is_finite()) {
        lagged += pair[0] * pair[1];
        square += 0.5 * (pair[0] * pair[0] + pair[1] * pair[1]);
        pairs += 1.0;
    }
    let alike = if pairs > 0.0 && square > 0.0 { (lagged / square).clamp(0.0, 0.99) } else { 0.0 };
    let worth = (bins as f64 * (1.0 - alike) / (1.0 + alike)).clamp(2.0, bins as f64);
    let c = seen / bins as f64;
    Some(Repeat { share: common / total, noise: (2.0 / (c * (c - 1.0) * worth)).sqrt() })
}

/// Removes from `x` what repeats with `period`.
pub(crate) fn remove(x: &mut [f64], period: f64) {
    let bins = round(period).clamp(2, 4_096);
    let (means, _) = fold(&detrend(x, period), period, bins);
    let (mut sum, mut count) = (vec![0.0; bins], vec![0.0; bins]);
    for (i, v) in means.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        sum[i % bins] += v;
        count[i % bins] += 1.0;
    }
    for (t, v) in x.iter_mut().enumerate() {
        let b = bin(t, period, bins).1;
        if count[b] > 0.0 {
            *v -= sum[b] / count[b];
        }
    }
}

fn bins(period: f64) -> usize {
    round(period).clamp(2, MAX_BINS)
}

fn round(period: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "periods are positive and below 2^53")]
    let rounded = period.round() as usize;
    rounded
}

/// The cycle and the bin of step `t`.
fn bin(t: usize, period: f64, bins: usize) -> (usize, usize) {
    let turns = t as f64 / period;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ turns ≤ t")]
    let cycle = turns.floor() as usize;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ≤ fraction < 1")]
    let b = ((turns - turns.floor()) * bins as f64 + 1e-9) as usize;
    (cycle, b.min(bins - 1))
}

/// Mean of each bin of each cycle, NaN where it holds nothing, and the number of cycles that are begun.
fn fold(x: &[f64], period: f64, bins: usize) -> (Vec<f64>, usize) {
    let cycles = x.len().checked_sub(1).map_or(0, |last| bin(last, period, bins).0 + 1);
    let mut sum = vec![0.0; cycles * bins];
    let mut count = vec![0u32; cycles * bins];
    for (t, v) in x.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let (cycle, b) = bin(t, period, bins);
        sum[cycle * bins + b] += v;
        count[cycle * bins + b] += 1;
    }
    let means = sum.iter().zip(&count).map(|(s, &c)| if c > 0 { s / f64::from(c) } else { f64::NAN }).collect();
    (means, cycles)
}

/// `x` less its mean over a window of `width` centred on each value (near the ends: the nearest full window).
pub(crate) fn detrend(x: &[f64], width: f64) -> Vec<f64> {
    let n = x.len();
    let width = round(width).clamp(1, n.max(1));
    let mut sums = Vec::with_capacity(n + 1);
    let mut counts: Vec<u32> = Vec::with_capacity(n + 1);
    let (mut sum, mut count) = (0.0, 0);
    sums.push(sum);
    counts.push(count);
    for v in x {
        if v.is_finite() {
            sum += v;
            count += 1;
        }
        sums.push(sum);
        counts.push(count);
    }
    (0..n)
        .map(|t| {
            let start = t.saturating_sub(width / 2).min(n - width);
            let held = counts[start + width] - counts[start];
            if held == 0 { f64::NAN } else { x[t] - (sums[start + width] - sums[start]) / f64::from(held) }
        })
        .collect()
}
