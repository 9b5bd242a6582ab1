//! The load of one instance over the history: arrivals at each step, and the distributions of hold times. Called by
//! `decide` and `pictures`.

use almanac_models::{
    Level,
    queue::{HoldBucket, HoldTimes, LoadStep, rates_without_noise},
    stats::{Trend, quantile},
};

use crate::advise::{
    Need,
    kit::LEVEL,
    pool::{
        PoolSpec,
        facts::{HistogramSeries, Holds, PoolFacts},
        spec::seconds,
    },
};

/// Steps of a block, which is simulated as a whole.
const BLOCK: usize = 10;
/// Classes of steps by their mean hold time, each with a distribution of its own.
const CLASSES: usize = 4;
/// Variation of the mean hold time between steps from which on they are classified.
const VARIES: f64 = 0.15;
/// Least number of hold times of a class.
const CLASS_MIN: f64 = 500.0;
/// Coefficient of variation of hold times of which only the mean is known: that of statements in docs/measured/pools.md
/// is 0.9 to 1.3, and mixes of statements vary more.
pub(in crate::advise::pool) const ASSUMED_VARIATION: f64 = 1.5;
/// Largest share of hold times above the last finite bound of a histogram.
const BEYOND_MAX: f64 = 0.05;

/// Load of one instance.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::advise::pool) struct PoolLoad {
    /// Distributions of hold times, to which the steps refer.
    pub(in crate::advise::pool) holds: Vec<HoldTimes>,
    /// Runs of steps without a gap.
    pub(in crate::advise::pool) blocks: Vec<Vec<LoadStep>>,
    /// Index into the facts of the first step of each block; its steps follow.
    pub(in crate::advise::pool) starts: Vec<usize>,
    /// Mean hold time over all checkouts, seconds.
    pub(in crate::advise::pool) hold: f64,
    /// Coefficient of variation of all hold times.
    pub(in crate::advise::pool) variation: f64,
    /// Whether the distribution is measured; false: only the mean is.
    pub(in crate::advise::pool) is_measured: bool,
    /// Seconds by which a hold time rises with each connection in use; none: no rise is seen.
    pub(in crate::advise::pool) rise: Option<f64>,
}

