//! Measures forecasts of the load traces at three horizons with rolling origins.

use std::{collections::BTreeMap, error::Error};

use almanac_datasets::loaders::{PublicSeries, PublicSet};
use almanac_engine::learn::{infer_step, regular};
use almanac_models::{
    Horizon, Level, Step,
    forecast::{OnlineForecaster, OnlineOptions},
    stats::mean,
};

use crate::accuracy::{
    forecasters::{Forecaster, History, ON_LOADS, SEASONAL_NAIVE, asked},
    grid::{self, DAY_MS},
    scorers::losses::{LEVELS, Losses},
};
use crate::document::{Settings, Table, each, number, percent};

const SETS: [(PublicSet, &str); 4] = [
    (PublicSet::LoadNasa, "NASA"),
    (PublicSet::LoadCrane, "Crane"),
    (PublicSet::LoadBitbrains, "Bitbrains"),
    (PublicSet::LoadAlibaba, "Alibaba"),
];
/// Copy of `crane/input14` shifted by a row.
const TWIN: &str = "mock_data";
const HORIZONS: [(i64, &str); 3] = [(900_000, "15 minutes"), (3_600_000, "1 hour"), (DAY_MS, "1 day")];
/// Largest number of origins per series.
const ORIGINS: usize = 60;
const QUICK_ORIGINS: usize = 6;
const ONLINE: &str = "almanac online";

/// Series at a regular step.
struct Trace {
    set: &'static str,
    y: Vec<f64>,
    step: Step,
}

/// Losses of a forecaster on a trace.
struct Outcome {
    set: &'static str,
    losses: Losses,
    /// Standard errors of the coverage at 80 and at 95 %.
    errors: Option<(f64, f64)>,
    refused: usize,
}

/// Results of a forecaster at one horizon.
struct Row {
    name: &'static str,
    outcomes: Vec<Outcome>,
    cost: String,
}

/// Measures the forecasters on the load traces.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let traces = traces(settings)?;
    let levels = LEVELS.into_iter().map(Level::from_percent).collect::<Result<Vec<_>, _>>()?;
    let most = if settings.quick { QUICK_ORIGINS } else { ORIGINS };
    let mut text = intro(&traces, most);
    for (span_ms, name) in HORIZONS {
        let mut rows = Vec::new();
        for model in ON_LOADS {
            let what = format!("loads, {name}, {}", model.name);
            let done = each(&what, &traces, settings.threads, |trace| fitted(trace, &model, span_ms, most, &levels));
            let made: usize = traces.iter().map(|trace| trace.origins(span_ms, most).len()).sum();
            let cost = format!("{} ms a forecast", number(done.cpu.as_secs_f64() * 1e3 / made.max(1) as f64, 1));
            rows.push(Row { name: model.name, outcomes: done.results, cost });
        }
        let what = format!("loads, {name}, {ONLINE}");
        let done = each(&what, &traces, settings.threads, |trace| online(trace, span_ms, most, &levels));
        let values: usize = traces.iter().map(|trace| trace.y.len()).sum();
        let cost = format!("{} µs a value", number(done.cpu.as_secs_f64() * 1e6 / values.max(1) as f64, 1));
        rows.insert(1, Row { name: ONLINE, outcomes: done.results, cost });
        text += &format!("### {name} ahead\n\n{}\n", table(&rows));
    }
    Ok(text)
}

fn traces(settings: &Settings) -> Result<Vec<Trace>, Box<dyn Error>> {
    let mut traces = Vec::new();
    for (set, name) in SETS {
        let series = settings.data()?.series(set)?;
        let alone: Vec<PublicSeries> = series.into_iter().filter(|one| !one.name.ends_with(TWIN)).collect();
        traces.extend(settings.subset(alone).into_iter().filter_map(|one| {
            let step = infer_step(&one.timestamps)?;
            Some(Trace { set: name, y: regular(&one.timestamps, &one.values, step), step })
        }));
    }
    Ok(traces)
}

impl Trace {
    fn horizon(&self, span_ms: i64) -> usize {
        grid::steps(span_ms, self.step)
    }

    fn day(&self) -> usize {
        grid::steps(DAY_MS, self.step)
    }

    /// Returns the standard errors of the coverage.
    fn coverage_errors(&self, losses: &Losses, span_ms: i64, most: usize) -> Option<(f64, f64)> {
        let origins = self.origins(span_ms, most);
        let apart = (origins.last()? - origins.first()?) as f64 / (origins.len() - 1).max(1) as f64;
        losses.coverage_errors(apart, self.horizon(span_ms), self.day())
    }

    /// Returns the lengths of history at the origins, at most `most`, evenly spaced: from a week, or half the series
    /// when that is less, to the last one that a whole horizon follows.
    fn origins(&self, span_ms: i64, most: usize) -> Vec<usize> {
        let first = (7 * self.day()).min(self.y.len() / 2);
        let Some(last) = self.y.len().checked_sub(self.horizon(span_ms)).filter(|last| *last >= first) else {
            return Vec::new();
        };
        let count = most.min(last - first + 1);
        (0..count).map(|k| first + (last - first) * k / (count - 1).max(1)).collect()
    }
}

