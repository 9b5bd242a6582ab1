//! Lets one call after the other fail: every write, sync, change of length or of names of a short run, each in a run of its own.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    harness::{Answer, Batch, Field, Load, Model, Service, Setup, Shim},
    power::after_failed_sync,
    run::{Options, Table},
};

/// Input/output error, and no space left.
const ERRORS: [(i32, &str); 2] = [(5, "EIO"), (28, "ENOSPC")];
/// Longest time until a service that was disturbed once takes samples again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a run with one failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Whether the call was reached.
    pub is_reached: bool,
    /// Answers that told a sender to try again.
    pub refusals: u64,
    /// Times that the process ended and was started again.
    pub restarts: u64,
    /// Whether the call was a sync, so that the store was also judged as a power cut at the end would leave it.
    pub is_sync: bool,
}

/// Runs the service once for each call until all are done or the time is over. Each call fails with one of the errors; the next seed gives it
/// the other one.
///
/// # Errors
/// The first loss, repetition, or service that does not work again, with the number of the call and its error.
pub(super) fn failing_calls(options: &Options) -> Result<Table, String> {
    let calls = count(&options.almanac, options.seed)?;
    let mut rows = [[0_u64; 5]; ERRORS.len()];
    // When there is no time for all, they are spread over the run; the seed chooses which.
    for (place, call) in spread(calls, options.seed).into_iter().enumerate() {
        if place > 0 && Instant::now() >= options.end {
            break;
        }
        let kind = usize::try_from(call.unsigned_abs() + options.seed).unwrap_or(0) % ERRORS.len();
        let (errno, name) = ERRORS[kind];
        let (outcome, samples) = fail(&options.almanac, options.seed, call, errno).map_err(|what| {
            let again = format!("make faults ONLY=failing-calls SEED={} CALL={call}", options.seed);
            format!("call {call} of {calls} with {name}: {what}; again: {again}")
        })?;
        let flags = [outcome.is_reached, outcome.refusals > 0, outcome.restarts > 0, outcome.is_sync].map(u64::from);
        for (sum, one) in rows[kind].iter_mut().zip(flags.into_iter().chain([samples as u64])) {
            *sum += one;
        }
        if (place + 1) % 20 == 0 {
            options.say(&format!("{} of {calls} calls", place + 1));
        }
    }
    let mut table = Table::new(&[
        "error",
        "calls of the run",
        "calls that failed",
        "of them refused a batch",
        "ended the process, which was started again",
        "syncs, then cut off at what was synced",
        "samples compared",
    ]);
    for ((_, name), sums) in ERRORS.into_iter().zip(rows) {
        table.row([name.to_owned(), calls.to_string()].into_iter().chain(sums.map(|sum| sum.to_string())));
    }
    Ok(table)
}

