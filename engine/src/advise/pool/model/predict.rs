//! Predicts the waits of a pool at a number of connections, by simulation over a sample of the history. Called by
//! `decide`, `calibrate` and `pictures`.

use almanac_models::queue::{LoadStep, QueueOptions, WaitTally, simulate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::PoolLoad;
use crate::advise::kit::{Interval, LEVEL};

/// Share of the checkouts that the busiest blocks have at least.
const BUSIEST: f64 = 0.05;
/// Simulated checkouts of the busiest blocks, and again of the others. Waits that follow each other are alike: at a load of 80 %
/// the 95 % quantile of 40,000 differs by 15 % from draw to draw.
const ARRIVALS: f64 = 400_000.0;
/// Largest number of times that a block is simulated.
const REPEATS: usize = 40;
/// Groups of simulated blocks, which are resampled for the intervals.
const GROUPS: usize = 24;
/// Number of resamples.
const RESAMPLES: usize = 100;
/// Mean hold times for which the load of the first step is simulated before waits count.
const WARMUP_HOLDS: f64 = 50.0;
/// Share of the checkouts whose wait is predicted.
const SHARE: f64 = 0.95;

/// Blocks of the history of which a sample is simulated.
#[derive(Debug, Clone, PartialEq)]
struct Stratum {
    /// Indices of the blocks to simulate; one may occur several times.
    blocks: Vec<usize>,
    /// Part of each step that is simulated.
    part: f64,
    /// Checkouts of all its blocks in the history.
    arrivals: f64,
}

/// A pool of which waits can be predicted.
#[derive(Debug, Clone)]
pub(in crate::advise::pool) struct PoolModel<'a> {
    load: &'a PoolLoad,
    busiest: Stratum,
    others: Stratum,
    /// Indices of the busiest blocks.
    pub(in crate::advise::pool) busiest_blocks: Vec<usize>,
    /// Mean size of the batches in which checkouts come.
    pub(in crate::advise::pool) batch: f64,
    /// Connections of an instance at present.
    present: u32,
    /// Longest wait in seconds, infinite for none.
    patience: f64,
}

/// Predicted waits at a number of connections.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::pool) struct Prediction {
    /// Connections of an instance.
    pub(in crate::advise::pool) connections: u32,
    /// 95 % quantile of the wait in the busiest blocks, seconds.
    pub(in crate::advise::pool) busiest: Interval,
    /// 95 % quantile of the wait over the whole history, seconds.
    pub(in crate::advise::pool) all: Interval,
    /// 99.9 % quantile in the busiest blocks, seconds.
    pub(in crate::advise::pool) p999: f64,
    /// Waits over the whole history.
    pub(in crate::advise::pool) tally: WaitTally,
}

impl<'a> PoolModel<'a> {
    /// Chooses the blocks to simulate.
    pub(in crate::advise::pool) fn new(load: &'a PoolLoad, present: u32, patience: f64, batch: f64) -> Self {
        let arrivals = |idx: usize| load.blocks[idx].iter().map(LoadStep::arrivals).sum::<f64>();
        // Connections in use on average, if there were enough.
        let demand = |idx: usize| {
            let block = &load.blocks[idx];
            let held: f64 = block.iter().map(|step| step.arrivals() * load.step_hold(step)).sum();
            held / block.iter().map(|step| step.seconds).sum::<f64>()
        };
        let mut order: Vec<(usize, f64)> = (0..load.blocks.len()).map(|idx| (idx, demand(idx))).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let order: Vec<usize> = order.into_iter().map(|(idx, _)| idx).collect();
        let total: f64 = order.iter().map(|&idx| arrivals(idx)).sum();
        let mut sum = 0.0;
        let is_busiest = |idx: &&usize| {
            let before = sum;
            sum += arrivals(**idx);
            before < BUSIEST * total
        };
        let busiest: Vec<usize> = order.iter().take_while(is_busiest).copied().collect();
        let stratum = |blocks: &[usize]| Stratum::sample(blocks, arrivals);
        Self {
            load,
            busiest: stratum(&busiest),
            others: stratum(&order[busiest.len()..]),
            busiest_blocks: busiest,
            batch,
            present,
            patience,
        }
    }

    /// Returns the same model with another mean size of batches.
    pub(in crate::advise::pool) fn with_batch(&self, batch: f64) -> Self {
        Self { batch, ..self.clone() }
    }

    /// Returns the largest number of connections in use on average over a step, if there were enough.
    pub(in crate::advise::pool) fn peak_load(&self) -> f64 {
        let all = self.load.blocks.iter().flatten();
        all.map(|step| step.rate * self.load.step_hold(step)).fold(0.0, f64::max)
    }

