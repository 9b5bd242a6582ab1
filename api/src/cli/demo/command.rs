//! Runs the stages of `almanac demo` in order and prints their results.

use std::{io::Write, net::SocketAddr, time::Instant};

use almanac_datasets::recorded::{ApplicationRecording, Recording};
use almanac_engine::{
    advise::{self, AdviceSpecs, Verdict},
    store::{
        Store,
        rows::{
            AdviceState, AdviceStatusRow, RecommendationFilter, RecommendationRow, SignalFilter, SignalRow,
            SignalStatus,
        },
    },
};
use almanac_models::Timestamp;

use super::{
    application, cards,
    settings::{self, STARTUP_MS},
    stages,
    time_scale::TimeScale,
};
use crate::{
    access::Auth,
    cli::{CliError, Global, interrupt::InterruptHandler, output, progress},
    config::Config,
    http::{AppState, now},
    service,
};

/// Options of `demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Exit after printing the recommendations instead of serving
    #[arg(long)]
    pub once: bool,
    /// Address to serve on [127.0.0.1:9797]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// Runs the command.
///
/// # Errors
/// A usage error when the address requires a token; a failure when the store cannot be created, a stage fails, or an
/// advisor has no verdict on the recording.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let started = Instant::now();
    let recording = Recording::load().map_err(|error| CliError::from_error(&error))?;
    let application = ApplicationRecording::load().map_err(|error| CliError::from_error(&error))?;
    let recording = ending_now(recording);
    let recorded = Recorded { application: application::ending_by(application, recording.end()), recording };
    let folder = tempfile::Builder::new().prefix("almanac-demo-").tempdir();
    let folder = folder.map_err(|error| CliError::failed(format!("cannot create a temporary folder: {error}")))?;
    let listen = args.listen.unwrap_or(Config::default().server.listen);
    let mut config = settings::config(&recorded.recording.manifest, &format!("http://{listen}"));
    config.store.path = folder.path().join("demo.duckdb");
    config.server.listen = listen;
    let auth = Auth::of_config(&config).map_err(|error| CliError::usage(CliError::from_error(&error)))?;
    if !args.once {
        // Checked before the long work, and again when the service starts.
        std::net::TcpListener::bind(listen).map_err(|error| {
            CliError::failed(format!("cannot bind to {listen}: {error}; choose another with --listen"))
        })?;
    }
    let path = folder.path().to_path_buf();
    let interrupt = InterruptHandler::install(move || {
        let _ = std::fs::remove_dir_all(&path);
    })?;
    let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
    let shown = show(&recorded, &store, &config, started, global);
    let verdicts = match shown {
        Ok(verdicts) if !args.once => verdicts,
        ended => {
            let closed = store.close().map_err(|error| CliError::from_error(&error));
            return ended.and(closed);
        }
    };
    // Port 0 is a free port, which the service reports when it listens.
    let page = if listen.port() == 0 { "the address below".to_owned() } else { format!("http://{listen}/") };
    crate::say!("Open {page} in a browser. Ctrl-C ends the demo and removes its store.");
    // The service handles signals from here on.
    interrupt.disarm();
    // The targets are known, so that the evidence of their recommendations can be drawn.
    config.advice = recorded.advice_specs(&format!("http://{listen}"))?;
    // Without targets, because the recording has ended: the printed recommendations and verdicts remain.
    let advice = service::Advised { others: verdicts, ..service::Advised::default() };
    service::serve_advising(config, advice, auth, |_| Ok(store)).map_err(|error| CliError::from_error(&error))
}

/// The two recordings, which end now.
struct Recorded {
    /// Servers and a small application under a load of seven short days.
    recording: Recording,
    /// The example application with its database.
    application: ApplicationRecording,
}

impl Recorded {
    fn advice_specs(&self, service_url: &str) -> Result<AdviceSpecs, CliError> {
        settings::advice_specs(&self.recording.manifest, &self.application.manifest, service_url)
    }
}

/// Shifts the recording so that its last sample is less than a step old; timestamps remain multiples of the step.
fn ending_now(recording: Recording) -> Recording {
    #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
    let step_ms = ((recording.manifest.step_seconds * 1000.0) as i64).max(1);
    let now_ms = now().millis();
    recording.ending_at(Timestamp::from_millis(now_ms - now_ms.rem_euclid(step_ms)))
}

