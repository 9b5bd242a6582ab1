//! Reads the tokens file and the certificate again when they change.

use std::{sync::Arc, time::Duration};

use super::listen::Tls;
use crate::{
    access::AuditRecord,
    chain,
    http::{AppState, iso},
};

/// Interval between checks; a change takes effect within five seconds.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Checks the files until the service stops. An invalid file leaves the former content in effect and is logged once.
pub(super) async fn watch_files(state: AppState, tls: Option<Arc<Tls>>) {
    let mut failure = String::new();
    loop {
        tokio::select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
        }
        let (state, tls) = (state.clone(), tls.clone());
        let checked = tokio::task::spawn_blocking(move || check(&state, tls.as_deref()));
        let errors = checked.await.unwrap_or_default().join("; ");
        if !errors.is_empty() && errors != failure {
            tracing::error!(target: "audit", "{errors}; the former content stays in effect");
        }
        // Invalid content is reported once; a file that cannot be read is reported by every check.
        if !errors.is_empty() {
            failure = errors;
        }
    }
}

/// Checks both files once and returns the errors.
fn check(state: &AppState, tls: Option<&Tls>) -> Vec<String> {
    let record = |what: &str, target: &str| {
        let at = iso(state.clock.now().millis());
        state.audit.record(&AuditRecord { at, who: "almanac", what, target, from: "file", result: "ok" });
    };
    let mut errors = Vec::new();
    match state.auth.reload() {
        Ok(None) => {}
        Ok(Some(count)) => {
            record("tokens.reload", &format!("{}: {count} tokens", state.config.tokens_file().display()))
        }
        Err(error) => errors.push(chain(&error)),
    }
    match tls.map(Tls::reload) {
        None | Some(Ok(false)) => {}
        Some(Ok(true)) => record("certificate.reload", &format!("{tls:?}")),
        Some(Err(error)) => errors.push(chain(&error)),
    }
    errors
}