    /// Predicts the waits at a number of connections of an instance, at least 1, with hold times multiplied by `stretch`.
    pub(in crate::advise::pool) fn predict(&self, connections: u32, stretch: f64) -> Prediction {
        let busiest = self.groups(&self.busiest, 0, connections, stretch);
        let others = self.groups(&self.others, 1, connections, stretch);
        let sum = |groups: &[WaitTally]| groups.iter().fold(WaitTally::new(0), joined);
        let whole = |busiest: &WaitTally, others: &WaitTally| {
            let mut whole = WaitTally::new(0);
            for (tally, stratum) in [(busiest, &self.busiest), (others, &self.others)] {
                if tally.arrivals > 0.0 {
                    whole.add(tally, stratum.arrivals / tally.arrivals);
                }
            }
            whole
        };
        let (busy, rest) = (sum(&busiest), sum(&others));
        let tally = whole(&busy, &rest);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let (mut of_busiest, mut of_all) = (Vec::with_capacity(RESAMPLES), Vec::with_capacity(RESAMPLES));
        for _ in 0..RESAMPLES {
            let mut drawn = |groups: &[WaitTally]| {
                (0..groups.len())
                    .fold(WaitTally::new(0), |sum, _| joined(sum, &groups[rng.random_range(0..groups.len())]))
            };
            let (busy, rest) = (drawn(&busiest), drawn(&others));
            of_busiest.push(busy.quantile(SHARE));
            of_all.push(whole(&busy, &rest).quantile(SHARE));
        }
        Prediction {
            connections,
            busiest: interval(busy.quantile(SHARE), of_busiest),
            all: interval(tally.quantile(SHARE), of_all),
            p999: busy.quantile(0.999),
            tally,
        }
    }

    /// Simulates the blocks of a stratum and returns their waits in groups.
    fn groups(&self, stratum: &Stratum, seed: u64, connections: u32, stretch: f64) -> Vec<WaitTally> {
        let servers = usize::try_from(connections).unwrap_or(usize::MAX).max(1);
        let options =
            QueueOptions { servers, patience: self.patience, batch: self.batch, warmup: WARMUP_HOLDS * self.load.hold };
        let mut groups = vec![WaitTally::new(servers); GROUPS.min(stratum.blocks.len())];
        let count = groups.len();
        for (unit, &idx) in stratum.blocks.iter().enumerate() {
            let steps: Vec<LoadStep> = self.load.blocks[idx]
                .iter()
                .map(|step| self.stretched(step, connections, stratum.part, stretch))
                .collect();
            // The same draws for every number of connections, so that predictions are comparable.
            let nth = u64::try_from(unit).unwrap_or(0);
            let mut rng = ChaCha8Rng::seed_from_u64((seed << 32) | nth);
            // Rates and hold times were checked when the load was built.
            if let Ok(tally) = simulate(&options, &steps, &self.load.holds, &mut rng) {
                groups[unit % count].add(&tally, 1.0);
            }
        }
        groups
    }

    /// Returns a step as it is simulated: with longer hold times where more connections than at present would be in use.
    fn stretched(&self, step: &LoadStep, connections: u32, part: f64, stretch: f64) -> LoadStep {
        let hold = self.load.step_hold(step);
        let demand = step.rate * hold;
        let more = demand.min(f64::from(connections)) - demand.min(f64::from(self.present));
        let rise = self.load.rise.map_or(0.0, |rise| rise * more.max(0.0) / hold);
        LoadStep { seconds: step.seconds * part, stretch: step.stretch * stretch * (1.0 + rise), ..*step }
    }
}

impl Stratum {
    /// Samples blocks, in the order of their demand, so that about [`ARRIVALS`] checkouts are simulated.
    fn sample(blocks: &[usize], arrivals: impl Fn(usize) -> f64) -> Self {
        let total: f64 = blocks.iter().map(|&idx| arrivals(idx)).sum();
        if blocks.is_empty() || !(total > 0.0) {
            return Self { blocks: Vec::new(), part: 1.0, arrivals: 0.0 };
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let count = |number: f64| number.max(1.0) as usize;
        if total <= ARRIVALS {
            let repeats = count(ARRIVALS / total).min(REPEATS);
            return Self { blocks: blocks.repeat(repeats), part: 1.0, arrivals: total };
        }
        // Every nth block, but enough of them for the groups; of these, the beginning of each step.
        let every = count(total / ARRIVALS).min((blocks.len() / GROUPS).max(1));
        let sampled: Vec<usize> = blocks.iter().skip(every / 2).step_by(every).copied().collect();
        let sampled_arrivals: f64 = sampled.iter().map(|&idx| arrivals(idx)).sum();
        Self { blocks: sampled, part: (ARRIVALS / sampled_arrivals).min(1.0), arrivals: total }
    }
}

fn joined(mut sum: WaitTally, group: &WaitTally) -> WaitTally {
    sum.add(group, 1.0);
    sum
}

/// Returns a value with the interval of its resamples.
fn interval(value: f64, mut resampled: Vec<f64>) -> Interval {
    resampled.sort_unstable_by(f64::total_cmp);
    let at = |p: f64| almanac_models::stats::quantile_sorted(&resampled, p).unwrap_or(value);
    let tail = (1.0 - LEVEL) / 2.0;
    Interval { value, lower: at(tail).min(value), upper: at(1.0 - tail).max(value) }
}
