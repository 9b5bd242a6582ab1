//! Measures the sections of a document and renders it with the commit, the machine and the hashes of the data.

use std::{error::Error, fmt, process::Command, time::Duration};

use super::{Paper, Section, Settings, Table, number};

/// Measured document.
#[derive(Debug, Clone)]
pub struct Report {
    /// Definition of the document.
    pub paper: Paper,
    /// Measured commit.
    pub commit: String,
    /// Cores of the machine.
    pub cores: usize,
    /// Number of threads.
    pub threads: usize,
    /// Whether only a subset was measured.
    pub quick: bool,
    /// Duration of the whole run.
    pub elapsed: Duration,
    /// Sections in Markdown.
    pub parts: Vec<String>,
    /// Name and SHA-256 of the data files.
    pub files: Vec<(String, String)>,
}

impl Report {
    /// Measures these sections.
    ///
    /// # Errors
    /// Error of a section, prefixed with its name.
    pub fn measure(paper: &Paper, settings: &Settings, sections: &[Section]) -> Result<Self, Box<dyn Error>> {
        let started = std::time::Instant::now();
        let part = |section: &Section| {
            eprintln!("{}", section.name);
            let failed = |error| -> Box<dyn Error> { format!("{}: {error}", section.name).into() };
            // Printed at once, so that an interrupted run has shown its results so far.
            (section.run)(settings).map_err(failed).inspect(|part| eprintln!("\n{part}"))
        };
        let parts = sections.iter().map(part).collect::<Result<_, _>>()?;
        let files = settings.hashes()?.into_iter().filter(|(name, _)| paper.data.contains(&name.as_str())).collect();
        Ok(Self {
            paper: *paper,
            commit: commit(paper.file),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: settings.threads,
            quick: settings.quick,
            elapsed: started.elapsed(),
            parts,
            files,
        })
    }
}

/// Returns the commit of the working folder, and whether there are changes other than in `document`, which is about to
/// be written.
pub(crate) fn commit(document: &str) -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changes = git(&["status", "--porcelain", "--untracked-files=no", "--", ".", &format!(":!{document}")]);
    if changes.is_some_and(|changes| !changes.is_empty()) { format!("{commit} with changes") } else { commit }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { paper, commit, cores, threads, .. } = self;
        writeln!(f, "# {}\n", paper.title)?;
        writeln!(
            f,
            "`make {} DATA=DIR` wrote this{} from commit {commit} in {} minutes, on {cores} cores with {threads} threads.\n{}\n",
            paper.bench,
            if self.quick { ", a quick run on a subset," } else { "" },
            number(self.elapsed.as_secs_f64() / 60.0, 1),
            paper.preface,
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
