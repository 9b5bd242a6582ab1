//! The command line of the bench: which streams are measured, and where the document goes.

use std::{
    error::Error,
    fs,
    io::Write,
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Instant,
};

use chrono::Utc;

use super::{
    learning::Learning,
    profile::{PROFILES, Profile},
    report::{Report, Section},
    run::{Options, run},
    system::System,
};
use crate::document::commit;

/// The document.
const DOCUMENT: &str = "docs/performance.md";
/// Name of the measurement of memory with learning, for `--only`.
const LEARNING: &str = "learning";
/// Number of runs of each system by default.
const RUNS: usize = 3;
/// Series and samples of each, of the measurement with learning; in a quick run the second.
const LEARNING_SIZES: [(usize, usize); 2] = [(100_000, 120), (1_000, 120)];

/// Parsed flags.
#[derive(Debug, PartialEq, Eq)]
struct Flags {
    only: Option<Vec<String>>,
    quick: bool,
    runs: usize,
    output: Option<PathBuf>,
}

impl Flags {
    /// Parses the flags; `None` for `--help`.
    fn parse(words: impl IntoIterator<Item = String>) -> Result<Option<Self>, Box<dyn Error>> {
        let mut flags = Self { only: None, quick: false, runs: RUNS, output: None };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--help" => return Ok(None),
                "--quick" => {
                    flags.quick = true;
                    continue;
                }
                _ => {}
            }
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--only" => flags.only = Some(value.split(',').map(str::to_owned).collect()),
                "--runs" => flags.runs = value.parse().map_err(|_| format!("--runs {value}: write a whole number"))?,
                "--output" => flags.output = Some(value.into()),
                other => return Err(format!("unknown option {other}").into()),
            }
        }
        if flags.runs == 0 {
            return Err("--runs 0 measures nothing".into());
        }
        if let Some(unknown) = flags.only.iter().flatten().find(|name| !names().contains(&name.as_str())) {
            return Err(format!("--only {unknown}: known are {}", names().join(", ")).into());
        }
        Ok(Some(flags))
    }

    fn has(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
    }
}

fn names() -> Vec<&'static str> {
    PROFILES.iter().map(|profile| profile.name).chain([LEARNING]).collect()
}

/// Measures and writes the document.
///
/// `words`: the flags without the program's name; `--help` lists them. A partial or quick run, or one without all systems,
/// is printed on stdout instead, unless `--output` is given.
///
/// # Errors
/// Invalid flags, and errors of the measurements.
pub fn write(almanac: &Path, words: impl IntoIterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let mut stdout = std::io::stdout();
    let Some(flags) = Flags::parse(words)? else {
        let usage = "[--quick] [--runs N] [--output FILE|-]";
        return Ok(writeln!(stdout, "bench-ingest [--only {}] {usage}", names().join(","))?);
    };
    let started = Instant::now();
    let (mut systems, mut versions, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for system in System::ALL {
        match system.version(almanac) {
            Some(version) => {
                systems.push(system);
                versions.push(version);
            }
            None if system == System::Almanac => {
                return Err(format!("{} does not run: build it with `make build`", almanac.display()).into());
            }
            None => {
                eprintln!("{} is not installed: its columns are left out", system.name());
                absent.push(system);
            }
        }
    }
    let mut sections = Vec::new();
    for profile in PROFILES.iter().filter(|profile| flags.has(profile.name)) {
        eprintln!("{}", profile.title);
        let section = measure(profile, &flags, almanac, &systems)?;
        // Shown at once, so that an interrupted run has shown its results so far.
        eprintln!("\n{section}");
        sections.push(section);
    }
    let learning = if flags.has(LEARNING) {
        eprintln!("Memory with learning");
        let (series, steps) = LEARNING_SIZES[usize::from(flags.quick)];
        Some(Learning::measure(almanac, series, steps)?)
    } else {
        None
    };
    let is_whole = flags.only.is_none() && !flags.quick && absent.is_empty();
    let report = Report {
        commit: commit(DOCUMENT),
        date: Utc::now().format("%Y-%m-%d").to_string(),
        minutes: started.elapsed().as_secs_f64() / 60.0,
        cores: available_parallelism().map_or(1, usize::from),
        quick: flags.quick,
        systems: versions,
        absent,
        sections,
        learning,
    }
    .to_string();
    let file = flags.output.or_else(|| is_whole.then(|| PathBuf::from(DOCUMENT)));
    match file.filter(|file| file.as_os_str() != "-") {
        Some(file) => {
            fs::write(&file, report).map_err(|error| format!("{}: {error}", file.display()))?;
            eprintln!("written to {}", file.display());
        }
        None => write!(stdout, "{report}")?,
    }
    Ok(())
}

fn measure(profile: &Profile, flags: &Flags, almanac: &Path, systems: &[System]) -> Result<Section, Box<dyn Error>> {
    let shape = if flags.quick { profile.quick } else { profile.shape };
    let runs = if flags.quick { 1 } else { flags.runs.min(profile.runs_max) };
    let mut tables = Vec::new();
    for (idx, connections) in profile.connections.iter().copied().enumerate() {
        let is_first = idx == 0;
        let options = Options {
            almanac: almanac.to_owned(),
            systems: systems.to_vec(),
            shape,
            connections,
            runs,
            asks: profile.asks && is_first,
            merges: is_first,
        };
        tables.push((connections, run(&options)?));
    }
    Ok(Section { profile: *profile, shape, runs, tables })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Flags>, String> {
        Flags::parse(words.iter().map(|&word| word.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_are_checked() {
        let flags = parse(&["--only", "a,learning", "--quick", "--output", "-"]).unwrap().unwrap();
        assert!(flags.has("a") && flags.has("learning") && !flags.has("b") && flags.quick);
        assert_eq!(parse(&["--help"]), Ok(None));
        for (words, expected) in [
            (&["--only", "c"][..], "--only c: known are a, b, day, million, learning"),
            (&["--runs", "0"], "measures nothing"),
            (&["--runs", "x"], "write a whole number"),
            (&["--runs"], "--runs needs a value"),
            (&["--streams", "a"], "unknown option --streams"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
