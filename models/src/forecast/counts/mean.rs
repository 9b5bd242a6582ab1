//! The expected count: a smoothed level times the share of each phase of a season.

/// Events that the mean of all phases counts for against those of one phase.
const PRIOR_EVENTS: f64 = 1.0;
/// Events around a phase that its share is taken from, if a sixth of the season has so many.
const EVENTS: f64 = 200.0;

/// Shares of the level by phase of a season, of mean 1; a single 1 where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    shares: Vec<f64>,
}

impl Shape {
    pub(super) fn flat() -> Self {
        Self { shares: vec![1.0] }
    }

    /// From `y` (NaN where missing); `None` when it holds less than two of the season or no event.
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
        // Phases beside each other are joined until they hold events enough.
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

    pub(super) fn at(&self, t: usize) -> f64 {
        self.shares[t % self.shares.len()]
    }

    pub(super) fn season(&self) -> usize {
        self.shares.len()
    }
}

/// A level smoothed exponentially: events over what the shape expects of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    keep: f64,
    events: f64,
    expected: f64,
}

impl Level {
    /// That forgets the share `alpha` a step.
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

    /// The level, half an event added to half a step of the mean `usual`, so that it is never nothing.
    pub(super) fn value(&self, usual: f64) -> f64 {
        (self.events + 0.5 * usual) / (self.expected + 0.5)
    }

    /// Events that the level is known from.
    pub(super) fn known(&self) -> f64 {
        self.events + 0.5
    }
}
