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

/// Whose usage, by a part of the series' name; the resource, and what a whole unit of the value is in cores or bytes.
const SETS: [(PublicSet, &str, &str, ContainerResource, f64); 6] = [
    (PublicSet::LoadBitbrains, "Bitbrains", "", ContainerResource::Cpu, 1e-3),
    (PublicSet::LoadAlibaba, "Alibaba", "cpu", ContainerResource::Cpu, 0.96),
    (PublicSet::LoadAlibaba, "Alibaba", "mem", ContainerResource::Memory, 1e9),
    (PublicSet::Nab, "NAB", "cpu_utilization", ContainerResource::Cpu, 0.04),
    (PublicSet::LoadCrane, "Crane, as if", "", ContainerResource::Cpu, 1.0),
    (PublicSet::LoadNasa, "NASA, as if", "", ContainerResource::Cpu, 0.01),
];
/// The same series as `crane/input14`, moved by a row.
const TWIN: &str = "mock_data";
const RULES: [&str; 4] = ["leading", "covering", "VPA", "KRR"];
/// Days over which a promise is held against what came.
const JUDGED_DAYS: i64 = 3;

struct Usage {
    set: &'static str,
    resource: ContainerResource,
    history: DemandHistory,
}

/// What the rules did on one container's usage, and whether what was promised at half of it came.
struct Outcome {
    figures: [RequestFigures; 4],
    promise: Option<bool>,
}

/// Requests of CPU and memory on machines' usage.
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
        "changes a day",
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
         Requests of CPU and memory, driven over the usage of machines after seven days (half of the series where it is not two weeks\n\
         long): what of the request idles, the time with usage above it, the part of the usage that is above it, and the cost: what\n\
         idles in units of the mean usage, and {cpu:.0} times the time above for CPU, {memory:.0} times for memory. Means over the series of a set. Bitbrains and\n\
         NAB are machines, Alibaba is the mean of a whole cluster; of memory no other public usage is at hand. Crane and NASA are request\n\
         rates, taken as if CPU followed them. VPA and KRR are the rules that their documents describe, KRR run daily; `covering` is the\n\
         one of ours, `leading` follows whichever of the three has cost least so far and is what is recommended. Promises: decided at\n\
         half of the series, held against the {JUDGED_DAYS} days after it; kept when the cost came within the promised 80 % interval or below.\n\n\
         {table}\n\
         A step under all four rules takes {micros} µs.\n",
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
    let told = of.iter().filter(|outcome| outcome.promise.is_some()).count();
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
        if idx == 0 { format!("{kept} of {told}") } else { "–".to_owned() },
    ]
}

fn outcome(usage: &Usage) -> Option<Outcome> {
    let Usage { resource, history, .. } = usage;
    // Machines in units of their own: the least request of a container says nothing about them.
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

/// Whether the request decided at `half_ms` cost no more in the days after than it promised; none where nothing is decided.
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
