//! A million new series beyond the limit: they are refused, known series go on, and memory does not grow with them.

use std::{sync::Arc, time::Instant};

use super::{
    harness::{Answer, Load, Service, Setup, locked, start},
    run::{Options, Table},
};

/// Limit of the service, and new series beyond it.
const LIMIT: u32 = 2_000;
const NEW: u32 = 1_000_000;
/// New series of a request.
const TOGETHER: u32 = 10_000;
/// First number of the new series.
const FIRST: u32 = 10_000_000;
/// Timestamp of their samples.
const AT_MS: i64 = 1_767_000_000_000;
/// Growth of memory that the requests themselves may cause, in bytes; the names of a million series alone take more.
const GROWTH: u64 = 48 << 20;

/// Sends the new series beside the load.
pub(super) fn beyond_the_limit(options: &Options) -> Result<Table, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut setup = Setup::busy(&options.almanac, folder.path());
    setup.config = setup.config.replace("[store]\n", &format!("[store]\nmax_series = {LIMIT}\nrecent = \"32MiB\"\n"));
    let load = Arc::new(Load::default());
    let service = Service::start(&setup)?;
    let mut known = locked(&load.model)?.clone();
    // The series of the load exist before the limit is reached.
    let threads = start(&load, &service.handle(), options.seed);
    while load.acknowledged() < 8 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let filling: Vec<_> = (0..LIMIT - 2 * 12).map(|number| (FIRST - LIMIT + number, AT_MS, 1)).collect();
    if service.handle().put(&filling) != Answer::Acknowledged {
        return Err("series within the limit were not taken".to_owned());
    }
    known.acknowledge(&filling);
    let mut peaks = [0; 2];
    let (before, started) = (load.acknowledged(), Instant::now());
    let mut answers = std::collections::BTreeMap::<String, u32>::new();
    for first in (0..NEW).step_by(TOGETHER as usize) {
        let batch: Vec<_> = (first..first + TOGETHER).map(|number| (FIRST + number, AT_MS, 1)).collect();
        let answer = match service.handle().put(&batch) {
            Answer::Refused { status, .. } => status.to_string(),
            other => format!("{other:?}"),
        };
        *answers.entry(answer).or_default() += 1;
        // The first tenth fills what every request uses again.
        if first == NEW / 10 {
            peaks[0] = service.peak_bytes().unwrap_or(0);
        }
    }
    let during = load.acknowledged() - before;
    peaks[1] = service.peak_bytes().unwrap_or(0);
    let time = started.elapsed();
    load.end(threads)?;
    if answers.len() != 1 || !answers.contains_key("400") {
        return Err(format!("new series beyond the limit were answered with {answers:?}"));
    }
    if during == 0 {
        return Err(format!("no batch of known series was taken meanwhile: {}", load.failed()));
    }
    let refused = service.metric("almanac_store_series_refused_total").unwrap_or(0.0);
    let count = service.metric("almanac_store_series").unwrap_or(0.0);
    if count > f64::from(LIMIT) || refused < f64::from(NEW) {
        return Err(format!("{count} series of {LIMIT}, {refused} refused of {NEW}"));
    }
    if peaks[1] > peaks[0] + GROWTH {
        return Err(format!("memory grew from {} to {} MiB", peaks[0] >> 20, peaks[1] >> 20));
    }
    let mut both = locked(&load.model)?.with(&known);
    service.judge(&mut both)?;
    service.stop()?;
    Service::start(&setup)?.judge(&mut both)?;
    let mut table = Table::new(&[
        "limit",
        "new series",
        "answers",
        "batches of known series meanwhile",
        "peak MiB after a tenth",
        "at the end",
        "requests s",
        "samples compared",
    ]);
    table.row([
        LIMIT.to_string(),
        NEW.to_string(),
        answers.into_keys().collect::<String>(),
        during.to_string(),
        (peaks[0] >> 20).to_string(),
        (peaks[1] >> 20).to_string(),
        format!("{:.0}", time.as_secs_f64()),
        both.samples().to_string(),
    ]);
    Ok(table)
}
