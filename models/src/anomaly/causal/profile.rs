//! What the seasons alone would have: a mean by phase, learned value by value.

/// Weight of a cycle relative to the one after it, and weight, in cycles, of the shorter season's profile.
const KEEP: f64 = 0.9;
const SHRINK: f64 = 0.5;
/// A season of fewer steps, as the days of a week, has phases that no value may have another's. From 8 to 12 all is the
/// same; at 16, NAB loses half a point for short seasons that were found and are no whole number of steps.
const EVENED: usize = 8;
/// Phases of the shortest season that are drawn up at a time.
const CHUNKS: usize = 32;

/// Decayed means by phase of each season, drawn towards those of the shorter seasons where cycles are few, of what the
/// values lie above their mean over the last longest season.
///
/// A value costs O(seasons); memory is O(longest season).
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    seasons: Vec<Phases>,
    /// The last values, as many as the longest season has steps, and their sum.
    ring: Vec<f64>,
    filled: usize,
    sum: f64,
    t: usize,
    /// Where in `ring` step `t` has its place.
    place: usize,
    /// The profile's values from `jitter` steps before step `chunk_start` on.
    chunk: Vec<f64>,
    chunk_start: usize,
    /// Least and largest value of the profile around each of the chunk's steps.
    around: [Vec<f64>; 2],
    /// Steps by which the season may come early or late: half of what the shortest one is smoothed over, and one. 1, this
    /// and 2 more are worth the same within half a point of NAB.
    jitter: usize,
}

/// What the seasons have at a step, and the least and the most of it a little before and after: `low ≤ now ≤ high`.
///
/// A step that comes every day is smoothed to a ramp by the profile, and may come a little early or late: a square wave
/// without noise was called each day. With it NAB's standard score is 63.1 where it was 61.9, KPI's F1 .556 where it was
/// .545, false alarms as many.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SeasonalEnvelope {
    pub now: f64,
    pub low: f64,
    pub high: f64,
}

impl SeasonalEnvelope {
    /// What the seasons do not forbid to a level that does without them, and was last told at `last`: to stay, or to go as
    /// they do. Worth 1.4 points of NAB.
    pub(crate) fn moved_from(self, last: f64) -> Self {
        Self { now: 0.0, low: (self.low - last).min(0.0), high: (self.high - last).max(0.0) }
    }
}

/// Decayed sums and weights by phase.
#[derive(Debug, Clone)]
struct Phases {
    sum: Vec<f64>,
    weight: Vec<f64>,
    width: usize,
    /// Of the step that comes.
    phase: usize,
}

impl Profile {
    /// Seasons in steps, ascending, each at least 2; without any the profile is 0.
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

    /// Takes the mean over a longest season from these values at first.
    pub(crate) fn start_from(&mut self, values: &[f64]) {
        for value in values.iter().filter(|v| v.is_finite()).take(self.ring.len()) {
            self.ring[self.filled] = *value;
            self.filled += 1;
            self.sum += value;
        }
    }

    /// The value that the seasons have at the step that comes.
    pub(crate) fn now(&self) -> SeasonalEnvelope {
        let place = self.t - self.chunk_start;
        let [lows, highs] = &self.around;
        SeasonalEnvelope { now: self.chunk[place + self.jitter], low: lows[place], high: highs[place] }
    }

    /// Learns the value of the step that comes, `None` if there is none, and goes on to the next.
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
                // Rounding does not add up over years.
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

    /// The step that comes is at the phase that one was `steps` ago; at most as many as there were.
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

    fn draw(&mut self) {
        self.chunk.fill(0.0);
        for season in &self.seasons {
            season.refine(&mut self.chunk, self.chunk_start, self.jitter);
        }
        let [lows, highs] = &mut self.around;
        let first = &self.chunk[..lows.len()];
        lows.copy_from_slice(first);
        highs.copy_from_slice(first);
        // One comparison each, which the compiler makes of many values at once; f64::min would look for NaN besides.
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
        // Phases that are averaged where a season has many steps: a 96th of it.
        let width = period / 96;
        let width = if width > 1 { width | 1 } else { 1 };
        Self { sum: vec![0.0; period], weight: vec![0.0; period], width, phase: 0 }
    }

    fn push(&mut self, above: f64) {
        let phase = self.phase;
        self.sum[phase] = KEEP * self.sum[phase] + above;
        self.weight[phase] = KEEP * self.weight[phase] + 1.0;
    }

    /// Draws `shorter`, the profile of shorter seasons from `before` steps before step `start` on, to what this one has.
    fn refine(&self, shorter: &mut [f64], start: usize, before: usize) {
        let m = self.sum.len();
        let half = self.width / 2;
        let first = (start % m + 2 * m - (half + before) % m) % m;
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

/// The place after this one, of `count` in a circle.
fn next(place: usize, count: usize) -> usize {
    if place + 1 == count { 0 } else { place + 1 }
}
