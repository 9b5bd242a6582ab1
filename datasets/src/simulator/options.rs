//! Options of the simulator, their bounds, and its named random streams.

use almanac_models::{Step, Timestamp};

/// Options of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatorOptions {
    /// Seed of every random stream.
    pub seed: u64,
    /// First instant; must be midnight of a Monday, since the weekdays count from it.
    pub start: Timestamp,
    /// Length, in weeks.
    pub weeks: u32,
    /// Distance of the samples, one minute by default.
    pub step: Step,
    /// Growth of the load per week: 0.01 is 1 %.
    pub growth_per_week: f64,
    /// Days at the beginning without an incident.
    pub quiet_days: u32,
    /// Whether incidents are injected at all.
    pub incidents: bool,
    /// Hours of cache events from the start; 0 generates none.
    pub cache_hours: f64,
}

impl Default for SimulatorOptions {
    /// Returns four weeks from Monday, 5 January 2026, with a day of cache events.
    fn default() -> Self {
        Self {
            seed: 1,
            start: Timestamp::from_millis(1_767_571_200_000),
            weeks: 4,
            #[expect(clippy::expect_used, reason = "a constant")]
            step: Step::from_millis(60_000).expect("positive"),
            growth_per_week: 0.01,
            quiet_days: 1,
            incidents: true,
            cache_hours: 24.0,
        }
    }
}

/// Option that is out of bounds.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The length is out of bounds.
    #[error("{weeks} weeks are out of bounds: 1 to 104")]
    Weeks {
        /// Given number of weeks.
        weeks: u32,
    },
    /// The step does not divide a day, or is shorter than a second.
    #[error("a step of {millis} ms does not divide a day into steps of at least a second")]
    Step {
        /// Given step in milliseconds.
        millis: i64,
    },
    /// The growth is out of bounds.
    #[error("a growth of {growth} per week is out of bounds: -0.5 to 1")]
    Growth {
        /// Given growth.
        growth: f64,
    },
    /// The hours of cache events are out of bounds.
    #[error("{hours} hours of cache events are out of bounds: 0 to 336")]
    CacheHours {
        /// Given hours.
        hours: f64,
    },
}

/// Milliseconds in a day.
pub(super) const DAY_MS: i64 = 86_400_000;

impl SimulatorOptions {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`OptionsError`] names the value that is out of bounds.
    pub fn check(&self) -> Result<(), OptionsError> {
        let millis = self.step.millis();
        if !(1..=104).contains(&self.weeks) {
            return Err(OptionsError::Weeks { weeks: self.weeks });
        }
        if millis < 1000 || DAY_MS % millis != 0 {
            return Err(OptionsError::Step { millis });
        }
        if !(-0.5..=1.0).contains(&self.growth_per_week) {
            return Err(OptionsError::Growth { growth: self.growth_per_week });
        }
        if !(0.0..=336.0).contains(&self.cache_hours) {
            return Err(OptionsError::CacheHours { hours: self.cache_hours });
        }
        Ok(())
    }

    /// Returns the number of steps.
    pub(super) fn n_steps(&self) -> usize {
        usize::try_from(i64::from(self.weeks) * 7 * DAY_MS / self.step.millis()).unwrap_or(0)
    }

    /// Returns the number of steps in a day.
    pub(super) fn steps_per_day(&self) -> usize {
        usize::try_from(DAY_MS / self.step.millis()).unwrap_or(1)
    }

    /// Returns the random stream with this name. Streams of different names are independent: adding one does not change
    /// the others.
    pub(super) fn stream(&self, name: &str) -> rand_chacha::ChaCha8Rng {
        use rand::SeedableRng;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(self.seed);
        // FNV-1a; any fixed hash works, since streams of ChaCha are independent by construction.
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        rng.set_stream(hash);
        rng
    }
}
