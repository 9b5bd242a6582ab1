//! Worker processes of this binary, which run what callers send away from the service.

use almanac_engine::store::{SqlWorkers, Store, StoreError, WorkerOptions};

use crate::config::Config;

/// Starts the workers for analysts' SQL.
///
/// # Errors
/// `Open` when the program's own file is not known, or when the store cannot be shared with workers.
pub fn start_sql_workers(store: &Store, config: &Config) -> Result<SqlWorkers, StoreError> {
    // Read once: after an upgrade in place the path may be that of another release.
    let program = std::env::current_exe().map_err(|error| StoreError::Open {
        path: config.store.path.clone(),
        detail: format!("the program's own path is unknown: {error}"),
    })?;
    let (workers, memory) = (config.sql.workers, config.sql.memory.bytes().to_string());
    let command = Box::new(move || {
        let mut command = std::process::Command::new(&program);
        command.args(["worker", "sql", "--memory", &memory]);
        command
    });
    SqlWorkers::start(store, WorkerOptions { command, workers })
}
