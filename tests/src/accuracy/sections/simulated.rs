//! Measures seasons and incidents against the ground truth of the simulator.

use std::error::Error;

use almanac_datasets::simulator::{Simulation, SimulatorOptions, simulate};
use almanac_models::{
    Step,
    anomaly::{DetectorOptions, OnlineDetector},
    seasons::SeasonDetector,
};

use crate::document::{Settings, Table, each, number};

const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const MINUTES: [usize; 4] = [1, 5, 15, 60];
/// Minutes per value of a detector.
const BLOCK: usize = 5;
/// Minutes after an incident that count neither as quiet nor as false.
const RETURN: usize = 30;
/// Signals in which incidents are searched: alerts watch them and incidents affect them.
const WATCHED: [&str; 6] =
    ["api_p95_seconds", "query_p95_seconds", "error_ratio", "memory_ratio", "queue_depth", "cpu_ratio"];

/// Results of one run.
struct Found {
    /// Number of signals whose seasons are exactly the true ones, by resolution.
    right: [usize; MINUTES.len()],
    signals: usize,
    /// Counts over the watched signals with detected seasons, and with given seasons.
    watched: [Watched; 2],
    /// Counts summed over all signals.
    all_signals: Watched,
}

/// Incidents in the second half, those found, quiet minutes, and flagged quiet minutes.
#[derive(Default, Clone, Copy)]
struct Watched {
    incidents: usize,
    found: usize,
    quiet: usize,
    called: usize,
}

/// Measures seasons and incidents on simulated runs.
///
/// # Errors
/// When the simulator rejects its options.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let seeds: Vec<u64> = SEEDS.into_iter().take(if settings.quick { 1 } else { SEEDS.len() }).collect();
    let done = each("simulator", &seeds, settings.threads, |seed| {
        let run = simulate(&SimulatorOptions { seed: *seed, cache_hours: 0.0, ..SimulatorOptions::default() })?;
        Ok::<Found, almanac_datasets::simulator::OptionsError>(Found {
            right: MINUTES.map(|minutes| right_seasons(&run, minutes)),
            signals: run.signals.len(),
            watched: [watch(&run, &WATCHED, None), watch(&run, &WATCHED, Some(&[288, 2_016]))],
            all_signals: run
                .signals
                .iter()
                .map(|signal| watch(&run, &[&signal.name], None))
                .fold(Watched::default(), Watched::and),
        })
    });
    let found = done.results.into_iter().collect::<Result<Vec<Found>, _>>()?;
    let mut seasons = Table::new(&["seed", "1 minute", "5 minutes", "15 minutes", "60 minutes", "signals"]);
    let header = [
        "seed",
        "incidents",
        "found",
        "quiet time called, %",
        "found, seasons given",
        "quiet time called, %",
        "quiet values of a signal called, all signals, %",
    ];
    let mut incidents = Table::new(&header);
    for (seed, one) in seeds.iter().zip(&found) {
        let counts = one.right.iter().chain([&one.signals]).map(ToString::to_string);
        seasons.row([seed.to_string()].into_iter().chain(counts));
        incidents.row(incident_row(seed.to_string(), one.watched, one.all_signals));
    }
    let total = |way: usize| found.iter().map(|one| one.watched[way]).fold(Watched::default(), Watched::and);
    let sums = (0..MINUTES.len()).map(|idx| found.iter().map(|one| one.right[idx]).sum::<usize>());
    let signals = found.iter().map(|one| one.signals).sum::<usize>();
    seasons.row(["all".to_owned()].into_iter().chain(sums.chain([signals]).map(|n| n.to_string())));
    let all_signals = found.iter().map(|one| one.all_signals).fold(Watched::default(), Watched::and);
    incidents.row(incident_row("all".to_owned(), [total(0), total(1)], all_signals));
    Ok(format!(
        "## The simulator and its truth\n\n\
         Four weeks of one-minute signals a seed. Signals whose seasons are found exactly, none missing and none too many, from means\n\
         over so many minutes:\n\n{seasons}\n\
         Incidents in the last two weeks, looked for in five-minute means of six signals that alerts watch, by the causal default with a\n\
         detector a signal; quiet is every minute outside incidents and the half hour behind them, called when any of the six\n\
         detectors calls it. The last column has the share of quiet values called in all {} signals, each by itself:\n\n{incidents}",
        found.first().map_or(0, |one| one.signals),
    ))
}

fn incident_row(name: String, watched: [Watched; 2], all_signals: Watched) -> Vec<String> {
    let share = |one: Watched| percent_of(one.called, one.quiet);
    vec![
        name,
        watched[0].incidents.to_string(),
        watched[0].found.to_string(),
        share(watched[0]),
        watched[1].found.to_string(),
        share(watched[1]),
        share(all_signals),
    ]
}

fn percent_of(part: usize, whole: usize) -> String {
    number((whole > 0).then(|| 100.0 * part as f64 / whole as f64), 3)
}

/// Returns means over `minutes` of a signal at one-minute steps.
pub(super) fn coarse(values: &[f64], minutes: usize) -> Vec<f64> {
    values.chunks_exact(minutes).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect()
}

fn right_seasons(run: &Simulation, minutes: usize) -> usize {
    let minutes_ms = i64::try_from(minutes).unwrap_or(1) * 60_000;
    let Ok(step) = Step::from_millis(minutes_ms) else { return 0 };
    let is_right = |(signal, truth): (&[f64], &Vec<i64>)| {
        let found = SeasonDetector::default().with_step(step).detect(&coarse(signal, minutes));
        found.iter().map(|season| i64::try_from(season.period).unwrap_or(0) * minutes_ms).eq(truth.iter().copied())
    };
    let signals = run.signals.iter().map(|signal| signal.values.as_slice());
    signals.zip(run.truth.signals.iter().map(|truth| &truth.seasons_ms)).filter(|pair| is_right(*pair)).count()
}

/// Counts incidents and quiet minutes that at least one detector of these signals flags.
fn watch(run: &Simulation, names: &[&str], seasons: Option<&[usize]>) -> Watched {
    let n = run.timestamps.len();
    let mut called = vec![false; n];
    for signal in names.iter().filter_map(|name| run.signal(name)) {
        let step = Step::from_millis(300_000).ok();
        let seasons = seasons.map(<[usize]>::to_vec);
        let mut detector = OnlineDetector::new(DetectorOptions { seasons, step, ..Default::default() });
        for (block, value) in coarse(&signal.values, BLOCK).into_iter().enumerate() {
            if detector.push(value).score > 1.0 {
                called[block * BLOCK..(block + 1) * BLOCK].fill(true);
            }
        }
    }
    let mut inside = vec![false; n];
    let mut watched = Watched::default();
    for incident in &run.truth.incidents {
        let first = run.timestamps.partition_point(|at| *at < incident.started_at_ms).max(n / 2);
        let end = run.timestamps.partition_point(|at| *at <= incident.ended_at_ms);
        if first < end {
            watched.incidents += 1;
            watched.found += usize::from(called[first..end].contains(&true));
            inside[first..(end + RETURN).min(n)].fill(true);
        }
    }
    let quiet = || (n / 2..n).filter(|t| !inside[*t]);
    Watched { quiet: quiet().count(), called: quiet().filter(|t| called[*t]).count(), ..watched }
}

impl Watched {
    fn and(self, other: Self) -> Self {
        Self {
            incidents: self.incidents + other.incidents,
            found: self.found + other.found,
            quiet: self.quiet + other.quiet,
            called: self.called + other.called,
        }
    }
}
