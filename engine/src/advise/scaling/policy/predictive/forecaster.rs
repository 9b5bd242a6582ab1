//! Forecasts the demand that a pool must serve while replicas start: location, scale and the measured tail of errors.
//! Called by `rule`.

use std::collections::VecDeque;

use super::{
    features::{LEAST_ERROR, LOCATION, PastDemand, SCALE, SlotLengths},
    least_squares::DecayedRidge,
    tail::ErrorTail,
};

/// Number of demand levels with separate error distributions, and their width in logarithms.
const LEVELS: usize = 16;
const LEVEL_WIDTH: f64 = 0.3;
/// Number of errors at which a level's own distribution has as much weight as that of all levels.
const OWN_ERRORS: f64 = 300.0;
/// Windows between two fits of the coefficients, and between two updates of the error distributions.
const FIT_EVERY: usize = 30;
const REFRESH_EVERY: usize = 5;
/// Hours before errors count as those of a fitted model.
const SETTLED_HOURS: usize = 2;

/// Forecast quantity of the next window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowTarget {
    /// Maximum demand until replicas requested now are ready. It decides what can be released.
    Peak = 0,
    /// Demand when replicas requested now are ready. It decides what must be added.
    End = 1,
}

/// Forecast of one window, in log demand: location and scale for each [`WindowTarget`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WindowForecast {
    center: [f64; 2],
    spread: [f64; 2],
    level: usize,
}

/// A causal forecast of the demand that a pool must serve while replicas start.
///
/// One regression predicts the location from recent levels and from the demand after the same time an hour, a day and a
/// week ago. A second one predicts the size of the first one's error. The tail is that of the standardised errors
/// measured so far. A floor is added before taking logarithms: differences below it do not change the number of
/// replicas.
///
/// Location-scale forecast with empirical quantiles: split conformal prediction with normalised scores (Lei et al.
/// 2018), here online and with exponential forgetting.
#[derive(Debug, Clone)]
pub(super) struct DemandForecaster {
    floor: f64,
    past: PastDemand,
    location: DecayedRidge<LOCATION, 2>,
    scale: DecayedRidge<SCALE, 2>,
    tails: [ErrorTail; 2],
    tails_by_level: Vec<[ErrorTail; 2]>,
    settled_after: usize,
    windows: usize,
    pending: VecDeque<PendingWindow>,
}

#[derive(Debug, Clone)]
struct PendingWindow {
    x: [f64; LOCATION],
    x_scale: [f64; SCALE],
    forecast: WindowForecast,
    base: f64,
    /// Bound promised for the peak at the coverage level, in log demand.
    promised: f64,
    observed: bool,
}

impl DemandForecaster {
    /// Creates a forecaster. `floor`: in units of demand, positive. `memory`: slots after which a point has weight 1/e.
    pub(super) fn new(lengths: SlotLengths, floor: f64, memory: f64) -> Self {
        let decay = 1.0 - 1.0 / memory;
        let tails = || [ErrorTail::new(0.5 * memory), ErrorTail::new(0.5 * memory)];
        Self {
            floor,
            past: PastDemand::new(lengths),
            location: DecayedRidge::new(decay, 0.02),
            scale: DecayedRidge::new(decay, 0.05),
            tails: tails(),
            tails_by_level: (0..LEVELS).map(|_| tails()).collect(),
            settled_after: SETTLED_HOURS * lengths.hour,
            windows: 0,
            pending: VecDeque::new(),
        }
    }

    /// Converts demand to the log scale of the forecasts.
    pub(super) fn log(&self, demand: f64) -> f64 {
        (demand + self.floor).ln()
    }

    /// Sets the offset of the local time from UTC at the next slot, in slots.
    pub(super) fn set_utc_offset(&mut self, utc_offset: i32) {
        self.past.set_utc_offset(utc_offset);
    }

    /// Returns the number of slots.
    pub(super) fn len(&self) -> usize {
        self.past.len()
    }

    /// Forecasts the window that starts at the next slot; `coverage_level` is promised for its peak.
    pub(super) fn predict(&mut self, coverage_level: f64) -> WindowForecast {
        let base = self.past.level();
        let (x, x_scale) = (self.past.location(), self.past.scale());
        let center = self.location.predict(&x).map(|rise| base + rise);
        // Log errors beyond these ends exceed what demand does in minutes. The bound keeps a bad fit finite.
        let spread = self.scale.predict(&x_scale).map(|log| log.clamp(-6.0, 3.0).exp());
        let forecast = WindowForecast { center, spread, level: self.level_of(center[0]) };
        let promised = self.quantile(&forecast, WindowTarget::Peak, coverage_level);
        self.pending.push_back(PendingWindow { x, x_scale, forecast, base, promised, observed: true });
        forecast
    }

