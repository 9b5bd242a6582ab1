//! Clocks that jump both ways while the service works, and timestamps of 1970 and 2100.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    harness::{Answer, Field, Load, Model, Service, Setup, Shim, locked, start},
    run::{Options, Table},
};

/// Jumps in seconds: 40 seconds, an hour, a day, ten years, each both ways.
const JUMPS: [i64; 8] = [40, -40, 3_600, -3_600, 86_400, -86_400, 315_576_000, -315_576_000];
/// Time of a jump.
const DURING: Duration = Duration::from_millis(2_500);
/// Longest time until the service works again; it looks at its clock every few seconds.
const PATIENCE: Duration = Duration::from_secs(40);
const NANOS: i64 = 1_000_000_000;
/// The first and a late timestamp: 1970-01-01T00:00:00Z and 2100-01-01T00:00:00Z.
const FIRST_MS: i64 = 0;
const LATE_MS: i64 = 4_102_444_800_000;

/// Retention that no jump may make delete anything: the load's samples are younger by the newest of them.
fn with_retention(setup: Setup) -> Setup {
    let config = setup.config.replace("[learn]", "retention = { raw = \"400d\", rollup = \"500d\" }\n[learn]");
    Setup { config, ..setup }
}

/// Moves the clock forwards and backwards while samples arrive and retention runs every second.
pub(super) fn jumps(options: &Options) -> Result<Table, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let shim = Arc::new(Shim::new(false)?);
    let setup = Setup { shim: Some(Arc::clone(&shim)), ..with_retention(Setup::busy(&options.almanac, folder.path())) };
    let load = Arc::new(Load::default());
    let mut service = Service::start(&setup)?;
    let threads = start(&load, &service.handle(), options.seed);
    thread::sleep(DURING);
    let mut table =
        Table::new(&["jump s", "batches during", "the service noticed", "batches until it was settled again", "ms"]);
    for jump in JUMPS {
        let before = load.acknowledged();
        shim.set(Field::Clock, jump * NANOS);
        let began = Instant::now();
        let mut noticed = 0.0_f64;
        while began.elapsed() < DURING {
            noticed = noticed.max(service.metric("almanac_clock_leap_seconds").unwrap_or(0.0).abs());
            thread::sleep(Duration::from_millis(100));
        }
        let during = load.acknowledged() - before;
        shim.set(Field::Clock, 0);
        let back = Instant::now();
        let is_settled = |service: &Service| service.metric("almanac_clock_leap_seconds") == Some(0.0);
        let wanted = load.acknowledged() + 4;
        while load.acknowledged() < wanted || !is_settled(&service) {
            if back.elapsed() > PATIENCE || service.ended().is_some() {
                let waits = if is_settled(&service) { "no batch is taken" } else { "the leap is not settled" };
                return Err(format!("jump of {jump} s: {waits}: {}; {}", load.failed(), service.log().join("; ")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        let after = load.acknowledged() - wanted + 4;
        // A sender drops what is refused as ahead of the clock, which the load takes for an error.
        if during == 0 || noticed < f64::from(i32::try_from(jump.abs()).unwrap_or(i32::MAX)) * 0.9 {
            return Err(format!("jump of {jump} s: {during} batches were taken, {noticed} s were noticed"));
        }
        let cells = [jump.to_string(), during.to_string(), format!("{noticed:.0} s"), after.to_string()];
        table.row(cells.into_iter().chain([back.elapsed().as_millis().to_string()]));
    }
    load.end(threads)?;
    service.judge(&mut *locked(&load.model)?)?;
    service.stop()?;
    Service::start(&setup)?.judge(&mut *locked(&load.model)?)?;
    Ok(table)
}

/// Sends samples of 1970 and 2100 beside those of the load, with the clock of today and with one of 2100.
pub(super) fn stamps(options: &Options) -> Result<Table, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let shim = Arc::new(Shim::new(false)?);
    let setup = Setup { shim: Some(Arc::clone(&shim)), ..Setup::busy(&options.almanac, folder.path()) };
    let load = Arc::new(Load::default());
    let service = Service::start(&setup)?;
    let threads = start(&load, &service.handle(), options.seed);
    let mut model = Model::default();
    // Series that the load does not have.
    let batch = |series: u32, first: i64| (0..50).map(|k| (series, first + k * 60_000, k + 1)).collect::<Vec<_>>();
    let take = |model: &mut Model, series: u32, first: i64| -> Result<(), String> {
        let batch = batch(series, first);
        match service.handle().put(&batch) {
            Answer::Acknowledged => {
                model.acknowledge(&batch);
                Ok(())
            }
            other => Err(format!("samples from {first} were answered with {other:?}")),
        }
    };
    take(&mut model, 900, FIRST_MS)?;
    let refused = service.handle().put(&batch(901, LATE_MS));
    if !matches!(refused, Answer::Refused { status: 400, .. }) {
        return Err(format!("samples of 2100 were answered with {refused:?} today"));
    }
    let now_ms = chrono::Utc::now().timestamp_millis();
    shim.set(Field::Clock, (LATE_MS + 3_600_000 - now_ms) * 1_000_000);
    take(&mut model, 901, LATE_MS)?;
    take(&mut model, 900, LATE_MS)?;
    thread::sleep(DURING);
    shim.set(Field::Clock, 0);
    // A series whose newest sample is of 2100 still takes those of today and of 1970.
    take(&mut model, 901, now_ms - 86_400_000)?;
    take(&mut model, 901, FIRST_MS)?;
    thread::sleep(DURING);
    load.end(threads)?;
    let both = locked(&load.model)?.with(&model);
    service.judge(&mut both.clone())?;
    service.handle().maintain("compact");
    service.judge(&mut both.clone())?;
    service.stop()?;
    let service = Service::start(&setup)?;
    service.judge(&mut both.clone())?;
    let mut table =
        Table::new(&["batches of 1970, 2100 and today in two series", "batches beside them", "samples compared"]);
    table.row([model.acknowledged().to_string(), load.acknowledged().to_string(), both.samples().to_string()]);
    Ok(table)
}
