//! Selects the number of replicas by forecast and by the price of one more replica. Called by `rule`.

use super::{
    super::scale_in::ScaleInWindow,
    forecaster::{DemandForecaster, WindowForecast, WindowTarget},
};
use crate::advise::scaling::PoolRules;

/// A surplus of at most the pool divided by this is kept. Tried values: `docs/tuning/scaling.md`.
const RELEASE_DIVISOR: u32 = 10;

/// Condition under which one more replica is not worth its cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Price {
    /// One replica more for one step costs as much as this probability of a shortfall in that step.
    Shortfall(f64),
    /// Demand may exceed the capacity with this probability: the newsvendor's critical fractile, cost of idling / (cost
    /// of idling + cost of not serving).
    Exceedance(f64),
}

impl Price {
    /// Returns the price if unserved demand costs `ratio` times as much as idle capacity. `thrift`: see
    /// [`PoolRules::thrift`].
    pub(super) fn newsvendor(ratio: f64, thrift: f64) -> Self {
        Self::Exceedance((thrift.max(1.0) / (1.0 + ratio)).min(0.5))
    }
}

/// Selects replicas by forecast and price.
#[derive(Debug, Clone)]
pub(super) struct ReplicaChooser {
    rules: PoolRules,
    /// Logarithm of the demand that n replicas serve, on the forecaster's scale.
    log_served: Vec<f64>,
}

impl ReplicaChooser {
    pub(super) fn new(rules: PoolRules, forecaster: &DemandForecaster) -> Self {
        // With headroom each replica is counted with less capacity.
        let served = rules.capacity / rules.headroom();
        let log_served = (0..=rules.replicas_max).map(|n| forecaster.log(f64::from(n) * served)).collect();
        Self { rules, log_served }
    }

    /// Returns the replicas wanted at `at_ms`, with `current` in the pool and at least `floor` needed by the last
    /// observed demand.
    ///
    /// Replicas are added if the demand at the end of their start-up requires it. They are released if the peak until
    /// they could be back allows it at every decision of the scale-in window: a forecast near the edge of a replica
    /// crosses it at single steps. Otherwise, and for a small surplus, nothing changes.
    pub(super) fn choose(
        &self,
        forecaster: &DemandForecaster,
        forecast: &WindowForecast,
        price: Price,
        (at_ms, window): (i64, &mut ScaleInWindow),
        current: u32,
        floor: u32,
    ) -> u32 {
        let least = floor.max(self.rules.replicas_min).min(self.rules.replicas_max);
        let out = self.best(forecaster, forecast, WindowTarget::End, price, least);
        if current < out {
            window.most(at_ms, out);
            return out;
        }
        let keep = self.best(forecaster, forecast, WindowTarget::Peak, price, least).max(out);
        let keep = window.most(at_ms, keep);
        let surplus = current.saturating_sub(keep);
        if surplus <= current / RELEASE_DIVISOR { current.max(least) } else { keep }
    }

    /// Returns the cheapest number of replicas of at least `least`.
    fn best(
        &self,
        forecaster: &DemandForecaster,
        forecast: &WindowForecast,
        target: WindowTarget,
        price: Price,
        least: u32,
    ) -> u32 {
        let exceeds = |n: u32| forecaster.exceeds(forecast, target, self.log_served[n as usize]);
        match price {
            Price::Exceedance(allowed) => {
                // Bisection: the probability decreases with n.
                let (mut low, mut high) = (least, self.rules.replicas_max);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if exceeds(middle) > allowed { low = middle + 1 } else { high = middle }
                }
                low
            }
            Price::Shortfall(price) => {
                let cost = |n: u32| exceeds(n) + price * f64::from(n);
                // Large pools are searched with a stride of about 1.5 %, then exhaustively around the best.
                let stride = 1 + least / 64;
                let (best, _) = self.least_cost(cost, price, least, self.rules.replicas_max, stride);
                if stride == 1 {
                    return best;
                }
                let around = (best.saturating_sub(stride).max(least), (best + stride).min(self.rules.replicas_max));
                self.least_cost(cost, price, around.0, around.1, 1).0
            }
        }
    }

    /// Returns the number of replicas with the lowest cost from `from` to `to`, and that cost.
    fn least_cost(&self, cost: impl Fn(u32) -> f64, price: f64, from: u32, to: u32, stride: u32) -> (u32, f64) {
        let mut best = (from, f64::INFINITY);
        let mut n = from;
        // Beyond this, the replicas alone cost more than the best so far.
        while n <= to && price * f64::from(n) <= best.1 {
            let here = cost(n);
            if here < best.1 {
                best = (n, here);
            }
            n += stride;
        }
        best
    }
}
