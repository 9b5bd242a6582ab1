//! Kills the service at random points of its work, starts it again, and judges what it has.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    load::{self, Load},
    service::Service,
};

/// Kills after which a new store begins: reading all of it takes longer with each.
const KILLS_OF_A_STORE: u64 = 25;
/// Longest work before a kill.
const LONGEST_MS: u64 = 2_500;

/// What is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary.
    pub almanac: PathBuf,
    /// Number of kills.
    pub kills: u64,
    /// End of the run, also before all kills.
    pub end: Instant,
    /// Seed of times and samples.
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Kills, each followed by a start and a comparison.
    pub kills: u64,
    /// Batches that were acknowledged.
    pub batches: u64,
    /// Samples in all stores at their ends.
    pub samples: usize,
    /// Longest start after a kill, in milliseconds.
    pub longest_start_ms: u128,
}

/// Kills the service until all kills are done or the time is over. `progress` is called after each.
///
/// # Errors
/// The first loss, repetition or failed start, with the seed of the samples and times.
pub fn kills(options: &Options, progress: &mut dyn FnMut(&Totals)) -> Result<Totals, String> {
    let mut totals = Totals::default();
    let mut store = 0;
    while totals.kills < options.kills && Instant::now() < options.end {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(store);
        one_store(options, seed, &mut totals, progress)
            .map_err(|what| format!("seed {}, store {store}, kill {}: {what}", options.seed, totals.kills + 1))?;
        store += 1;
    }
    Ok(totals)
}

fn one_store(
    options: &Options,
    seed: u64,
    totals: &mut Totals,
    progress: &mut dyn FnMut(&Totals),
) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let load = Arc::new(Load::new());
    let mut service = Service::start(&options.almanac, folder.path())?;
    for _ in 0..KILLS_OF_A_STORE {
        if totals.kills >= options.kills || Instant::now() >= options.end {
            break;
        }
        load.is_over.store(false, Ordering::SeqCst);
        let threads = load::start(&load, &service.handle(), rng.random());
        thread::sleep(Duration::from_millis(rng.random_range(20..LONGEST_MS)));
        load.is_over.store(true, Ordering::SeqCst);
        service.kill();
        for thread in threads {
            thread.join().map_err(|_| "a thread of the load panicked".to_owned())?;
        }
        let started = Instant::now();
        service = Service::start(&options.almanac, folder.path())?;
        totals.longest_start_ms = totals.longest_start_ms.max(started.elapsed().as_millis());
        if let Some(error) = load.errors.lock().map_err(|error| error.to_string())?.first() {
            return Err(error.clone());
        }
        service.sound()?;
        let found = service.samples()?;
        load.model.lock().map_err(|error| error.to_string())?.judge(&found)?;
        totals.kills += 1;
        progress(totals);
    }
    let model = load.model.lock().map_err(|error| error.to_string())?;
    if model.acknowledged() == 0 {
        return Err("no batch was acknowledged, so that nothing was compared".to_owned());
    }
    totals.batches += model.acknowledged();
    totals.samples += model.samples();
    Ok(())
}
