//! Computes the volume under the precision-recall surface (VUS-PR) as the TSB-AD benchmark defines it.

/// Number of thresholds on each curve, evenly spaced in rank.
const THRESHOLDS: usize = 250;
/// Number of first values from which the sliding window is computed.
const WINDOW_VALUES: usize = 20_000;
/// Largest lag of the autocorrelation.
const LAGS: usize = 400;
/// Smallest lag of the autocorrelation.
const LEAST_LAG: usize = 3;
/// Sliding window when the autocorrelation has no local maximum in range.
const FALLBACK: usize = 125;

/// Returns the sliding window of a series of finite values: the lag of the highest local maximum of its
/// autocorrelation.
///
/// # Reference
/// Liu & Paparrizos (2024), The elephant in the room: towards a reliable time-series anomaly detection benchmark;
/// `find_length_rank` with rank 1 in its code.
#[must_use]
pub fn sliding_window(y: &[f64]) -> usize {
    let y = &y[..y.len().min(WINDOW_VALUES)];
    let n = y.len() as f64;
    let centre = y.iter().sum::<f64>() / n;
    let z: Vec<f64> = y.iter().map(|v| v - centre).collect();
    let product = |lag: usize| z.iter().zip(&z[lag..]).map(|(a, b)| a * b).sum::<f64>();
    let variance = if z.is_empty() { 0.0 } else { product(0) };
    if !(variance > 0.0) {
        return FALLBACK;
    }
    let correlation: Vec<f64> = (LEAST_LAG..=LAGS.min(z.len() - 1)).map(|lag| product(lag) / variance).collect();
    let peaks = (1..correlation.len().saturating_sub(1))
        .filter(|&i| correlation[i] > correlation[i - 1] && correlation[i] > correlation[i + 1]);
    match peaks.max_by(|&a, &b| correlation[a].total_cmp(&correlation[b])) {
        Some(peak) if (3..=300).contains(&peak) => peak + LEAST_LAG,
        _ => FALLBACK,
    }
}

/// Computes VUS-PR of `scores` (higher is more anomalous, none NaN) against `labels` of the same rows. The surface
/// spans buffers of 0 to `window` rows around the labelled runs. `None` when no row or every row is labelled.
///
/// The volume depends on the ranks of the scores alone. Each row stores the first threshold that flags it, so that a
/// curve is a sum over labelled rows and their buffers: a million rows take a fraction of a second.
///
/// # Reference
/// Paparrizos et al. (2022), Volume under the surface, VLDB; `RangeAUC_volume_opt` in TSB-AD's code.
#[must_use]
pub fn vus_pr(labels: &[bool], scores: &[f64], window: usize) -> Option<f64> {
    let runs = super::events::runs(labels);
    let n_labelled = labels.iter().filter(|label| **label).count();
    if runs.is_empty() || n_labelled == labels.len() || labels.len() != scores.len() {
        return None;
    }
    let surface = Surface::new(labels, scores, runs, n_labelled);
    let mut buffer = vec![0.0; labels.len()];
    let volume: f64 = (0..=window).map(|width| surface.area(width, &mut buffer)).sum();
    Some(volume / (window + 1) as f64)
}

/// Data that all curves of a surface share.
struct Surface<'a> {
    labels: &'a [bool],
    /// Labelled runs, both ends inclusive.
    runs: Vec<(usize, usize)>,
    n_labelled: usize,
    /// Index of the first threshold that flags each row.
    called_from: Vec<u16>,
    /// Number of flagged rows at each threshold.
    n_called: Vec<f64>,
    /// Number of flagged and labelled rows at each threshold.
    n_hit: Vec<f64>,
}

impl<'a> Surface<'a> {
    fn new(labels: &'a [bool], scores: &[f64], runs: Vec<(usize, usize)>, n_labelled: usize) -> Self {
        let thresholds = thresholds(scores);
        let called_from: Vec<u16> = scores
            .iter()
            .map(|score| u16::try_from(thresholds.partition_point(|t| t > score)).unwrap_or(u16::MAX))
            .collect();
        let (mut n_called, mut n_hit) = (vec![0.0; THRESHOLDS], vec![0.0; THRESHOLDS]);
        for (&from, &label) in called_from.iter().zip(labels) {
            n_called[usize::from(from)] += 1.0;
            n_hit[usize::from(from)] += f64::from(u8::from(label));
        }
        accumulate(&mut n_called);
        accumulate(&mut n_hit);
        Self { labels, runs, n_labelled, called_from, n_called, n_hit }
    }