/// Returns the numbers from 1 to `calls` in an order that is spread evenly at every length.
fn spread(calls: i64, seed: u64) -> Vec<i64> {
    // The golden ratio: each next number falls into the largest gap.
    let start = i64::try_from(seed % 1_000).unwrap_or(0);
    let mut step = (calls * 618 / 1_000).max(1);
    while gcd(step, calls) != 1 {
        step += 1;
    }
    (0..calls).map(|k| (start + k * step) % calls + 1).collect()
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Returns the number of calls of a run without faults.
///
/// # Errors
/// A run that fails without a fault.
pub fn count(almanac: &Path, seed: u64) -> Result<i64, String> {
    let mut run = Run::new(almanac, seed)?;
    run.work()?;
    Ok(run.shim.get(Field::Calls))
}

/// Runs the service with one call that fails, and returns what became of it, with the number of samples that were compared.
///
/// # Errors
/// What was lost, twice, or did not work again.
pub fn fail(almanac: &Path, seed: u64, call: i64, errno: i32) -> Result<(Outcome, usize), String> {
    let mut run = Run::new(almanac, seed)?;
    run.shim.fail_call(call, errno);
    run.work()?;
    run.outcome.is_reached = run.shim.get(Field::Faults) > 0;
    run.shim.heal();
    run.outcome.is_sync = after_failed_sync(almanac, &run.shim, &mut run.model.clone())?;
    let service = Service::start(&run.setup)?;
    service.judge(&mut run.model)?;
    Ok((run.outcome, run.model.samples()))
}

/// A short run: batches, compactions, a backup, a stop and a start.
struct Run {
    _folder: tempfile::TempDir,
    setup: Setup,
    shim: Arc<Shim>,
    batches: Vec<Batch>,
    model: Model,
    outcome: Outcome,
}

impl Run {
    fn new(almanac: &Path, seed: u64) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let shim = Arc::new(Shim::new(true)?);
        let mut setup = Setup { shim: Some(Arc::clone(&shim)), ..Setup::busy(almanac, folder.path()) };
        // Nothing runs on a timer, so that the calls have the same numbers in each run.
        setup.config = setup.config.replace("\"1s\"", "\"1d\"");
        // The batches of the load, as if all were acknowledged, so that they do not depend on the fault.
        let (load, mut rng) = (Load::default(), ChaCha8Rng::seed_from_u64(seed));
        let mut batches = Vec::new();
        for _ in 0..5 {
            let batch = load.batch(0, &mut rng);
            super::harness::locked(&load.model)?.acknowledge(&batch);
            batches.push(batch);
        }
        Ok(Self { _folder: folder, setup, shim, batches, model: Model::default(), outcome: Outcome::default() })
    }

    /// Starts the service; once more when a fault ended the first start.
    fn start(&mut self) -> Result<Service, String> {
        match Service::start(&self.setup) {
            Err(what) if self.shim.get(Field::Faults) > 0 => {
                if what.contains("panicked") {
                    return Err(format!("the start panicked: {what}"));
                }
                self.outcome.restarts += 1;
                Service::start(&self.setup)
                    .map_err(|again| format!("the second start failed: {again}; the first: {what}"))
            }
            started => started,
        }
    }

    fn work(&mut self) -> Result<(), String> {
        let mut service = self.start()?;
        let batches = self.batches.clone();
        for (place, batch) in batches.iter().enumerate() {
            self.deliver(&mut service, batch)?;
            match place {
                1 => service.handle().maintain("compact"),
                2 => service.handle().maintain("backup"),
                _ => {}
            }
        }
        if service.ended().is_some() {
            service = self.restart(&service)?;
        }
        service.judge(&mut self.model)?;
        service.stop()?;
        let mut service = self.start()?;
        service.judge(&mut self.model)?;
        let next = vec![(0, super::harness::AFTER_ALL_MS - 1_000, 1)];
        self.deliver(&mut service, &next)?;
        service.kill();
        Ok(())
    }

    /// Sends a batch until it is acknowledged, and starts the service again when it ends.
    fn deliver(&mut self, service: &mut Service, batch: &Batch) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let answer = service.handle().put(batch);
            if answer == Answer::Acknowledged {
                self.model.acknowledge(batch);
                return Ok(());
            }
            self.model.leave_open(batch.clone());
            self.outcome.refusals += 1;
            if self.shim.get(Field::Faults) == 0 {
                return Err(format!("{answer:?} without a fault"));
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("no batch was taken for {PATIENCE:?}: {answer:?}; {}", service.log().join("; ")));
            }
            thread::sleep(Duration::from_millis(50));
            if service.ended().is_some() {
                *service = self.restart(service)?;
            }
        }
    }

    /// Starts the service again after it ended by itself, which its log has to explain.
    fn restart(&mut self, ended: &Service) -> Result<Service, String> {
        let log = ended.log();
        if !log.iter().any(|line| line.contains("ERROR") && line.contains("the store failed")) {
            return Err(format!("the service ended without a line that says why: {}", log.join("; ")));
        }
        self.outcome.restarts += 1;
        self.start()
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn every_call_comes_once() {
        for (calls, seed) in [(1, 0), (2, 7), (10, 3), (257, 1)] {
            let mut order = spread(calls, seed);
            order.sort_unstable();
            assert_eq!(order, (1..=calls).collect::<Vec<_>>());
        }
    }
}
