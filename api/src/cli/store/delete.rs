//! `almanac delete`: deletes samples of selected series within a span.

use std::io::Write;

use super::{Place, PlaceArgs, Remote, place::existing};
use crate::{
    cli::{CliError, Global, output},
    http::{DeleteBody, DeletionBody, deletion, now},
    service,
};

/// Options of `delete`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Series to delete from, such as 'up{job="api"}'; every series is '{__name__=~".+"}'
    #[arg(long = "match", value_name = "SELECTOR", required = true)]
    pub selector: String,
    /// From this time on: 2026-01-01, RFC 3339, epoch milliseconds or now-6h [the first sample]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// Up to this time, itself included [the last sample]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Only count what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Store or service.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Runs the command.
///
/// # Errors
/// A wrong selector or time, as a usage error; a failure when there is no store, or it is in use, or the work fails.
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let Args { selector, from, until, dry_run, place } = args;
    let body = DeleteBody { selector, from, until, dry_run };
    // Wrong options are refused before a store is opened or a service is asked.
    let what = deletion(&body, now()).map_err(CliError::usage)?;
    let done: DeletionBody = match place.place(global)? {
        Place::Service { url, token } => {
            let body = serde_json::to_value(&body).map_err(|error| CliError::from_error(&error))?;
            Remote::new(url, token)?.post_json("/v1/admin/delete", &body, "application/json")?.json()?
        }
        Place::Store(config) => {
            existing(&config.store.path)?;
            let store = service::open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let report = store.delete(&what).map_err(|error| CliError::from_error(&error));
            let closed = store.close().map_err(|error| CliError::from_error(&error));
            let report = report?;
            closed?;
            DeletionBody::new(&report, dry_run)
        }
    };
    let mut out = output::stdout();
    writeln!(out, "{}", summary(&done))?;
    out.flush()?;
    Ok(())
}

/// What was done, in one line.
fn summary(done: &DeletionBody) -> String {
    let verb = if done.dry_run { "would delete" } else { "deleted" };
    if done.samples == 0 && done.rollups == 0 {
        return format!("{verb} nothing: no sample matches");
    }
    let span = match (&done.oldest, &done.newest) {
        (Some(oldest), Some(newest)) => format!(" from {oldest} to {newest}"),
        _ => String::new(),
    };
    let gone = if done.dry_run {
        String::new()
    } else {
        format!("; {} series have nothing left and are gone", done.series_emptied)
    };
    format!(
        "{verb} {} samples of {} series{span}, with {} rollup rows{gone}; forecasts, scores and recommendations stay",
        done.samples, done.series, done.rollups
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_is_concerned() {
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
             rows; forecasts, scores and recommendations stay"
        );
        (done.dry_run, done.series_emptied) = (false, 1);
        assert!(summary(&done).contains("; 1 series have nothing left and are gone;"));
        (done.samples, done.rollups) = (0, 0);
        assert_eq!(summary(&done), "deleted nothing: no sample matches");
    }
}