    /// Adds the demand of the slot that was predicted last. Returns for a completed window whether its peak stayed
    /// within the promised bound.
    pub(super) fn observe(&mut self, demand: f64, observed: bool) -> Option<bool> {
        if !observed {
            // A window with a missing value is not learned from.
            self.pending.iter_mut().for_each(|pending| pending.observed = false);
        }
        let y = self.log(demand);
        let (_, peak) = self.past.push(y)?;
        let pending = self.pending.pop_front()?;
        self.windows += 1;
        let errors = [peak - pending.forecast.center[0], y - pending.forecast.center[1]];
        self.past.push_error(errors[0].abs());
        let fitted = self.windows > self.settled_after;
        if pending.observed {
            self.learn(&pending, errors, [peak, y], fitted);
        }
        if self.windows.is_multiple_of(FIT_EVERY) {
            self.location.solve();
            self.scale.solve();
        }
        if self.windows.is_multiple_of(REFRESH_EVERY) {
            let all = self.tails.iter_mut().chain(self.tails_by_level.iter_mut().flatten());
            all.for_each(ErrorTail::refresh);
        }
        (fitted && pending.observed).then_some(peak <= pending.promised)
    }

    fn learn(&mut self, pending: &PendingWindow, errors: [f64; 2], outcome: [f64; 2], fitted: bool) {
        if fitted {
            for (idx, (error, spread)) in errors.iter().zip(pending.forecast.spread).enumerate() {
                self.tails[idx].add(error / spread);
                self.tails_by_level[pending.forecast.level][idx].add(error / spread);
            }
            self.scale.add(&pending.x_scale, errors.map(|error| (error.abs() + LEAST_ERROR).ln()));
        }
        self.location.add(&pending.x, outcome.map(|y| y - pending.base));
    }

    /// Returns P(demand > `log_demand`) for a target.
    pub(super) fn exceeds(&self, forecast: &WindowForecast, target: WindowTarget, log_demand: f64) -> f64 {
        let idx = target as usize;
        let z = (log_demand - forecast.center[idx]) / forecast.spread[idx];
        let own = &self.tails_by_level[forecast.level][idx];
        let weight = own.weight();
        (weight * own.exceeds(z) + OWN_ERRORS * self.tails[idx].exceeds(z)) / (weight + OWN_ERRORS)
    }

    /// Returns the quantile `p` of a target, in log demand, by bisection.
    pub(super) fn quantile(&self, forecast: &WindowForecast, target: WindowTarget, p: f64) -> f64 {
        let idx = target as usize;
        let at = |z: f64| forecast.center[idx] + z * forecast.spread[idx];
        let (mut low, mut high) = (-8.0, 30.0);
        // 38 standard errors, halved twelve times: precise to a hundredth of one.
        for _ in 0..12 {
            let middle = 0.5 * (low + high);
            if self.exceeds(forecast, target, at(middle)) > 1.0 - p { low = middle } else { high = middle }
        }
        at(high)
    }

    /// Returns the demand level of a forecast.
    fn level_of(&self, center: f64) -> usize {
        let place = (center - self.floor.ln()) / LEVEL_WIDTH;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        let level = place as usize;
        level.min(LEVELS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::features::SlotLengths, DemandForecaster, WindowTarget};

    fn daily(slot: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let phase = (slot % 96) as f64 / 96.0 * std::f64::consts::TAU;
        100.0 + 60.0 * phase.sin()
    }

    #[test]
    fn follows_a_daily_course() {
        let lengths = SlotLengths { window: 3, hour: 4, day: 96 };
        let mut forecaster = DemandForecaster::new(lengths, 5.0, 7.0 * 96.0);
        let mut worst: f64 = 0.0;
        for slot in 0..96 * 14 {
            let forecast = forecaster.predict(0.9);
            if slot > 96 * 10 {
                let end = forecaster.quantile(&forecast, WindowTarget::End, 0.5).exp() - 5.0;
                worst = worst.max((end - daily(slot + 2)).abs());
            }
            forecaster.observe(daily(slot), true);
        }
        assert!(worst < 6.0, "{worst}");
    }

    #[test]
    fn the_peak_lies_at_or_above_the_end() {
        let lengths = SlotLengths { window: 4, hour: 6, day: 144 };
        let mut forecaster = DemandForecaster::new(lengths, 5.0, 1000.0);
        let mut state = 1_u64;
        let mut below = 0;
        for slot in 0..2000 {
            let forecast = forecaster.predict(0.9);
            if slot > 600 {
                let [peak, end] =
                    [WindowTarget::Peak, WindowTarget::End].map(|target| forecaster.quantile(&forecast, target, 0.9));
                below += u32::from(peak < end - 0.05);
            }
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            #[expect(clippy::cast_precision_loss, reason = "a noise")]
            let noise = (state >> 40) as f64 / 2f64.powi(24);
            forecaster.observe(daily(slot) * (0.5 + noise), true);
        }
        assert!(below < 70, "{below} of 1400");
    }
}
