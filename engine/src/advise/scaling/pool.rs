//! A pool of replicas: its rules, the replicas that demand needs, and which replicas are ready or starting.

use std::collections::VecDeque;

use super::ScalingError;

/// Target utilisation at which a forecast-sized pool has no further headroom, and the default of the configuration.
pub const USUAL_TARGET: f64 = 0.7;

/// Capacity of a replica and bounds of the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoolRules {
    /// Demand that one ready replica serves; positive.
    pub capacity: f64,
    /// Share of the capacity to use, in (0, 1]. A lower share gives more replicas under every rule.
    pub target_utilization: f64,
    /// Time from requesting a replica until it serves.
    pub startup_ms: i64,
    /// Minimum number of replicas, including starting ones.
    pub replicas_min: u32,
    /// Maximum number of replicas, including starting ones.
    pub replicas_max: u32,
    /// Maximum number of replicas added in one step; none: unlimited.
    pub scale_out_max: Option<u32>,
    /// Maximum number of replicas removed in one step; none: unlimited.
    pub scale_in_max: Option<u32>,
    /// Maximum number of scale-ins of the predictive rule in any day; none: unlimited. Scaling out is never limited.
    pub changes_per_day_max: Option<u32>,
}

impl PoolRules {
    /// Checks the ranges that the arithmetic relies on.
    ///
    /// # Errors
    /// [`ScalingError::Capacity`], [`ScalingError::TargetUtilization`], [`ScalingError::Startup`],
    /// [`ScalingError::Bounds`].
    pub fn check(&self) -> Result<(), ScalingError> {
        if !(self.capacity > 0.0 && self.capacity.is_finite()) {
            return Err(ScalingError::Capacity { capacity: self.capacity });
        }
        if !(self.target_utilization > 0.0 && self.target_utilization <= 1.0) {
            return Err(ScalingError::TargetUtilization { target: self.target_utilization });
        }
        if self.startup_ms < 0 {
            return Err(ScalingError::Startup { millis: self.startup_ms });
        }
        if self.replicas_min > self.replicas_max || self.replicas_max == 0 {
            return Err(ScalingError::Bounds { min: self.replicas_min, max: self.replicas_max });
        }
        Ok(())
    }
}

impl PoolRules {
    /// Returns the fewest replicas whose ready capacity is at least `demand`, without bounds.
    ///
    /// ```
    /// # use almanac_engine::advise::scaling::PoolRules;
    /// let rules = PoolRules { capacity: 0.1, target_utilization: 0.7, startup_ms: 0, replicas_min: 0,
    ///     replicas_max: 9, scale_out_max: None, scale_in_max: None, changes_per_day_max: None };
    /// assert_eq!(rules.needed(0.3), 3);
    /// assert_eq!(rules.needed(0.0), 0);
    /// ```
    #[must_use]
    pub fn needed(&self, demand: f64) -> u32 {
        // The division may round to either side of a whole number; the product is what the score uses.
        let mut needed = ceil_count(demand / self.capacity);
        while needed < u32::MAX && demand > f64::from(needed) * self.capacity {
            needed += 1;
        }
        while needed > 0 && demand <= f64::from(needed - 1) * self.capacity {
            needed -= 1;
        }
        needed
    }

    /// Returns the factor by which a forecast-sized pool provides more than demand: the part of the target's headroom
    /// beyond [`USUAL_TARGET`], and 1 above that target.
    ///
    /// Sized for the upper quantile, loads already use about [`USUAL_TARGET`] of the capacity.
    #[must_use]
    pub fn headroom(&self) -> f64 {
        (USUAL_TARGET / self.target_utilization).max(1.0)
    }

    /// Returns the factor by which shortfalls may be more frequent than at [`USUAL_TARGET`]: a higher target uses the
    /// pool more.
    #[must_use]
    pub fn thrift(&self) -> f64 {
        (self.target_utilization / USUAL_TARGET).powi(2)
    }

    /// Returns the fewest replicas that serve `demand` with the headroom of the target, without bounds.
    #[must_use]
    pub fn needed_with_headroom(&self, demand: f64) -> u32 {
        self.needed(demand * self.headroom())
    }

    /// Limits `desired` to the bounds and to the step limits around `current`.
    #[must_use]
    pub fn admit(&self, desired: u32, current: u32) -> u32 {
        let most = self.scale_out_max.map_or(u32::MAX, |step| current.saturating_add(step));
        let least = self.scale_in_max.map_or(0, |step| current.saturating_sub(step));
        desired.clamp(least.min(most), most).clamp(self.replicas_min, self.replicas_max)
    }
}

/// Rounds `x` up to a count: 0 if negative or NaN, saturating at the largest count.
pub(super) fn ceil_count(x: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, which is what is wanted"
    )]
    let count = x.ceil() as u32;
    count
}

/// Replicas of one workload: ready and starting ones.
///
/// A replica requested at *t* is ready at *t* + start-up. A surplus is removed at once: starting replicas first, the
/// newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    ready: u32,
    starting: VecDeque<StartingBatch>,
    n_starting: u32,
}

/// Replicas that were requested together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StartingBatch {
    ready_at_ms: i64,
    replicas: u32,
}

impl Pool {
    /// Creates a pool of `ready` ready replicas.
    #[must_use]
    pub fn new(ready: u32) -> Self {
        Self { ready, starting: VecDeque::new(), n_starting: 0 }
    }

    /// Returns the number of ready replicas.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.ready
    }

    /// Returns the number of ready and starting replicas.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.ready + self.n_starting
    }

    /// Makes the replicas ready whose start-up has ended by `now_ms`.
    pub fn advance(&mut self, now_ms: i64) {
        while let Some(batch) = self.starting.front().copied().filter(|batch| batch.ready_at_ms <= now_ms) {
            self.starting.pop_front();
            self.n_starting -= batch.replicas;
            self.ready += batch.replicas;
        }
    }

    /// Resizes the pool to `desired` replicas at `now_ms`.
    pub fn resize(&mut self, desired: u32, now_ms: i64, startup_ms: i64) {
        self.advance(now_ms);
        let total = self.total();
        if desired > total {
            let replicas = desired - total;
            self.starting.push_back(StartingBatch { ready_at_ms: now_ms.saturating_add(startup_ms), replicas });
            self.n_starting += replicas;
            self.advance(now_ms);
        } else {
            self.release(total - desired);
        }
    }

    /// Removes replicas, the newest starting ones first.
    fn release(&mut self, mut surplus: u32) {
        while surplus > 0
            && let Some(newest) = self.starting.back_mut()
        {
            let leaving = surplus.min(newest.replicas);
            newest.replicas -= leaving;
            self.n_starting -= leaving;
            surplus -= leaving;
            if newest.replicas == 0 {
                self.starting.pop_back();
            }
        }
        self.ready -= surplus;
    }
}
