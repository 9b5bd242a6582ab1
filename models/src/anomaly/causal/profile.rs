//! The seasonal profile: a decayed mean by phase of each season, learned value by value.

/// Weight of a cycle relative to the next one, and weight, in cycles, of the shorter seasons' profile in shrinkage.
const KEEP: f64 = 0.9;
const SHRINK: f64 = 0.5;
/// Smallest season, in steps, whose phases may come early or late; phases of a shorter one, such as days of a week, are
/// not interchangeable. Tried values: `docs/tuning/anomaly.md`.
const EVENED: usize = 8;
/// Number of chunks per shortest season in which the profile is computed ahead.
const CHUNKS: usize = 32;

/// Decayed means by phase of the values less their mean over the last longest season.
///
/// The means of a season with few cycles are shrunk towards those of the shorter seasons. A value costs O(seasons);
/// memory is O(longest season).
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    seasons: Vec<Phases>,
    /// Values of the last longest season as a ring, their number and their sum.
    ring: Vec<f64>,
    filled: usize,
    sum: f64,
    /// Index of the next step.
    t: usize,
    /// Index of step `t` in `ring`.
    place: usize,
    /// Profile from `jitter` steps before step `chunk_start` on.
    chunk: Vec<f64>,
    chunk_start: usize,
    /// Smallest and largest profile value within `jitter` of each step of the chunk.
    around: [Vec<f64>; 2],
    /// Number of steps by which the season may come early or late: half of the smoothing width of the shortest one,
    /// plus one. Tried values: `docs/tuning/anomaly.md`.
    jitter: usize,
}

/// Seasonal part at a step, and its minimum and maximum a few steps before and after: `low ≤ now ≤ high`.
///
/// The profile smooths a daily step change to a ramp, and the change may come a little early or late. Without the
/// envelope a square wave without noise is called each day. Measured effect: `docs/tuning/anomaly.md`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SeasonalEnvelope {
    pub now: f64,
    pub low: f64,
    pub high: f64,
}

impl SeasonalEnvelope {
    /// Returns the tolerance for a level without seasons since the seasonal part `last`: it may stay, or move as the
    /// seasons do. Measured effect: `docs/tuning/anomaly.md`.
    pub(crate) fn moved_from(self, last: f64) -> Self {
        Self { now: 0.0, low: (self.low - last).min(0.0), high: (self.high - last).max(0.0) }
    }
}

/// Decayed sums and weights by phase of one season.
#[derive(Debug, Clone)]
struct Phases {
    sum: Vec<f64>,
    weight: Vec<f64>,
    /// Number of phases averaged, odd.
    width: usize,
    /// Phase of the next step.
    phase: usize,
}

impl Profile {
    /// `seasons`: in steps, ascending, each at least 2; without any the profile is 0.
    pub(crate) fn new(seasons: &[usize]) -> Self {
        let longest = seasons.last().copied().unwrap_or(0);
        let chunk = (seasons.first().copied().unwrap_or(0) / CHUNKS).max(1);
        let seasons: Vec<Phases> = seasons.iter().map(|&m| Phases::new(m)).collect();
        let jitter =
            seasons.first().filter(|season| season.sum.len() >= EVENED).map_or(0, |season| season.width / 2 + 1);
        Self {
            seasons,
            jitter,
            around: [vec![0.0; chunk], vec![0.0; chunk]],
            ring: vec![0.0; longest],
            filled: 0,
            sum: 0.0,
            t: 0,
            place: 0,
            chunk: vec![0.0; chunk + 2 * jitter],
            chunk_start: 0,
        }
    }

    /// Initialises the mean over the longest season from the first of these values.
    pub(crate) fn start_from(&mut self, values: &[f64]) {
        for value in values.iter().filter(|v| v.is_finite()).take(self.ring.len()) {
            self.ring[self.filled] = *value;
            self.filled += 1;
            self.sum += value;
        }
    }

    /// Returns the seasonal part of the next step.
    pub(crate) fn now(&self) -> SeasonalEnvelope {
        let place = self.t - self.chunk_start;
        let [lows, highs] = &self.around;
        SeasonalEnvelope { now: self.chunk[place + self.jitter], low: lows[place], high: highs[place] }
    }

