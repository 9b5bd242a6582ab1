//! Runs one system on one stream: ingest, queries, `kill -9`, restart, merge; and the medians over the runs.

use std::{
    io,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{
    queries::{Answers, ask_all, wait_until_visible},
    sender::send,
    server::Server,
    stream::{Shape, Stream},
    system::System,
};

/// Largest relative difference of the same sum from two systems: they add in different orders.
const SUM_TOLERANCE: f64 = 1e-9;

/// Time from the last acknowledgement of the stream to its tail, where samples are merged.
const FLUSH: Duration = Duration::from_secs(15);

/// Options of a measurement.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Path of the program `almanac`.
    pub(super) almanac: PathBuf,
    /// Measured systems.
    pub(super) systems: Vec<System>,
    /// Size of the stream.
    pub(super) shape: Shape,
    /// Number of simultaneous connections.
    pub(super) connections: usize,
    /// Number of runs of each system, each without data at its start; the results are medians.
    pub(super) runs: usize,
    /// Whether the query latencies are measured.
    pub(super) asks: bool,
    /// Whether the samples are merged, and their bytes counted.
    pub(super) merges: bool,
}

/// Result of a system; times in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// Measured system.
    pub(super) system: System,
    /// Samples per second, all acknowledged.
    pub(super) samples_per_second: f64,
    /// Median time to an acknowledgement.
    pub ack_p50: f64,
    /// 99th percentile of the time to an acknowledgement.
    pub ack_p99: f64,
    /// Processor seconds of the server per million samples.
    pub(super) cpu_per_million: f64,
    /// Peak memory of the server during ingest, MiB.
    pub(super) peak_mib: f64,
    /// Time from the start after a `kill -9` to the first answer.
    pub(super) restart: f64,
    /// Number of acknowledged samples that are missing then.
    pub(super) lost: f64,
    /// Duration of the merge; NaN if nothing was merged.
    pub(super) merge: f64,
    /// Bytes on disk per sample after the merge; NaN if nothing was merged.
    pub(super) bytes_per_sample: f64,
    /// Query latencies before the kill; empty if they were not measured.
    pub(super) fresh: Vec<f64>,
    /// Query latencies after the merge; likewise.
    pub(super) merged: Vec<f64>,
    /// Sum of the gauges at the last step of the stream; NaN if it was not asked for.
    sum: f64,
}

/// Runs all systems alternately and returns the medians of each.
///
/// # Errors
/// When a server does not start or rejects a request, when an answer lacks samples or differs from that of another system,
/// or when Almanac loses a sample.
pub(super) fn run(options: &Options) -> io::Result<Vec<Outcome>> {
    let stream = Stream::new(options.shape, options.connections);
    let mut outcomes: Vec<Outcome> = Vec::new();
    for number in 0..options.runs {
        let mut systems = options.systems.clone();
        // Each system is the first in some run: none always meets the disk that the one before left.
        systems.rotate_left(number % options.systems.len().max(1));
        for system in systems {
            eprint!("  {} connections, run {}, {}: ", options.connections, number + 1, system.name());
            let outcome = one(options, &stream, system)
                .map_err(|error| io::Error::other(format!("{}: {error}", system.name())))?;
            eprintln!(
                "{:.0} samples/s, {:.2} bytes each, restart {:.2} s, {} lost",
                outcome.samples_per_second, outcome.bytes_per_sample, outcome.restart, outcome.lost
            );
            outcomes.push(outcome);
        }
    }
    same_sums(&outcomes)?;
    Ok(options.systems.iter().filter_map(|system| median(*system, &outcomes)).collect())
}

/// Checks that all systems answered with the same sum.
fn same_sums(outcomes: &[Outcome]) -> io::Result<()> {
    let sums = || outcomes.iter().map(|outcome| outcome.sum).filter(|sum| !sum.is_nan());
    let (least, most) = (sums().fold(f64::INFINITY, f64::min), sums().fold(f64::NEG_INFINITY, f64::max));
    if most - least > SUM_TOLERANCE * most.abs() {
        return Err(io::Error::other(format!("the sum of the gauges is {least} in one system and {most} in another")));
    }
    Ok(())
}

fn median(system: System, outcomes: &[Outcome]) -> Option<Outcome> {
    let runs: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.system == system).collect();
    let first = *runs.first()?;
    let middle = |of: &dyn Fn(&Outcome) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(|run| of(run)).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let latencies = |of: &dyn Fn(&Outcome) -> &Vec<f64>| {
        (0..of(first).len()).map(|idx| middle(&|run: &Outcome| of(run)[idx])).collect()
    };
    Some(Outcome {
        system,
        samples_per_second: middle(&|run| run.samples_per_second),
        ack_p50: middle(&|run| run.ack_p50),
        ack_p99: middle(&|run| run.ack_p99),
        cpu_per_million: middle(&|run| run.cpu_per_million),
        peak_mib: middle(&|run| run.peak_mib),
        restart: middle(&|run| run.restart),
        lost: middle(&|run| run.lost),
        merge: middle(&|run| run.merge),
        bytes_per_sample: middle(&|run| run.bytes_per_sample),
        fresh: latencies(&|run| &run.fresh),
        merged: latencies(&|run| &run.merged),
        sum: first.sum,
    })
}

