//! The forecast of the demand that a pool must hold while replicas start: location, scale and the measured tail of errors.

use std::collections::VecDeque;

use super::{
    features::{LEAST_ERROR, LOCATION, Lengths, Past, SCALE},
    least_squares::DecayedRidge,
    tail::ErrorTail,
};

/// Levels of demand whose errors are kept apart, each this wide in logarithms.
const LEVELS: usize = 16;
const LEVEL_WIDTH: f64 = 0.3;
/// A level's own errors weigh as much as those of all levels once it has so many.
const OWN_ERRORS: f64 = 300.0;
/// Windows between two fits of the coefficients, and between two looks at the errors.
const FIT_EVERY: usize = 30;
const REFRESH_EVERY: usize = 5;
/// Hours before errors are believed to be those of a fitted model.
const SETTLED_HOURS: usize = 2;

/// What is asked of the coming window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The highest demand until what is asked for now is ready: what a replica let go now could miss.
    Peak = 0,
    /// The demand when what is asked for now is ready: what a replica added now can serve.
    End = 1,
}

/// The forecast of one window, in logarithms of demand: location and scale for each [`Ask`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outlook {
    center: [f64; 2],
    spread: [f64; 2],
    level: usize,
}

/// A causal forecast of the demand that a pool must hold while replicas start.
///
/// One regression says where demand is going, from recent levels and from what followed an hour, a
/// day and a week ago; a second says how far the first will be off; the tail is that of the
/// standardised errors measured so far. Logarithms are taken above a floor, below which differences
/// do not change the number of replicas.
///
/// Location-scale forecasts with empirical quantiles: split conformal prediction with normalised
/// scores (Lei et al. 2018), here online and with fading memory.
#[derive(Debug, Clone)]
pub(super) struct DemandForecaster {
    floor: f64,
    past: Past,
    location: DecayedRidge<LOCATION, 2>,
    scale: DecayedRidge<SCALE, 2>,
    tails: [ErrorTail; 2],
    tails_by_level: Vec<[ErrorTail; 2]>,
    settled_after: usize,
    windows: usize,
    pending: VecDeque<Pending>,
}

#[derive(Debug, Clone)]
struct Pending {
    x: [f64; LOCATION],
    x_scale: [f64; SCALE],
    outlook: Outlook,
    base: f64,
    /// The bound promised at the level of the coverage, in logarithms.
    promised: f64,
    observed: bool,
}

impl DemandForecaster {
    /// `floor`: in units of demand, positive. `memory`: slots after which a point weighs 1/e.
    pub(super) fn new(lengths: Lengths, floor: f64, memory: f64) -> Self {
        let decay = 1.0 - 1.0 / memory;
        let tails = || [ErrorTail::new(0.5 * memory), ErrorTail::new(0.5 * memory)];
        Self {
            floor,
            past: Past::new(lengths),
            location: DecayedRidge::new(decay, 0.02),
            scale: DecayedRidge::new(decay, 0.05),
            tails: tails(),
            tails_by_level: (0..LEVELS).map(|_| tails()).collect(),
            settled_after: SETTLED_HOURS * lengths.hour,
            windows: 0,
            pending: VecDeque::new(),
        }
    }

    /// Demand on the scale on which outlooks live.
    pub(super) fn log(&self, demand: f64) -> f64 {
        (demand + self.floor).ln()
    }

    /// Sets what the clocks are ahead of UTC at the coming slot, in slots.
    pub(super) fn set_clocks(&mut self, ahead: i32) {
        self.past.set_clocks(ahead);
    }

    /// Slots seen.
    pub(super) fn len(&self) -> usize {
        self.past.len()
    }

    /// The outlook from the coming slot on; `coverage_level` is promised for its peak.
    pub(super) fn predict(&mut self, coverage_level: f64) -> Outlook {
        let base = self.past.level();
        let (x, x_scale) = (self.past.location(), self.past.scale());
        let center = self.location.predict(&x).map(|rise| base + rise);
        // Errors beyond e^±6 are beyond what demand does in minutes; the bound keeps a bad fit finite.
        let spread = self.scale.predict(&x_scale).map(|log| log.clamp(-6.0, 3.0).exp());
        let outlook = Outlook { center, spread, level: self.level_of(center[0]) };
        let promised = self.quantile(&outlook, Ask::Peak, coverage_level);
        self.pending.push_back(Pending { x, x_scale, outlook, base, promised, observed: true });
        outlook
    }

