//! `make faults`: kills the service at random points and compares it with what it acknowledged.
//!
//! `faults [--kills N] [--minutes M] [--seed S]` (defaults 200, 15 and 1). A failure prints the seed.
#![expect(clippy::print_stdout, reason = "the table is the output")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use almanac_tests::faults::{Options, kills};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut count, mut minutes, mut seed) = (200_u64, 15.0_f64, 1_u64);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--kills" => count = value.parse()?,
            "--minutes" => minutes = value.parse()?,
            "--seed" => seed = value.parse()?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let almanac = std::env::current_exe()?.with_file_name("almanac");
    let started = Instant::now();
    let options = Options { almanac, kills: count, end: started + Duration::try_from_secs_f64(minutes * 60.0)?, seed };
    let done = kills(&options, &mut |totals| {
        if totals.kills % 10 == 0 {
            eprintln!("{} kills after {:.0} s", totals.kills, started.elapsed().as_secs_f64());
        }
    })?;
    println!("| kills | acknowledged batches | samples compared | longest start ms | seed | s |");
    println!("|---|---|---|---|---|---|");
    // A loss, or a sample that is there twice, ends the run with an error.
    println!(
        "| {} | {} | {} | {} | {seed} | {:.0} |",
        done.kills,
        done.batches,
        done.samples,
        done.longest_start_ms,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}
