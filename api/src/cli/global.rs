//! Facts about the call that every command may use: which options are flags, and whether to show progress.

use std::{
    collections::HashSet,
    io::{IsTerminal, stderr},
};

use clap::{ArgMatches, parser::ValueSource};

/// Facts about the call, passed to every command.
#[derive(Debug, Clone, Default)]
pub struct Global {
    flags: HashSet<String>,
    progress: bool,
}

impl Global {
    /// Collects the options that were given on the command line, and whether stderr is a terminal.
    #[must_use]
    pub fn from_matches(matches: &ArgMatches) -> Self {
        let mut flags = HashSet::new();
        let mut level = Some(matches);
        while let Some(matches) = level {
            for id in matches.ids() {
                if matches.value_source(id.as_str()) == Some(ValueSource::CommandLine) {
                    flags.insert(id.to_string());
                }
            }
            level = matches.subcommand().map(|(_, inner)| inner);
        }
        Self { flags, progress: stderr().is_terminal() }
    }

    /// Whether the option was given on the command line and not by the environment.
    #[must_use]
    pub fn is_flag(&self, id: &str) -> bool {
        self.flags.contains(id)
    }

    /// Whether progress bars may be drawn: stderr is a terminal.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        self.progress
    }
}
