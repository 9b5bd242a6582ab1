use std::{error::Error, fmt, process::Command, time::Duration};

use super::{Settings, Table, sections::Section, table::number};

/// Files that the sections read.
const FILES: [&str; 13] = [
    "kpi.parquet",
    "load_alibaba2018.parquet",
    "load_bitbrains.parquet",
    "load_crane.parquet",
    "load_nasa_jul.parquet",
    "m4_hourly_ranks.csv",
    "m4_hourly_test.parquet",
    "m4_hourly_train.parquet",
    "nab.parquet",
    "nab_profiles.json",
    "nab_windows.json",
    "smd.parquet",
    "tsbad_u_kpi_vuspr.csv",
];

/// The document.
#[derive(Debug, Clone)]
pub struct Report {
    /// The commit that was measured.
    pub commit: String,
    /// Cores of the machine.
    pub cores: usize,
    /// Threads at work, and whether only a subset was measured.
    pub threads: usize,
    /// Whether only a subset was measured.
    pub quick: bool,
    /// How long all took.
    pub elapsed: Duration,
    /// The parts.
    pub parts: Vec<String>,
    /// Name and SHA-256 of the files read.
    pub files: Vec<(String, String)>,
}

impl Report {
    /// Measures these sections.
    ///
    /// # Errors
    /// What a section says.
    pub fn measure(settings: &Settings, sections: &[Section]) -> Result<Self, Box<dyn Error>> {
        let begun = std::time::Instant::now();
        let part = |section: &Section| {
            eprintln!("{}", section.name);
            let failed = |error| -> Box<dyn Error> { format!("{}: {error}", section.name).into() };
            // Shown at once: a long run that is ended has not been for nothing.
            (section.run)(settings).map_err(failed).inspect(|part| eprintln!("\n{part}"))
        };
        let parts = sections.iter().map(part).collect::<Result<_, _>>()?;
        let files = settings.hashes()?.into_iter().filter(|(name, _)| FILES.contains(&name.as_str())).collect();
        Ok(Self {
            commit: commit(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: settings.threads,
            quick: settings.quick,
            elapsed: begun.elapsed(),
            parts,
            files,
        })
    }
}

/// The commit of the working folder, and whether it has changes besides.
fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    // The document itself is about to change.
    let changes = git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/accuracy.md"]);
    if changes.is_some_and(|changes| !changes.is_empty()) { format!("{commit} with changes") } else { commit }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Accuracy and its cost\n")?;
        writeln!(
            f,
            "`make bench-accuracy DATA=DIR` wrote this: {}every model on public data that the project does not hold, scored as others\n\
             score, beside what they have published. Commit {}, {} cores, {} threads, {} minutes. Costs are processor time. Published\n\
             figures are over the whole sets where ours are over the part at hand, as each table says; none was measured here unless it\n\
             says so.\n\n\
             An incident is a maximal run of labelled rows, an alarm a run of rows scored above 1, joined where less than 10 minutes or\n\
             two steps apart, whichever is more. Recall counts incidents with an alarmed row, precision alarms with a row in an\n\
             incident; false alarms are the other alarms, a week of one series; delay is from an incident's first row to its first\n\
             alarmed row, median over those found. Nothing is point-adjusted.\n",
            if self.quick { "a quick run on a subset of " } else { "" },
            self.commit,
            self.cores,
            self.threads,
            number(self.elapsed.as_secs_f64() / 60.0, 1),
        )?;
        self.parts.iter().try_for_each(|part| writeln!(f, "{}\n", part.trim_end()))?;
        if self.files.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&["file", "SHA-256"]);
        self.files.iter().for_each(|(name, hash)| table.row([name.as_str(), hash]));
        write!(f, "## Data\n\n{table}")
    }
}