fn one(options: &Options, stream: &Stream, system: System) -> io::Result<Outcome> {
    let shape = options.shape;
    let mut server = Server::start(system, &options.almanac)?;
    let cpu_before = server.process().cpu_seconds().unwrap_or(f64::NAN);
    let sent = send(server.address, stream.main.iter().map(Vec::as_slice))?;
    let acknowledged = Instant::now();
    let cpu = server.process().cpu_seconds().unwrap_or(f64::NAN) - cpu_before;
    let peak_mib = server.process().peak_mib().unwrap_or(f64::NAN);
    let mut fresh = None;
    if options.asks {
        wait_until_visible(&server, shape)?;
        fresh = Some(ask_all(&server, shape, 0).map_err(|error| at("before the kill", &error))?);
    }
    // VictoriaMetrics writes to disk after up to ten seconds. All systems get this time, so that enough is left to be merged.
    if options.merges {
        thread::sleep(FLUSH.saturating_sub(acknowledged.elapsed()));
    }
    // Killed right after the last acknowledgement and before a merge: what was acknowledged and not written is lost, and
    // the restart reads all that is not merged.
    let tail = send(server.address, stream.tail.iter().map(Vec::as_slice))?;
    let restart = server.kill_and_restart()?;
    let (all, kept) = (sent.samples + tail.samples, System::samples(&server, shape)?);
    if kept > all || system == System::Almanac && kept != all {
        return Err(io::Error::other(format!("{kept} of {all} samples are there after kill -9")));
    }
    let (mut merge, mut bytes_per_sample, mut merged) = (f64::NAN, f64::NAN, None);
    if options.merges {
        let (elapsed, bytes) = system.merge(&mut server)?;
        merge = elapsed.as_secs_f64();
        bytes_per_sample = float(bytes) / float(kept as u64);
        if options.asks {
            let answers = ask_all(&server, shape, all - kept);
            merged = Some(answers.map_err(|error| at(&format!("{} lost, after the merge", all - kept), &error))?);
        }
    }
    let percentile = |part: usize| {
        let at = (sent.latencies.len() * part / 100).min(sent.latencies.len().saturating_sub(1));
        sent.latencies.get(at).map_or(f64::NAN, Duration::as_secs_f64)
    };
    Ok(Outcome {
        system,
        samples_per_second: float(sent.samples as u64) / sent.elapsed.as_secs_f64(),
        ack_p50: percentile(50),
        ack_p99: percentile(99),
        cpu_per_million: cpu / float(sent.samples as u64) * 1e6,
        peak_mib,
        restart: restart.as_secs_f64(),
        lost: float((all - kept) as u64),
        merge,
        bytes_per_sample,
        sum: fresh.as_ref().map_or(f64::NAN, |answers| answers.sum),
        fresh: seconds(fresh),
        merged: seconds(merged),
    })
}

fn at(when: &str, error: &io::Error) -> io::Error {
    io::Error::other(format!("{when}: {error}"))
}

fn seconds(answers: Option<Answers>) -> Vec<f64> {
    answers.map_or_else(Vec::new, |answers| answers.latencies.iter().map(Duration::as_secs_f64).collect())
}

#[expect(clippy::cast_precision_loss, reason = "counts and sizes far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(system: System, samples_per_second: f64, sum: f64) -> Outcome {
        Outcome {
            system,
            samples_per_second,
            ack_p50: 0.0,
            ack_p99: 0.0,
            cpu_per_million: 0.0,
            peak_mib: 0.0,
            restart: 0.0,
            lost: 0.0,
            merge: f64::NAN,
            bytes_per_sample: f64::NAN,
            fresh: vec![samples_per_second],
            merged: Vec::new(),
            sum,
        }
    }

    #[test]
    fn medians_are_of_one_system() {
        let runs = [(System::Almanac, 5.0), (System::Prometheus, 1.0), (System::Almanac, 9.0), (System::Almanac, 7.0)];
        let all: Vec<Outcome> = runs.map(|(system, rate)| outcome(system, rate, 1.0)).into();
        let almanac = median(System::Almanac, &all).unwrap();
        assert_eq!((almanac.samples_per_second, almanac.fresh), (7.0, vec![7.0]));
        assert_eq!(median(System::VictoriaMetrics, &all), None);
    }

    #[test]
    fn different_sums_are_an_error() {
        let sums = |sums: [f64; 3]| same_sums(&sums.map(|sum| outcome(System::Almanac, 1.0, sum)));
        assert!(sums([1e6, 1e6 + 1e-5, f64::NAN]).is_ok());
        assert!(sums([f64::NAN; 3]).is_ok());
        let error = sums([1e6, f64::NAN, 1e6 + 1.0]).unwrap_err().to_string();
        assert!(error.contains("1000000 in one system and 1000001 in another"), "{error}");
    }
}
