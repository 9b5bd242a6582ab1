//! The scenarios of `make faults` by name, what they are given, and the tables that they return.

use std::{path::PathBuf, time::Instant};

use super::{calls, clocks, disks, kills, memory, power, senders, series};

/// What a scenario is given.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary.
    pub almanac: PathBuf,
    /// Number of kills.
    pub kills: u64,
    /// End of the scenario, also before all of it is done; each does at least one round.
    pub end: Instant,
    /// Seed of times and samples.
    pub seed: u64,
    /// Folder for recordings that failed.
    pub kept: PathBuf,
    /// Whether progress is printed on stderr.
    pub is_verbose: bool,
}

impl Options {
    /// Prints progress.
    #[expect(clippy::print_stderr, reason = "progress of a program that runs for minutes")]
    pub(super) fn say(&self, text: &str) {
        if self.is_verbose {
            eprintln!("{text}");
        }
    }
}

/// What a scenario did, as a table of Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Returns the table; the last columns of each row are the seed and the seconds.
    #[must_use]
    pub fn markdown(&self, seed: u64, seconds: f64) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = self.head.iter().copied().chain(["seed", "s"]).map(str::to_owned).collect();
        let mut text = line(&head) + &"|---".repeat(head.len()) + "|\n";
        for row in &self.rows {
            let ends = [seed.to_string(), format!("{seconds:.0}")];
            text += &line(&[row.as_slice(), ends.as_slice()].concat());
        }
        text
    }
}

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name for `ONLY`.
    pub name: &'static str,
    /// Share of the whole time, in parts.
    pub parts: u32,
    /// Runs it; an error says what was lost, twice or wrong.
    pub run: fn(&Options) -> Result<Table, String>,
}

/// All scenarios, in the order in which they run.
pub const SCENARIOS: [Scenario; 12] = [
    Scenario { name: "kills", parts: 6, run: kills::kills },
    Scenario { name: "power-cuts", parts: 6, run: power::power_cuts },
    Scenario { name: "failing-calls", parts: 10, run: calls::failing_calls },
    Scenario { name: "disk-full", parts: 1, run: disks::full },
    Scenario { name: "disk-quota", parts: 1, run: disks::quota },
    Scenario { name: "disk-read-only", parts: 1, run: disks::read_only },
    Scenario { name: "disk-slow", parts: 1, run: disks::slow },
    Scenario { name: "memory", parts: 1, run: memory::limited },
    Scenario { name: "clocks", parts: 1, run: clocks::jumps },
    Scenario { name: "stamps", parts: 1, run: clocks::stamps },
    Scenario { name: "senders", parts: 1, run: senders::hostile },
    Scenario { name: "series", parts: 1, run: series::beyond_the_limit },
];
