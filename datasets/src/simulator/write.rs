//! Writes a simulation as Parquet, YAML, TOML and JSON files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use duckdb::{Connection, params};

use super::{Simulation, replay_rules_yaml, rules_yaml, signals_toml};

/// Reason why a simulation could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A Parquet file could not be written.
    #[error("{} could not be written", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Error of DuckDB.
        #[source]
        source: duckdb::Error,
    },
    /// The ground truth could not be serialised.
    #[error("the ground truth could not be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// Writes a simulation into a directory, which is created if it does not exist:
///
/// - `signals.parquet`: series file `series,timestamp,value,incident` of the signals
/// - `telemetry.parquet`: series file of the telemetry, `series` in Prometheus' notation
/// - `cache_events.parquet`: event file
/// - `rules.yml`, `signals.toml`: alerts and signals over the telemetry; `replay-rules.yml`: alerts over `signals.parquet`
/// - `truth.json`: seasons, incidents, deploys, rates of the caches and their analytic results
///
/// # Errors
/// [`WriteError`] names the file that could not be written.
pub fn write_simulation(simulation: &Simulation, directory: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(directory).map_err(|source| WriteError::File { path: directory.into(), source })?;
    let text = |name: &str, content: String| {
        let path = directory.join(name);
        fs::write(&path, content).map_err(|source| WriteError::File { path, source })
    };
    text("rules.yml", rules_yaml(simulation))?;
    text("replay-rules.yml", replay_rules_yaml())?;
    text("signals.toml", signals_toml(simulation))?;
    let truth = serde_json::to_string_pretty(&simulation.truth).map_err(WriteError::Json)?;
    text("truth.json", truth + "\n")?;
    parquet(directory, "signals", |db| signals(db, simulation))?;
    parquet(directory, "telemetry", |db| telemetry(db, simulation))?;
    parquet(directory, "cache_events", |db| cache_events(db, simulation))
}

/// Fills a table `rows` in memory and copies it into `NAME.parquet`.
fn parquet(directory: &Path, name: &str, fill: impl Fn(&Connection) -> duckdb::Result<()>) -> Result<(), WriteError> {
    let path = directory.join(format!("{name}.parquet"));
    let target = path.to_string_lossy().replace('\'', "''");
    let copy = || -> duckdb::Result<()> {
        let db = Connection::open_in_memory()?;
        fill(&db)?;
        db.execute_batch(&format!("COPY rows TO '{target}' (FORMAT parquet, COMPRESSION zstd)"))
    };
    copy().map_err(|source| WriteError::Parquet { path, source })
}

fn signals(db: &Connection, simulation: &Simulation) -> duckdb::Result<()> {
    db.execute_batch("CREATE TABLE rows (series VARCHAR, timestamp TIMESTAMP_MS, value DOUBLE, incident TINYINT)")?;
    let mut rows = db.appender("rows")?;
    for signal in &simulation.signals {
        for ((at, value), incident) in simulation.timestamps.iter().zip(&signal.values).zip(&signal.incident) {
            rows.append_row(params![signal.name, instant(*at), value, i8::from(*incident)])?;
        }
    }
    rows.flush()
}

fn telemetry(db: &Connection, simulation: &Simulation) -> duckdb::Result<()> {
    db.execute_batch("CREATE TABLE rows (series VARCHAR, timestamp TIMESTAMP_MS, value DOUBLE)")?;
    let mut rows = db.appender("rows")?;
    for series in &simulation.series {
        let name = series.labels.to_string();
        for (at, value) in simulation.timestamps.iter().zip(&series.values) {
            rows.append_row(params![name, instant(*at), value])?;
        }
    }
    rows.flush()
}

fn cache_events(db: &Connection, simulation: &Simulation) -> duckdb::Result<()> {
    db.execute_batch(
        "CREATE TABLE rows (timestamp BIGINT, cache VARCHAR, key VARCHAR, op VARCHAR, bytes UBIGINT, miss_cost_ms DOUBLE)",
    )?;
    let mut rows = db.appender("rows")?;
    for event in &simulation.cache_events {
        let (at, op) = (event.timestamp.millis(), event.op.as_str());
        rows.append_row(params![at, event.cache, event.key, op, event.bytes, event.miss_cost_ms])?;
    }
    rows.flush()
}

/// Returns an instant in the type that DuckDB's appender expects.
fn instant(millis: i64) -> duckdb::types::Value {
    duckdb::types::Value::Timestamp(duckdb::types::TimeUnit::Millisecond, millis)
}
