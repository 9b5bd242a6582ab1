//! The predictive rule: acts on the forecast while its coverage holds, at a price fitted to a budget, and is the
//! reactive rule otherwise. Driven by `replay` and `decide`.

use std::collections::VecDeque;

use almanac_models::Timestamp;

use super::{
    super::{Policy, Reactive, bounded::BoundedChanges, scale_in::ScaleInWindow},
    features::SlotLengths,
    forecaster::{DemandForecaster, WindowForecast},
    price::{Price, ReplicaChooser},
};
use crate::{
    advise::scaling::{Pool, PoolRules},
    calendar::Zone,
};

/// Level of the bound whose coverage is measured.
const COVERAGE_LEVEL: f64 = 0.9;
/// Coverage below which the forecast is not acted on, and above which it is again.
const COVERAGE_LOST: f64 = 0.82;
const COVERAGE_REGAINED: f64 = 0.86;
/// Budget as a multiple of the reactive rule's replica-hours.
const BUDGET_FACTOR: f64 = 1.05;
/// Minimum worth of a replica: one percent more replicas must prevent a shortfall in at least a twenty-thousandth of
/// the time. Tried values: `docs/tuning/scaling.md`.
const MIN_WORTH: f64 = 0.005;
/// Number of decisions that must agree before a replica is released.
const SCALE_IN_STEPS: i64 = 5;
/// Minimum number of past decisions for fitting the price.
const MIN_PRICE_DECISIONS: usize = 200;

/// Options of the predictive rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictiveOptions {
    /// Step length, milliseconds.
    pub step_ms: i64,
    /// Length of the day that demand follows, milliseconds.
    pub day_ms: i64,
    /// Minimum wait before a scale-in, milliseconds.
    pub stabilization_ms: i64,
    /// Cost of unserved demand relative to idle capacity; none: the price is fitted to the reactive rule's spending.
    pub unserved_cost_ratio: Option<f64>,
    /// Time zone of the days; none: UTC.
    pub zone: Option<Zone>,
}

impl PredictiveOptions {
    /// Returns the scale-in window, milliseconds: the reactive rule's stabilisation, but at least a few steps, because
    /// a single long step would fill it.
    fn scale_in_window_ms(&self) -> i64 {
        self.stabilization_ms.max(SCALE_IN_STEPS * self.step_ms)
    }
}

/// Measured coverage of the forecast against the promised one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coverage {
    /// Promised share of windows whose peak stays within the bound.
    pub promised: f64,
    /// Measured share, over about the last day.
    pub measured: f64,
    /// Number of measured windows.
    pub windows: u64,
    /// Whether the forecast may be acted on.
    pub holds: bool,
}

/// Sizes the pool for the demand while replicas start, as the price of a shortfall warrants. Never goes below what the
/// last observed demand needs. Acts as the reactive rule while the measured coverage of the forecast is too low.
///
/// Without stated costs, the price is fitted so that the rule would have spent over the last week what the reactive
/// rule spent. The target utilisation thus sets how much idle capacity is paid for, and the forecast sets when. The
/// rule spends less if more replicas would hardly help.
#[derive(Debug, Clone)]
pub struct Predictive {
    rules: PoolRules,
    options: PredictiveOptions,
    lengths: SlotLengths,
    forecaster: DemandForecaster,
    chooser: ReplicaChooser,
    price: Price,
    /// The reactive rule on its own simulated pool: the fallback and the budget.
    reactive: Reactive,
    reactive_pool: Option<Pool>,
    reactive_desired: u32,
    past_decisions: VecDeque<PastDecision>,
    window: ScaleInWindow,
    change_limit: BoundedChanges,
    coverage: Coverage,
    last_demand: Option<f64>,
    first_ms: Option<i64>,
}

/// Inputs of a past decision, kept for fitting the price.
#[derive(Debug, Clone, Copy)]
struct PastDecision {
    forecast: WindowForecast,
    floor: u32,
    reactive: u32,
}

