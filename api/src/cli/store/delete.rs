//! `almanac delete`: deletes samples of selected series within a span.

use std::io::Write;

use super::{Backend, BackendArgs, Remote, backend::existing};
use crate::{
    cli::{CliError, Global, output, progress},
    http::{DeleteBody, DeletionBody, deletion, now},
    service,
};

/// Options of `delete`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Selector of the series, such as 'up{job="api"}'; all series: '{__name__=~".+"}'
    #[arg(long = "match", value_name = "SELECTOR", required = true)]
    pub selector: String,
    /// Start of the span: 2026-01-01, RFC 3339, epoch milliseconds or now-6h [the first sample]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// End of the span, inclusive, in the same formats [the last sample]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Count the samples without deleting them
    #[arg(long)]
    pub dry_run: bool,
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// Runs the command.
///
/// # Errors
/// A usage error for an invalid selector or time; a failure when the store does not exist or is in use, or when the
/// deletion fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let Args { selector, from, until, dry_run, backend } = args;
    let body = DeleteBody { selector, from, until, dry_run };
    // Invalid options are rejected before a store is opened or a request is sent.
    let what = deletion(&body, now()).map_err(CliError::usage)?;
    let bar = progress::waiting(global, if dry_run { "counting" } else { "deleting" });
    let done: DeletionBody = match backend.backend(global)? {
        Backend::Service(service) => {
            let body = serde_json::to_value(&body).map_err(|error| CliError::from_error(&error))?;
            Remote::new(service)?.post_json("/v1/admin/delete", &body, "application/json")?.json()?
        }
        Backend::Store(config) => {
            existing(&config.store.path)?;
            let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let report = store.delete(&what).map_err(|error| CliError::from_error(&error));
            let closed = store.close().map_err(|error| CliError::from_error(&error));
            let report = report?;
            closed?;
            DeletionBody::new(&report, dry_run)
        }
    };
    bar.finish_and_clear();
    let mut out = output::stdout();
    writeln!(out, "{}", summary(&done))?;
    out.flush()?;
    Ok(())
}

/// Returns the result in one line.
fn summary(done: &DeletionBody) -> String {
    let verb = if done.dry_run { "would delete" } else { "deleted" };
    if done.samples == 0 && done.rollups == 0 {
        return format!("{verb} nothing: no sample matches");
    }
    let span = match (&done.oldest, &done.newest) {
        (Some(oldest), Some(newest)) => format!(" from {oldest} to {newest}"),
        _ => String::new(),
    };
    let gone = if done.dry_run { String::new() } else { format!("; {} empty series removed", done.series_emptied) };
    format!(
        "{verb} {} samples of {} series{span}, with {} rollup rows{gone}; forecasts, scores and recommendations are kept",
        done.samples, done.series, done.rollups
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_samples_series_and_span() {
        let mut done = DeletionBody {
            dry_run: true,
            series: 2,
            series_emptied: 0,
            samples: 10,
            rollups: 3,
            oldest: Some("2026-01-01T00:00:00.000Z".into()),
            newest: Some("2026-01-02T00:00:00.000Z".into()),
        };
        assert_eq!(
            summary(&done),
            "would delete 10 samples of 2 series from 2026-01-01T00:00:00.000Z to 2026-01-02T00:00:00.000Z, with 3 rollup \
             rows; forecasts, scores and recommendations are kept"
        );
        (done.dry_run, done.series_emptied) = (false, 1);
        assert!(summary(&done).contains("; 1 empty series removed;"));
        (done.samples, done.rollups) = (0, 0);
        assert_eq!(summary(&done), "deleted nothing: no sample matches");
    }
}
