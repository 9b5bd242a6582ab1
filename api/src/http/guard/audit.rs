//! Writes the audit record of a request, also when its caller leaves before the answer.

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{
    access::{Audit, AuditRecord},
    http::{ApiError, Clock, shared::iso},
};

/// Most records that wait to be written. On a disk that takes no more, further ones are written before their caller is answered.
const WAITING: usize = 1_024;

static PLACES: Semaphore = Semaphore::const_new(WAITING);

/// Request extension: what a handler changes, for the audit. The path of the request is recorded without it.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct AuditNote(Arc<Mutex<Option<String>>>);

impl AuditNote {
    /// Sets what is changed.
    pub(in crate::http) fn set(&self, target: impl Into<String>) {
        *self.0.lock() = Some(target.into());
    }
}

/// The record of a running request; it is written when it ends.
pub(super) struct Pending {
    pub(super) audit: Audit,
    pub(super) clock: Clock,
    pub(super) who: String,
    pub(super) what: &'static str,
    pub(super) path: String,
    pub(super) note: AuditNote,
    pub(super) from: String,
    pub(super) result: Option<String>,
}

impl Pending {
    /// Writes the record of a response.
    pub(super) fn end(mut self, response: &Response) {
        let status = response.status();
        self.result = Some(match response.extensions().get::<ApiError>() {
            _ if status.is_success() => "ok".to_owned(),
            Some(error) => format!("{} {}", status.as_u16(), error.code()),
            None => status.as_u16().to_string(),
        });
    }

    /// Writes the record of a refused request.
    pub(super) fn refuse(mut self, status: StatusCode, code: &str) {
        self.result = Some(format!("{} {code}", status.as_u16()));
    }
}

/// Writes the record outside of the threads that serve connections. Without a result the caller left, and the work may
/// have gone on.
impl Drop for Pending {
    fn drop(&mut self) {
        let (audit, at) = (self.audit.clone(), iso(self.clock.now().millis()));
        let (who, from, what) = (std::mem::take(&mut self.who), std::mem::take(&mut self.from), self.what);
        let target = self.note.0.lock().take().unwrap_or_else(|| std::mem::take(&mut self.path));
        let result = self.result.take().unwrap_or_else(|| "the caller left before the answer".to_owned());
        // The line in the log is one of the request's.
        let span = tracing::Span::current();
        let write = move || {
            let _of_request = span.entered();
            audit.record(&AuditRecord { at, who: &who, what, target: &target, from: &from, result: &result });
        };
        match (tokio::runtime::Handle::try_current(), PLACES.try_acquire()) {
            (Ok(runtime), Ok(place)) => drop(runtime.spawn_blocking(move || {
                write();
                drop(place);
            })),
            _ => write(),
        }
    }
}
