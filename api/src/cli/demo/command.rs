use std::{io::Write, net::SocketAddr, time::Instant};

use almanac_datasets::recorded::Recording;
use almanac_engine::{
    advise,
    store::{
        Store,
        rows::{AdviceState, AdviceStatusRow, RecommendationFilter, SignalFilter, SignalRow, SignalStatus},
    },
};
use almanac_models::Timestamp;

use super::{
    cards,
    pace::Pace,
    settings::{self, STARTUP_MS},
    stages,
};
use crate::{
    cli::{CliError, Global, interrupted::Interrupted, output},
    config::Config,
    http::{AppState, Auth, now},
    service,
};

/// Options of `demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Exit after the recommendations instead of serving
    #[arg(long)]
    pub once: bool,
    /// Address to serve on [127.0.0.1:9797]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// Runs the command.
///
/// # Errors
/// A usage error when the address needs a token; a failure when there is no room for a store, a stage fails, or an advisor has nothing
/// to say of the recording.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let started = Instant::now();
    let recording = Recording::load().map_err(|error| CliError::from_error(&error))?;
    let recording = ending_now(recording);
    let folder = tempfile::Builder::new().prefix("almanac-demo-").tempdir();
    let folder = folder.map_err(|error| CliError::failed(format!("no temporary folder could be made: {error}")))?;
    let listen = args.listen.unwrap_or(Config::default().server.listen);
    let mut config = settings::config(&recording.manifest, &format!("http://{listen}"));
    config.store.path = folder.path().join("demo.duckdb");
    config.server.listen = listen;
    let auth = Auth::for_address(config.server.listen, None).map_err(|error| CliError::usage(&error))?;
    if !args.once {
        // Better now than after all the work.
        std::net::TcpListener::bind(listen)
            .map_err(|error| CliError::failed(format!("cannot bind to {listen}: {error}; --listen names another")))?;
    }
    let path = folder.path().to_path_buf();
    let interrupted = Interrupted::watch(move || {
        let _ = std::fs::remove_dir_all(&path);
    })?;
    let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
    let shown = show(&recording, &store, &config, started, global);
    if args.once || shown.is_err() {
        let closed = store.close().map_err(|error| CliError::from_error(&error));
        return shown.and(closed);
    }
    eprintln!("Ctrl-C ends the demo and removes its store.");
    // From here on the service ends itself in order.
    interrupted.leave();
    // The recommendations stay as they were printed: nothing comes after the recording.
    service::serve_advising(config, service::Advised::default(), auth, |_| Ok(store))
        .map_err(|error| CliError::from_error(&error))
}

/// The recording moved so that its last sample is of now, or less than a step ago: stamps stay on multiples of the step.
fn ending_now(recording: Recording) -> Recording {
    #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
    let step_ms = ((recording.manifest.step_seconds * 1000.0) as i64).max(1);
    let now_ms = now().millis();
    recording.ending_at(Timestamp::from_millis(now_ms - now_ms.rem_euclid(step_ms)))
}

/// Takes the recording in, learns, advises and prints.
fn show(
    recording: &Recording,
    store: &Store,
    config: &Config,
    started: Instant,
    global: &Global,
) -> Result<(), CliError> {
    let pace = Pace::of_day(recording.manifest.day_seconds);
    let end = recording.end();
    let mut out = output::stdout();
    introduce(&mut out, recording, pace)?;
    out.flush()?;
    let state = AppState::new(store.clone(), config.clone()).map_err(|error| CliError::from_error(&error))?;
    let written = stages::ingest(&state.ingest, recording)?;
    writeln!(out, "Taken in and committed: {written} samples after {:.1} s.", started.elapsed().as_secs_f64())?;
    out.flush()?;
    stages::learn(store, config, end, global.shows_progress())?;
    learned(&mut out, store, pace)?;
    writeln!(out, "Learned after {:.1} s.\n", started.elapsed().as_secs_f64())?;
    out.flush()?;
    let url = format!("http://{}", config.server.listen);
    let (registry, specs) = (&config.registry, settings::advice_specs(&recording.manifest, &url)?);
    let round =
        advise::advise(store, &state.ledger, registry, &specs, end).map_err(|error| CliError::from_error(&error))?;
    let rows = state.ledger.list(&RecommendationFilter::default()).map_err(|error| CliError::from_error(&error))?;
    let others: Vec<&AdviceStatusRow> =
        round.statuses.iter().filter(|status| status.state != AdviceState::Proposed).collect();
    for advisor in registry.advisors() {
        for row in rows.iter().filter(|row| row.kind == advisor.kind()) {
            cards::recommendation(&mut out, advisor.title(), row, pace)?;
        }
    }
    cards::others(&mut out, &others)?;
    // Whatever became of a proposal, each advisor has to have something to say of the recording.
    let is_silent =
        |kind: &str| !round.statuses.iter().any(|status| status.kind == kind && status.state != AdviceState::Lacks);
    if let Some(kind) = registry.kinds().iter().find(|kind| is_silent(kind.as_str())) {
        out.flush()?;
        return Err(CliError::failed(format!("the recording gave no {kind} advice")));
    }
    let (count, seconds) = (rows.len(), started.elapsed().as_secs_f64());
    writeln!(
        out,
        "{count} recommendations, each replayed on telemetry it was not learned from, after {seconds:.1} s."
    )?;
    out.flush()?;
    Ok(())
}

