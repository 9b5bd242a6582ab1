//! The audit: one line for every state change through any door, in the log (target `audit`) and, if configured, in a
//! file of JSON lines.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::Serialize;

use super::file::{open_private, write_private};

/// The audit file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the audit file {} could not be written", path.display())]
pub struct AuditError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// One state change, or an attempt that was refused.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord<'a> {
    /// Time of the end of the work, RFC 3339.
    pub at: String,
    /// Name of the token, `anonymous` without one, `almanac` for the service itself.
    pub who: &'a str,
    /// Kind of the change, such as `samples.delete`.
    pub what: &'a str,
    /// What was changed.
    pub target: &'a str,
    /// Address of the caller, or the door.
    pub from: &'a str,
    /// `ok`, or the status and the reason.
    pub result: &'a str,
}

/// Writes records; cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Audit(Option<Arc<Sink>>);

#[derive(Debug)]
struct Sink {
    path: PathBuf,
    /// Orders the lines of the file.
    lock: Mutex<()>,
}

impl Audit {
    /// Opens the audit; without a path records go to the log alone.
    ///
    /// # Errors
    /// [`AuditError`] when the file cannot be opened or created.
    pub fn open(path: Option<&Path>) -> Result<Self, AuditError> {
        let Some(path) = path else { return Ok(Self(None)) };
        open_private(path).map_err(|source| AuditError { path: path.to_path_buf(), source })?;
        Ok(Self(Some(Arc::new(Sink { path: path.to_path_buf(), lock: Mutex::new(()) }))))
    }

    /// Writes a record. Blocks while the file is written; its path is opened each time, so that it can be rotated.
    pub fn record(&self, record: &AuditRecord<'_>) {
        let AuditRecord { who, what, target, from, result, .. } = record;
        tracing::info!(target: "audit", who, what, on = target, from, result, "state change");
        let Some(sink) = &self.0 else { return };
        let written = serde_json::to_vec(record).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            let _ordered = sink.lock.lock();
            write_private(&sink.path, &line)
        });
        if let Err(error) = written {
            tracing::error!(target: "audit", path = %sink.path.display(), %error, "the audit file could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_lines_of_json_in_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let audit = Audit::open(Some(&path)).unwrap();
        let record = |target: &str| {
            audit.record(&AuditRecord {
                at: "2026-01-01T00:00:00.000Z".to_owned(),
                who: "ci",
                what: "samples.delete",
                target,
                from: "127.0.0.1:1",
                result: "ok",
            });
        };
        record("up{job=\"a\"}\nup");
        // Rotated between two records.
        std::fs::rename(&path, folder.path().join("audit.1")).unwrap();
        record("up");
        let first = std::fs::read_to_string(folder.path().join("audit.1")).unwrap();
        assert_eq!(
            first,
            "{\"at\":\"2026-01-01T00:00:00.000Z\",\"who\":\"ci\",\"what\":\"samples.delete\",\"target\":\"up{job=\\\"a\\\"}\\nup\",\
             \"from\":\"127.0.0.1:1\",\"result\":\"ok\"}\n"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        let error = Audit::open(Some(&folder.path().join("none/audit"))).unwrap_err();
        assert!(error.to_string().contains("none/audit could not be written"), "{error}");
    }
}