/// Imports the recordings, learns, advises and prints; returns the verdict on each target.
fn show(
    recorded: &Recorded,
    store: &Store,
    config: &Config,
    started: Instant,
    global: &Global,
) -> Result<Vec<Verdict>, CliError> {
    let Recorded { recording, application } = recorded;
    let scale = TimeScale::of_day(recording.manifest.day_seconds);
    let end = recording.end();
    let mut out = output::stdout();
    introduce(&mut out, recording, scale)?;
    application::introduce(&mut out, application)?;
    out.flush()?;
    let state = AppState::new(store.clone(), config.clone()).map_err(|error| CliError::from_error(&error))?;
    let written = stages::ingest(&state.ingest, recording, application, global)?;
    writeln!(out, "Imported and committed {written} samples after {:.1} s.", started.elapsed().as_secs_f64())?;
    out.flush()?;
    stages::learn(store, config, end, global)?;
    learned(&mut out, store, scale)?;
    writeln!(out, "Learned after {:.1} s.\n", started.elapsed().as_secs_f64())?;
    out.flush()?;
    let url = format!("http://{}", config.server.listen);
    let (registry, specs) = (&config.registry, recorded.advice_specs(&url)?);
    let verdicts = progress::consider(store, registry, &specs, end, global);
    let round = advise::record(store, &state.ledger, registry, verdicts.clone(), Vec::new(), end)
        .map_err(|error| CliError::from_error(&error))?;
    let rows = state.ledger.list(&RecommendationFilter::default()).map_err(|error| CliError::from_error(&error))?;
    let others: Vec<&AdviceStatusRow> =
        round.statuses.iter().filter(|status| status.state != AdviceState::Proposed).collect();
    for advisor in registry.advisors() {
        let own: Vec<&RecommendationRow> = rows.iter().filter(|row| row.kind == advisor.kind()).collect();
        let (chosen, further) = cards::choose(&own);
        for row in chosen {
            cards::recommendation(&mut out, advisor.title(), row, scale)?;
        }
        cards::further(&mut out, advisor.title(), &further, scale)?;
    }
    cards::others(&mut out, &others)?;
    // Each advisor with a target in the recordings must propose or keep something, and those of the application, whose
    // faults are planted, must propose something; otherwise one of both is broken.
    let is_silent = |kind: &str| {
        let mut own = round.statuses.iter().filter(|status| status.kind == kind).peekable();
        let least = if application::KINDS.contains(&kind) { AdviceState::Proposed } else { AdviceState::Kept };
        own.peek().is_some() && own.all(|status| status.state != AdviceState::Proposed && status.state != least)
    };
    if let Some(kind) = registry.kinds().iter().find(|kind| is_silent(kind.as_str())) {
        out.flush()?;
        return Err(CliError::failed(format!("no {kind} advice for the recording")));
    }
    let (count, seconds) = (rows.len(), started.elapsed().as_secs_f64());
    writeln!(
        out,
        "{count} recommendations after {seconds:.1} s. Those on scaling, requests, times-to-live and alerts were replayed on data that\n\
         they were not learned from; those on the database are estimates, those on pools and batches predictions of a model."
    )?;
    out.flush()?;
    Ok(verdicts)
}

/// Formats a count: `1 deploy`, `2 deploys`.
fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Prints what was recorded, and how its time is scaled.
fn introduce(out: &mut impl Write, recording: &Recording, scale: TimeScale) -> Result<(), CliError> {
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
    let startup = scale.scaled_ms(STARTUP_MS) as f64 / 1000.0;
    cards::paragraph(
        out,
        &format!(
            "Its {} days last {minutes} minutes each, {:.0} times faster than real time, so all durations are scaled: a replica's \
             start-up of 3m is {startup} s, the warm-up is counted in short days, a time-to-live of 1h is {} s. The timestamps \
             are shifted so that the last sample is from now.",
            manifest.days,
            scale.speed(),
            cards::number(3600.0 / scale.speed()),
        ),
    )?;
    writeln!(out)?;
    Ok(())
}

/// Prints a table of the learned signals.
fn learned(out: &mut impl Write, store: &Store, scale: TimeScale) -> Result<(), CliError> {
    let signals = store.signals(&SignalFilter::default()).map_err(|error| CliError::from_error(&error))?;
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let seasons = |row: &SignalRow| {
        let seasons = row.seasons_ms.iter().map(|ms| {
            let seconds = *ms as f64 / 1000.0;
            format!("{} s = {}", cards::number(seconds), scale.real_time(seconds))
        });
        seasons.collect::<Vec<_>>().join(", ")
    };
    let optional = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let rows = signals.iter().map(|row| {
        vec![
            row.signal.clone(),
            row.status.to_string(),
            // The reason of a ready signal is only a remark; such signals are listed below the table.
            row.reason.clone().filter(|_| row.status != SignalStatus::Ready).unwrap_or_else(|| seasons(row)),
            optional(row.mase),
            optional(row.coverage_80),
        ]
    });
    let header = ["signal", "status", "season found", "MASE", "80 % coverage"];
    writeln!(out, "{}", cards::table(&header, rows.collect()))?;
    cards::paragraph(
        out,
        "MASE: error on held-out points, 1 = that of the seasonal naive forecast. 80 % coverage: share of them inside the 80 % \
         interval.",
    )?;
    let is_weak = |row: &&SignalRow| row.status == SignalStatus::Ready && row.reason.is_some();
    let weak: Vec<&str> = signals.iter().filter(is_weak).map(|row| row.signal.as_str()).collect();
    if !weak.is_empty() {
        cards::paragraph(out, &format!("Signals with weak forecasts: {}.", weak.join(", ")))?;
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
        introduce(&mut out, &recording, TimeScale::of_day(recording.manifest.day_seconds)).unwrap();
        let text = String::from_utf8(out).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("postgres (PostgreSQL)") || text.contains("PostgreSQL"), "{text}");
        assert!(text.contains("a time-to-live of 1h is 25.0 s"), "{text}");
    }
}
