//! Worker processes of this binary, which run what callers send away from the service.

use std::{io, path::PathBuf, process::Command, sync::Arc};

use almanac_engine::store::{SqlWorkers, Store, StoreError, WorkerOptions};

use crate::{
    config::Config,
    http::{Clock, SqlExpressions},
};

/// How processes of this program are started.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// Finds the program's own file. Its path is read once: after an upgrade in place it may be that of another release.
    ///
    /// # Errors
    /// The system's error when the path is unknown.
    pub fn new() -> io::Result<Self> {
        std::env::current_exe().map(Self)
    }

    fn command(&self, work: &str, memory: u64) -> Command {
        let mut command = Command::new(&self.0);
        command.args(["worker", work, "--memory", &memory.to_string()]);
        command
    }
}

/// How the processes that decode imported files are started.
#[derive(Debug, Clone)]
pub struct Decoder {
    program: Program,
    memory: u64,
}

impl Decoder {
    /// Takes the memory of a process from the configuration.
    #[must_use]
    pub fn new(program: &Program, config: &Config) -> Self {
        Self { program: program.clone(), memory: config.ingest.decode_memory.bytes() as u64 }
    }

    /// Returns the memory of a process in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Returns the command that decodes one file.
    #[must_use]
    pub fn command(&self) -> Command {
        self.program.command("import", self.memory)
    }
}

/// Starts the workers for analysts' SQL.
///
/// # Errors
/// `Open` when the store cannot be shared with workers.
pub fn start_sql_workers(store: &Store, program: &Program, config: &Config) -> Result<SqlWorkers, StoreError> {
    let (program, memory) = (program.clone(), config.sql.memory.bytes() as u64);
    let command = Box::new(move || program.command("sql", memory));
    let promql = Some(SqlExpressions::evaluator(store.clone(), Arc::new(config.clone()), Clock::system()));
    SqlWorkers::start(store, WorkerOptions { command, workers: config.sql.workers, promql })
}
