//! Measures rightsizing beside the rules of VPA and KRR on the usage of machines.

use std::error::Error;

use almanac_datasets::loaders::PublicSet;
use almanac_engine::advise::{
    rightsizing::{
        ContainerResource, Covering, CoveringOptions, Krr, Leading, RequestFigures, RequestRule, Vpa, decide_request,
        replay_requests, step_costs,
    },
    scaling::DemandHistory,
};

use crate::{
    accuracy::grid::DAY_MS,
    document::{Settings, Table, each, number},
};

/// Public set, name, part of the series' names, resource, and cores or bytes per unit of the values.
const SETS: [(PublicSet, &str, &str, ContainerResource, f64); 6] = [
    (PublicSet::LoadBitbrains, "Bitbrains", "", ContainerResource::Cpu, 1e-3),
    (PublicSet::LoadAlibaba, "Alibaba", "cpu", ContainerResource::Cpu, 0.96),
    (PublicSet::LoadAlibaba, "Alibaba", "mem", ContainerResource::Memory, 1e9),
    (PublicSet::Nab, "NAB", "cpu_utilization", ContainerResource::Cpu, 0.04),
    (PublicSet::LoadCrane, "Crane, as if", "", ContainerResource::Cpu, 1.0),
    (PublicSet::LoadNasa, "NASA, as if", "", ContainerResource::Cpu, 0.01),
];
/// Copy of `crane/input14` shifted by a row.
const TWIN: &str = "mock_data";
const RULES: [&str; 4] = ["leading", "covering", "VPA", "KRR"];
/// Days after the decision over which a promise is measured.
const JUDGED_DAYS: i64 = 3;

struct Usage {
    set: &'static str,
    resource: ContainerResource,
    history: DemandHistory,
}

/// Figures of the rules on one container's usage.
struct Outcome {
    /// In the order of [`RULES`].
    figures: [RequestFigures; 4],
    /// Whether the promise made at half of the series was kept; `None` when no request was recommended.
    promise: Option<bool>,
}

/// Measures requests of CPU and memory on the usage of machines.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let mut all = Vec::new();
    for (set, name, part, resource, unit) in SETS {
        let mut series = settings.data()?.series(set)?;
        series.retain(|one| one.name.contains(part) && !one.name.ends_with(TWIN));
        for one in settings.subset(series) {
            let values = one.values.iter().map(|value| value * unit).collect();
            let history = DemandHistory::try_new(one.timestamps, values)?;
            all.push(Usage { set: name, resource, history });
        }
    }
    let done = each("rightsizing", &all, settings.threads, outcome);
    let mut table = Table::new(&[
        "usage",
        "request",
        "rule",
        "idle %",
        "time above %",
        "usage above %",
        "cost",
        "changes per day",
        "promises kept",
    ]);
    for (_, set, _, resource, _) in SETS {
        let of: Vec<&Outcome> = all
            .iter()
            .zip(&done.results)
            .filter(|(usage, _)| usage.set == set && usage.resource == resource)
            .filter_map(|(_, outcome)| outcome.as_ref())
            .collect();
        for (idx, rule) in RULES.into_iter().enumerate().filter(|_| !of.is_empty()) {
            table.row(row(format!("{set} ({})", of.len()), resource, idx, rule, &of));
        }
    }
    let steps: usize = all.iter().map(|usage| usage.history.len()).sum();
    Ok(format!(
        "## Rightsizing\n\n\
         Requests of CPU and memory, replayed on the usage of machines and scored after seven days (half of a series shorter than two\n\
         weeks): the idle share of the request, the share of the time with usage above it, the share of the usage above it, and the cost: idle\n\
         capacity in units of the mean usage, plus {cpu:.0} times the share of the time above for CPU, {memory:.0} times for memory. Means over the series of a\n\
         set. Bitbrains and NAB are machines, Alibaba is the mean of a whole cluster; no other public set has memory usage. Crane and NASA are\n\
         request rates, used as if CPU were proportional to them. VPA and KRR are the rules in their documentation, KRR run daily; `covering` is\n\
         Almanac's own rule; `leading` follows the rule of least cost so far among these three and is the recommended one. Promises: decided at\n\
         half of the series and compared with the {JUDGED_DAYS} days after it; kept when the cost is within the promised 80 % interval or below it.\n\n\
         {table}\n\
         Replaying a step under all four rules takes {micros} µs.\n",
        cpu = CoveringOptions::new(ContainerResource::Cpu).above_cost,
        memory = CoveringOptions::new(ContainerResource::Memory).above_cost,
        micros = number(done.cpu.as_secs_f64() * 1e6 / steps.max(1) as f64, 1),
    ))
}

fn row(set: String, resource: ContainerResource, idx: usize, rule: &str, of: &[&Outcome]) -> [String; 9] {
    let mean = |figure: &dyn Fn(&RequestFigures) -> f64| {
        of.iter().map(|outcome| figure(&outcome.figures[idx])).sum::<f64>() / of.len() as f64
    };
    let price = CoveringOptions::new(resource).above_cost;
    let promised = of.iter().filter(|outcome| outcome.promise.is_some()).count();
    let kept = of.iter().filter(|outcome| outcome.promise == Some(true)).count();
    [
        set,
        resource.to_string(),
        rule.to_owned(),
        number(mean(&|figures| 100.0 * figures.slack), 1),
        number(mean(&|figures| 100.0 * figures.above), 2),
        number(mean(&|figures| 100.0 * figures.unserved), 2),
        number(mean(&|figures| figures.cost(price)), 3),
        number(mean(&|figures| figures.changes_per_day), 2),
        if idx == 0 { format!("{kept} of {promised}") } else { "–".to_owned() },
    ]
}

fn outcome(usage: &Usage) -> Option<Outcome> {
    let Usage { resource, history, .. } = usage;
    // Machines have their own units, so that the least request of a container does not apply.
    let options = CoveringOptions { least: 0.0, ..CoveringOptions::new(*resource) };
    let first_ms = *history.timestamps().first()?;
    let span_ms = history.timestamps().last()? - first_ms;
    let scored_from_ms = first_ms + if span_ms > 14 * DAY_MS { 7 * DAY_MS } else { span_ms / 2 };
    let figures = |rule: &mut dyn RequestRule| replay_requests(history, rule, scored_from_ms);
    Some(Outcome {
        figures: [
            figures(&mut Leading::new(options))?,
            figures(&mut Covering::new(options))?,
            figures(&mut Vpa::new(*resource))?,
            figures(&mut Krr::new(*resource))?,
        ],
        promise: promise(history, &options, first_ms + span_ms / 2),
    })
}

/// Returns whether the request decided at `half_ms` cost no more than promised in the days after; `None` when there was
/// no decision.
fn promise(history: &DemandHistory, options: &CoveringOptions, half_ms: i64) -> Option<bool> {
    let at = |ms: i64| history.timestamps().partition_point(|&step_ms| step_ms < ms);
    let (half, end) = (at(half_ms), at(half_ms + JUDGED_DAYS * DAY_MS));
    let known = |idx: usize| if history.observed()[idx] { history.values()[idx] } else { f64::NAN };
    let past = DemandHistory::try_new(history.timestamps()[..half].to_vec(), (0..half).map(known).collect()).ok()?;
    let decision = decide_request(&past, None, options).ok()?;
    let usage: Vec<f64> = (half..end).map(known).filter(|used| !used.is_nan()).collect();
    let costs = step_costs(&usage, decision.request, options.above_cost);
    let realised = costs.iter().sum::<f64>() / costs.len() as f64;
    (!costs.is_empty()).then_some(realised <= decision.cost.upper)
}
