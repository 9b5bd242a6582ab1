//! Reads a histogram of seconds over time, classic or native, as counts between common bounds. Called by `fetch` and
//! `measure`.

use std::collections::BTreeMap;

use almanac_models::Timestamp;
use promql_parser::parser::Expr;

use crate::{
    advise::kit::HistoryError,
    histogram::Histogram,
    signal::{self, EvalLimits, RangeSeries},
    store::Store,
};

/// A histogram over time: rates of its buckets at each step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramSeries {
    /// Bounds of the buckets in seconds, ascending; one more than there are buckets. The last may be infinite.
    pub bounds: Vec<f64>,
    /// Epoch milliseconds of each step.
    pub timestamps: Vec<i64>,
    /// Observations per second in each bucket, for each step.
    pub rates: Vec<Vec<f64>>,
    /// Sum of the observations per second at each step: seconds per second. NaN if unknown.
    pub sums: Vec<f64>,
}

/// Where a quantile of observations is: between the bounds of a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Interpolated quantile, seconds.
    pub value: f64,
    /// Lower bound of its bucket, seconds.
    pub lower: f64,
    /// Upper bound of its bucket, seconds; infinite in the last.
    pub upper: f64,
}

impl HistogramSeries {
    /// Returns the observations per second at a step.
    #[must_use]
    pub fn rate(&self, step: usize) -> f64 {
        self.rates[step].iter().sum()
    }

    /// Returns the index of a step.
    #[must_use]
    pub fn at(&self, timestamp_ms: i64) -> Option<usize> {
        self.timestamps.binary_search(&timestamp_ms).ok()
    }

    /// Returns the mean observation over some steps, seconds. None without observations or sums.
    pub fn mean(&self, steps: impl Iterator<Item = usize>) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0.0);
        for step in steps.filter(|&step| self.sums[step].is_finite()) {
            sum += self.sums[step];
            count += self.rate(step);
        }
        (count > 0.0).then(|| sum / count)
    }

    /// Returns the sum of the rates of each bucket over some steps.
    pub fn total(&self, steps: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut total = vec![0.0; self.bounds.len().saturating_sub(1)];
        for step in steps {
            total.iter_mut().zip(&self.rates[step]).for_each(|(sum, rate)| *sum += rate);
        }
        total
    }

    /// Returns the quantile `p` of the observations over some steps. None without observations.
    pub fn quantile(&self, p: f64, steps: impl Iterator<Item = usize>) -> Option<Observed> {
        let total = self.total(steps);
        let all: f64 = total.iter().sum();
        let wanted = p * all;
        let mut below = 0.0;
        for (idx, &count) in total.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            if below + count >= wanted * (1.0 - 1e-12) {
                let (lower, upper) = (self.bounds[idx].max(0.0), self.bounds[idx + 1]);
                let part = ((wanted - below) / count).clamp(0.0, 1.0);
                let value = if upper.is_finite() { lower + part * (upper - lower) } else { lower };
                return Some(Observed { value, lower, upper });
            }
            below += count;
        }
        None
    }
}

/// Returns the selectors of a histogram's parts if `expr` is the name of a histogram with matchers, and nothing else.
pub(in crate::advise::pool) fn histogram_selector(expr: &str) -> Option<HistogramNames> {
    signal::tree(expr, |tree| match tree {
        Expr::VectorSelector(selector) if selector.offset.is_none() && selector.at.is_none() => {
            let name = selector.name.clone()?;
            let part = |suffix: &str| {
                let mut part = selector.clone();
                part.name = Some(format!("{name}{suffix}"));
                part.to_string()
            };
            Some(HistogramNames { buckets: part("_bucket"), sum: part("_sum"), native: part("") })
        }
        _ => None,
    })
}

/// Selectors of the parts of a histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::advise::pool) struct HistogramNames {
    buckets: String,
    sum: String,
    native: String,
}

