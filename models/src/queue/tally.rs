//! Counts of simulated waits: quantiles, and how many servers the arrivals found in use.

/// Shortest wait that is distinguished from none, seconds.
const SHORTEST: f64 = 1e-5;
/// Bins for each doubling of the wait, so that a bin is 4.4 % wide.
const PER_DOUBLING: f64 = 16.0;
/// Number of bins: up to 30 doublings, three hours.
const BINS: usize = 480;

/// Waits of arrivals, in bins of equal ratio, and the servers in use at their arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitTally {
    /// Arrivals, those that gave up among them.
    pub arrivals: f64,
    /// Arrivals that gave up after waiting as long as they may.
    pub gave_up: f64,
    /// Sum of the waits, seconds.
    pub waited: f64,
    without: f64,
    bins: Vec<f64>,
    /// Arrivals by the number of servers that they found in use.
    found: Vec<f64>,
}

impl WaitTally {
    /// Creates an empty tally for this number of servers.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        Self {
            arrivals: 0.0,
            gave_up: 0.0,
            waited: 0.0,
            without: 0.0,
            bins: vec![0.0; BINS],
            found: vec![0.0; servers + 1],
        }
    }

    /// Counts an arrival that waited `seconds` and found `in_use` servers in use.
    pub(super) fn count(&mut self, seconds: f64, in_use: usize, gave_up: bool) {
        self.arrivals += 1.0;
        self.gave_up += f64::from(u8::from(gave_up));
        self.waited += seconds;
        let last = self.found.len() - 1;
        self.found[in_use.min(last)] += 1.0;
        if seconds < SHORTEST {
            self.without += 1.0;
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of at least 0")]
        let bin = ((seconds / SHORTEST).log2() * PER_DOUBLING) as usize;
        self.bins[bin.min(BINS - 1)] += 1.0;
    }

    /// Adds another tally, counting each of its arrivals `weight` times.
    pub fn add(&mut self, other: &Self, weight: f64) {
        self.arrivals += weight * other.arrivals;
        self.gave_up += weight * other.gave_up;
        self.waited += weight * other.waited;
        self.without += weight * other.without;
        self.bins.iter_mut().zip(&other.bins).for_each(|(sum, count)| *sum += weight * count);
        if self.found.len() < other.found.len() {
            self.found.resize(other.found.len(), 0.0);
        }
        self.found.iter_mut().zip(&other.found).for_each(|(sum, count)| *sum += weight * count);
    }

    /// Returns the mean wait in seconds; 0 without arrivals.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.arrivals > 0.0 { self.waited / self.arrivals } else { 0.0 }
    }

    /// Returns the quantile `p` in [0, 1] of the wait in seconds, interpolated within its bin of 4.4 %; 0 without
    /// arrivals, and when as many do not wait.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        let wanted = p.clamp(0.0, 1.0) * self.arrivals;
        let mut sum = self.without;
        if wanted <= sum {
            return 0.0;
        }
        let mut doublings = 0.0;
        for &count in &self.bins {
            if count > 0.0 && sum + count >= wanted {
                return SHORTEST * (doublings + (wanted - sum) / count / PER_DOUBLING).exp2();
            }
            sum += count;
            doublings += 1.0 / PER_DOUBLING;
        }
        SHORTEST * doublings.exp2()
    }

    /// Returns the share of the arrivals that wait longer than `seconds`, interpolated within its bin.
    #[must_use]
    pub fn exceeds(&self, seconds: f64) -> f64 {
        if !(self.arrivals > 0.0) {
            return 0.0;
        }
        if seconds < SHORTEST {
            return 1.0 - self.without / self.arrivals;
        }
        let at = (seconds / SHORTEST).log2() * PER_DOUBLING;
        let mut start = 0.0;
        let mut above = 0.0;
        for &count in &self.bins {
            above += count * (start + 1.0 - at).clamp(0.0, 1.0);
            start += 1.0;
        }
        above / self.arrivals
    }

    /// Returns the share of the arrivals that found at least `servers` in use.
    #[must_use]
    pub fn finds_in_use(&self, servers: usize) -> f64 {
        let above: f64 = self.found.iter().skip(servers).sum();
        if self.arrivals > 0.0 { above / self.arrivals } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bin() {
        let mut tally = WaitTally::new(4);
        for i in 0..10_000_u32 {
            // Half wait nothing, the others up to half a second.
            let wait = if i % 2 == 0 { 0.0 } else { f64::from(i) / 20_000.0 };
            tally.count(wait, usize::from(i % 5 == 0), false);
        }
        assert!(tally.quantile(0.5).abs() < 1e-12);
        for (p, expected) in [(0.75, 0.25), (0.95, 0.45), (0.999, 0.499)] {
            // The last bin is not full.
            assert!((tally.quantile(p) / expected - 1.0).abs() < 0.02, "{p}: {}", tally.quantile(p));
        }
        assert!((tally.exceeds(0.25) - 0.25).abs() < 0.003 && (tally.exceeds(0.0) - 0.5).abs() < 1e-9);
        assert!((tally.mean() - 0.125).abs() < 0.001);
        assert!((tally.finds_in_use(1) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn a_weight_counts_arrivals_several_times() {
        let (mut one, mut sum) = (WaitTally::new(1), WaitTally::new(1));
        one.count(0.1, 1, true);
        sum.add(&one, 3.0);
        one.count(5.0, 0, false);
        sum.add(&one, 1.0);
        assert!((sum.arrivals - 5.0).abs() < 1e-12 && (sum.gave_up - 4.0).abs() < 1e-12);
        assert!((sum.quantile(0.7) / 0.1 - 1.0).abs() < 0.05, "{}", sum.quantile(0.7));
        assert!(WaitTally::new(0).quantile(0.95).abs() < 1e-12 && WaitTally::new(0).finds_in_use(0).abs() < 1e-12);
    }
}