impl Predictive {
    /// Creates a rule without observations.
    #[must_use]
    pub fn new(rules: PoolRules, options: PredictiveOptions) -> Self {
        let step_ms = options.step_ms.max(1);
        let slots = |millis: i64| usize::try_from(millis / step_ms).unwrap_or(0);
        let startup = slots(rules.startup_ms.saturating_add(step_ms - 1));
        let day = slots(options.day_ms).max(1);
        let lengths = SlotLengths { window: startup + 1, hour: day / 24, day };
        // Below half of a replica's capacity, demand makes no difference.
        let floor = 0.5 * rules.capacity;
        let memory = 7.0 * f64::from(u32::try_from(day).unwrap_or(u32::MAX)).max(100.0);
        let forecaster = DemandForecaster::new(lengths, floor, memory);
        Self {
            rules,
            options,
            lengths,
            chooser: ReplicaChooser::new(rules, &forecaster),
            forecaster,
            price: options
                .unserved_cost_ratio
                .map_or(Price::Shortfall(MIN_WORTH), |ratio| Price::newsvendor(ratio, rules.thrift())),
            reactive: Reactive::new(rules, options.stabilization_ms),
            reactive_pool: None,
            reactive_desired: 0,
            past_decisions: VecDeque::new(),
            window: ScaleInWindow::new(options.scale_in_window_ms()),
            change_limit: BoundedChanges::new(rules.changes_per_day_max, options.day_ms),
            coverage: Coverage { promised: COVERAGE_LEVEL, measured: 0.0, windows: 0, holds: false },
            last_demand: None,
            first_ms: None,
        }
    }

    /// Returns the measured coverage of the forecast.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Returns whether the last decision followed the forecast, not the reactive rule.
    #[must_use]
    pub fn acts_on_forecast(&self) -> bool {
        self.trained() && self.coverage.holds
    }

    /// Returns the replicas that the reactive rule wanted at the last decision.
    #[must_use]
    pub fn reactive_desired(&self) -> u32 {
        self.reactive_desired
    }

    /// Returns whether there is enough history to act on the forecast.
    fn trained(&self) -> bool {
        self.past_decisions.len() >= (self.lengths.day / 2).clamp(MIN_PRICE_DECISIONS / 2, 10 * MIN_PRICE_DECISIONS)
    }

    /// Advances the reactive rule on its own pool and returns its decision.
    fn decide_reactive(&mut self, at_ms: i64, pool: &Pool) -> u32 {
        let own = self.reactive_pool.get_or_insert_with(|| pool.clone());
        own.advance(at_ms);
        let desired = self.rules.admit(self.reactive.decide(at_ms, own), own.total());
        own.resize(desired, at_ms, self.rules.startup_ms);
        desired
    }

    /// Fills slots without a row, so that a slot is always one step of time.
    fn fill_missing_slots(&mut self, at_ms: i64) {
        let first_ms = *self.first_ms.get_or_insert(at_ms);
        let step_ms = self.options.step_ms.max(1);
        let slot = usize::try_from((at_ms.saturating_sub(first_ms).saturating_add(step_ms / 2)) / step_ms).unwrap_or(0);
        let missing = slot.saturating_sub(self.forecaster.len());
        // Of a gap of many weeks only the last is filled; skipping whole weeks keeps days and weeks aligned.
        let week = (7 * self.lengths.day).max(1);
        let skipped = (missing / week).saturating_sub(1) * week;
        let missing = missing - skipped;
        if let Ok(skipped) = i64::try_from(skipped) {
            self.first_ms = Some(first_ms.saturating_add(skipped.saturating_mul(step_ms)));
        }
        if let Some(demand) = self.last_demand {
            for _ in 0..missing {
                let slot = i64::try_from(self.forecaster.len()).unwrap_or(i64::MAX);
                self.set_utc_offset(first_ms.saturating_add(slot.saturating_mul(step_ms)));
                self.forecaster.predict(COVERAGE_LEVEL);
                self.forecaster.observe(demand, false);
            }
        }
    }

