//! Fits the time of a statement as a fixed cost and a cost of each row.

use almanac_models::stats::{CostLine, WeightedPoint, quantile};

use super::fetch::Pair;
use crate::advise::kit::resamples;

/// Least pairs.
const PAIRS_MIN: usize = 20;
/// Most pairs that are fitted; of more every nth is taken.
const PAIRS_MAX: usize = 300;
/// Least ratio of large to small sizes: below it the fixed cost and that of the rows are not told apart.
const SIZES_MIN: f64 = 3.0;
/// Quantiles of small and large sizes.
const SMALL: f64 = 0.05;
const LARGE: f64 = 0.95;
/// Most median deviation of a pair from the line, relative to the line.
const DEVIATION_MAX: f64 = 0.35;
/// Most difference between the medians of measured over fitted time of small, middle and large sizes.
const BEND_MAX: f64 = 0.35;

/// A statement's time as a line over its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchFit {
    /// Fixed cost and cost of a row, in seconds.
    pub line: CostLine,
    /// Lines of resampled pairs.
    pub resampled: Vec<CostLine>,
    /// Pairs.
    pub pairs: usize,
    /// Small and large sizes: the 5th and the 95th percentile of the pairs.
    pub sizes: (f64, f64),
    /// Largest size of a pair.
    pub largest: f64,
    /// Median deviation of a pair from the line, relative to the line.
    pub deviation: f64,
    /// 95th percentile of a statement's time relative to its mean: the median of the pairs; 1 if it is unknown.
    pub tail: f64,
    /// Whether `tail` was measured.
    pub is_tail_known: bool,
}

/// Reason why there is no line.
#[derive(Debug, Clone, PartialEq)]
pub enum FitRefusal {
    /// Fewer pairs than are needed.
    Few {
        /// Pairs.
        pairs: usize,
        /// Needed pairs.
        needed: usize,
    },
    /// Sizes hardly vary.
    Alike {
        /// Small sizes.
        small: f64,
        /// Large sizes.
        large: f64,
        /// Needed ratio.
        ratio: f64,
    },
    /// Times of equal sizes differ too much.
    Scattered {
        /// Median deviation, relative to the line.
        deviation: f64,
    },
    /// Time does not grow in proportion.
    Bent {
        /// Median of measured over fitted time of small, middle and large sizes.
        ratios: [f64; 3],
    },
}

/// Fits the pairs.
///
/// # Errors
/// [`FitRefusal`] when the line is not identifiable or does not describe the pairs.
pub fn fit(pairs: &[Pair]) -> Result<BatchFit, FitRefusal> {
    if pairs.len() < PAIRS_MIN {
        return Err(FitRefusal::Few { pairs: pairs.len(), needed: PAIRS_MIN });
    }
    let rows: Vec<f64> = pairs.iter().map(|pair| pair.rows).collect();
    let size = |share: f64| quantile(&rows, share).unwrap_or(0.0);
    let (small, large) = (size(SMALL), size(LARGE));
    let alike = FitRefusal::Alike { small, large, ratio: SIZES_MIN };
    if large < SIZES_MIN * small {
        return Err(alike);
    }
    let every = pairs.len().div_ceil(PAIRS_MAX).max(1);
    // Many statements make a pair surer, but those of one step vary together.
    let points: Vec<WeightedPoint> = pairs
        .iter()
        .step_by(every)
        .map(|pair| WeightedPoint { x: pair.rows, y: pair.seconds, weight: pair.statements.sqrt() })
        .collect();
    let line = CostLine::fit(&points).ok_or(alike)?;
    let ratio = |pair: &Pair| pair.seconds / line.at(pair.rows);
    let deviations: Vec<f64> = pairs.iter().map(|pair| (ratio(pair) - 1.0).abs()).collect();
    let deviation = quantile(&deviations, 0.5).unwrap_or(f64::INFINITY);
    if deviation > DEVIATION_MAX {
        return Err(FitRefusal::Scattered { deviation });
    }
    let ratios = bend(pairs, &ratio);
    let spread = ratios.iter().copied().fold(0.0, f64::max) - ratios.iter().copied().fold(f64::INFINITY, f64::min);
    if spread > BEND_MAX {
        return Err(FitRefusal::Bent { ratios });
    }
    let draw = |idx: Vec<usize>| {
        let drawn: Vec<WeightedPoint> = idx.into_iter().filter_map(|at| points.get(at).copied()).collect();
        CostLine::fit(&drawn)
    };
    let resampled = resamples(points.len()).filter_map(draw).collect();
    let tails: Vec<f64> = pairs.iter().filter_map(|pair| Some(pair.p95? / pair.seconds)).collect();
    Ok(BatchFit {
        line,
        resampled,
        pairs: pairs.len(),
        sizes: (small, large),
        largest: rows.iter().copied().fold(0.0, f64::max),
        deviation,
        tail: quantile(&tails, 0.5).unwrap_or(1.0).max(1.0),
        is_tail_known: !tails.is_empty(),
    })
}

/// Returns the median of measured over fitted time of three classes of equally many sizes.
fn bend(pairs: &[Pair], ratio: &impl Fn(&Pair) -> f64) -> [f64; 3] {
    let mut sorted: Vec<&Pair> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.rows.total_cmp(&b.rows));
    let third = sorted.len() / 3;
    let classes = [&sorted[..third], &sorted[third..2 * third], &sorted[2 * third..]];
    classes.map(|class| {
        let ratios: Vec<f64> = class.iter().map(|pair| ratio(pair)).collect();
        quantile(&ratios, 0.5).unwrap_or(1.0)
    })
}

impl BatchFit {
    /// Returns the time of each row in statements of `rows` rows, in seconds.
    #[must_use]
    pub fn per_row(&self, rows: f64) -> f64 {
        per_row(&self.line, rows)
    }

    /// Returns the quantile `share` of the time of each row over the resampled lines, in seconds.
    #[must_use]
    pub fn per_row_quantile(&self, rows: f64, share: f64) -> f64 {
        let values: Vec<f64> = self.resampled.iter().map(|line| per_row(line, rows)).collect();
        quantile(&values, share).unwrap_or_else(|| self.per_row(rows))
    }

    /// Returns the 95th percentile of the time of a statement of `rows` rows, in seconds.
    #[must_use]
    pub fn p95(&self, rows: f64) -> f64 {
        self.tail * self.line.at(rows)
    }
}

/// Returns the time of each row in statements of `rows` rows.
pub(super) fn per_row(line: &CostLine, rows: f64) -> f64 {
    line.at(rows) / rows.max(1.0)
}
