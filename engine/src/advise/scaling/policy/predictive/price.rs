//! The price of one more replica, and the replicas that are worth it by the forecast.

use super::{
    super::scale_in::ScaleInWindow,
    forecaster::{Ask, DemandForecaster, Outlook},
};
use crate::advise::scaling::PoolRules;

/// A tenth of the pool: a smaller surplus stays. On public loads this halves the changes a day and costs under
/// two percent of replica-hours.
const RELEASE_DIVISOR: u32 = 10;

/// When one more replica is no longer worth having.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Price {
    /// One replica more, for one step, costs as much as this probability of falling short in it.
    Shortfall(f64),
    /// Demand may exceed what is there with this probability: the newsvendor's critical fractile,
    /// cost of idling / (cost of idling + cost of not serving).
    Exceedance(f64),
}

impl Price {
    /// The price at which unserved demand costs `ratio` times what idle capacity costs.
    /// `thrift`: see [`PoolRules::thrift`].
    pub(super) fn newsvendor(ratio: f64, thrift: f64) -> Self {
        Self::Exceedance((thrift.max(1.0) / (1.0 + ratio)).min(0.5))
    }
}

/// Chooses replicas by forecast and price.
#[derive(Debug, Clone)]
pub(super) struct Chooser {
    rules: PoolRules,
    /// Logarithm of what n replicas serve, on the forecaster's scale.
    log_served: Vec<f64>,
}

impl Chooser {
    pub(super) fn new(rules: PoolRules, forecaster: &DemandForecaster) -> Self {
        // With headroom each replica is taken to serve less.
        let served = rules.capacity / rules.headroom();
        let log_served = (0..=rules.replicas_max).map(|n| forecaster.log(f64::from(n) * served)).collect();
        Self { rules, log_served }
    }

    /// The replicas wanted at `at_ms` with `current` there and `floor` needed by the demand just seen.
    ///
    /// More are asked for when the demand at the time they would be ready warrants it, and some are let go when the highest demand
    /// until they could be back does, and did so at every decision of the window: a forecast at the edge of a replica crosses it
    /// at single steps. In between nothing changes, nor for a surplus below a tenth.
    pub(super) fn choose(
        &self,
        forecaster: &DemandForecaster,
        outlook: &Outlook,
        price: Price,
        (at_ms, window): (i64, &mut ScaleInWindow),
        current: u32,
        floor: u32,
    ) -> u32 {
        let least = floor.max(self.rules.replicas_min).min(self.rules.replicas_max);
        let out = self.best(forecaster, outlook, Ask::End, price, least);
        if current < out {
            window.most(at_ms, out);
            return out;
        }
        let keep = self.best(forecaster, outlook, Ask::Peak, price, least).max(out);
        let keep = window.most(at_ms, keep);
        let surplus = current.saturating_sub(keep);
        if surplus <= current / RELEASE_DIVISOR { current.max(least) } else { keep }
    }

    fn best(&self, forecaster: &DemandForecaster, outlook: &Outlook, ask: Ask, price: Price, least: u32) -> u32 {
        let exceeds = |n: u32| forecaster.exceeds(outlook, ask, self.log_served[n as usize]);
        match price {
            Price::Exceedance(allowed) => {
                // The probability falls with n: halve.
                let (mut low, mut high) = (least, self.rules.replicas_max);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if exceeds(middle) > allowed { low = middle + 1 } else { high = middle }
                }
                low
            }
            Price::Shortfall(price) => {
                let cost = |n: u32| exceeds(n) + price * f64::from(n);
                // Large pools are searched in strides of about 1.5 %, then closely around the best.
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
