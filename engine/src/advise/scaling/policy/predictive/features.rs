//! Features of the predictive rule's regressions, from past demand. Levels are logarithms, and features are distances
//! from the short-term level, so that a workload that doubles keeps its coefficients.

/// Number of features of the location.
pub(super) const LOCATION: usize = 27;
/// Number of features of the scale.
pub(super) const SCALE: usize = 12;

/// Offset that keeps the logarithm of an error finite: one percent of demand.
pub(super) const LEAST_ERROR: f64 = 0.01;

/// Slots around the same time of another day that are included: jobs start a little early or late.
const SLACK: usize = 3;

/// Lengths in slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotLengths {
    /// Slots that one decision covers: from now until replicas requested now are ready.
    pub(super) window: usize,
    pub(super) hour: usize,
    pub(super) day: usize,
}

/// Past demand of one workload by slot, with its smoothed levels.
#[derive(Debug, Clone)]
pub(super) struct PastDemand {
    lengths: SlotLengths,
    /// Logarithm of demand.
    y: Vec<f64>,
    /// Short-term level before each slot.
    base: Vec<f64>,
    /// Highest value of the window that starts at each slot; complete windows only.
    peak: Vec<f64>,
    /// Absolute forecast error of each complete window.
    error: Vec<f64>,
    /// Offset of the local time from UTC at each slot, and at the next slot, in slots.
    utc_offset: Vec<i32>,
    next_utc_offset: i32,
    level_short: f64,
    level_middle: f64,
    level_long: f64,
    error_short: f64,
    error_long: f64,
}

impl PastDemand {
    pub(super) fn new(lengths: SlotLengths) -> Self {
        Self {
            lengths,
            y: Vec::new(),
            base: Vec::new(),
            peak: Vec::new(),
            error: Vec::new(),
            utc_offset: Vec::new(),
            next_utc_offset: 0,
            level_short: 0.0,
            level_middle: 0.0,
            level_long: 0.0,
            error_short: 0.1,
            error_long: 0.1,
        }
    }

    /// Returns the number of slots.
    pub(super) fn len(&self) -> usize {
        self.y.len()
    }

    /// Returns the short-term level, the base of the location features.
    pub(super) fn level(&self) -> f64 {
        self.level_short
    }

    /// Sets the offset of the local time from UTC at the next slot, in slots.
    pub(super) fn set_utc_offset(&mut self, utc_offset: i32) {
        self.next_utc_offset = utc_offset;
    }

    /// Adds the value of the next slot. Returns the start and the peak of the window that it completes.
    pub(super) fn push(&mut self, y: f64) -> Option<(usize, f64)> {
        if self.y.is_empty() {
            (self.level_short, self.level_middle, self.level_long) = (y, y, y);
        }
        self.base.push(self.level_short);
        self.y.push(y);
        self.utc_offset.push(self.next_utc_offset);
        // Weights 2/(span + 1) for spans of 4, 15 and 60 slots.
        self.level_short += 0.4 * (y - self.level_short);
        self.level_middle += 2.0 / 16.0 * (y - self.level_middle);
        self.level_long += 2.0 / 61.0 * (y - self.level_long);
        let start = self.y.len().checked_sub(self.lengths.window)?;
        let peak = self.y[start..].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.peak.push(peak);
        Some((start, peak))
    }

    /// Adds the absolute error of the window that was completed last.
    pub(super) fn push_error(&mut self, error: f64) {
        self.error.push(error);
        self.error_short += 0.15 * (error - self.error_short);
        self.error_long += 0.01 * (error - self.error_long);
    }

    /// Returns the slot `lag` before the next one, if its windows are complete. Lags of days follow the local time:
    /// across a change of daylight saving they differ by an hour.
    fn slot_before(&self, lag: usize) -> Option<usize> {
        let lag = if lag < self.lengths.day { lag } else { self.local_lag(lag)? };
        let settled = lag > self.lengths.window + SLACK && self.y.len() >= lag + 2 * SLACK;
        settled.then(|| self.y.len() - lag)
    }

    /// Corrects a lag by the change of the offset from UTC in between.
    fn local_lag(&self, lag: usize) -> Option<usize> {
        let then = *self.utc_offset.get(self.y.len().checked_sub(lag)?)?;
        usize::try_from(i64::try_from(lag).ok()? - i64::from(self.next_utc_offset - then)).ok()
    }

    /// Returns the value `slots` ago, or the first one.
    fn ago(&self, slots: usize) -> f64 {
        let at = self.y.len().saturating_sub(slots);
        self.y.get(at).or(self.y.first()).copied().unwrap_or(0.0)
    }