/// Measures a forecaster that is fitted at each origin.
fn fitted(trace: &Trace, model: &Forecaster, span_ms: i64, most: usize, levels: &[Level]) -> Outcome {
    let (mut losses, mut refused) = (Losses::default(), 0);
    let steps = trace.horizon(span_ms);
    for at in trace.origins(span_ms, most) {
        let (history, actual) = (&trace.y[..at], &trace.y[at..at + steps]);
        let forecast = Horizon::try_new(steps)
            .map_err(|error| error.to_string())
            .and_then(|horizon| (model.run)(&History { y: history, step: trace.step }, horizon, levels));
        match forecast {
            Ok(forecast) => losses.add(&forecast, actual, history, trace.day()),
            Err(_) => refused += 1,
        }
    }
    let errors = trace.coverage_errors(&losses, span_ms, most);
    Outcome { set: trace.set, losses, errors, refused }
}

/// Measures the online forecaster: it takes each value once and forecasts at each origin.
fn online(trace: &Trace, span_ms: i64, most: usize, levels: &[Level]) -> Outcome {
    let steps = trace.horizon(span_ms);
    let (mut losses, mut refused) = (Losses::default(), 0);
    let mut forecaster = OnlineForecaster::new(OnlineOptions::detecting(Some(trace.step), steps));
    let mut seen = 0;
    for at in trace.origins(span_ms, most) {
        trace.y[seen..at].iter().for_each(|value| forecaster.push(*value));
        seen = at;
        let forecast = Horizon::try_new(steps).ok().and_then(|horizon| asked(&forecaster, horizon, levels));
        match forecast {
            Some(forecast) => losses.add(&forecast, &trace.y[at..at + steps], &trace.y[..at], trace.day()),
            None => refused += 1,
        }
    }
    let errors = trace.coverage_errors(&losses, span_ms, most);
    Outcome { set: trace.set, losses, errors, refused }
}

fn intro(traces: &[Trace], most: usize) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    traces.iter().for_each(|trace| *counts.entry(trace.set).or_default() += 1);
    let sets: Vec<String> = counts.iter().map(|(set, n)| format!("{set} {n}")).collect();
    format!(
        "## Forecasts: load traces\n\n\
         {} series ({}), rolling origins: at most {most} a series, evenly spread from a week of history (or half the series when\n\
         shorter) to its end; values between the origin and the horizon all count. MASE is scaled by the naive forecast a day\n\
         apart in the history; WQL is the weighted quantile loss over the quantiles 0.1 to 0.9. Seasonal naive (a day) and naive\n\
         have the quantiles of their own past errors at that lead. Measures are means over series; the ratios are geometric means\n\
         over series of the measure over that of the seasonal naive (below 1 is better). The default is fitted anew at each\n\
         origin; the online forecaster takes each value once. Beside a share inside is its standard error, from blocks of\n\
         forecasts as long as a horizon and a day.\n\n",
        traces.len(),
        sets.join(", "),
    )
}

fn table(rows: &[Row]) -> Table {
    let header = ["set", "forecaster", "MASE", "ratio", "WQL", "ratio", "inside 80 %", "inside 95 %", "refused", "CPU"];
    let mut table = Table::new(&header);
    let Some(naive) = rows.iter().find(|row| row.name == SEASONAL_NAIVE.name) else { return table };
    let names = SETS.iter().map(|(_, name)| Some(*name)).chain([None]);
    for set in names {
        for row in rows {
            let of = |row: &Row, get: fn(&Losses) -> Option<f64>| -> Vec<Option<f64>> {
                let chosen = row.outcomes.iter().filter(|outcome| set.is_none_or(|set| set == outcome.set));
                chosen.map(|outcome| get(&outcome.losses)).collect()
            };
            let average = |get| mean(&of(row, get).into_iter().flatten().collect::<Vec<f64>>());
            let ratio = |get| geometric_ratio(&of(row, get), &of(naive, get));
            let refused: usize = row.outcomes.iter().map(|outcome| outcome.refused).sum();
            let total = |text: String| if set.is_none() { text } else { String::new() };
            table.row([
                set.unwrap_or("all").to_owned(),
                row.name.to_owned(),
                number(average(Losses::mase), 3),
                number(ratio(Losses::mase), 3),
                number(average(Losses::weighted_quantile_loss), 4),
                number(ratio(Losses::weighted_quantile_loss), 3),
                covered(&row.outcomes, set, |both| both.0),
                covered(&row.outcomes, set, |both| both.1),
                total(refused.to_string()),
                total(row.cost.clone()),
            ]);
        }
    }
    table
}

/// Returns the coverage, averaged over the series of a set, with its standard error.
fn covered(outcomes: &[Outcome], set: Option<&str>, which: fn((f64, f64)) -> f64) -> String {
    let chosen: Vec<&Outcome> = outcomes.iter().filter(|outcome| set.is_none_or(|set| set == outcome.set)).collect();
    let shares: Vec<f64> = chosen.iter().filter_map(|outcome| outcome.losses.coverage().map(which)).collect();
    let squares = chosen.iter().filter_map(|outcome| outcome.errors.map(which)).map(|error| error * error);
    let error = squares.sum::<f64>().sqrt() / shares.len() as f64;
    format!("{} ± {}", percent(mean(&shares)), number(100.0 * error, 1))
}

/// Returns the geometric mean of the ratios of pairs with two positive values.
fn geometric_ratio(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<f64> {
    let positive = |value: &Option<f64>| value.filter(|value| *value > 0.0);
    let pairs = ours.iter().zip(theirs).filter_map(|(a, b)| positive(a).zip(positive(b)));
    let logs: Vec<f64> = pairs.map(|(a, b)| (a / b).ln()).collect();
    mean(&logs).map(f64::exp)
}
