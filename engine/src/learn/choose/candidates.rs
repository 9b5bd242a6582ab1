//! Chooses the most informative series of a store as signals, by the values of their last hour.

use std::collections::{BTreeMap, HashMap};

use almanac_models::{Horizon, Step, Timestamp};

use crate::{
    learn::{LearnError, SignalSpec, series::is_learned},
    series::{Labels, METRIC_NAME, Matcher, SampleSource, SeriesSamples, SourceError, is_stale},
    store::{Store, rows::SignalOrigin},
};

/// Span of values by which candidates are scored, in milliseconds.
const LOOK_BACK_MS: i64 = 3_600_000;
/// Maximum age of the last sample of a series, in milliseconds. A series with an older one has ended.
const ALIVE_MS: i64 = 300_000;
/// Maximum number of samples that are loaded of one metric. A metric with more is skipped; it can be configured by
/// name.
const MAX_SAMPLES: usize = 2_000_000;
/// Maximum number of series of one metric that are scored.
const MAX_SERIES_PER_METRIC: usize = 200;
/// Minimum number of values of a candidate.
const MIN_VALUES: usize = 12;
/// Number of values in the fingerprint by which duplicates are found.
const FINGERPRINT_LEN: usize = 48;
/// Added to the score of rates of counters and means of histograms.
const COUNTER_BONUS: f64 = 0.2;
/// Endings of a count and of the sum that belongs to it; the rate of the sum divided by that of the count is a mean:
/// histograms and summaries, and calls of a database's statements with their time.
const PAIRS: [(&str, &str); 2] = [("_count", "_sum"), ("_calls_total", "_seconds_total")];
/// Length of the forecast of a default signal, in steps.
const HORIZON: usize = 360;

/// A series, or a ratio of two, that may become a signal.
#[derive(Debug)]
struct Candidate {
    expr: String,
    metric: String,
    /// Median distance of the samples, in milliseconds.
    gap_ms: i64,
    /// The higher, the more informative.
    score: f64,
    /// Standardised values at evenly spaced positions.
    fingerprint: Vec<f64>,
}

/// Chooses the `budget` most informative signals among the series of the store at `now`: gauges, rates of counters, and
/// the rate and the mean of histograms and summaries. Buckets are left out.
///
/// A series is informative if it varies, takes many different values, and each value is close to the one before.
/// Constant series, ended series and duplicates of another series are left out. Each further series of a metric gets a
/// lower score.
///
/// # Errors
/// [`LearnError::Store`] and [`LearnError::Source`] if the store cannot be read.
pub fn default_signals(store: &Store, now: Timestamp, budget: usize) -> Result<Vec<SignalSpec>, LearnError> {
    let end = now.millis();
    let alive = store.series(&[], end.saturating_sub(ALIVE_MS), end)?;
    let day = 86_400_000;
    // With more than two days of history the steps of signals are at least a minute.
    let two_days_ago = end.saturating_sub(2 * day);
    let has_long_history = !store.series(&[], two_days_ago.saturating_sub(LOOK_BACK_MS), two_days_ago)?.is_empty();
    let mut metrics: BTreeMap<String, usize> = BTreeMap::new();
    for labels in alive {
        *metrics.entry(labels.metric_name().to_owned()).or_default() += 1;
    }
    let mut candidates = Vec::new();
    for metric in metrics.keys().filter(|metric| is_own_signal(metric, &metrics)) {
        candidates.extend(score_metric(store, metric, &metrics, end)?);
    }
    Ok(choose(candidates, budget, has_long_history))
}

/// Whether a metric may be a signal. Buckets, sums that belong to a count, and metadata of scrapes may not; neither may what was learned,
/// since each choice would be followed by signals of the chosen ones, without end.
fn is_own_signal(metric: &str, metrics: &BTreeMap<String, usize>) -> bool {
    let has = |suffix: &str, other: &str| {
        metric.strip_suffix(suffix).is_some_and(|base| metrics.contains_key(&format!("{base}{other}")))
    };
    !(metric.is_empty()
        || metric == "up"
        || metric.starts_with("scrape_")
        || is_learned(metric)
        || has("_bucket", "_count")
        || metric.ends_with("_bucket")
        || has("_sum", "_count")
        || metric.ends_with("_created")
        || metric.ends_with("_info"))
}

