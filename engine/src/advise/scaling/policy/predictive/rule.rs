//! The predictive rule: coverage, budget and price over the forecast, with the reactive rule as fallback.

use std::collections::VecDeque;

use almanac_models::Timestamp;

use super::{
    super::{Policy, Reactive, bounded::BoundedChanges, scale_in::ScaleInWindow},
    features::Lengths,
    forecaster::{DemandForecaster, Outlook},
    price::{Chooser, Price},
};
use crate::{
    advise::scaling::{Pool, PoolRules},
    calendar::Zone,
};

/// Level of the bound by which the forecast is judged.
const COVERAGE_LEVEL: f64 = 0.9;
/// Coverage below which the forecast is no longer acted on, and above which it is again.
const COVERAGE_LOST: f64 = 0.82;
const COVERAGE_REGAINED: f64 = 0.86;
/// What the reactive rule spends, times this, may be spent.
const BUDGET: f64 = 1.05;
/// One percent more replicas must save at least one twenty-thousandth of the time from falling short. At two fifths and at a fifth
/// of this Bitbrains' machines spend one percent more and fall short as often, others no other; at twice they fall short more often.
const LEAST_WORTH: f64 = 0.005;
/// Decisions that must agree before a replica is let go.
const SCALE_IN_STEPS: i64 = 5;
/// Points that the price is set on at least.
const PRICE_POINTS: usize = 200;

/// How the predictive rule is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictiveOptions {
    /// Distance of the steps.
    pub step_ms: i64,
    /// Length of the day that demand follows.
    pub day_ms: i64,
    /// How long a rule waits before it scales in, at least.
    pub stabilization_ms: i64,
    /// Cost of unserved demand against idle capacity; none: the reactive rule's spending sets the price.
    pub unserved_cost_ratio: Option<f64>,
    /// The clocks that days follow; none: those of UTC.
    pub zone: Option<Zone>,
}

impl PredictiveOptions {
    /// Time over which no more may have been wanted before a replica is let go: that of the reactive rule, and a few steps at
    /// least, because at long steps a single one would fill it.
    fn scale_in_window_ms(&self) -> i64 {
        self.stabilization_ms.max(SCALE_IN_STEPS * self.step_ms)
    }
}

/// How the forecast did lately against what it promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    /// What was promised: the share of windows whose peak stays within the bound.
    pub promised: f64,
    /// What was measured, over about the last day.
    pub measured: f64,
    /// Windows measured.
    pub windows: u64,
    /// Whether the forecast may be acted on.
    pub holds: bool,
}

/// Sizes the pool for the demand to come while replicas start, as the price of falling short warrants, never
/// below what the demand just seen needs; is the reactive rule while the forecast's measured coverage
/// does not hold.
///
/// Without stated costs the price is the one at which the rule would have spent, over the last week, what the
/// reactive rule spent: the target utilisation says how much idling is paid for, the forecast says when.
/// It spends less where more replicas would hardly help.
#[derive(Debug, Clone)]
pub struct Predictive {
    rules: PoolRules,
    options: PredictiveOptions,
    lengths: Lengths,
    forecaster: DemandForecaster,
    chooser: Chooser,
    price: Price,
    /// The reactive rule on a pool of its own: the fallback, and the measure of what may be spent.
    reactive: Reactive,
    reactive_pool: Option<Pool>,
    reactive_desired: u32,
    recent: VecDeque<Recent>,
    window: ScaleInWindow,
    bounded: BoundedChanges,
    coverage: Coverage,
    last_demand: Option<f64>,
    first_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Recent {
    outlook: Outlook,
    floor: u32,
    reactive: u32,
}

impl Predictive {
    /// A rule that has seen nothing.
    #[must_use]
    pub fn new(rules: PoolRules, options: PredictiveOptions) -> Self {
        let step_ms = options.step_ms.max(1);
        let slots = |millis: i64| usize::try_from(millis / step_ms).unwrap_or(0);
        let startup = slots(rules.startup_ms.saturating_add(step_ms - 1));
        let day = slots(options.day_ms).max(1);
        let lengths = Lengths { window: startup + 1, hour: day / 24, day };
        // Below half of what one replica serves, demand makes no difference.
        let floor = 0.5 * rules.capacity;
        let memory = 7.0 * f64::from(u32::try_from(day).unwrap_or(u32::MAX)).max(100.0);
        let forecaster = DemandForecaster::new(lengths, floor, memory);
        Self {
            rules,
            options,
            lengths,
            chooser: Chooser::new(rules, &forecaster),
            forecaster,
            price: options
                .unserved_cost_ratio
                .map_or(Price::Shortfall(LEAST_WORTH), |ratio| Price::newsvendor(ratio, rules.thrift())),
            reactive: Reactive::new(rules, options.stabilization_ms),
            reactive_pool: None,
            reactive_desired: 0,
            recent: VecDeque::new(),
            window: ScaleInWindow::new(options.scale_in_window_ms()),
            bounded: BoundedChanges::new(rules.changes_per_day_max, options.day_ms),
            coverage: Coverage { promised: COVERAGE_LEVEL, measured: 0.0, windows: 0, holds: false },
            last_demand: None,
            first_ms: None,
        }
    }

