//! Chooses the most informative series of a store as signals, by the values of their last hour.

use std::collections::{BTreeMap, HashMap};

use almanac_models::{Horizon, Step, Timestamp};

use crate::{
    learn::{LearnError, SignalSpec},
    series::{Labels, METRIC_NAME, Matcher, SampleSource, SeriesSamples, SourceError, is_stale},
    store::{Store, rows::SignalOrigin},
};

/// What candidates are judged by: their last hour.
const LOOK_BACK_MS: i64 = 3_600_000;
/// A series without a sample for this long has ended.
const ALIVE_MS: i64 = 300_000;
/// Samples of one metric that are loaded to judge it; a metric with more is left to be configured.
const MAX_SAMPLES: usize = 2_000_000;
/// Series of one metric that are judged.
const MAX_SERIES_A_METRIC: usize = 200;
/// Values without which a series is not judged.
const MIN_VALUES: usize = 12;
/// Places of the fingerprint by which twins are known.
const FINGERPRINT: usize = 48;
/// Steps of forecast.
const HORIZON: usize = 360;

/// A series, or a quotient of two, that could be a signal.
#[derive(Debug)]
struct Candidate {
    expr: String,
    metric: String,
    gap_ms: i64,
    worth: f64,
    fingerprint: Vec<f64>,
}

/// Chooses the `budget` most informative signals among the series of the store at `now`: gauges, rates of counters, and the
/// rate and mean of histograms and summaries, whose buckets are left out.
///
/// A series is informative when it moves, in many different values, each close to the one before. Series that do not move,
/// ended, or move exactly as another one are left out, and further series of one metric count less.
///
/// # Errors
/// [`LearnError::Store`] and [`LearnError::Source`] when the store cannot be read.
pub fn default_signals(store: &Store, now: Timestamp, budget: usize) -> Result<Vec<SignalSpec>, LearnError> {
    let end = now.millis();
    let alive = store.series(&[], end.saturating_sub(ALIVE_MS), end)?;
    let day = 86_400_000;
    let long = !store.series(&[], end.saturating_sub(2 * day + LOOK_BACK_MS), end.saturating_sub(2 * day))?.is_empty();
    let mut metrics: BTreeMap<String, usize> = BTreeMap::new();
    for labels in alive {
        *metrics.entry(labels.metric_name().to_owned()).or_default() += 1;
    }
    let mut candidates = Vec::new();
    for metric in metrics.keys().filter(|metric| is_own_signal(metric, &metrics)) {
        candidates.extend(judge_metric(store, metric, &metrics, end)?);
    }
    Ok(choose(candidates, budget, long))
}

/// Whether a metric is a signal of its own: buckets, sums that belong to a count, and facts about the scrape are not.
fn is_own_signal(metric: &str, metrics: &BTreeMap<String, usize>) -> bool {
    let has = |suffix: &str, other: &str| {
        metric.strip_suffix(suffix).is_some_and(|base| metrics.contains_key(&format!("{base}{other}")))
    };
    !(metric.is_empty()
        || metric == "up"
        || metric.starts_with("scrape_")
        || has("_bucket", "_count")
        || metric.ends_with("_bucket")
        || has("_sum", "_count")
        || metric.ends_with("_created")
        || metric.ends_with("_info"))
}

