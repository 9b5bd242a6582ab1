//! How many alarms a series may raise: a bound that is reached too often is raised.

/// Values without an exceedance after which the next one is another alarm.
const APART: u64 = 10;
/// Alarms remembered, the last ones.
const PEAKS: usize = 64;
/// Weeks after which an alarm counts 1/e.
const MEMORY_WEEKS: f64 = 6.0;
/// Weeks that are taken to have been quiet before the first value.
const PRIOR_WEEKS: f64 = 0.25;

/// A factor for a bound, at least 1, from how often and how far the bound was exceeded.
///
/// Exceedances are gathered to alarms, of which the peaks are remembered, as multiples of the bound. The factor `x` is
/// the one for which N(x)/budget + ln x is least, where N(x) counts the peaks above `x` a week, one of n exceedances as
/// 1/√n, since noise does not last: a bound that is `e` times as far out must save `budget` alarms a week. Where peaks have a heavy tail, as noise does, the factor ends where few are left; where
/// they lie far beyond the bound with nothing between, as incidents do, raising the bound saves none and it stays.
///
/// # Reference
/// Coles (2001), An introduction to statistical modeling of extreme values, chapter 5: declustering by runs.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// When each alarm began, its peak, and its exceedances.
    peaks: Vec<(u64, f64, f64)>,
    now: u64,
    last: u64,
    running: bool,
    factor: f64,
    week: f64,
    /// Alarms a week.
    budget: f64,
}

impl Budget {
    pub(crate) fn new(week: f64, budget: f64) -> Self {
        Self { peaks: Vec::new(), now: 0, last: 0, running: false, factor: 1.0, week, budget }
    }

    /// Learns how far out a value was, and where its bound.
    pub(crate) fn push_of(&mut self, magnitude: f64, bound: f64) {
        // What is inside need not be divided: these are most values.
        self.push(if magnitude > bound { magnitude / bound } else { 0.0 });
    }

    /// Learns how many bounds out a value was.
    pub(crate) fn push(&mut self, ratio: f64) {
        self.now += 1;
        if ratio > 1.0 {
            match self.peaks.last_mut().filter(|_| self.running) {
                Some((_, peak, length)) => {
                    *peak = peak.max(ratio);
                    *length += 1.0;
                }
                None => {
                    if self.peaks.len() == PEAKS {
                        self.peaks.remove(0);
                    }
                    self.peaks.push((self.now, ratio, 1.0));
                }
            }
            self.running = true;
            self.last = self.now;
        } else if self.running && self.now - self.last > APART {
            self.running = false;
            self.factor = self.best();
        } else if self.now.is_multiple_of(4_096) && !self.running {
            self.factor = self.best();
        }
    }

    /// What the bound is to be multiplied by.
    pub(crate) fn factor(&self) -> f64 {
        self.factor
    }

    fn best(&self) -> f64 {
        let weeks = |values: u64| values as f64 / self.week;
        let mut since = weeks(self.now);
        if self.peaks.len() == PEAKS {
            since = since.min(weeks(self.now - self.peaks[0].0));
        }
        let span = MEMORY_WEEKS * (1.0 - (-since / MEMORY_WEEKS).exp()) + PRIOR_WEEKS;
        let mut peaks: Vec<(f64, f64)> = self
            .peaks
            .iter()
            .map(|(at, peak, length)| (*peak, (-weeks(self.now - at) / MEMORY_WEEKS).exp() / (span * length.sqrt())))
            .collect();
        peaks.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        // From the largest peak down: the factor at a peak calls those above it only.
        let (mut rate, mut best) = (0.0, (f64::INFINITY, 1.0));
        for (peak, weight) in peaks {
            let cost = rate / self.budget + peak.ln();
            if cost < best.0 {
                best = (cost, peak);
            }
            rate += weight;
        }
        if rate / self.budget < best.0 { 1.0 } else { best.1 }
    }
}