    /// Computes the area under one curve with buffers of `width / 2` rows on each side of the labelled runs. `buffer`
    /// is scratch space that is zero before and after the call.
    fn area(&self, width: usize, buffer: &mut [f64]) -> f64 {
        let half = width / 2;
        let near = self.near(width, half, buffer);
        let zones = self.zones(half);
        // Existence reward: the number of zones with a flagged row at each threshold.
        let mut met = vec![0.0; THRESHOLDS];
        for &(first, last) in &zones {
            let earliest = self.called_from[first..=last].iter().min().copied().unwrap_or(u16::MAX);
            if let Some(count) = met.get_mut(usize::from(earliest)) {
                *count += 1.0;
            }
        }
        accumulate(&mut met);
        let (mut area, mut before) = (0.0, 0.0);
        for k in 0..THRESHOLDS {
            let found = self.n_hit[k] + near[k];
            let positive = (2 * self.n_labelled) as f64 + near[k];
            let recall = (found / (0.5 * positive)).min(1.0) * met[k] / zones.len() as f64;
            area += (recall - before) * found / self.n_called[k];
            before = recall;
        }
        area
    }

    /// Returns the weight of the flagged rows in the buffers at each threshold.
    fn near(&self, width: usize, half: usize, buffer: &mut [f64]) -> Vec<f64> {
        let n = self.labels.len();
        let weights: Vec<f64> = (0..=half).map(|d| (1.0 - d as f64 / width.max(1) as f64).sqrt()).collect();
        let around =
            |&(first, last): &(usize, usize)| (first.saturating_sub(half)..first, last + 1..(last + half + 1).min(n));
        for run in &self.runs {
            let (left, right) = around(run);
            right.for_each(|row| buffer[row] += weights[row - run.1]);
            left.for_each(|row| buffer[row] += weights[run.0 - row]);
        }
        let mut near = vec![0.0; THRESHOLDS];
        for run in &self.runs {
            let (left, right) = around(run);
            for row in left.chain(right) {
                // `take` counts each row once, also when it is in the buffers of two runs.
                let weight = std::mem::take(&mut buffer[row]).min(1.0);
                if !self.labels[row] {
                    near[usize::from(self.called_from[row])] += weight;
                }
            }
        }
        accumulate(&mut near);
        near
    }

    /// Returns the runs with their buffers; overlapping ones are joined.
    fn zones(&self, half: usize) -> Vec<(usize, usize)> {
        let mut zones: Vec<(usize, usize)> = Vec::with_capacity(self.runs.len());
        for &(first, last) in &self.runs {
            let zone = (first.saturating_sub(half), (last + half).min(self.labels.len() - 1));
            match zones.last_mut() {
                Some(before) if before.1 >= zone.0 => before.1 = zone.1,
                _ => zones.push(zone),
            }
        }
        zones
    }
}

/// Returns the scores at evenly spaced ranks, descending.
fn thresholds(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let last = sorted.len() - 1;
    let between = last as f64 / (THRESHOLDS - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank, rounded down as in the source"
    )]
    let rank = |k: usize| if k == THRESHOLDS - 1 { last } else { (k as f64 * between) as usize };
    (0..THRESHOLDS).map(|k| sorted[rank(k)]).collect()
}