fn judge_metric(
    source: &dyn SampleSource,
    metric: &str,
    metrics: &BTreeMap<String, usize>,
    end: i64,
) -> Result<Vec<Candidate>, LearnError> {
    let load = |name: &str| -> Result<Option<Vec<SeriesSamples>>, LearnError> {
        match source.select(&[Matcher::equal(METRIC_NAME, name)], end.saturating_sub(LOOK_BACK_MS), end, MAX_SAMPLES) {
            Ok(found) => Ok(Some(found)),
            Err(SourceError::TooManySamples { .. }) => {
                tracing::info!(metric = name, "too many series to choose signals from; name them in the configuration");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    };
    let Some(series) = load(metric)? else { return Ok(Vec::new()) };
    let base = metric.strip_suffix("_count");
    let sum_name = base.map(|base| format!("{base}_sum")).filter(|name| metrics.contains_key(name));
    let sums: HashMap<Labels, SeriesSamples> = match &sum_name {
        Some(name) => {
            let found = load(name)?.unwrap_or_default();
            found.into_iter().map(|s| (s.labels.without(&[METRIC_NAME]), s)).collect()
        }
        None => HashMap::new(),
    };
    let mut out = Vec::new();
    for one in series.iter().take(MAX_SERIES_A_METRIC) {
        let Some(gap_ms) = median_gap(one, end) else { continue };
        let window = window_text(gap_ms);
        let values: Vec<f64> = finite(one);
        let counter = metric.ends_with("_total") || sum_name.is_some() || only_grows(&values);
        if counter {
            let rates = increases(&values);
            let expr = format!("rate({}[{window}])", selector(&one.labels));
            out.extend(judge(expr, metric, gap_ms, &rates, 0.2));
            if let Some(sum) = sums.get(&one.labels.without(&[METRIC_NAME])) {
                let means: Vec<f64> = increases(&finite(sum))
                    .iter()
                    .zip(&rates)
                    .filter(|(_, count)| **count > 0.0)
                    .map(|(sum, count)| sum / count)
                    .collect();
                let expr =
                    format!("rate({}[{window}]) / rate({}[{window}])", selector(&sum.labels), selector(&one.labels));
                out.extend(judge(expr, sum_name.as_deref().unwrap_or(metric), gap_ms, &means, 0.2));
            }
        } else {
            out.extend(judge(selector(&one.labels), metric, gap_ms, &values, 0.0));
        }
    }
    Ok(out)
}

/// A candidate, when its values vary; `favour` is added to its worth.
fn judge(expr: String, metric: &str, gap_ms: i64, values: &[f64], favour: f64) -> Option<Candidate> {
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
    let alike = (product / (n as f64 * variance)).clamp(0.0, 1.0);
    let variety = (distinct.len() as f64 / n.min(60) as f64).min(1.0);
    // Metrics of runtimes and collectors describe those, not the service.
    let inward = ["go_", "process_", "promhttp_", "prometheus_", "python_", "net_conntrack_", "almanac_"];
    let inward = if inward.iter().any(|prefix| metric.starts_with(prefix)) { 0.5 } else { 0.0 };
    let fingerprint =
        (0..FINGERPRINT).map(|i| (values[i * (n - 1) / (FINGERPRINT - 1)] - mean) / variance.sqrt()).collect();
    let worth = 0.6 * alike + 0.4 * variety + favour - inward;
    Some(Candidate { expr, metric: metric.to_owned(), gap_ms, worth, fingerprint })
}

/// The candidates worth most, twins and surplus series of one metric aside.
fn choose(mut candidates: Vec<Candidate>, budget: usize, long: bool) -> Vec<SignalSpec> {
    candidates.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.expr.cmp(&b.expr)));
    // Each further series of a metric counts less.
    let mut of_metric: HashMap<String, i32> = HashMap::new();
    for candidate in &mut candidates {
        let before = of_metric.entry(candidate.metric.clone()).or_default();
        candidate.worth -= 0.1 * f64::from(*before);
        *before += 1;
    }
    candidates.sort_by(|a, b| b.worth.total_cmp(&a.worth).then_with(|| a.expr.cmp(&b.expr)));
    let mut chosen: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if chosen.len() >= budget {
            break;
        }
        if !chosen.iter().any(|other| are_twins(&other.fingerprint, &candidate.fingerprint)) {
            chosen.push(candidate);
        }
    }
    chosen.into_iter().filter_map(|candidate| spec(candidate, long)).collect()
}

fn spec(candidate: Candidate, long: bool) -> Option<SignalSpec> {
    let gap = if long { candidate.gap_ms.max(60_000) } else { candidate.gap_ms };
    Some(SignalSpec {
        name: candidate.expr.clone(),
        expr: candidate.expr,
        step: Step::from_millis(round_step(gap)).ok()?,
        seasons: None,
        horizon: Horizon::try_new(HORIZON).ok()?,
        origin: SignalOrigin::Default,
    })
}

fn are_twins(a: &[f64], b: &[f64]) -> bool {
    let correlation = a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let scale = (a.iter().map(|x| x * x).sum::<f64>() * b.iter().map(|x| x * x).sum::<f64>()).sqrt();
    scale > 0.0 && correlation / scale > 0.9999
}

/// The least step that people use which is at least `gap_ms`.
fn round_step(gap_ms: i64) -> i64 {
    const STEPS: [i64; 12] =
        [1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000];
    // A scrape is a little late now and then.
    STEPS.into_iter().find(|step| step + step / 20 >= gap_ms).unwrap_or(3_600_000)
}

/// A window over at least four samples and a step of the grid, for `rate`.
fn window_text(gap_ms: i64) -> String {
    format!("{}s", (4 * round_step(gap_ms) / 1_000).max(1))
}

/// Median distance of a series' samples; `None` when there are too few or the last is old or a stale marker.
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

/// Whether values only grow, in more than one step: a counter whose name does not say so.
fn only_grows(values: &[f64]) -> bool {
    let falls = values.windows(2).filter(|w| w[1] < w[0]).count();
    let rises = values.windows(2).filter(|w| w[1] > w[0]).count();
    falls == 0 && rises * 2 > values.len() && values.first().is_some_and(|v| *v >= 0.0)
}

/// What a counter grew by from sample to sample; after a reset, what it has since.
fn increases(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|w| if w[1] >= w[0] { w[1] - w[0] } else { w[1] }).collect()
}

/// The PromQL selector of exactly this series.
fn selector(labels: &Labels) -> String {
    let name = labels.metric_name();
    let plain = name
        .chars()
        .enumerate()
        .all(|(i, c)| c == '_' || c == ':' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit()));
    let mut parts: Vec<String> = Vec::new();
    if !plain {
        parts.push(format!("__name__={name:?}"));
    }
    for (label, value) in labels.iter().filter(|(label, _)| *label != METRIC_NAME) {
        parts.push(format!("{label}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")));
    }
    let name = if plain { name } else { "" };
    if parts.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", parts.join(",")) }
}