impl PoolLoad {
    /// Builds the load of an instance.
    ///
    /// # Errors
    /// What is wrong with the hold times.
    pub(in crate::advise::pool) fn build(spec: &PoolSpec, facts: &PoolFacts) -> Result<Self, Need> {
        let wrong = |error: almanac_models::queue::QueueError| Need {
            missing: format!("`{}`: {error}", spec.hold),
            remedy: "check that hold is a histogram in seconds, or the mean of it".to_owned(),
        };
        let means = facts.hold_means();
        let hold = mean_hold(facts, &means).ok_or_else(|| Need {
            missing: format!("`{}` has no hold time at the steps with arrivals", spec.hold),
            remedy: String::new(),
        })?;
        let step_s = seconds(spec.step_ms);
        let rise = rise(facts, &means, hold);
        let (holds, class) = match &facts.holds {
            Holds::Histogram(series) => {
                check_bounds(spec, series)?;
                classified(facts, series, &means, step_s).map_err(wrong)?
            }
            Holds::Mean(_) => {
                let shape = HoldTimes::log_normal(hold, ASSUMED_VARIATION).map_err(wrong)?;
                // The mean of each step is known, so that the distribution is stretched to it.
                let stretch = |mean: &f64| if *mean > 0.0 { (0, (mean / hold).clamp(0.2, 5.0)) } else { (0, 1.0) };
                (vec![shape], means.iter().map(stretch).collect())
            }
        };
        let all = match &facts.holds {
            Holds::Histogram(series) => distribution(series, 0..series.rates.len()).map_err(wrong)?,
            Holds::Mean(_) => holds[0].clone(),
        };
        let (mut blocks, mut starts): (Vec<Vec<LoadStep>>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut is_open = false;
        for (idx, rate) in rates_without_noise(&facts.arrivals, &facts.instances, step_s).into_iter().enumerate() {
            if !rate.is_finite() {
                is_open = false;
                continue;
            }
            let (holds, stretch) = class[idx];
            let step = LoadStep { seconds: step_s, rate, holds, stretch };
            match blocks.last_mut().filter(|block| is_open && block.len() < BLOCK) {
                Some(block) => block.push(step),
                None => {
                    blocks.push(vec![step]);
                    starts.push(idx);
                }
            }
            is_open = true;
        }
        let is_measured = matches!(facts.holds, Holds::Histogram(_));
        Ok(Self { holds, blocks, starts, hold, variation: all.variation(), is_measured, rise })
    }

    /// Returns the mean hold time of a step.
    pub(in crate::advise::pool) fn step_hold(&self, step: &LoadStep) -> f64 {
        self.holds[step.holds].mean() * step.stretch
    }

    /// Returns how much of the time the hold of a batch overlaps with itself, over all steps.
    pub(in crate::advise::pool) fn overlap(&self) -> f64 {
        let busiest = self.blocks.iter().flatten().max_by(|a, b| a.rate.total_cmp(&b.rate));
        busiest.map_or(0.5, |step| self.holds[step.holds].overlap())
    }
}

/// Returns the mean hold time over all checkouts.
fn mean_hold(facts: &PoolFacts, means: &[f64]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    for (rate, mean) in facts.arrivals.iter().zip(means).filter(|(rate, mean)| **rate > 0.0 && **mean > 0.0) {
        sum += rate * mean;
        count += rate;
    }
    (count > 0.0).then(|| sum / count)
}

/// Refuses a histogram whose bounds do not cover the hold times.
fn check_bounds(spec: &PoolSpec, series: &HistogramSeries) -> Result<(), Need> {
    let total = series.total(0..series.rates.len());
    let all: f64 = total.iter().sum();
    let is_open = series.bounds.last().is_some_and(|bound| bound.is_infinite());
    let beyond = total.last().filter(|_| is_open).map_or(0.0, |count| count / all);
    if beyond <= BEYOND_MAX {
        return Ok(());
    }
    let last = series.bounds.get(series.bounds.len().saturating_sub(2)).copied().unwrap_or(0.0);
    Err(Need {
        missing: format!(
            "{:.0} % of the hold times are above {last} s, the largest bound of `{}`",
            100.0 * beyond,
            spec.hold
        ),
        remedy: "give the histogram larger buckets".to_owned(),
    })
}

/// Returns the distribution over some steps of a histogram.
fn distribution(
    series: &HistogramSeries,
    steps: impl Iterator<Item = usize> + Clone,
) -> Result<HoldTimes, almanac_models::queue::QueueError> {
    let total = series.total(steps.clone());
    let buckets: Vec<HoldBucket> = series
        .bounds
        .windows(2)
        .zip(total)
        .map(|(bounds, count)| HoldBucket { lower: bounds[0], upper: bounds[1], count })
        .collect();
    HoldTimes::from_buckets(&buckets, series.mean(steps))
}

/// Distributions, and for each step of the facts the index of its own and the factor by which it is stretched.
type Classes = (Vec<HoldTimes>, Vec<(usize, f64)>);

/// Groups steps by their mean hold time, so that hours of slow statements have a distribution of their own. Returns the
/// distributions, and for each step of the facts the index of its own and the factor 1.
fn classified(
    facts: &PoolFacts,
    series: &HistogramSeries,
    means: &[f64],
    step_s: f64,
) -> Result<Classes, almanac_models::queue::QueueError> {
    let all = || distribution(series, 0..series.rates.len()).map(|one| (vec![one], vec![(0, 1.0); means.len()]));
    let known: Vec<f64> = means.iter().copied().filter(|mean| mean.is_finite()).collect();
    let bounds: Vec<f64> = (1..CLASSES).filter_map(|class| quantile(&known, class_share(class))).collect();
    let (Some(low), Some(high)) = (bounds.first(), bounds.last()) else { return all() };
    if !(high / low > 1.0 + 2.0 * VARIES) {
        return all();
    }
    let of = |mean: f64| bounds.iter().filter(|bound| mean > **bound).count();
    let mut steps: Vec<Vec<usize>> = vec![Vec::new(); CLASSES];
    for (idx, &mean) in means.iter().enumerate().filter(|(_, mean)| mean.is_finite()) {
        steps[of(mean)].extend(series.at(facts.timestamps[idx]));
    }
    let few = |steps: &Vec<usize>| steps.iter().map(|&step| series.rate(step) * step_s).sum::<f64>() < CLASS_MIN;
    if steps.iter().any(few) {
        return all();
    }
    let holds: Result<Vec<HoldTimes>, _> =
        steps.iter().map(|steps| distribution(series, steps.iter().copied())).collect();
    // A step without hold times has the distribution of the middle.
    let class = means.iter().map(|mean| (if mean.is_finite() { of(*mean) } else { CLASSES / 2 }, 1.0)).collect();
    Ok((holds?, class))
}

fn class_share(class: usize) -> f64 {
    f64::from(u8::try_from(class).unwrap_or(u8::MAX)) / f64::from(u8::try_from(CLASSES).unwrap_or(u8::MAX))
}

/// Returns by how much hold times rise with the load, in seconds for each connection in use.
///
/// The load of a step is its arrivals × the mean hold time of all steps: the step's own hold time on both sides would show
/// a rise where there is none.
fn rise(facts: &PoolFacts, means: &[f64], hold: f64) -> Option<f64> {
    let mut points: Vec<(f64, f64)> = facts
        .arrivals
        .iter()
        .zip(means)
        .filter(|(rate, mean)| **rate > 0.0 && **mean > 0.0)
        .map(|(rate, mean)| (rate * hold, *mean))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |share: f64| quantile(&points.iter().map(|point| point.0).collect::<Vec<_>>(), share);
    if points.len() < 30 || at(0.9)? < 1.5 * at(0.1)? {
        return None;
    }
    let trend = Trend::fit(&points, Level::try_new(LEVEL).ok()?)?;
    (trend.lower > 0.0).then_some(trend.slope)
}
