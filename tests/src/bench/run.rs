//! Runs the bench: ingest, queries, `kill -9`, restart, compaction, and the medians over the runs.

use std::{io, path::PathBuf, time::Duration};

use super::{
    queries::{self, Latency},
    sender::send,
    server::Server,
    stream::{Request, Shape, requests},
};

/// Options of a measurement.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the program `almanac`.
    pub almanac: PathBuf,
    /// Size of the stream.
    pub shape: Shape,
    /// Number of simultaneous connections.
    pub connections: usize,
    /// Number of runs, each on an empty store; the results are medians.
    pub runs: usize,
    /// Whether query latencies are measured too.
    pub asks: bool,
}

/// Medians over the runs.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Number of simultaneous connections.
    pub connections: usize,
    /// Samples per second, all acknowledged on disk.
    pub samples_per_second: f64,
    /// Median time to an acknowledgement.
    pub ack_p50: Duration,
    /// 99th percentile of the time to an acknowledgement.
    pub ack_p99: Duration,
    /// Processor seconds of the server per million samples.
    pub cpu_per_million: f64,
    /// Peak memory of the server during ingest, MiB.
    pub peak_mib: f64,
    /// Time from the start after a `kill -9` to the first answer, before compaction.
    pub restart: Duration,
    /// Duration of the compaction of the whole stream.
    pub compaction: Duration,
    /// Bytes of file and log per sample after compaction.
    pub bytes_per_sample: f64,
    /// Query latencies before compaction.
    pub fresh: Vec<Latency>,
    /// Query latencies after compaction.
    pub compacted: Vec<Latency>,
}

/// Runs the bench.
///
/// # Errors
/// When the server does not start, rejects a request or loses a sample, or when an answer lacks samples.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let stream = requests(options.shape, options.connections);
    let runs = (0..options.runs)
        .map(|number| {
            eprintln!("{} connections, run {} of {}", options.connections, number + 1, options.runs);
            one(options, &stream)
        })
        .collect::<io::Result<Vec<Outcome>>>()?;
    let median = |of: &dyn Fn(&Outcome) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let time = |of: &dyn Fn(&Outcome) -> Duration| Duration::from_secs_f64(median(&|run| of(run).as_secs_f64()));
    let latencies = |of: &dyn Fn(&Outcome) -> &Vec<Latency>| {
        let first = runs.first().map(of).cloned().unwrap_or_default();
        (0..first.len()).map(|idx| (first[idx].0, time(&|run| of(run)[idx].1))).collect()
    };
    Ok(Outcome {
        connections: options.connections,
        samples_per_second: median(&|run| run.samples_per_second),
        ack_p50: time(&|run| run.ack_p50),
        ack_p99: time(&|run| run.ack_p99),
        cpu_per_million: median(&|run| run.cpu_per_million),
        peak_mib: median(&|run| run.peak_mib),
        restart: time(&|run| run.restart),
        compaction: time(&|run| run.compaction),
        bytes_per_sample: median(&|run| run.bytes_per_sample),
        fresh: latencies(&|run| &run.fresh),
        compacted: latencies(&|run| &run.compacted),
    })
}

fn one(options: &Options, stream: &[Vec<Request>]) -> io::Result<Outcome> {
    let mut server = Server::start(&options.almanac)?;
    let cpu_before = server.cpu_seconds().unwrap_or(f64::NAN);
    let sent = send(server.address, stream)?;
    let cpu = server.cpu_seconds().unwrap_or(f64::NAN) - cpu_before;
    let peak_mib = server.peak_mib().unwrap_or(f64::NAN);
    let ask = |server: &Server| if options.asks { queries::ask_all(server, options.shape) } else { Ok(Vec::new()) };
    let fresh = ask(&server)?;
    // Killed before compaction, so that the restart replays the whole write-ahead log.
    let restart = server.kill_and_restart()?;
    let kept = server.samples()?;
    if kept != sent.samples {
        return Err(io::Error::other(format!("{kept} of {} samples are left after kill -9", sent.samples)));
    }
    let compaction = server.compact()?;
    let compacted = ask(&server)?;
    #[expect(clippy::cast_precision_loss, reason = "counts and sizes far below 2^53")]
    let (samples, bytes) = (sent.samples as f64, server.disk_bytes() as f64);
    let percentile =
        |part: usize| sent.latencies.get((sent.latencies.len() * part / 100).min(sent.latencies.len() - 1));
    let outcome = Outcome {
        connections: options.connections,
        samples_per_second: samples / sent.elapsed.as_secs_f64(),
        ack_p50: percentile(50).copied().unwrap_or_default(),
        ack_p99: percentile(99).copied().unwrap_or_default(),
        cpu_per_million: cpu / samples * 1e6,
        peak_mib,
        restart,
        compaction,
        bytes_per_sample: bytes / samples,
        fresh,
        compacted,
    };
    eprintln!(
        "  {:.0} samples/s, ack p50 {:.1} ms, p99 {:.1} ms, {} times busy, {:.2} bytes per sample",
        outcome.samples_per_second,
        outcome.ack_p50.as_secs_f64() * 1e3,
        outcome.ack_p99.as_secs_f64() * 1e3,
        sent.busy,
        outcome.bytes_per_sample
    );
    Ok(outcome)
}
