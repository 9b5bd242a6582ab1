//! Writes simulated telemetry with its ground truth: `almanac-datasets simulate --weeks 4 --seed 1 --out DIR`; lists
//! the contents of a directory of public sets: `almanac-datasets public --data DIR`.

use std::{error::Error, io::Write, path::PathBuf, process::ExitCode};

use almanac_datasets::{
    loaders::{DataDirectory, PublicSeries, PublicSet},
    simulator::{SimulatorOptions, simulate, write_simulation},
};
use almanac_models::Step;
use clap::{Parser, Subcommand};

/// Data sets for examples, tests and measurements.
#[derive(Debug, Parser)]
#[command(name = "almanac-datasets", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate the application of the examples: signals, telemetry, cache events, rules and the ground truth.
    Simulate(SimulateArgs),
    /// Read every public set in a directory and print its contents.
    Public(PublicArgs),
}

#[derive(Debug, clap::Args)]
struct PublicArgs {
    /// Directory of the public sets [ALMANAC_DATA]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct SimulateArgs {
    /// Length in weeks.
    #[arg(long, default_value_t = 4)]
    weeks: u32,
    /// Seed; the same seed gives the same data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds between samples; must divide a day.
    #[arg(long, default_value_t = 60)]
    step_seconds: i64,
    /// Growth of the load per week: 0.01 is 1 %.
    #[arg(long, default_value_t = 0.01, allow_negative_numbers = true)]
    growth: f64,
    /// Inject no incidents.
    #[arg(long)]
    no_incidents: bool,
    /// Hours of cache events.
    #[arg(long, default_value_t = 24.0)]
    cache_hours: f64,
    /// Output directory; created if it does not exist.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Simulate(args) => write(&args),
        Command::Public(args) => describe(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut line = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                line = format!("{line}: {inner}");
                cause = inner.source();
            }
            // A closed stderr is no reason to panic.
            let _ = writeln!(std::io::stderr(), "almanac-datasets: {line}");
            ExitCode::FAILURE
        }
    }
}

fn write(args: &SimulateArgs) -> Result<(), Box<dyn Error>> {
    let options = SimulatorOptions {
        seed: args.seed,
        weeks: args.weeks,
        step: Step::from_millis(args.step_seconds.saturating_mul(1000))?,
        growth_per_week: args.growth,
        incidents: !args.no_incidents,
        cache_hours: args.cache_hours,
        ..SimulatorOptions::default()
    };
    let simulation = simulate(&options)?;
    write_simulation(&simulation, &args.out)?;
    // A closed stderr is no reason to fail.
    let _ = writeln!(
        std::io::stderr(),
        "{} signals, {} series, {} cache events, {} incidents in {}",
        simulation.signals.len(),
        simulation.series.len(),
        simulation.cache_events.len(),
        simulation.incidents.len(),
        args.out.display()
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn describe(args: &PublicArgs) -> Result<(), Box<dyn Error>> {
    let directory = DataDirectory::find(args.data.as_deref())?;
    for set in PublicSet::ALL {
        println!("{}: {}", set.file(), contents(&directory.series(set)?));
    }
    let smd = directory.smd()?;
    println!("smd.parquet: {} training rows", smd.iter().map(|series| series.n_train).sum::<usize>());
    let m4 = directory.m4_hourly()?;
    println!("m4_hourly: {} series, {} published results", m4.len(), directory.m4_ranks()?.len());
    let windows = directory.nab_windows()?;
    println!(
        "nab: {} windows of {} series, {} scoring profiles",
        windows.values().map(Vec::len).sum::<usize>(),
        windows.len(),
        directory.nab_profiles()?.len()
    );
    println!("cache trace: {} events", directory.cache_trace()?.len());
    Ok(())
}

fn contents(series: &[PublicSeries]) -> String {
    let rows: usize = series.iter().map(|one| one.values.len()).sum();
    let missing = series.iter().flat_map(|one| &one.values).filter(|value| value.is_nan()).count();
    let labelled = series.iter().filter_map(|one| one.incident.as_ref());
    let incident = labelled.flatten().filter(|label| **label).count();
    format!("{} series, {rows} rows, {missing} without a value, {incident} in incidents", series.len())
}
