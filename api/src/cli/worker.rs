//! `almanac worker`: a process that the service starts to run what callers send. Not for people.

use std::process::ExitCode;

use almanac_engine::{ingest::import::serve_import, store::serve_sql};

/// Work of a worker process.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Work {
    /// Run analysts' SQL, from frames on standard input to frames on standard output
    Sql {
        /// Memory of a statement, in bytes
        #[arg(long, value_name = "BYTES")]
        memory: u64,
    },
    /// Decode the file that a frame on standard input names, to frames on standard output
    Import {
        /// Memory of the process, in bytes
        #[arg(long, value_name = "BYTES")]
        memory: u64,
    },
}

/// Options of `worker`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Work to do.
    #[command(subcommand)]
    pub work: Work,
}

/// Runs the command until standard input ends.
#[must_use]
pub(super) fn run(args: &Args) -> ExitCode {
    match args.work {
        Work::Sql { memory } => ExitCode::from(serve_sql(std::io::stdin(), std::io::stdout().lock(), memory, 0)),
        Work::Import { memory } => ExitCode::from(serve_import(std::io::stdin(), std::io::stdout().lock(), memory)),
    }
}