/// Returns the candidates among the series of one metric.
fn score_metric(
    source: &dyn SampleSource,
    metric: &str,
    metrics: &BTreeMap<String, usize>,
    end: i64,
) -> Result<Vec<Candidate>, LearnError> {
    let load = |name: &str| -> Result<Option<Vec<SeriesSamples>>, LearnError> {
        match source.select(&[Matcher::equal(METRIC_NAME, name)], end.saturating_sub(LOOK_BACK_MS), end, MAX_SAMPLES) {
            Ok(found) => Ok(Some(found)),
            Err(SourceError::TooManySamples { .. }) => {
                tracing::info!(
                    metric = name,
                    "too many samples to choose signals; configure the signals of the metric"
                );
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    };
    let Some(series) = load(metric)? else { return Ok(Vec::new()) };
    let sum_name = PAIRS.iter().find_map(|(count, sum)| {
        let name = format!("{}{sum}", metric.strip_suffix(count)?);
        metrics.contains_key(&name).then_some(name)
    });
    let sums: HashMap<Labels, SeriesSamples> = match &sum_name {
        Some(name) => {
            let found = load(name)?.unwrap_or_default();
            found.into_iter().map(|s| (s.labels.without(&[METRIC_NAME]), s)).collect()
        }
        None => HashMap::new(),
    };
    let mut out = Vec::new();
    for one in series.iter().take(MAX_SERIES_PER_METRIC) {
        let Some(gap_ms) = median_gap(one, end) else { continue };
        let window = window_text(gap_ms);
        let values: Vec<f64> = finite(one);
        let counter = metric.ends_with("_total") || sum_name.is_some() || only_grows(&values);
        if counter {
            let rates = increases(&values);
            let expr = format!("rate({}[{window}])", selector(&one.labels));
            out.extend(candidate(expr, metric, gap_ms, &rates, COUNTER_BONUS));
            // Of a histogram or summary also the mean: the rate of the sum divided by the rate of the count.
            if let Some(sum) = sums.get(&one.labels.without(&[METRIC_NAME])) {
                let means: Vec<f64> = increases(&finite(sum))
                    .iter()
                    .zip(&rates)
                    .filter(|(_, count)| **count > 0.0)
                    .map(|(sum, count)| sum / count)
                    .collect();
                let expr =
                    format!("rate({}[{window}]) / rate({}[{window}])", selector(&sum.labels), selector(&one.labels));
                out.extend(candidate(expr, sum_name.as_deref().unwrap_or(metric), gap_ms, &means, COUNTER_BONUS));
            }
        } else {
            out.extend(candidate(selector(&one.labels), metric, gap_ms, &values, 0.0));
        }
    }
    Ok(out)
}

/// Returns a candidate if its values vary. The score is a weighted sum of autocorrelation and variety, plus `bonus`.
fn candidate(expr: String, metric: &str, gap_ms: i64, values: &[f64], bonus: f64) -> Option<Candidate> {
    let n = values.len();
    if n < MIN_VALUES {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
    if !(variance.sqrt() > 1e-9 * mean.abs() && variance.is_finite() && variance > 0.0) {
        return None;
    }
    let mut distinct: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 3 {
        return None;
    }
    let product: f64 = values.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    // Autocorrelation at lag 1: how close each value is to the one before.
    let autocorrelation = (product / (n as f64 * variance)).clamp(0.0, 1.0);
    let variety = (distinct.len() as f64 / n.min(60) as f64).min(1.0);
    // Metrics of runtimes and collectors do not describe the service itself.
    let prefixes = ["go_", "process_", "promhttp_", "prometheus_", "python_", "net_conntrack_", "almanac_"];
    let penalty = if prefixes.iter().any(|prefix| metric.starts_with(prefix)) { 0.5 } else { 0.0 };
    let fingerprint =
        (0..FINGERPRINT_LEN).map(|i| (values[i * (n - 1) / (FINGERPRINT_LEN - 1)] - mean) / variance.sqrt()).collect();
    let score = 0.6 * autocorrelation + 0.4 * variety + bonus - penalty;
    Some(Candidate { expr, metric: metric.to_owned(), gap_ms, score, fingerprint })
}

/// Chooses the candidates with the highest scores, without duplicates.
fn choose(mut candidates: Vec<Candidate>, budget: usize, has_long_history: bool) -> Vec<SignalSpec> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.expr.cmp(&b.expr)));
    // Each further series of a metric gets a lower score, so that one metric does not use up the budget.
    let mut of_metric: HashMap<String, i32> = HashMap::new();
    for candidate in &mut candidates {
        let before = of_metric.entry(candidate.metric.clone()).or_default();
        candidate.score -= 0.1 * f64::from(*before);
        *before += 1;
    }
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.expr.cmp(&b.expr)));
    let mut chosen: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if chosen.len() >= budget {
            break;
        }
        if !chosen.iter().any(|other| are_duplicates(&other.fingerprint, &candidate.fingerprint)) {
            chosen.push(candidate);
        }
    }
    chosen.into_iter().filter_map(|candidate| spec(candidate, has_long_history)).collect()
}

