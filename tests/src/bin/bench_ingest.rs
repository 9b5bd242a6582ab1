//! `make bench`: measures ingest and queries of the real server and writes `docs/bench-ingest.md`.
//!
//! `bench-ingest [--hours H] [--runs N] [--connections 2,16] [--output FILE|-]`; a stream of H hours (default 4).

use std::{error::Error, fs, path::PathBuf, thread::available_parallelism};

use almanac_tests::bench::{Options, Report, run};

fn main() -> Result<(), Box<dyn Error>> {
    let mut hours = 4.0_f64;
    let mut runs = 3;
    let mut connections = vec![2, 16];
    let mut output = PathBuf::from("docs/bench-ingest.md");
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--hours" => hours = value.parse()?,
            "--runs" => runs = value.parse()?,
            "--connections" => connections = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--output" => output = value.into(),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    if runs == 0 || connections.contains(&0) || !(0.01..=48.0).contains(&hours) {
        return Err("at least one run and one connection, and 0.01 to 48 hours".into());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 3 and 17,280")]
    let steps = (hours * 360.0) as usize;
    let almanac = std::env::current_exe()?.with_file_name(format!("almanac{}", std::env::consts::EXE_SUFFIX));
    let outcomes = connections
        .into_iter()
        .map(|connections| run(&Options { almanac: almanac.clone(), connections, steps, runs }))
        .collect::<Result<Vec<_>, _>>()?;
    let report = Report { outcomes, cores: available_parallelism().map_or(1, usize::from), runs }.to_string();
    eprintln!("\n{report}");
    if output.as_os_str() != "-" {
        fs::write(&output, report)?;
        eprintln!("written to {}", output.display());
    }
    Ok(())
}
