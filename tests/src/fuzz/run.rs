//! Runs one target on inputs for a time, and reports what failed, what was slow, and the memory.

use std::{
    any::Any,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use super::mutator::Mutator;

/// Processor time above which an input of at most [`super::mutator::MAX_BYTES`] counts as a failure.
const SLOW: Duration = Duration::from_secs(1);

/// Number of failures after which a run ends; they are mostly the same.
const MAX_FAILURES: usize = 20;

/// Result of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of inputs.
    pub inputs: u64,
    /// Highest memory of the process, MiB.
    pub peak_mib: u64,
    /// Highest processor time of one input.
    pub slowest: Duration,
    /// What failed: a message, and the file with the input.
    pub failures: Vec<(String, PathBuf)>,
}

/// Runs a target on its corpus, then on mutations of it until `end`.
///
/// Every input is written to `folder/NAME.last` before it runs, so that it is known when the process ends. Inputs that
/// fail are kept as `folder/NAME-…`.
///
/// # Errors
/// When a file cannot be written.
pub fn run(
    (name, target): (&str, fn(&[u8])),
    corpus: Vec<Vec<u8>>,
    seed: u64,
    end: Instant,
    folder: &Path,
) -> io::Result<Report> {
    let last = folder.join(format!("{name}.last"));
    let mut report = Report::default();
    let mut seeds = corpus.clone().into_iter();
    let mut mutator = Mutator::new(seed, corpus);
    while report.failures.len() < MAX_FAILURES {
        let input = match seeds.next() {
            Some(seed) => seed,
            None if Instant::now() < end => mutator.input(),
            None => break,
        };
        fs::write(&last, &input)?;
        let before = processor_time();
        let outcome = checked(target, &input);
        let took = processor_time().saturating_sub(before);
        report.inputs += 1;
        // The first input builds the store.
        if report.inputs > 1 {
            report.slowest = report.slowest.max(took);
        }
        let failure = match outcome {
            Err(message) => Some(message),
            Ok(()) if report.inputs > 1 && took > SLOW => Some(format!("took {took:.1?} of processor time")),
            Ok(()) => None,
        };
        if let Some(message) = failure {
            let kept = folder.join(format!("{name}-{seed}-{}", report.inputs));
            fs::write(&kept, &input)?;
            report.failures.push((message, kept));
        }
    }
    fs::remove_file(&last)?;
    report.peak_mib = peak_mib()?;
    Ok(report)
}

/// Runs a target on one input.
///
/// # Errors
/// The message of its panic.
pub fn checked(target: fn(&[u8]), input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| target(input))).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}

/// Returns the highest memory of this process in MiB.
///
/// # Errors
/// When the kernel does not tell.
pub fn peak_mib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib / 1024).ok_or_else(|| io::Error::other("/proc/self/status has no VmHWM"))
}

/// Returns the processor time of all threads of this process.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