fn spec(candidate: Candidate, has_long_history: bool) -> Option<SignalSpec> {
    let gap = if has_long_history { candidate.gap_ms.max(60_000) } else { candidate.gap_ms };
    Some(SignalSpec {
        name: candidate.expr.clone(),
        expr: candidate.expr,
        step: Step::from_millis(round_step(gap)).ok()?,
        seasons: None,
        horizon: Horizon::try_new(HORIZON).ok()?,
        origin: SignalOrigin::Default,
    })
}

/// Whether the correlation of two fingerprints is almost 1.
fn are_duplicates(a: &[f64], b: &[f64]) -> bool {
    let correlation = a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let scale = (a.iter().map(|x| x * x).sum::<f64>() * b.iter().map(|x| x * x).sum::<f64>()).sqrt();
    scale > 0.0 && correlation / scale > 0.9999
}

/// Returns the smallest usual step that is at least `gap_ms`, in milliseconds.
fn round_step(gap_ms: i64) -> i64 {
    const STEPS: [i64; 12] =
        [1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000];
    // 5 % tolerance, because scrapes may be late.
    STEPS.into_iter().find(|step| step + step / 20 >= gap_ms).unwrap_or(3_600_000)
}

/// Returns the range of `rate`: four steps, so that it contains at least four samples.
fn window_text(gap_ms: i64) -> String {
    format!("{}s", (4 * round_step(gap_ms) / 1_000).max(1))
}

/// Returns the median distance of the samples in milliseconds; `None` if there are too few, or the series has ended.
fn median_gap(series: &SeriesSamples, end: i64) -> Option<i64> {
    let last = *series.timestamps.last()?;
    if end - last > ALIVE_MS || series.values.last().is_some_and(|v| is_stale(*v)) {
        return None;
    }
    let mut gaps: Vec<i64> = series.timestamps.windows(2).map(|w| w[1] - w[0]).collect();
    if gaps.len() + 1 < MIN_VALUES {
        return None;
    }
    let middle = gaps.len() / 2;
    Some(*gaps.select_nth_unstable(middle).1)
}

fn finite(series: &SeriesSamples) -> Vec<f64> {
    series.values.iter().copied().filter(|v| v.is_finite()).collect()
}

/// Whether the values never fall and rise in more than half of the steps: a counter without the suffix `_total`.
fn only_grows(values: &[f64]) -> bool {
    let falls = values.windows(2).filter(|w| w[1] < w[0]).count();
    let rises = values.windows(2).filter(|w| w[1] > w[0]).count();
    falls == 0 && rises * 2 > values.len() && values.first().is_some_and(|v| *v >= 0.0)
}

/// Returns the increase of a counter between samples. After a reset it is the value itself.
fn increases(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|w| if w[1] >= w[0] { w[1] - w[0] } else { w[1] }).collect()
}

/// Returns the PromQL selector of exactly this series.
fn selector(labels: &Labels) -> String {
    let name = labels.metric_name();
    let is_identifier = name
        .chars()
        .enumerate()
        .all(|(i, c)| c == '_' || c == ':' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit()));
    let mut parts: Vec<String> = Vec::new();
    // Other names are written as a matcher of `__name__`.
    if !is_identifier {
        parts.push(format!("__name__={name:?}"));
    }
    for (label, value) in labels.iter().filter(|(label, _)| *label != METRIC_NAME) {
        parts.push(format!("{label}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")));
    }
    let name = if is_identifier { name } else { "" };
    if parts.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", parts.join(",")) }
}
