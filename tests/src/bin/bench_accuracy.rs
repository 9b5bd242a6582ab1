//! `make bench-accuracy DATA=DIR`: measures every model on the public sets and writes `docs/accuracy.md`.
//!
//! What it takes: `--help`. The directory may be named in `ALMANAC_DATA` instead. A part or a quick run goes to stderr alone
//! unless a file is given.

use std::{error::Error, fs, io::Write, path::PathBuf, thread::available_parallelism};

use almanac_tests::accuracy::{Report, SECTIONS, Section, Settings};

const USAGE: &str = "bench-accuracy [--data DIR] [--only m4,loads,kpi,nab,smd,simulator,speed] [--quick] [--threads N] [--output FILE|-]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut data = None;
    let mut only: Option<Vec<String>> = None;
    let mut quick = false;
    let mut threads = available_parallelism().map_or(1, usize::from);
    let mut output: Option<PathBuf> = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--quick" {
            quick = true;
            continue;
        }
        if word == "--help" {
            writeln!(std::io::stdout(), "{USAGE}")?;
            return Ok(());
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--data" => data = Some(PathBuf::from(value)),
            "--only" => only = Some(value.split(',').map(str::to_owned).collect()),
            "--threads" => threads = value.parse()?,
            "--output" => output = Some(value.into()),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    if threads == 0 {
        return Err("--threads 0 measures nothing".into());
    }
    let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
    if let Some(unknown) = only.iter().flatten().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("--only {unknown}: known are {}", known.join(", ")).into());
    }
    let chosen = |section: &&Section| only.as_ref().is_none_or(|names| names.iter().any(|name| name == section.name));
    let sections: Vec<Section> = SECTIONS.iter().filter(chosen).copied().collect();
    let report = Report::measure(&Settings::new(data, threads, quick)?, &sections)?.to_string();
    let whole = only.is_none() && !quick;
    let file = output.or_else(|| whole.then(|| PathBuf::from("docs/accuracy.md")));
    if let Some(file) = file.filter(|file| file.as_os_str() != "-") {
        fs::write(&file, report)?;
        eprintln!("written to {}", file.display());
    }
    Ok(())
}