/// Reads a histogram up to `now` at multiples of `step_ms`, summed over its series. None when it has no samples.
///
/// Rates are taken over `window_ms`, with PromQL's treatment of counter resets.
///
/// # Errors
/// [`HistoryError::Signal`].
pub(in crate::advise::pool) fn read_histogram(
    store: &Store,
    names: &HistogramNames,
    (step_ms, window_ms): (i64, i64),
    history_ms: i64,
    now: Timestamp,
) -> Result<Option<HistogramSeries>, HistoryError> {
    let read = |expr: String| range(store, expr, step_ms, history_ms, now);
    let HistogramNames { buckets, sum, native } = names;
    let found = read(format!("sum by (le) (rate({buckets}[{window_ms}ms]))"))?;
    if !found.is_empty() {
        let sums = read(format!("sum(rate({sum}[{window_ms}ms]))"))?;
        return Ok(classic(&found, sums.first()));
    }
    let found = read(format!("sum(rate({native}[{window_ms}ms]))"))?;
    Ok(found.first().and_then(|series| of_native(&series.histograms)))
}

/// Evaluates an expression over a history.
fn range(
    store: &Store,
    expr: String,
    step_ms: i64,
    history_ms: i64,
    now: Timestamp,
) -> Result<Vec<RangeSeries>, HistoryError> {
    let evaluated = || {
        let query = signal::parse(&expr)?;
        let end_ms = now.millis().div_euclid(step_ms) * step_ms;
        let start_ms = end_ms - (history_ms / step_ms) * step_ms;
        let max_steps = usize::try_from(history_ms / step_ms).unwrap_or(usize::MAX).saturating_add(1);
        signal::range(store, &query, start_ms, end_ms, step_ms, &EvalLimits { max_steps, ..EvalLimits::background() })
    };
    evaluated().map_err(|source| HistoryError::Signal { expr, source })
}

/// Converts cumulative buckets with the label `le`.
fn classic(found: &[RangeSeries], sums: Option<&RangeSeries>) -> Option<HistogramSeries> {
    let mut by_bound: Vec<(f64, &RangeSeries)> = found
        .iter()
        .filter_map(|series| {
            let le = series.labels.get("le")?;
            Some((if le == "+Inf" { f64::INFINITY } else { le.parse().ok()? }, series))
        })
        // Seconds are at least 0: a bucket up to 0 has nothing that the next does not count.
        .filter(|(bound, _): &(f64, _)| *bound > 0.0)
        .collect();
    by_bound.sort_by(|a, b| a.0.total_cmp(&b.0));
    by_bound.dedup_by(|a, b| a.0.total_cmp(&b.0).is_eq());
    let mut cumulative: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (idx, (_, series)) in by_bound.iter().enumerate() {
        for (&at_ms, &value) in series.timestamps.iter().zip(&series.values) {
            cumulative.entry(at_ms).or_insert_with(|| vec![f64::NAN; by_bound.len()])[idx] = value;
        }
    }
    let mut result = HistogramSeries {
        bounds: std::iter::once(0.0).chain(by_bound.iter().map(|(bound, _)| *bound)).collect(),
        ..HistogramSeries::default()
    };
    if by_bound.is_empty() {
        return None;
    }
    for (at_ms, values) in cumulative {
        let mut below = 0.0;
        let mut rates = Vec::with_capacity(values.len());
        for value in values {
            // Rates of buckets differ in their last digits, and a missing bucket has what is below it.
            let value = if value.is_finite() { value.max(below) } else { below };
            rates.push(value - below);
            below = value;
        }
        let sum = sums.and_then(|sums| Some(sums.values[sums.timestamps.binary_search(&at_ms).ok()?]));
        result.timestamps.push(at_ms);
        result.rates.push(rates);
        result.sums.push(sum.unwrap_or(f64::NAN));
    }
    (!result.timestamps.is_empty()).then_some(result)
}