    /// How the forecast did lately.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Whether the last decision was made on the forecast, and not by the reactive rule.
    #[must_use]
    pub fn acts_on_forecast(&self) -> bool {
        self.trained() && self.coverage.holds
    }

    /// What the reactive rule asked for at the last decision.
    #[must_use]
    pub fn reactive_desired(&self) -> u32 {
        self.reactive_desired
    }

    /// Whether there is enough history to act on.
    fn trained(&self) -> bool {
        self.recent.len() >= (self.lengths.day / 2).clamp(PRICE_POINTS / 2, 10 * PRICE_POINTS)
    }

    fn react(&mut self, at_ms: i64, pool: &Pool) -> u32 {
        let own = self.reactive_pool.get_or_insert_with(|| pool.clone());
        own.advance(at_ms);
        let desired = self.rules.admit(self.reactive.decide(at_ms, own), own.total());
        own.resize(desired, at_ms, self.rules.startup_ms);
        desired
    }

    /// Fills slots that no row came for, so that a slot is always one step of time.
    fn catch_up(&mut self, at_ms: i64) {
        let first_ms = *self.first_ms.get_or_insert(at_ms);
        let step_ms = self.options.step_ms.max(1);
        let slot = usize::try_from((at_ms.saturating_sub(first_ms).saturating_add(step_ms / 2)) / step_ms).unwrap_or(0);
        let missing = slot.saturating_sub(self.forecaster.len());
        // Of a gap of many weeks only the last is filled; whole weeks left out change nothing that is aligned with.
        let week = (7 * self.lengths.day).max(1);
        let skipped = (missing / week).saturating_sub(1) * week;
        let missing = missing - skipped;
        if let Ok(skipped) = i64::try_from(skipped) {
            self.first_ms = Some(first_ms.saturating_add(skipped.saturating_mul(step_ms)));
        }
        if let Some(demand) = self.last_demand {
            for _ in 0..missing {
                let slot = i64::try_from(self.forecaster.len()).unwrap_or(i64::MAX);
                self.set_clocks(first_ms.saturating_add(slot.saturating_mul(step_ms)));
                self.forecaster.predict(COVERAGE_LEVEL);
                self.forecaster.observe(demand, false);
            }
        }
    }

    /// Tells the forecaster what the clocks are ahead of UTC, in slots.
    fn set_clocks(&mut self, at_ms: i64) {
        if let Some(zone) = self.options.zone {
            let ahead = zone.ahead(Timestamp::from_millis(at_ms)) / self.options.step_ms.max(1);
            self.forecaster.set_clocks(i32::try_from(ahead).unwrap_or(0));
        }
    }

