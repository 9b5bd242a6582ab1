//! Running median: the slow course of a series, from which short departures are measured.

/// A series with the rank of each value, for running medians of several widths.
///
/// A window is a set of ranks, kept as bits. The median moves by a few set bits when one value leaves and another
/// enters, so a step costs about `n / width / 64` words whatever the width (Huang, Yang & Tang 1979 do the same with
/// a histogram of grey levels).
#[derive(Debug)]
pub(in crate::forecast) struct Ranked {
    /// The rank of each step's value; `None` where it is not finite.
    ranks: Vec<Option<usize>>,
    /// The finite values, ascending.
    sorted: Vec<f64>,
}

impl Ranked {
    /// Ranks the finite values of `y`.
    pub(in crate::forecast) fn new(y: &[f64]) -> Self {
        let mut order: Vec<(f64, usize)> =
            y.iter().enumerate().filter(|(_, v)| v.is_finite()).map(|(t, v)| (*v, t)).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut ranks = vec![None; y.len()];
        for (rank, (_, t)) in order.iter().enumerate() {
            ranks[*t] = Some(rank);
        }
        Self { ranks, sorted: order.into_iter().map(|(v, _)| v).collect() }
    }

    /// Returns the median of the finite values of a window of `width` steps centred on each step; near the ends, of the
    /// nearest full window. NaN where a window holds no finite value.
    pub(in crate::forecast) fn running_median(&self, width: usize) -> Vec<f64> {
        let n = self.ranks.len();
        let width = width.clamp(1, n.max(1));
        let half = width / 2;
        let mut window = RankWindow::new(self.sorted.len());
        self.ranks.iter().take(width).flatten().for_each(|rank| window.insert(*rank));
        let mut out = Vec::with_capacity(n);
        let mut start = 0;
        for t in 0..n {
            // The window stops at the ends of the series.
            let wanted = t.saturating_sub(half).min(n - width);
            while start < wanted {
                if let Some(rank) = self.ranks[start] {
                    window.remove(rank);
                }
                if let Some(rank) = self.ranks[start + width] {
                    window.insert(rank);
                }
                start += 1;
            }
            out.push(window.median(&self.sorted));
        }
        out
    }
}

/// A set of ranks and the lower one of its middle ranks.
struct RankWindow {
    words: Vec<u64>,
    count: usize,
    /// A rank of the set, while the set is not empty.
    middle: usize,
    /// Ranks of the set below `middle`.
    below: usize,
}

impl RankWindow {
    fn new(ranks: usize) -> Self {
        Self { words: vec![0; ranks.div_ceil(64)], count: 0, middle: 0, below: 0 }
    }

    fn insert(&mut self, rank: usize) {
        self.words[rank / 64] |= 1 << (rank % 64);
        self.count += 1;
        if self.count == 1 {
            (self.middle, self.below) = (rank, 0);
        } else if rank < self.middle {
            self.below += 1;
        }
    }

    fn remove(&mut self, rank: usize) {
        self.words[rank / 64] &= !(1 << (rank % 64));
        self.count -= 1;
        if rank < self.middle {
            self.below -= 1;
        } else if rank == self.middle && self.count > 0 {
            // Its neighbour above takes its place; without one, the neighbour below.
            if self.below < self.count {
                self.middle = self.above(rank);
            } else {
                self.middle = self.under(rank);
                self.below -= 1;
            }
        }
    }

    fn median(&mut self, sorted: &[f64]) -> f64 {
        if self.count == 0 {
            return f64::NAN;
        }
        let target = (self.count - 1) / 2;
        while self.below < target {
            self.middle = self.above(self.middle);
            self.below += 1;
        }
        while self.below > target {
            self.middle = self.under(self.middle);
            self.below -= 1;
        }
        let low = sorted[self.middle];
        if self.count % 2 == 1 { low } else { 0.5 * (low + sorted[self.above(self.middle)]) }
    }

    /// The next rank of the set above `rank`, which must exist.
    fn above(&self, rank: usize) -> usize {
        let next = rank + 1;
        let mut at = next / 64;
        let mut word = self.words[at] & (u64::MAX << (next % 64));
        while word == 0 {
            at += 1;
            word = self.words[at];
        }
        64 * at + word.trailing_zeros() as usize
    }

    /// The next rank of the set below `rank`, which must exist.
    fn under(&self, rank: usize) -> usize {
        let mut at = rank / 64;
        let mut word = self.words[at] & !(u64::MAX << (rank % 64));
        while word == 0 {
            at -= 1;
            word = self.words[at];
        }
        64 * at + 63 - word.leading_zeros() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::median;

    #[test]
    fn every_window_has_its_own_median() {
        let y: Vec<f64> =
            (0..200).map(|t: usize| if t % 17 == 3 { f64::NAN } else { ((t * 7_919) % 23) as f64 }).collect();
        for width in [1, 2, 3, 11, 50, 51, 199, 200, 300] {
            let found = Ranked::new(&y).running_median(width);
            for (t, value) in found.iter().enumerate() {
                let width = width.min(y.len());
                let start = t.saturating_sub(width / 2).min(y.len() - width);
                let expected = median(&y[start..start + width]).unwrap_or(f64::NAN);
                assert!((value - expected).abs() < 1e-12 || (value.is_nan() && expected.is_nan()), "{width} {t}");
            }
        }
        assert!(Ranked::new(&[]).running_median(5).is_empty());
        assert!(Ranked::new(&[f64::NAN; 9]).running_median(3).iter().all(|v| v.is_nan()));
    }
}
