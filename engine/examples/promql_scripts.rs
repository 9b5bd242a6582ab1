//! Runs a folder of scripts in the test language of Prometheus, and prints what passed: a table for
//! `docs/promql.md`, then each evaluation that did not pass. Used by `make promql-scripts`.

#![expect(clippy::print_stdout, reason = "a program of the command line")]

#[path = "../tests/promql/runner/mod.rs"]
mod runner;

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use runner::Verdict;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: promql_scripts FOLDER")?;
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .map_err(|error| format!("{folder}: {error}"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "test"));
    files.sort();
    if files.is_empty() {
        return Err(format!("{folder} has no file *.test").into());
    }
    let (mut rows, mut rest) = (String::new(), String::new());
    let (mut all_passed, mut all) = (0, 0);
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let outcomes = runner::run(&fs::read_to_string(file)?).map_err(|error| format!("{name}, {error}"))?;
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for outcome in &outcomes {
            let (reason, message) = match &outcome.verdict {
                Verdict::Passed => continue,
                Verdict::Lacks(what, message) => (*what, message),
                Verdict::Failed(message) => ("other", message),
            };
            rest.push_str(&format!("{name}:{} ({reason}) {}\n    {message}\n", outcome.line, outcome.expr));
            *reasons.entry(reason).or_default() += 1;
        }
        let passed = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Passed).count();
        let why: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        rows.push_str(&format!("| {name} | {} | {passed} | {} |\n", outcomes.len(), why.join(", ")));
        all_passed += passed;
        all += outcomes.len();
    }
    println!(
        "| script | evaluations | passed | not passed |\n|---|---|---|---|\n{rows}| all | {all} | {all_passed} | |\n\n{rest}"
    );
    Ok(())
}
