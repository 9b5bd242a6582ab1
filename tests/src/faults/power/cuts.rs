//! Records a service under load, cuts the recording at many places, and judges what the service makes of the rest.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    disk::{Disk, Left},
    journal::{Record, records},
    kept,
};
use crate::faults::{
    harness::{AFTER_ALL_MS, Answer, Load, Model, Sent, Service, Setup, Shim, locked, start},
    run::{Options, Table},
};

/// Cuts of a recording.
const CUTS: usize = 24;
/// Fewest cuts, also when the time is over.
const FEWEST: u64 = 6;
/// Longest work before a stop or the end of a recording.
const LONGEST_MS: u64 = 3_000;

/// A power cut of a recording.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cut {
    /// Number of records before it.
    pub(super) records: usize,
    pub(super) left: Left,
    /// Seed of what is left.
    pub(super) seed: u64,
}

/// Cuts the power until the time is over, at least of one recording.
///
/// # Errors
/// The first loss, repetition or failed start, with the folder of the recording.
pub(in crate::faults) fn power_cuts(options: &Options) -> Result<Table, String> {
    let (mut recordings, mut cuts, mut compared, mut all_records) = (0_u64, [0_u64; 3], 0, 0);
    let mut longest = Duration::ZERO;
    while recordings == 0 || Instant::now() < options.end {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(recordings);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (journal, sent) = recording(options, &mut rng)?;
        let records = records(&journal)?;
        let mut disk = Disk::default();
        let mut done = 0;
        for cut in choose(&records, &mut rng) {
            if Instant::now() >= options.end && cuts.iter().sum::<u64>() >= FEWEST {
                break;
            }
            for record in &records[done..cut.records] {
                disk.apply(record)?;
            }
            done = cut.records;
            let mut model = expected(&sent, cut.records);
            let judged = judge(&options.almanac, &disk, &cut, &mut model);
            let (samples, time) = judged.map_err(|what| kept::keep(options, &journal, &sent, &cut, &what))?;
            compared += samples;
            longest = longest.max(time);
            cuts[cut.left as usize] += 1;
        }
        all_records += records.len();
        recordings += 1;
        options.say(&format!("{} power cuts of {recordings} recordings", cuts.iter().sum::<u64>()));
    }
    let mut table = Table::new(&[
        "recordings",
        "changes recorded",
        "cuts that keep what was synced",
        "any pages",
        "torn pages",
        "samples compared",
        "longest start ms",
    ]);
    table.row([
        recordings.to_string(),
        all_records.to_string(),
        cuts[0].to_string(),
        cuts[1].to_string(),
        cuts[2].to_string(),
        compared.to_string(),
        longest.as_millis().to_string(),
    ]);
    Ok(table)
}

/// Runs a service under load twice, with a stop in between, and returns the journal and the batches.
fn recording(options: &Options, rng: &mut ChaCha8Rng) -> Result<(Vec<u8>, Vec<Sent>), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let shim = Arc::new(Shim::new(true)?);
    let load = Arc::new(Load::recorded(&shim));
    let setup = Setup { shim: Some(Arc::clone(&shim)), ..Setup::busy(&options.almanac, folder.path()) };
    for is_last in [false, true] {
        let service = Service::start(&setup)?;
        let threads = start(&load, &service.handle(), rng.random());
        thread::sleep(Duration::from_millis(rng.random_range(500..LONGEST_MS)));
        load.end(threads)?;
        if is_last {
            service.kill();
        } else {
            service.stop()?;
        }
    }
    if load.acknowledged() == 0 {
        return Err("no batch was acknowledged, so that nothing would be compared".to_owned());
    }
    let sent = std::mem::take(&mut *locked(&load.sent)?);
    Ok((shim.recorded()?, sent))
}

/// Chooses cuts in their order: half of them anywhere, half of them beside a sync or a change of names.
fn choose(records: &[Record<'_>], rng: &mut ChaCha8Rng) -> Vec<Cut> {
    let is_step = |record: &Record<'_>| !matches!(record, Record::Write { .. });
    let steps: Vec<usize> = (0..records.len()).filter(|place| is_step(&records[*place])).collect();
    let mut chosen: Vec<Cut> = [Left::Synced, Left::Pages, Left::TornPages]
        .into_iter()
        .cycle()
        .take(CUTS)
        .enumerate()
        .map(|(number, left)| {
            let anywhere = rng.random_range(0..=records.len());
            let beside = steps.choose(rng).map(|step| step + rng.random_range(0..2));
            let records = if number % 2 == 0 { anywhere } else { beside.unwrap_or(anywhere) };
            Cut { records, left, seed: rng.random() }
        })
        .collect();
    chosen.sort_by_key(|cut| cut.records);
    chosen
}

/// Returns what a store has to have at a cut: all batches acknowledged before it, and one more of each sender perhaps.
pub(super) fn expected(sent: &[Sent], records: usize) -> Model {
    let mut model = Model::default();
    let mut open = std::collections::BTreeSet::new();
    for one in sent {
        let is_acknowledged = one.acknowledged_at.is_some_and(|at| usize::try_from(at).is_ok_and(|at| at <= records));
        if is_acknowledged {
            model.acknowledge(&one.batch);
        } else if open.insert(one.sender) {
            // Its next batch was sent after this one's acknowledgement.
            model.leave_open(one.batch.clone());
        }
    }
    model
}

/// Starts the service on what a power cut leaves, and returns the number of samples and the time of the start.
pub(super) fn judge(almanac: &Path, disk: &Disk, cut: &Cut, model: &mut Model) -> Result<(usize, Duration), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut rng = ChaCha8Rng::seed_from_u64(cut.seed);
    disk.write(folder.path(), cut.left, &mut rng).map_err(|error| error.to_string())?;
    let started = Instant::now();
    let service = Service::start(&Setup::busy(almanac, folder.path()))?;
    let time = started.elapsed();
    service.judge(model)?;
    let next = vec![(0, AFTER_ALL_MS, 1)];
    if service.handle().put(&next) != Answer::Acknowledged {
        return Err("the service takes no samples after the cut".to_owned());
    }
    model.acknowledge(&next);
    if !service.stop()?.success() {
        return Err("the service does not stop well after the cut".to_owned());
    }
    Ok((model.samples(), time))
}

/// Judges a service after a power cut that keeps only what was synced until the end of a recording with a failed sync; `false`
/// without such a sync.
///
/// # Errors
/// The first difference from `model`.
pub(in crate::faults) fn after_failed_sync(almanac: &Path, shim: &Shim, model: &mut Model) -> Result<bool, String> {
    let journal = shim.recorded()?;
    let records = records(&journal)?;
    if !records.iter().any(|record| matches!(record, Record::SyncFailed { .. })) {
        return Ok(false);
    }
    let mut disk = Disk::default();
    for record in &records {
        disk.apply(record)?;
    }
    let cut = Cut { records: records.len(), left: Left::Synced, seed: 0 };
    judge(almanac, &disk, &cut, model).map(|_| true)
}

/// Judges a cut again that failed, from the folder that was kept.
///
/// # Errors
/// What fails again, or a folder that was not kept by a failure.
pub(in crate::faults) fn replay(almanac: &Path, folder: &Path) -> Result<(), String> {
    let (journal, sent, cut) = kept::load(folder)?;
    let mut disk = Disk::default();
    for record in records(&journal)?.iter().take(cut.records) {
        disk.apply(record)?;
    }
    judge(almanac, &disk, &cut, &mut expected(&sent, cut.records)).map(|_| ())
}