    /// Returns features of the rise of the next window's peak and last value over [`Self::level`].
    pub(super) fn location(&self) -> [f64; LOCATION] {
        let base = self.level_short;
        let levels = |n: usize| (1..=n).map(|slots| self.ago(slots) - base);
        let mut x = ArrayFiller::<LOCATION>::default();
        x.push(1.0);
        levels(4).for_each(|y| x.push(y));
        x.push(self.level_middle - base);
        x.push(self.level_long - base);
        x.push(levels(5).fold(f64::NEG_INFINITY, f64::max));
        x.push(levels(5).fold(f64::INFINITY, f64::min));
        x.push(levels(15).fold(f64::NEG_INFINITY, f64::max));
        x.push(base);
        let SlotLengths { hour, day, .. } = self.lengths;
        for lag in [hour, day, 7 * day] {
            self.season(lag).into_iter().for_each(|y| x.push(y));
        }
        self.mean_of((1..=7).map(|days| days * day)).into_iter().for_each(|y| x.push(y));
        x.push(self.mean_of((1..=6).map(|hours| hours * hour))[0]);
        x.values
    }

    /// Returns features of one season ago: the rise to the peak, the last value relative to the present level, the
    /// level relative to the present one, and the rise to the peak of a wider window.
    fn season(&self, lag: usize) -> [f64; 4] {
        let Some(then) = self.slot_before(lag) else { return [0.0; 4] };
        let base = self.base[then];
        let window = self.lengths.window;
        let around = &self.y[then.saturating_sub(SLACK)..(then + window + SLACK).min(self.y.len())];
        let highest = around.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let last = self.y[then + window - 1];
        [self.peak[then] - base, last - self.level_short, base - self.level_short, highest - base]
    }

    /// Returns means over several seasons: the rise to the peak, the rise to the last value, and the level.
    fn mean_of(&self, lags: impl Iterator<Item = usize>) -> [f64; 3] {
        let (mut sums, mut n) = ([0.0; 3], 0.0);
        for then in lags.filter_map(|lag| self.slot_before(lag)) {
            let base = self.base[then];
            sums[0] += self.peak[then] - base;
            sums[1] += self.y[then + self.lengths.window - 1] - base;
            sums[2] += base - self.level_short;
            n += 1.0;
        }
        if n > 0.0 { sums.map(|sum| sum / n) } else { sums }
    }

    /// Returns features of the log error to come.
    pub(super) fn scale(&self) -> [f64; SCALE] {
        let SlotLengths { hour, day, .. } = self.lengths;
        let usual = (self.error_long + LEAST_ERROR).ln();
        let log_distance = |a: f64, b: f64| ((a - b).abs() + LEAST_ERROR).ln();
        [
            1.0,
            (self.error_short + LEAST_ERROR).ln(),
            usual,
            self.error_near(hour).unwrap_or(usual),
            self.error_near(day).unwrap_or(usual),
            self.error_near(7 * day).unwrap_or(usual),
            self.mean_error((1..=7).map(|days| days * day)).unwrap_or(usual),
            self.mean_error((1..=6).map(|hours| hours * hour)).unwrap_or(usual),
            self.level_middle,
            log_distance(self.ago(1), self.ago(2)),
            log_distance(self.ago(1), self.level_middle),
            log_distance(self.level_short, self.level_long),
        ]
    }

    /// Returns the logarithm of the largest error around the slot `lag` before.
    fn error_near(&self, lag: usize) -> Option<f64> {
        let then = self.slot_before(lag)?;
        let near = self.error.get(then.saturating_sub(2)..(then + 3).min(self.error.len()))?;
        near.iter().copied().reduce(f64::max).map(|error| (error + LEAST_ERROR).ln())
    }

    fn mean_error(&self, lags: impl Iterator<Item = usize>) -> Option<f64> {
        let (mut sum, mut n) = (0.0, 0.0);
        for error in lags.filter_map(|lag| self.error_near(lag)) {
            sum += error;
            n += 1.0;
        }
        (n > 0.0).then(|| sum / n)
    }
}

/// Fills an array from the front.
struct ArrayFiller<const N: usize> {
    values: [f64; N],
    next: usize,
}

impl<const N: usize> Default for ArrayFiller<N> {
    fn default() -> Self {
        Self { values: [0.0; N], next: 0 }
    }
}

impl<const N: usize> ArrayFiller<N> {
    fn push(&mut self, value: f64) {
        self.values[self.next] = value;
        self.next += 1;
    }
}