    /// Takes the demand of the slot last predicted. When that completes a window: whether its peak stayed
    /// within the promise.
    pub(super) fn observe(&mut self, demand: f64, observed: bool) -> Option<bool> {
        if !observed {
            // What was not measured teaches nothing, to no window that holds it.
            self.pending.iter_mut().for_each(|pending| pending.observed = false);
        }
        let y = self.log(demand);
        let (_, peak) = self.past.push(y)?;
        let pending = self.pending.pop_front()?;
        self.windows += 1;
        let errors = [peak - pending.outlook.center[0], y - pending.outlook.center[1]];
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

    fn learn(&mut self, pending: &Pending, errors: [f64; 2], outcome: [f64; 2], fitted: bool) {
        if fitted {
            for (idx, (error, spread)) in errors.iter().zip(pending.outlook.spread).enumerate() {
                self.tails[idx].add(error / spread);
                self.tails_by_level[pending.outlook.level][idx].add(error / spread);
            }
            self.scale.add(&pending.x_scale, errors.map(|error| (error.abs() + LEAST_ERROR).ln()));
        }
        self.location.add(&pending.x, outcome.map(|y| y - pending.base));
    }

    /// P(demand > `log_demand`) for what is asked.
    pub(super) fn exceeds(&self, outlook: &Outlook, ask: Ask, log_demand: f64) -> f64 {
        let idx = ask as usize;
        let z = (log_demand - outlook.center[idx]) / outlook.spread[idx];
        let own = &self.tails_by_level[outlook.level][idx];
        let weight = own.weight();
        (weight * own.exceeds(z) + OWN_ERRORS * self.tails[idx].exceeds(z)) / (weight + OWN_ERRORS)
    }

    /// The quantile `p` of what is asked, in logarithms of demand.
    pub(super) fn quantile(&self, outlook: &Outlook, ask: Ask, p: f64) -> f64 {
        let idx = ask as usize;
        let at = |z: f64| outlook.center[idx] + z * outlook.spread[idx];
        let (mut low, mut high) = (-8.0, 30.0);
        // 38 standard errors halved twelve times: a hundredth of one.
        for _ in 0..12 {
            let middle = 0.5 * (low + high);
            if self.exceeds(outlook, ask, at(middle)) > 1.0 - p { low = middle } else { high = middle }
        }
        at(high)
    }

    fn level_of(&self, center: f64) -> usize {
        let place = (center - self.floor.ln()) / LEVEL_WIDTH;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        let level = place as usize;
        level.min(LEVELS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::features::Lengths, Ask, DemandForecaster};

    fn daily(slot: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let phase = (slot % 96) as f64 / 96.0 * std::f64::consts::TAU;
        100.0 + 60.0 * phase.sin()
    }

    #[test]
    fn follows_a_daily_course() {
        let lengths = Lengths { window: 3, hour: 4, day: 96 };
        let mut forecaster = DemandForecaster::new(lengths, 5.0, 7.0 * 96.0);
        let mut worst: f64 = 0.0;
        for slot in 0..96 * 14 {
            let outlook = forecaster.predict(0.9);
            if slot > 96 * 10 {
                let end = forecaster.quantile(&outlook, Ask::End, 0.5).exp() - 5.0;
                worst = worst.max((end - daily(slot + 2)).abs());
            }
            forecaster.observe(daily(slot), true);
        }
        assert!(worst < 6.0, "{worst}");
    }

    #[test]
    fn the_peak_lies_at_or_above_the_end() {
        let lengths = Lengths { window: 4, hour: 6, day: 144 };
        let mut forecaster = DemandForecaster::new(lengths, 5.0, 1000.0);
        let mut state = 1_u64;
        let mut below = 0;
        for slot in 0..2000 {
            let outlook = forecaster.predict(0.9);
            if slot > 600 {
                let [peak, end] = [Ask::Peak, Ask::End].map(|ask| forecaster.quantile(&outlook, ask, 0.9));
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
