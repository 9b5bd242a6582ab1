//! The expected count: a smoothed level multiplied by the seasonal factor of the phase.

/// Prior weight, in events, of the factor 1 against the events observed at one phase.
const PRIOR_EVENTS: f64 = 1.0;
/// Events that a phase's factor is estimated from. Neighbouring phases are pooled, up to a sixth of the season.
const EVENTS: f64 = 200.0;

/// Seasonal factors by phase, with mean 1; a single 1 without a season.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeasonalShape {
    shares: Vec<f64>,
}

impl SeasonalShape {
    /// Returns the shape without a season.
    pub(super) fn flat() -> Self {
        Self { shares: vec![1.0] }
    }

    /// Fits the factors on `y` (NaN where missing); `None` when it covers less than two seasons or contains no event.
    pub(super) fn fit(y: &[f64], season: usize) -> Option<Self> {
        if season < 2 || y.len() < 2 * season {
            return None;
        }
        let (mut events, mut seen) = (vec![0.0; season], vec![0.0; season]);
        for (t, v) in y.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            events[t % season] += v;
            seen[t % season] += 1.0;
        }
        let (total, n): (f64, f64) = (events.iter().sum(), seen.iter().sum());
        if !(total > 0.0) {
            return None;
        }
        let mean = total / n;
        // Pool neighbouring phases until they contain enough events.
        let wanted = (EVENTS * season as f64 / total).min(season as f64 / 6.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a sixth of the season")]
        let half = (wanted / 2.0) as usize;
        let ring =
            |v: &[f64], phase: usize| -> f64 { (0..=2 * half).map(|k| v[(phase + season + k - half) % season]).sum() };
        let mut shares: Vec<f64> = (0..season)
            .map(|phase| {
                let (events, seen) = (ring(&events, phase), ring(&seen, phase));
                (events + PRIOR_EVENTS) / (seen * mean + PRIOR_EVENTS)
            })
            .collect();
        let middle = shares.iter().sum::<f64>() / season as f64;
        shares.iter_mut().for_each(|s| *s /= middle);
        Some(Self { shares })
    }

    /// Returns the factor at step `t` since the start of the fitted series.
    pub(super) fn at(&self, t: usize) -> f64 {
        self.shares[t % self.shares.len()]
    }

    /// Returns the season length in steps; 1 without a season.
    pub(super) fn season(&self) -> usize {
        self.shares.len()
    }
}

/// An exponentially smoothed level: decayed events divided by decayed seasonal factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SmoothedLevel {
    keep: f64,
    events: f64,
    expected: f64,
}

impl SmoothedLevel {
    /// Creates a level whose memory decays by the share `alpha` per step.
    pub(super) fn new(alpha: f64) -> Self {
        Self { keep: 1.0 - alpha, events: 0.0, expected: 0.0 }
    }

    pub(super) fn push(&mut self, value: f64, share: f64) {
        self.events *= self.keep;
        self.expected *= self.keep;
        if value.is_finite() {
            self.events += value;
            self.expected += share;
        }
    }

    /// Returns the level. Half a step at the mean `overall_mean` is added as a prior, so that the level is never 0.
    pub(super) fn value(&self, overall_mean: f64) -> f64 {
        (self.events + 0.5 * overall_mean) / (self.expected + 0.5)
    }

    /// Returns the decayed number of events behind the level, plus the prior's half event.
    pub(super) fn known(&self) -> f64 {
        self.events + 0.5
    }
}
