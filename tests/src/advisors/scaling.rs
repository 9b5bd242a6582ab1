//! Measures scaling beside the reactive rule and other policies on the load traces.

use std::error::Error;

use almanac_datasets::loaders::{PublicSeries, PublicSet};
use almanac_engine::advise::scaling::{
    CHANGES_PER_DAY, CompareOptions, Comparison, DemandHistory, PolicyFigures, PoolRules, ScalingError, compare,
};
use almanac_models::stats::quantile;

use crate::{
    accuracy::grid::DAY_MS,
    document::{Done, Settings, Table, each, number},
};

/// Public sets with their names, and whether each series has its own row in the second table.
const SETS: [(PublicSet, &str, bool); 4] = [
    (PublicSet::LoadNasa, "NASA", true),
    (PublicSet::LoadCrane, "Crane", true),
    (PublicSet::LoadBitbrains, "Bitbrains", false),
    (PublicSet::LoadAlibaba, "Alibaba", false),
];
/// Copy of `crane/input14` shifted by a row.
const TWIN: &str = "mock_data";
/// Number of fully used replicas at the 99th percentile of demand.
const SIZES: [u32; 3] = [5, 20, 80];
/// Size in the table of single series.
const SHOWN: u32 = 20;

struct Workload<'a> {
    set: &'static str,
    series: &'a PublicSeries,
    size: u32,
    capacity: f64,
}

/// Measures scaling on the load traces.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let mut sets = Vec::new();
    for (set, name, _) in SETS {
        let mut series = settings.data()?.series(set)?;
        series.retain(|one| !one.name.ends_with(TWIN));
        sets.push((name, settings.subset(series)));
    }
    let workloads: Vec<Workload<'_>> = SIZES
        .iter()
        .flat_map(|&size| sets.iter().flat_map(move |(set, all)| all.iter().map(move |series| (size, *set, series))))
        .filter_map(|(size, set, series)| {
            Some(Workload { set, series, size, capacity: capacity(&series.values, size)? })
        })
        .collect();
    let Done { results, cpu } = each("scaling", &workloads, settings.threads, replay);
    let mut by_set = Table::new(&header("set"));
    let mut by_series = Table::new(&header("series"));
    let mut left_out = Vec::new();
    let done: Vec<(&Workload<'_>, &Comparison)> = workloads
        .iter()
        .zip(&results)
        .filter_map(|(workload, result)| match result {
            Ok(comparison) => Some((workload, comparison)),
            Err(error) => {
                left_out.push(format!("{} at {}: {error}", workload.series.name, workload.size));
                None
            }
        })
        .collect();
    for size in SIZES {
        for (_, set, _) in SETS {
            let of: Vec<&Comparison> =
                done.iter().filter(|(w, _)| w.set == set && w.size == size).map(|(_, c)| *c).collect();
            if !of.is_empty() {
                by_set.row(row(set.to_owned(), size, &of));
            }
        }
    }
    for (workload, comparison) in done.iter().filter(|(w, _)| w.size == SHOWN) {
        if SETS.iter().any(|(_, set, shown)| *set == workload.set && *shown) {
            let name = format!("{}, {} each", workload.series.name, workload.capacity);
            by_series.row(row(name, workload.size, &[comparison]));
        }
    }
    let left_out =
        if left_out.is_empty() { String::new() } else { format!("\nNot replayed: {}.\n", left_out.join("; ")) };
    let steps: usize = done.iter().map(|(_, comparison)| comparison.steps).sum();
    Ok(format!(
        "## Scaling\n\n\
         Demand replayed as in `replay scaling`: start-up 180 s, target 0.7, seven days of history before scoring (half of a\n\
         shorter series), 1 to 1,000 replicas, at most 240 scale-ins per day. The capacity of a replica is the 99th percentile of demand\n\
         divided by {sizes}, to two digits. Under-provisioned: share of the steps whose demand exceeds the capacity of the ready replicas,\n\
         mean over the series of a set. `same cost` is the reactive rule (the Kubernetes formula) with the target at which it uses as many\n\
         replica-hours as the predictive rule. Replica-hours are relative to the reactive rule at target 0.7.\n\n\
         {by_set}\n\
         {by_series}\n\
         {left_out}Replaying a step under all policies takes {micros} µs.\n",
        sizes = "5, 20 or 80",
        micros = number(cpu.as_secs_f64() * 1e6 / steps.max(1) as f64, 1),
    ))
}

fn header(first: &str) -> [&str; 13] {
    [
        first,
        "replicas",
        "under-provisioned %: predictive",
        "same cost",
        "reactive",
        "last week",
        "predictive / same cost",
        "hours: predictive",
        "last week",
        "static peak",
        "oracle",
        "changes per day: predictive",
        "reactive",
    ]
}

fn row(name: String, size: u32, of: &[&Comparison]) -> [String; 13] {
    let mean = |figure: &dyn Fn(&Comparison) -> f64| of.iter().map(|c| figure(c)).sum::<f64>() / of.len() as f64;
    let share = |policy: fn(&Comparison) -> &PolicyFigures| mean(&|c| 100.0 * policy(c).under_provisioned_share);
    let hours =
        |policy: fn(&Comparison) -> &PolicyFigures| mean(&|c| policy(c).replica_hours / c.reactive.replica_hours);
    let changes = |policy: fn(&Comparison) -> &PolicyFigures| mean(&|c| policy(c).scale_changes_per_day);
    let (ours, theirs) = (share(|c| &c.predictive), share(|c| &c.same_cost));
    [
        name,
        size.to_string(),
        number(ours, 3),
        number(theirs, 3),
        number(share(|c| &c.reactive), 3),
        number(share(|c| &c.last_week), 2),
        number((theirs > 0.0).then(|| ours / theirs), 2),
        number(hours(|c| &c.predictive), 3),
        number(hours(|c| &c.last_week), 2),
        number(hours(|c| &c.static_peak), 2),
        number(hours(|c| &c.oracle), 2),
        number(changes(|c| &c.predictive), 0),
        number(changes(|c| &c.reactive), 0),
    ]
}

/// Returns the capacity of a replica, to two digits, with which the 99th percentile of demand needs `size` replicas;
/// `None` without demand.
fn capacity(values: &[f64], size: u32) -> Option<f64> {
    let busy = quantile(values, 0.99)?;
    let capacity = format!("{:.1e}", busy / f64::from(size)).parse().ok()?;
    (capacity > 0.0).then_some(capacity)
}

fn replay(workload: &Workload<'_>) -> Result<Comparison, ScalingError> {
    let PublicSeries { timestamps, values, .. } = workload.series;
    let history = DemandHistory::try_new(timestamps.clone(), values.clone())?;
    let span_ms = timestamps.last().zip(timestamps.first()).map_or(0, |(last, first)| last - first);
    let rules = PoolRules {
        capacity: workload.capacity,
        target_utilization: 0.7,
        startup_ms: 180_000,
        replicas_min: 1,
        replicas_max: 1_000,
        scale_out_max: None,
        scale_in_max: None,
        changes_per_day_max: Some(CHANGES_PER_DAY),
    };
    let options = CompareOptions {
        initial: 1,
        warmup_ms: if span_ms > 7 * DAY_MS + DAY_MS / 2 { 7 * DAY_MS } else { span_ms / 2 },
        day_ms: DAY_MS,
        stabilization_ms: 300_000,
        unserved_cost_ratio: None,
        zone: None,
    };
    compare(&history, &rules, &options)
}