    /// Sets the forecaster's offset of the local time from UTC, in slots.
    fn set_utc_offset(&mut self, at_ms: i64) {
        if let Some(zone) = self.options.zone {
            let utc_offset = zone.ahead(Timestamp::from_millis(at_ms)) / self.options.step_ms.max(1);
            self.forecaster.set_utc_offset(i32::try_from(utc_offset).unwrap_or(0));
        }
    }

    /// Fits the price at which the last week would have cost as much as the reactive rule spent in it.
    fn fit_price(&mut self) {
        let n = self.past_decisions.len();
        if self.options.unserved_cost_ratio.is_some() || n < MIN_PRICE_DECISIONS / 2 {
            return;
        }
        let reactive: f64 = self.past_decisions.iter().map(|decision| f64::from(decision.reactive)).sum();
        let steps = f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let least = MIN_WORTH * self.rules.thrift() / (reactive / steps).max(1.0);
        let (mut low, mut high) = (least.ln(), 0.0);
        // Bisection over a factor of 10⁵ in price, halved 14 times: precise to a thousandth.
        for _ in 0..14 {
            let middle = 0.5 * (low + high);
            if self.spending(Price::Shortfall(f64::exp(middle))) > BUDGET_FACTOR * reactive {
                low = middle
            } else {
                high = middle
            }
        }
        self.price = Price::Shortfall((0.5 * (low + high)).exp());
    }

    /// Returns the replica-steps that the past decisions would have cost at `price`.
    fn spending(&self, price: Price) -> f64 {
        let mut replicas = self.rules.replicas_min;
        let mut sum = 0.0;
        let mut change_limit = BoundedChanges::new(self.rules.changes_per_day_max, self.options.day_ms);
        let mut window = ScaleInWindow::new(self.options.scale_in_window_ms());
        let mut at_ms = 0;
        for PastDecision { forecast, floor, .. } in &self.past_decisions {
            let wanted = self.chooser.choose(&self.forecaster, forecast, price, (at_ms, &mut window), replicas, *floor);
            replicas = change_limit.admit(at_ms, wanted, replicas);
            sum += f64::from(replicas);
            at_ms += self.options.step_ms;
        }
        sum
    }

    /// Updates the measured coverage, with hysteresis between losing and regaining it.
    fn update_coverage(&mut self, held: bool) {
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
        self.change_limit.admit(at_ms, wanted, pool.total())
    }

    fn observe(&mut self, at_ms: i64, demand: f64, observed: bool) {
        if let Some(held) = self.forecaster.observe(demand, observed) {
            self.update_coverage(held);
        }
        self.reactive.observe(at_ms, demand, observed);
        self.last_demand = Some(demand);
    }
}

impl Predictive {
    /// Returns the replicas wanted, before the limit on changes.
    fn wanted(&mut self, at_ms: i64, pool: &Pool) -> u32 {
        self.fill_missing_slots(at_ms);
        self.reactive_desired = self.decide_reactive(at_ms, pool);
        self.set_utc_offset(at_ms);
        let forecast = self.forecaster.predict(COVERAGE_LEVEL);
        let Some(demand) = self.last_demand else { return self.reactive_desired };
        // The pool never falls below what the last observed demand needs, whatever the forecast is.
        let floor = self.rules.needed_with_headroom(demand);
        if self.past_decisions.len() == 7 * self.lengths.day.max(MIN_PRICE_DECISIONS) {
            self.past_decisions.pop_front();
        }
        self.past_decisions.push_back(PastDecision { forecast, floor, reactive: self.reactive_desired });
        if !self.acts_on_forecast() {
            return self.reactive_desired.max(floor);
        }
        if self.forecaster.len().is_multiple_of((self.lengths.day / 2).max(MIN_PRICE_DECISIONS / 2)) {
            self.fit_price();
        }
        let window = (at_ms, &mut self.window);
        self.chooser.choose(&self.forecaster, &forecast, self.price, window, pool.total(), floor)
    }
}
