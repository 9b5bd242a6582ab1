//! Raises a bound that is exceeded more often than a budget of alarms per week allows.

/// Number of values without an exceedance after which the next exceedance starts another alarm.
const APART: u64 = 10;
/// Number of most recent alarms kept.
const PEAKS: usize = 64;
/// Weeks after which the weight of an alarm is 1/e.
const MEMORY_WEEKS: f64 = 6.0;
/// Weeks without alarms that are assumed before the first value.
const PRIOR_WEEKS: f64 = 0.25;

/// Factor of a bound, at least 1, from how often and how far values exceed it.
///
/// Runs of exceedances form alarms, whose peaks are kept as multiples of the bound. The factor `x` minimises
/// N(x)/budget + ln x. N(x) is the weekly number of peaks above `x`; an alarm of n exceedances counts 1/√n, since noise
/// is brief. Raising the bound `e`-fold must therefore save `budget` alarms a week. Peaks of noise have a heavy tail,
/// so the factor grows until few are left. Peaks of incidents lie far beyond the bound, so raising it saves none and it
/// stays.
///
/// # Reference
/// Coles (2001), An introduction to statistical modeling of extreme values, chapter 5: declustering by runs.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// First step, peak and number of exceedances of each alarm.
    peaks: Vec<(u64, f64, f64)>,
    now: u64,
    last: u64,
    running: bool,
    factor: f64,
    week: f64,
    /// In alarms per week.
    budget: f64,
}

impl Budget {
    pub(crate) fn new(week: f64, budget: f64) -> Self {
        Self { peaks: Vec::new(), now: 0, last: 0, running: false, factor: 1.0, week, budget }
    }

    /// Learns the magnitude of a value and its bound, in one unit.
    pub(crate) fn push_of(&mut self, magnitude: f64, bound: f64) {
        // Most values are inside the bound, and save the division.
        self.push(if magnitude > bound { magnitude / bound } else { 0.0 });
    }

    /// Learns the magnitude of a value in bounds.
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
            // Without new alarms the weights of the old ones decay.
            self.factor = self.best();
        }
    }

    /// Factor of the bound.
    pub(crate) fn factor(&self) -> f64 {
        self.factor
    }

    /// Minimises the cost over the peaks, which are the only points where N(x) changes.
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
        // From the largest peak down: a bound at a peak is exceeded by the larger peaks only.
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
