//! The command line of a bench that writes a document.

use std::{error::Error, fs, io::Write, path::PathBuf, thread::available_parallelism};

use super::{Paper, Report, Section, Settings};

/// Parses the flags, measures, and writes the document.
///
/// `words`: the flags without the program's name; `--help` lists them. The environment variable `ALMANAC_DATA` may hold
/// the data directory instead of `--data`. A partial or quick run is written to stderr only, unless `--output` is
/// given.
///
/// # Errors
/// Invalid flags, and errors of the sections.
pub fn write(paper: &Paper, words: impl IntoIterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut data = None;
    let mut only: Option<Vec<String>> = None;
    let mut quick = false;
    let mut threads = available_parallelism().map_or(1, usize::from);
    let mut output: Option<PathBuf> = None;
    let known: Vec<&str> = paper.sections.iter().map(|section| section.name).collect();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--quick" {
            quick = true;
            continue;
        }
        if word == "--help" {
            let (bench, known) = (paper.bench, known.join(","));
            let usage = format!("{bench} [--data DIR] [--only {known}] [--quick] [--threads N] [--output FILE|-]");
            return Ok(writeln!(std::io::stdout(), "{usage}")?);
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
    if let Some(unknown) = only.iter().flatten().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("--only {unknown}: known are {}", known.join(", ")).into());
    }
    let chosen = |section: &&Section| only.as_ref().is_none_or(|names| names.iter().any(|name| name == section.name));
    let sections: Vec<Section> = paper.sections.iter().filter(chosen).copied().collect();
    let report = Report::measure(paper, &Settings::new(data, threads, quick)?, &sections)?.to_string();
    // A partial run must not replace the whole document.
    let whole = only.is_none() && !quick;
    let file = output.or_else(|| whole.then(|| PathBuf::from(paper.file)));
    if let Some(file) = file.filter(|file| file.as_os_str() != "-") {
        fs::write(&file, report)?;
        eprintln!("written to {}", file.display());
    }
    Ok(())
}
