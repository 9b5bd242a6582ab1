//! Kills the service at random points of its work, starts it again, and judges what it has.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    harness::{Load, Service, Setup, locked, start},
    run::{Options, Table},
};

/// Kills after which a new store begins: reading all of it takes longer with each.
const KILLS_OF_A_STORE: u64 = 25;
/// Longest work before a kill.
const LONGEST_MS: u64 = 2_500;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Totals {
    /// Kills, each followed by a start and a comparison.
    kills: u64,
    /// Batches that were acknowledged.
    batches: u64,
    /// Samples in all stores at their ends.
    samples: usize,
    /// Longest start after a kill, in milliseconds.
    longest_start_ms: u128,
}

/// Kills the service until all kills are done or the time is over.
///
/// # Errors
/// The first loss, repetition or failed start.
pub(super) fn kills(options: &Options) -> Result<Table, String> {
    let mut totals = Totals::default();
    let mut store = 0;
    while totals.kills < options.kills && (totals.kills == 0 || Instant::now() < options.end) {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(store);
        one_store(options, seed, &mut totals)
            .map_err(|what| format!("store {store}, kill {}: {what}", totals.kills + 1))?;
        store += 1;
    }
    let mut table = Table::new(&["kills", "acknowledged batches", "samples compared", "longest start ms"]);
    let Totals { kills, batches, samples, longest_start_ms } = totals;
    table.row([kills.to_string(), batches.to_string(), samples.to_string(), longest_start_ms.to_string()]);
    Ok(table)
}

fn one_store(options: &Options, seed: u64, totals: &mut Totals) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let load = Arc::new(Load::default());
    let setup = Setup::busy(&options.almanac, folder.path());
    let mut service = Service::start(&setup)?;
    for _ in 0..KILLS_OF_A_STORE {
        if totals.kills >= options.kills || Instant::now() >= options.end {
            break;
        }
        let threads = start(&load, &service.handle(), rng.random());
        thread::sleep(Duration::from_millis(rng.random_range(20..LONGEST_MS)));
        load.is_over.store(true, Ordering::SeqCst);
        service.kill();
        load.end(threads)?;
        let started = Instant::now();
        service = Service::start(&setup)?;
        totals.longest_start_ms = totals.longest_start_ms.max(started.elapsed().as_millis());
        service.judge(&mut *locked(&load.model)?)?;
        totals.kills += 1;
        if totals.kills.is_multiple_of(10) {
            options.say(&format!("{} kills", totals.kills));
        }
    }
    let model = locked(&load.model)?;
    if model.acknowledged() == 0 {
        return Err("no batch was acknowledged, so that nothing was compared".to_owned());
    }
    totals.batches += model.acknowledged();
    totals.samples += model.samples();
    Ok(())
}