    /// Sets the price at which the last week would have cost what the reactive rule spent in it.
    fn reprice(&mut self) {
        let n = self.recent.len();
        if self.options.unserved_cost_ratio.is_some() || n < PRICE_POINTS / 2 {
            return;
        }
        let reactive: f64 = self.recent.iter().map(|recent| f64::from(recent.reactive)).sum();
        let steps = f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let least = LEAST_WORTH * self.rules.thrift() / (reactive / steps).max(1.0);
        let (mut low, mut high) = (least.ln(), 0.0);
        // Prices a factor of 10⁵ apart, halved 14 times: within a thousandth.
        for _ in 0..14 {
            let middle = 0.5 * (low + high);
            if self.spending(Price::Shortfall(f64::exp(middle))) > BUDGET * reactive {
                low = middle
            } else {
                high = middle
            }
        }
        self.price = Price::Shortfall((0.5 * (low + high)).exp());
    }

    fn spending(&self, price: Price) -> f64 {
        let mut replicas = self.rules.replicas_min;
        let mut sum = 0.0;
        let mut bounded = BoundedChanges::new(self.rules.changes_per_day_max, self.options.day_ms);
        let mut window = ScaleInWindow::new(self.options.scale_in_window_ms());
        let mut at_ms = 0;
        for Recent { outlook, floor, .. } in &self.recent {
            let wanted = self.chooser.choose(&self.forecaster, outlook, price, (at_ms, &mut window), replicas, *floor);
            replicas = bounded.admit(at_ms, wanted, replicas);
            sum += f64::from(replicas);
            at_ms += self.options.step_ms;
        }
        sum
    }

    fn judge(&mut self, held: bool) {
        let coverage = &mut self.coverage;
        coverage.windows += 1;
        let day = f64::from(u32::try_from(self.lengths.day).unwrap_or(u32::MAX)).max(100.0);
        let weight = (1.0 / f64::from(u32::try_from(coverage.windows).unwrap_or(u32::MAX))).max(1.0 / day);
        coverage.measured += weight * (f64::from(u8::from(held)) - coverage.measured);
        let bound = if coverage.holds { COVERAGE_LOST } else { COVERAGE_REGAINED };
        coverage.holds = coverage.measured >= bound;
    }
}

impl Policy for Predictive {
    fn decide(&mut self, at_ms: i64, pool: &Pool) -> u32 {
        let wanted = self.wanted(at_ms, pool);
        self.bounded.admit(at_ms, wanted, pool.total())
    }

    fn observe(&mut self, at_ms: i64, demand: f64, observed: bool) {
        if let Some(held) = self.forecaster.observe(demand, observed) {
            self.judge(held);
        }
        self.reactive.observe(at_ms, demand, observed);
        self.last_demand = Some(demand);
    }
}

impl Predictive {
    /// The replicas wanted, whatever changes there were.
    fn wanted(&mut self, at_ms: i64, pool: &Pool) -> u32 {
        self.catch_up(at_ms);
        self.reactive_desired = self.react(at_ms, pool);
        self.set_clocks(at_ms);
        let outlook = self.forecaster.predict(COVERAGE_LEVEL);
        let Some(demand) = self.last_demand else { return self.reactive_desired };
        let floor = self.rules.needed_with_headroom(demand);
        if self.recent.len() == 7 * self.lengths.day.max(PRICE_POINTS) {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { outlook, floor, reactive: self.reactive_desired });
        if !self.acts_on_forecast() {
            return self.reactive_desired.max(floor);
        }
        if self.forecaster.len().is_multiple_of((self.lengths.day / 2).max(PRICE_POINTS / 2)) {
            self.reprice();
        }
        let window = (at_ms, &mut self.window);
        self.chooser.choose(&self.forecaster, &outlook, self.price, window, pool.total(), floor)
    }
}