fn accumulate(counts: &mut [f64]) {
    let mut sum = 0.0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns pseudo-random numbers in [0, 1) that are easy to reproduce in any language.
    fn noise(i: usize) -> f64 {
        ((i * 7_919 + i * i * 31) % 1_009) as f64 / 1_009.0
    }

    fn labels(n: usize, runs: &[std::ops::Range<usize>]) -> Vec<bool> {
        (0..n).map(|i| runs.iter().any(|run| run.contains(&i))).collect()
    }

    /// Expected values: `generate_curve(labels, scores, window, "opt", 250)` of TSB-AD at commit 8763009, numpy 2,
    /// scikit-learn 1.9.1. The tolerance covers sums of 600 terms in another order.
    #[test]
    fn as_tsb_ad() {
        const N: usize = 600;
        let many = labels(N, &[0..5, 50..53, 55..57, 300..340, 598..600]);
        let two = labels(N, &[100..101, 400..420]);
        let check = |labels: &[bool], score: &dyn Fn(usize) -> f64, expected: [f64; 4]| {
            let scores: Vec<f64> = (0..N).map(score).collect();
            for (window, expected) in [0, 7, 24, 125].into_iter().zip(expected) {
                let found = vus_pr(labels, &scores, window).unwrap();
                assert!((found - expected).abs() < 1e-12, "window {window}: {found}, not {expected}");
            }
        };
        let coarse = |i: usize| ((i * 7_919 + i * i * 31) % 13) as f64 / 13.0;
        let near =
            |labels: &[bool], i: usize| if labels[i] && !i.is_multiple_of(3) { noise(i) + 0.6 } else { noise(i) };
        let late = |labels: &[bool], i: usize| noise(i) + if labels[(i + N - 4) % N] { 0.7 } else { 0.0 };
        let m = &many;
        check(
            m,
            &noise,
            [0.097_878_191_265_942_35, 0.107_184_907_122_743_26, 0.146_431_703_515_843_73, 0.343_086_039_332_806_2],
        );
        check(
            m,
            &coarse,
            [0.085_340_150_565_858_18, 0.097_449_097_896_137_78, 0.136_803_883_161_120_83, 0.329_715_009_743_487_55],
        );
        check(
            m,
            &|i| near(m, i),
            [0.487_245_614_725_827_34, 0.525_008_170_503_852_1, 0.587_649_904_580_956_1, 0.729_991_181_604_929_8],
        );
        check(
            m,
            &|i| late(m, i),
            [0.450_409_371_603_620_16, 0.534_083_511_353_393_5, 0.697_736_806_673_620_6, 0.848_632_186_850_992_7],
        );
        check(m, &|i| f64::from(u8::from(m[i])), [1.0; 4]);
        check(
            m,
            &|_| 0.0,
            [0.086_666_666_666_666_67, 0.101_129_589_316_467_29, 0.138_940_846_182_667_8, 0.331_866_805_962_010_85],
        );
        let m = &two;
        check(
            m,
            &noise,
            [0.034_053_663_108_756_94, 0.039_048_530_978_412_654, 0.077_202_382_924_339_67, 0.296_728_314_453_359_2],
        );
        check(
            m,
            &|i| late(m, i),
            [0.268_877_029_513_177_1, 0.326_931_111_790_177_1, 0.653_361_694_698_792_4, 0.864_031_754_172_739_7],
        );
    }

    /// Expected values: `find_length_rank(y, 1)` of TSB-AD at commit 8763009, statsmodels 0.15.0.
    #[test]
    fn windows_as_tsb_ad() {
        let wave = |t: usize, period: f64| (std::f64::consts::TAU * t as f64 / period).sin();
        let check = |n: usize, value: &dyn Fn(usize) -> f64, expected| {
            assert_eq!(sliding_window(&(0..n).map(value).collect::<Vec<_>>()), expected);
        };
        check(3_000, &|t| wave(t, 48.0) + 0.3 * noise(t), 48);
        check(3_000, &|t| wave(t, 24.0) + 0.8 * wave(t, 168.0), 168);
        check(3_000, &|t| t as f64, 125);
        check(3_000, &noise, 136);
        check(3_000, &|t| wave(t, 350.0), 125);
        check(3_000, &|t| wave(t, 5.0), 125);
        check(3_000, &|_| 0.0, 125);
        check(100, &|t| wave(t, 20.0), 20);
        check(0, &|_| 0.0, 125);
    }

    #[test]
    fn nothing_to_find_has_no_volume() {
        assert_eq!(vus_pr(&[false; 5], &[1.0; 5], 3), None);
        assert_eq!(vus_pr(&[true; 5], &[1.0; 5], 3), None);
        assert_eq!(vus_pr(&[], &[], 3), None);
    }
}
