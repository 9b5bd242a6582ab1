//! A pool of replicas: what it is bound by, what demand needs, which replicas serve and which still start.

use std::collections::VecDeque;

use super::ScalingError;

/// Target at which a pool sized by the forecast has no further headroom, and the default of the configuration.
pub const USUAL_TARGET: f64 = 0.7;

/// What a replica serves and what the pool is bound by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoolRules {
    /// Demand that one ready replica serves, in units of demand; positive.
    pub capacity: f64,
    /// Share of the capacity that is to be used, in (0, 1]: every rule gives a pool more replicas at a lower share.
    pub target_utilization: f64,
    /// Time from asking for a replica until it serves.
    pub startup_ms: i64,
    /// Fewest replicas, starting ones included.
    pub replicas_min: u32,
    /// Most replicas, starting ones included.
    pub replicas_max: u32,
    /// Most replicas added in one step; none: as many as are asked for.
    pub scale_out_max: Option<u32>,
    /// Most replicas removed in one step; none: as many as are asked for.
    pub scale_in_max: Option<u32>,
    /// Scale-ins of the predictive rule in any day, at most; none: no bound. Scaling out is never held back.
    pub changes_per_day_max: Option<u32>,
}

impl PoolRules {
    /// Checks what arithmetic relies on.
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
    /// The fewest replicas whose ready capacity is at least `demand`; bounds do not apply.
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
        // The division may land on either side of a whole number; the product is what is scored.
        let mut needed = ceil_count(demand / self.capacity);
        while needed < u32::MAX && demand > f64::from(needed) * self.capacity {
            needed += 1;
        }
        while needed > 0 && demand <= f64::from(needed - 1) * self.capacity {
            needed -= 1;
        }
        needed
    }

    /// By how much more than demand a rule that sizes for the upper end of the forecast provides: below [`USUAL_TARGET`] as much as
    /// the target asks for beyond it.
    ///
    /// Sized for the upper end, loads use about [`USUAL_TARGET`] of the capacity, so that this target asks for no more.
    #[must_use]
    pub fn headroom(&self) -> f64 {
        (USUAL_TARGET / self.target_utilization).max(1.0)
    }

    /// How much rarer shortfalls are to be than at [`USUAL_TARGET`]: above it a pool is used more and may fall short more often.
    #[must_use]
    pub fn thrift(&self) -> f64 {
        (self.target_utilization / USUAL_TARGET).powi(2)
    }

    /// The fewest replicas that serve `demand` with the headroom of the target; bounds do not apply.
    #[must_use]
    pub fn needed_with_headroom(&self, demand: f64) -> u32 {
        self.needed(demand * self.headroom())
    }

    /// `desired` held between the bounds, and within the step limits around `current`.
    #[must_use]
    pub fn admit(&self, desired: u32, current: u32) -> u32 {
        let most = self.scale_out_max.map_or(u32::MAX, |step| current.saturating_add(step));
        let least = self.scale_in_max.map_or(0, |step| current.saturating_sub(step));
        desired.clamp(least.min(most), most).clamp(self.replicas_min, self.replicas_max)
    }
}

/// `x` rounded up to a count: 0 when negative or not a number, held at the largest count.
pub(super) fn ceil_count(x: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, which is what is wanted"
    )]
    let count = x.ceil() as u32;
    count
}

/// Replicas of one workload: those that serve and those that still start.
///
/// A replica asked for at *t* is ready at *t* + start-up. A surplus leaves at once: those still
/// starting first, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    ready: u32,
    starting: VecDeque<Batch>,
    n_starting: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Batch {
    ready_at_ms: i64,
    replicas: u32,
}

impl Pool {
    /// A pool of `ready` replicas, all of them ready.
    #[must_use]
    pub fn new(ready: u32) -> Self {
        Self { ready, starting: VecDeque::new(), n_starting: 0 }
    }

    /// Replicas that serve.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.ready
    }

    /// Replicas that serve or start.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.ready + self.n_starting
    }

    /// Those whose start-up has passed by `now_ms` become ready.
    pub fn advance(&mut self, now_ms: i64) {
        while let Some(batch) = self.starting.front().copied().filter(|batch| batch.ready_at_ms <= now_ms) {
            self.starting.pop_front();
            self.n_starting -= batch.replicas;
            self.ready += batch.replicas;
        }
    }

    /// Brings the pool to `desired` replicas at `now_ms`.
    pub fn resize(&mut self, desired: u32, now_ms: i64, startup_ms: i64) {
        self.advance(now_ms);
        let total = self.total();
        if desired > total {
            let replicas = desired - total;
            self.starting.push_back(Batch { ready_at_ms: now_ms.saturating_add(startup_ms), replicas });
            self.n_starting += replicas;
            self.advance(now_ms);
        } else {
            self.release(total - desired);
        }
    }

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
