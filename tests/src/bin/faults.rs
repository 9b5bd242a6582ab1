//! `make faults`: lets disk, memory, clock, senders and process of the real service fail, and compares what it has with what it acknowledged.
//!
//! `faults [--only NAME,…] [--kills N] [--minutes M] [--seed S]` (defaults all, 200, 30 and 1) prints a table for each scenario. `--call N` lets that
//! call of `failing-calls` fail alone; `--replay FOLDER` judges a kept power cut again. A failure prints the command that repeats it.
#![expect(clippy::print_stdout, reason = "the tables are the output")]

use std::{
    error::Error,
    path::PathBuf,
    time::{Duration, Instant},
};

use almanac_tests::faults::{Options, SCENARIOS, Scenario, fail, replay};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut kills, mut minutes, mut seed) = (200_u64, 30.0_f64, 1_u64);
    let (mut only, mut call, mut folder) = (None::<String>, None::<i64>, None::<PathBuf>);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--kills" => kills = value.parse()?,
            "--minutes" => minutes = value.parse()?,
            "--seed" => seed = value.parse()?,
            "--only" => only = Some(value),
            "--call" => call = Some(value.parse()?),
            "--replay" => folder = Some(value.into()),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let program = std::env::current_exe()?;
    let almanac = program.with_file_name("almanac");
    let kept = program.with_file_name("faults-kept");
    if let Some(folder) = folder {
        replay(&almanac, &folder)?;
        println!("the service has everything after this power cut");
        return Ok(());
    }
    if let Some(call) = call {
        for errno in [5, 28] {
            let (outcome, samples) = fail(&almanac, seed, call, errno)?;
            println!("call {call}, error {errno}: {outcome:?}, {samples} samples compared");
        }
        return Ok(());
    }
    let chosen = choose(only.as_deref())?;
    let mut end = Instant::now();
    let parts: u32 = chosen.iter().map(|scenario| scenario.parts).sum();
    for scenario in &chosen {
        // A scenario that needs less leaves its time to no other, so that the whole is bounded.
        let started = Instant::now();
        end = end.max(started) + Duration::try_from_secs_f64(minutes * 60.0)? * scenario.parts / parts;
        let options = Options { almanac: almanac.clone(), kills, end, seed, kept: kept.clone(), is_verbose: true };
        let table = (scenario.run)(&options).map_err(|what| {
            format!(
                "{} with seed {seed} failed: {what}; again: make faults ONLY={} SEED={seed}",
                scenario.name, scenario.name
            )
        })?;
        println!("{}\n\n{}", scenario.name, table.markdown(seed, started.elapsed().as_secs_f64()));
    }
    Ok(())
}

/// Returns the scenarios of a list of names, all without one.
fn choose(only: Option<&str>) -> Result<Vec<Scenario>, String> {
    let Some(only) = only else { return Ok(SCENARIOS.to_vec()) };
    let named = |name: &str| {
        let all = || SCENARIOS.map(|scenario| scenario.name).join(", ");
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name).copied();
        found.ok_or_else(|| format!("there is no scenario {name}; there are {}", all()))
    };
    only.split(',').map(named).collect()
}
