use std::{
    collections::HashSet,
    io::{IsTerminal, stderr},
};

use clap::{ArgMatches, parser::ValueSource};

/// What every command may know of the call.
#[derive(Debug, Clone, Default)]
pub struct Global {
    flags: HashSet<String>,
    progress: bool,
}

impl Global {
    /// Reads off which options stand on the command line itself and whether stderr is a terminal.
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

    /// Whether the option stands on the command line, and does not come from the environment.
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
