//! Measures the memory of the service while it learns signals of many series. The other systems learn nothing.

use std::{
    fmt, fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use almanac_api::grouped;
use chrono::Utc;

use super::{
    report::at_most,
    sender::send,
    server::Server,
    stream::{Request, Shape, Stream},
    system::System,
};
use crate::document::{Table, number};

/// Configuration: signals are chosen as soon as there are samples; their number is the default.
const CONFIG: &str = "[learn]\nstart_after = \"1s\"\nchoose_every = \"20s\"\nevery = \"5s\"\n";
/// Distance between samples. At shorter ones a metric has more samples in an hour than are read to choose signals.
const STEP_MS: i64 = 60_000;
/// Time without a newly learned signal after which learning is over.
const QUIET: Duration = Duration::from_secs(60);
/// Longest time of learning.
const LONGEST: Duration = Duration::from_secs(600);
/// Peak memory that is wanted, MiB.
const PEAK_MIB: f64 = 600.0;

/// Memory of the service with learning.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Learning {
    shape: Shape,
    /// Number of learned signals.
    signals: u64,
    /// Peak memory until all samples were acknowledged, MiB.
    ingest_mib: f64,
    /// Peak memory until the signals were learned, MiB.
    peak_mib: f64,
}

impl Learning {
    /// Sends `steps` samples a minute apart of each of `series` series, the last of now, learns, and sends one step a minute meanwhile.
    ///
    /// # Errors
    /// When the server fails, or learns nothing in ten minutes.
    pub(super) fn measure(almanac: &Path, series: usize, steps: usize) -> io::Result<Self> {
        let mut shape = Shape { step_ms: STEP_MS, ..Shape::new(series, steps, 5_000) };
        shape.start_ms = Utc::now().timestamp_millis() - shape.span_ms();
        let stream = Stream::new(shape, 2);
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("almanac.toml"), CONFIG)?;
        let server = Server::start_in(System::Almanac, almanac, folder)?;
        send(server.address, stream.main.iter().map(Vec::as_slice))?;
        let peak = || server.process().peak_mib().unwrap_or(f64::NAN);
        let ingest_mib = peak();
        let (mut sent, mut signals, mut changed) = (steps, 0, Instant::now());
        let started = Instant::now();
        while started.elapsed() < LONGEST && (signals == 0 || changed.elapsed() < QUIET) {
            let due = shape.start_ms + STEP_MS * i64::try_from(sent).unwrap_or(i64::MAX / STEP_MS);
            if sent < steps + shape.tail_steps() && Utc::now().timestamp_millis() >= due {
                send(server.address, stream.tail.iter().map(|requests| of_step(requests, sent)))?;
                sent += 1;
            }
            let learned = ready(&server)?;
            if learned != signals {
                (signals, changed) = (learned, Instant::now());
            }
            thread::sleep(Duration::from_millis(500));
        }
        eprintln!("  {signals} signals learned, {:.0} MiB during ingest, {:.0} MiB in all", ingest_mib, peak());
        if signals == 0 {
            return Err(io::Error::other("no signal was learned in ten minutes"));
        }
        Ok(Self { shape, signals, ingest_mib, peak_mib: peak() })
    }
}

/// Returns the requests of one step.
fn of_step(requests: &[Request], step: usize) -> &[Request] {
    let before = |step: usize| requests.partition_point(|request| request.step < step);
    &requests[before(step)..before(step + 1)]
}

/// Returns the number of learned signals.
fn ready(server: &Server) -> io::Result<u64> {
    let query = [("status", "ready"), ("limit", "1000"), ("format", "csv")];
    // The first line has the names of the columns.
    Ok(server.get("/v1/signals", &query)?.0.lines().skip(1).count() as u64)
}

impl fmt::Display for Learning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.shape;
        writeln!(f, "## Memory with learning\n")?;
        writeln!(
            f,
            "{} series, {} samples each at a step of a minute, the newest of now; then learning, while one step arrives each minute. Almanac only. One run.\n",
            grouped(shape.series as u64),
            shape.steps
        )?;
        let mut table = Table::new(&["measure", "Almanac", "wanted"]);
        table.row(["learned signals".to_owned(), self.signals.to_string()]);
        table.row(["peak memory during ingest, MiB".to_owned(), number(self.ingest_mib, 0)]);
        let judged = at_most(self.peak_mib, PEAK_MIB, 0);
        table.row(["peak memory with learning, MiB".to_owned(), number(self.peak_mib, 0), judged]);
        write!(f, "{table}")
    }
}