/// `1 deploy`, `2 deploys`.
fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What the recording is and how its time is to be read.
fn introduce(out: &mut impl Write, recording: &Recording, pace: Pace) -> Result<(), CliError> {
    let manifest = &recording.manifest;
    let version = |name: &str| manifest.servers.get(name).map_or("?", String::as_str).to_owned();
    let minutes = manifest.day_seconds / 60.0;
    cards::paragraph(
        out,
        &format!(
            "Telemetry recorded on {} from {}, {}, Caddy {}, their exporters and a small application: {} samples of {} series every \
             {} s, {} cache events, {}, {}.",
            manifest.recorded_at.get(..10).unwrap_or(&manifest.recorded_at),
            version("postgresql").split(" (Debian").next().unwrap_or_default(),
            version("redis").split(" sha").next().unwrap_or_default(),
            version("caddy"),
            recording.n_samples(),
            recording.series.len(),
            manifest.step_seconds,
            recording.events.cache.len(),
            counted(recording.events.incidents.len(), "labelled incident"),
            counted(recording.events.deploys.len(), "deploy"),
        ),
    )?;
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let startup = pace.scaled_ms(STARTUP_MS) as f64 / 1000.0;
    cards::paragraph(
        out,
        &format!(
            "Its {} days last {minutes} minutes each, {:.0} times faster than life, so everything that belongs to a day is scaled alike: \
             a replica's start-up of 3m is {startup} s here, the warm-up is counted in short days, a time-to-live of 1h is {} s. The \
             stamps are moved so that the last sample is of now.",
            manifest.days,
            pace.speed(),
            cards::number(3600.0 / pace.speed()),
        ),
    )?;
    writeln!(out)?;
    Ok(())
}

/// What was learned of each signal.
fn learned(out: &mut impl Write, store: &Store, pace: Pace) -> Result<(), CliError> {
    let signals = store.signals(&SignalFilter::default()).map_err(|error| CliError::from_error(&error))?;
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let seasons = |row: &SignalRow| {
        let told = row.seasons_ms.iter().map(|ms| {
            let seconds = *ms as f64 / 1000.0;
            format!("{} s = {}", cards::number(seconds), pace.real(seconds))
        });
        told.collect::<Vec<_>>().join(", ")
    };
    let optional = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let rows = signals.iter().map(|row| {
        vec![
            row.signal.clone(),
            row.status.to_string(),
            // Of what is learned the reason is a remark, and stands below the table.
            row.reason.clone().filter(|_| row.status != SignalStatus::Ready).unwrap_or_else(|| seasons(row)),
            optional(row.mase),
            optional(row.coverage_80),
        ]
    });
    let header = ["signal", "status", "season found", "MASE", "80 % held"];
    writeln!(out, "{}", cards::table(&header, rows.collect()))?;
    cards::paragraph(
        out,
        "MASE: errors on held-out points, 1 = as the seasonal naive forecast. 80 % held: share of them inside the 80 % interval.",
    )?;
    let is_weak = |row: &&SignalRow| row.status == SignalStatus::Ready && row.reason.is_some();
    let weak: Vec<&str> = signals.iter().filter(is_weak).map(|row| row.signal.as_str()).collect();
    if !weak.is_empty() {
        cards::paragraph(out, &format!("Weak forecasts, and marked so: {}.", weak.join(", ")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_introduction_names_servers_and_scale() {
        let recording = Recording::load().unwrap().ending_at(Timestamp::from_millis(0));
        let mut out = Vec::new();
        introduce(&mut out, &recording, Pace::of_day(recording.manifest.day_seconds)).unwrap();
        let text = String::from_utf8(out).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("postgres (PostgreSQL)") || text.contains("PostgreSQL"), "{text}");
        assert!(text.contains("a time-to-live of 1h is 25.0 s"), "{text}");
    }
}
