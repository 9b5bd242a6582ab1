//! Writes simulated telemetry with its truth: `almanac-datasets simulate --weeks 4 --seed 1 --out DIR`.

use std::{path::PathBuf, process::ExitCode};

use almanac_datasets::simulator::{SimulatorOptions, simulate, write_simulation};
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
    /// Simulate the application of the examples: signals, telemetry, cache events, rules and the truth.
    Simulate(SimulateArgs),
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
    /// Growth of the load a week: 0.01 is 1 %.
    #[arg(long, default_value_t = 0.01, allow_negative_numbers = true)]
    growth: f64,
    /// Leave the incidents out.
    #[arg(long)]
    no_incidents: bool,
    /// Hours of cache events.
    #[arg(long, default_value_t = 24.0)]
    cache_hours: f64,
    /// Directory for the files; made if absent.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    let Command::Simulate(args) = Cli::parse().command;
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut line = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                line = format!("{line}: {inner}");
                cause = inner.source();
            }
            eprintln!("almanac-datasets: {line}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &SimulateArgs) -> Result<(), Box<dyn std::error::Error>> {
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
    eprintln!(
        "{} signals, {} series, {} cache events, {} incidents in {}",
        simulation.signals.len(),
        simulation.series.len(),
        simulation.cache_events.len(),
        simulation.incidents.len(),
        args.out.display()
    );
    Ok(())
}