    /// Learns the value of the next step, `None` where it is missing, and moves to the following step.
    pub(crate) fn push(&mut self, value: Option<f64>) {
        if self.ring.is_empty() {
            return;
        }
        if let Some(value) = value {
            let place = self.place;
            if self.filled < self.ring.len() {
                self.ring[self.filled] = value;
                self.filled += 1;
                self.sum += value;
            } else {
                self.sum += value - self.ring[place];
                self.ring[place] = value;
            }
            if place == 0 {
                // The sum is computed anew once per season, so that rounding does not accumulate.
                self.sum = self.ring[..self.filled].iter().sum();
            }
            let above = value - self.sum / self.filled as f64;
            for season in &mut self.seasons {
                season.push(above);
            }
        }
        self.t += 1;
        self.place = next(self.place, self.ring.len());
        for season in &mut self.seasons {
            season.phase = next(season.phase, season.sum.len());
        }
        if self.t - self.chunk_start == self.around[0].len() {
            self.chunk_start = self.t;
            self.draw();
        }
    }

    /// Moves the phase of the next step back by `steps`, at most to the first step.
    pub(crate) fn set_back(&mut self, steps: usize) {
        if self.ring.is_empty() {
            return;
        }
        self.t = self.t.saturating_sub(steps);
        self.place = self.t % self.ring.len();
        for season in &mut self.seasons {
            season.phase = self.t % season.sum.len();
        }
        self.chunk_start = self.t;
        self.draw();
    }

    /// Computes the next chunk of the profile and its envelope.
    fn draw(&mut self) {
        self.chunk.fill(0.0);
        for season in &self.seasons {
            season.refine(&mut self.chunk, self.chunk_start, self.jitter);
        }
        let [lows, highs] = &mut self.around;
        let first = &self.chunk[..lows.len()];
        lows.copy_from_slice(first);
        highs.copy_from_slice(first);
        // Plain comparisons are vectorised by the compiler; f64::min would also test for NaN.
        for after in 1..=2 * self.jitter {
            for ((low, high), value) in lows.iter_mut().zip(highs.iter_mut()).zip(&self.chunk[after..]) {
                *low = if *value < *low { *value } else { *low };
                *high = if *value > *high { *value } else { *high };
            }
        }
    }
}

impl Phases {
    fn new(period: usize) -> Self {
        // A 96th of a long season is averaged.
        let width = period / 96;
        let width = if width > 1 { width | 1 } else { 1 };
        Self { sum: vec![0.0; period], weight: vec![0.0; period], width, phase: 0 }
    }

    fn push(&mut self, above: f64) {
        let phase = self.phase;
        self.sum[phase] = KEEP * self.sum[phase] + above;
        self.weight[phase] = KEEP * self.weight[phase] + 1.0;
    }

    /// Refines `shorter`, the profile of the shorter seasons from `before` steps before step `start` on, by this
    /// season.
    fn refine(&self, shorter: &mut [f64], start: usize, before: usize) {
        let m = self.sum.len();
        let half = self.width / 2;
        let first = (start % m + 2 * m - (half + before) % m) % m;
        // A moving sum over `width` phases, cyclic.
        let (mut leaves, mut enters) = (first, first);
        let (mut sum, mut weight) = (0.0, 0.0);
        for _ in 0..self.width {
            sum += self.sum[enters];
            weight += self.weight[enters];
            enters = next(enters, m);
        }
        let wide = self.width as f64;
        for value in shorter {
            *value = (sum / wide + SHRINK * *value) / (weight / wide + SHRINK);
            sum += self.sum[enters] - self.sum[leaves];
            weight += self.weight[enters] - self.weight[leaves];
            (enters, leaves) = (next(enters, m), next(leaves, m));
        }
    }
}

/// Returns the next index in a cycle of `count`.
fn next(place: usize, count: usize) -> usize {
    if place + 1 == count { 0 } else { place + 1 }
}