/// Converts native histograms. Buckets of different resolutions are divided at all bounds, evenly within each.
fn of_native(found: &[(i64, std::sync::Arc<Histogram>)]) -> Option<HistogramSeries> {
    let mut bounds: Vec<f64> = vec![0.0];
    for (_, histogram) in found {
        bounds.extend(
            histogram.buckets().iter().flat_map(|bucket| [bucket.lower, bucket.upper]).filter(|bound| *bound > 0.0),
        );
    }
    bounds.sort_by(f64::total_cmp);
    bounds.dedup_by(|a, b| (*a - *b).abs() <= 1e-12 * b.abs() || a.total_cmp(b).is_eq());
    let mut result = HistogramSeries { bounds, ..HistogramSeries::default() };
    for (at_ms, histogram) in found {
        let mut rates = vec![0.0; result.bounds.len() - 1];
        for bucket in histogram.buckets() {
            let (lower, upper) = (bucket.lower.max(0.0), bucket.upper.max(0.0));
            let first = result
                .bounds
                .partition_point(|bound| *bound < lower * (1.0 - 1e-12))
                .min(rates.len().saturating_sub(1));
            if !(upper > lower) || upper.is_infinite() {
                rates[first] += bucket.count.max(0.0);
                continue;
            }
            for (idx, pair) in result.bounds.windows(2).enumerate().skip(first) {
                if pair[0] >= upper * (1.0 - 1e-12) {
                    break;
                }
                let part = (pair[1].min(upper) - pair[0].max(lower)) / (upper - lower);
                rates[idx] += bucket.count.max(0.0) * part.clamp(0.0, 1.0);
            }
        }
        result.timestamps.push(*at_ms);
        result.rates.push(rates);
        result.sums.push(histogram.sum);
    }
    (!result.timestamps.is_empty() && result.bounds.len() > 1).then_some(result)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::series::Labels;

    fn bucket(le: &str, values: &[f64]) -> RangeSeries {
        let timestamps = (0..i64::try_from(values.len()).unwrap()).map(|step| step * 60_000).collect();
        RangeSeries {
            labels: Labels::from_pairs([("le", le)]).unwrap(),
            timestamps,
            values: values.to_vec(),
            histograms: Vec::new(),
        }
    }

    #[test]
    fn cumulative_buckets_become_counts_between_bounds() {
        let found = [bucket("+Inf", &[10.0, 4.0]), bucket("0.1", &[4.0, 4.0]), bucket("0.5", &[9.0, 4.0])];
        let sum = bucket("+Inf", &[2.0, 0.2]);
        let series = classic(&found, Some(&sum)).unwrap();
        assert_eq!(series.bounds, [0.0, 0.1, 0.5, f64::INFINITY]);
        assert_eq!(series.rates, [vec![4.0, 5.0, 1.0], vec![4.0, 0.0, 0.0]]);
        assert!((series.mean(0..2).unwrap() - 2.2 / 14.0).abs() < 1e-12);
        // 13.3 of 14: in the bucket up to 0.5, or beyond it.
        let p95 = series.quantile(0.95, 0..2).unwrap();
        assert!(p95.lower >= 0.5 && p95.upper.is_infinite(), "{p95:?}");
        let median = series.quantile(0.5, 0..2).unwrap();
        assert!((median.value - 0.1 * 7.0 / 8.0).abs() < 1e-12 && median.upper <= 0.1 + 1e-12, "{median:?}");
        assert_eq!(series.quantile(0.5, 0..0), None);
        assert_eq!((series.at(60_000), series.at(1)), (Some(1), None));
    }

    #[test]
    fn native_buckets_of_two_resolutions_are_divided() {
        let histogram = |schema: i8, positive: &[(i32, f64)]| Histogram {
            schema,
            zero_threshold: 1e-9,
            count: positive.iter().map(|bucket| bucket.1).sum(),
            sum: 1.0,
            positive: positive.to_vec(),
            ..Histogram::default()
        };
        // (0.5, 1] in one bucket, then in two.
        let found =
            [(0, Arc::new(histogram(0, &[(0, 8.0)]))), (60_000, Arc::new(histogram(1, &[(-1, 2.0), (0, 6.0)])))];
        let series = of_native(&found).unwrap();
        assert_eq!(series.bounds.len(), 4, "{:?}", series.bounds);
        let total = series.total(0..2);
        assert!((total.iter().sum::<f64>() - 16.0).abs() < 1e-9 && total[0].abs() < 1e-9, "{total:?}");
        // The lower half of the logarithm is 41 % of the width.
        assert!((total[1] - (2.0 + 8.0 * 0.414_213)).abs() < 1e-3, "{total:?}");
    }

    #[test]
    fn a_name_with_matchers_is_a_histogram_and_nothing_else_is() {
        let names = histogram_selector("db_pool_hold_seconds{pool=\"orm\"}").unwrap();
        assert_eq!(names.buckets, "db_pool_hold_seconds_bucket{pool=\"orm\"}");
        assert_eq!(names.sum, "db_pool_hold_seconds_sum{pool=\"orm\"}");
        assert!(histogram_selector("db_pool_hold_seconds").is_some());
        for expr in ["sum(x)", "x offset 5m", "x / y", "0.02"] {
            assert_eq!(histogram_selector(expr), None, "{expr}");
        }
    }
}
