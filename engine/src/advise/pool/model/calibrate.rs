//! Compares the model with what was measured at the present number of connections, and finds how much checkouts come in
//! batches. Called by `decide`.

use almanac_models::{queue::batch_of_peakedness, stats::quantile};

use super::{PoolLoad, PoolModel, Prediction};
use crate::advise::pool::facts::{Observed, PoolFacts};

/// Largest mean size of batches.
const BATCH_MAX: f64 = 8.0;
/// Least number of steps from which the variance of the connections in use is taken.
const MIN_STEPS: usize = 50;
/// Least number of measured waits.
const MIN_WAITS: f64 = 1_000.0;
/// Mean wait in seconds below which measured and predicted waits agree: the time that a pool needs itself.
const NOISE: f64 = 1e-3;
/// Factor by which the measured mean wait may exceed that of the largest batches.
const CONTRADICTION: f64 = 3.0;
/// Part of the predicted mean wait up to which a measured one agrees with it: waits of one history vary as much.
const AGREES: f64 = 1.15;
/// Steps of the search.
const SEARCHES: usize = 5;

/// How the model agrees with what was measured.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::pool) struct Calibration {
    /// Mean size of the batches in which checkouts come; 1: a Poisson process.
    pub(in crate::advise::pool) batch: f64,
    /// Predicted waits at the present number of connections.
    pub(in crate::advise::pool) present: Prediction,
    /// Measured waits, if there are enough.
    pub(in crate::advise::pool) measured: Option<MeasuredWaits>,
    /// Whether measured waits are far longer than any that the pool's size explains.
    pub(in crate::advise::pool) contradicts: bool,
}

/// Waits measured at the present number of connections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::advise::pool) struct MeasuredWaits {
    /// Mean over the history, seconds.
    pub(in crate::advise::pool) mean: f64,
    /// 95 % quantile over the history.
    pub(in crate::advise::pool) all: Observed,
    /// 95 % quantile in the busiest blocks.
    pub(in crate::advise::pool) busiest: Observed,
}

/// Finds the mean size of batches: from measured waits where there are waits, or else from the variance of the connections
/// in use.
pub(in crate::advise::pool) fn calibrate(load: &PoolLoad, facts: &PoolFacts, model: &PoolModel<'_>) -> Calibration {
    let connections = facts.connections();
    let batch = batch_of_peakedness(peakedness(facts, connections), load.overlap()).min(BATCH_MAX);
    let predicted = |batch: f64| model.with_batch(batch).predict(connections, 1.0);
    let Some(measured) = measured(load, facts, model) else {
        return Calibration { batch, present: predicted(batch), measured: None, contradicts: false };
    };
    let settled = |batch: f64, present: Prediction, contradicts: bool| Calibration {
        batch,
        present,
        measured: Some(measured),
        contradicts,
    };
    let single = predicted(1.0);
    if measured.mean <= AGREES * single.tally.mean() + NOISE {
        // Waits as short as those of single arrivals, or shorter: those are predicted, which is cautious.
        return settled(1.0, single, false);
    }
    let largest = predicted(BATCH_MAX);
    if measured.mean > largest.tally.mean() {
        let contradicts = measured.mean > CONTRADICTION * largest.tally.mean() + NOISE;
        return settled(BATCH_MAX, largest, contradicts);
    }
    // The mean wait grows nearly in proportion to the batch, so that false position meets it in few steps.
    let (mut low, mut high) = ((1.0, single.tally.mean()), (BATCH_MAX, largest.tally.mean()));
    let mut nearest = (1.0, single);
    for _ in 0..SEARCHES {
        let batch = low.0 + (measured.mean - low.1) / (high.1 - low.1).max(f64::MIN_POSITIVE) * (high.0 - low.0);
        let found = predicted(batch.clamp(1.0, BATCH_MAX));
        let mean = found.tally.mean();
        if mean < measured.mean {
            low = (batch, mean)
        } else {
            high = (batch, mean)
        }
        if (mean - measured.mean).abs() < (nearest.1.tally.mean() - measured.mean).abs() {
            nearest = (batch, found);
        }
    }
    settled(nearest.0, nearest.1, false)
}

/// Returns the measured waits. None without a histogram or with few waits.
fn measured(load: &PoolLoad, facts: &PoolFacts, model: &PoolModel<'_>) -> Option<MeasuredWaits> {
    let waits = facts.waits.as_ref()?;
    let at = |idx: &usize| waits.at(*facts.timestamps.get(*idx)?);
    let steps = |block: &usize| load.starts[*block]..load.starts[*block] + load.blocks[*block].len();
    let busiest: Vec<usize> = model.busiest_blocks.iter().flat_map(steps).filter_map(|idx| at(&idx)).collect();
    let all = || 0..waits.rates.len();
    let step_s = load.blocks.first()?.first()?.seconds;
    let count = all().map(|step| waits.rate(step)).sum::<f64>() * step_s;
    (count >= MIN_WAITS).then_some(())?;
    let over_all = waits.quantile(0.95, all())?;
    Some(MeasuredWaits {
        mean: waits.mean(all())?,
        all: over_all,
        busiest: waits.quantile(0.95, busiest.into_iter()).unwrap_or(over_all),
    })
}

/// Returns variance ÷ mean of the connections in use around arrivals × hold time; 1 where too little is known.
///
/// Samples at the limit are left out, and so are loads that are too small to tell. The largest 2 % count as the quantile
/// below them, so that an incident does not pass for batches.
fn peakedness(facts: &PoolFacts, connections: u32) -> f64 {
    let means = facts.hold_means();
    let most = f64::from(connections);
    let points: Vec<(f64, f64, f64)> = (0..facts.arrivals.len())
        .map(|idx| (facts.arrivals[idx] * means[idx], facts.in_use[idx], facts.instances[idx]))
        .filter(|(load, used, _)| *load > 0.2 && *load < 0.7 * most && *used < most - 0.5)
        .collect();
    if points.len() < MIN_STEPS {
        return 1.0;
    }
    let (load, used) = points.iter().fold((0.0, 0.0), |(load, used), point| (load + point.0, used + point.1));
    let level = used / load;
    // The variance of a mean over instances is that of one, divided by their number.
    let squares: Vec<f64> = points
        .iter()
        .map(|(load, used, instances)| instances * (used - level * load).powi(2) / (level * load))
        .collect();
    let most = quantile(&squares, 0.98).unwrap_or(f64::INFINITY);
    almanac_models::stats::mean(&squares.iter().map(|square| square.min(most)).collect::<Vec<_>>()).unwrap_or(1.0)
}
