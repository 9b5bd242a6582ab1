//! Runs one task for each scrape target.

use std::time::Duration;

use almanac_engine::{
    ingest::scrape::{ScrapeReport, ScrapeTarget, Scraper},
    store::{
        Store, StoreError,
        rows::{MetadataRow, ScrapeTargetRow, TargetHealth},
    },
};
use almanac_models::{Step, Timestamp};
use tokio::task::JoinSet;

use super::{super::kept_running, client::HttpClient};
use crate::{
    chain,
    config::{Config, Scrape, ScrapeScheme, Span},
    http::AppState,
};

/// Delay of a timer within which a sample gets the planned time: equal distances compress better.
const TOLERANCE_MS: i64 = 100;

/// Time after a leap of the clock without scrapes, in milliseconds.
const LEAP_MS: i64 = 15_000;

/// Time until the clock is looked at again after a leap.
const LEAP_WAIT: Duration = Duration::from_secs(1);

/// Timeout of a scrape without a configured one, unless the interval is shorter.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts one task for each configured target.
pub(in crate::service) fn start(state: &AppState, background: &mut JoinSet<()>) {
    let targets = targets(&state.config);
    let (store, configured) = (state.store.clone(), targets.clone());
    background.spawn(async move {
        let listed = tokio::task::spawn_blocking(move || list_targets(&store, &configured)).await;
        if let Ok(Err(error)) = listed {
            tracing::warn!(error = %chain(&error), "list of scrape targets was not stored");
        }
    });
    if targets.is_empty() {
        return;
    }
    let client = match HttpClient::new() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(error = %chain(&error), "scraping is disabled: the HTTP client cannot be created");
            return;
        }
    };
    for target in targets {
        let (owned, client) = (state.clone(), client.clone());
        let start = move || scrape_on_schedule(owned.clone(), client.clone(), target.clone());
        background.spawn(kept_running(state.clone(), "scrape", start));
    }
}

fn targets(config: &Config) -> Vec<ScrapeTarget> {
    config
        .scrapes
        .iter()
        .flat_map(|scrape| scrape.targets.iter().filter_map(|address| target(scrape, address)))
        .collect()
}

fn target(scrape: &Scrape, address: &str) -> Option<ScrapeTarget> {
    let scheme = match scrape.scheme {
        ScrapeScheme::Http => "http",
        ScrapeScheme::Https => "https",
    };
    let slash = if scrape.path.starts_with('/') { "" } else { "/" };
    Some(ScrapeTarget {
        job: scrape.job.clone(),
        instance: address.to_owned(),
        url: format!("{scheme}://{address}{slash}{}", scrape.path),
        // Configured intervals are at least 100 ms, so this does not fail.
        interval: Step::from_millis(scrape.interval.millis()).ok()?,
        timeout: scrape.timeout.map_or(DEFAULT_TIMEOUT, Span::duration).min(scrape.interval.duration()),
        labels: scrape.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        honor_labels: scrape.honor_labels,
        token: scrape.token.as_ref().map(|token| token.expose().to_owned()),
        sample_limit: scrape.sample_limit,
        follow_redirects: scrape.follow_redirects,
        native_histograms: scrape.native_histograms,
    })
}

async fn scrape_on_schedule(state: AppState, client: HttpClient, target: ScrapeTarget) {
    let mut scraper = Scraper::new(state.ingest.clone(), target);
    let mut was_up = true;
    loop {
        let Some(now) = believed_now(&state) else {
            tokio::select! {
                () = state.stopping.cancelled() => return,
                () = tokio::time::sleep(LEAP_WAIT) => continue,
            }
        };
        let planned = scraper.target().next_after(now);
        let wait = Duration::from_millis((planned.millis() - now.millis()).unsigned_abs());
        tokio::select! {
            () = state.stopping.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let Some(now) = believed_now(&state) else { continue };
        let at = sample_time(planned, now);
        // Not cancelled at shutdown: a scrape is stored whole, and its timeout bounds the delay.
        match scraper.scrape(&client, at).await {
            Ok(mut report) => {
                log_result(scraper.target(), &report, was_up);
                was_up = report.up;
                let metadata = std::mem::take(&mut report.metadata);
                record(&state, metadata, row(scraper.target(), Some((&report, at)))).await;
            }
            Err(error) => {
                tracing::warn!(target = scraper.target().url, error = %chain(&error), "scrape was not stored");
            }
        }
    }
}

/// Returns the time for a sample; `None` shortly after a leap of the clock, because a sample in the future would make all
/// later ones of its series late.
fn believed_now(state: &AppState) -> Option<Timestamp> {
    match state.steady_now() {
        Ok(now) => Some(now),
        Err(leap) => (leap.ago_ms >= LEAP_MS).then(|| state.clock.now()),
    }
}

/// Stores the list of configured targets: removes those that are no longer configured and adds new ones with unknown
/// health.
fn list_targets(store: &Store, configured: &[ScrapeTarget]) -> Result<(), StoreError> {
    let keys: Vec<(String, String)> =
        configured.iter().map(|target| (target.job.clone(), target.url.clone())).collect();
    store.retain_scrape_targets(&keys)?;
    let known = store.scrape_targets();
    let is_new = |target: &&ScrapeTarget| !known.iter().any(|row| row.job == target.job && row.url == target.url);
    let new: Vec<ScrapeTargetRow> = configured.iter().filter(is_new).map(|target| row(target, None)).collect();
    store.put_scrape_targets(&new)
}

/// Returns the row of a target after a scrape, or before the first one.
fn row(target: &ScrapeTarget, scraped: Option<(&ScrapeReport, Timestamp)>) -> ScrapeTargetRow {
    let health = match scraped {
        None => TargetHealth::Unknown,
        Some((report, _)) if report.up => TargetHealth::Up,
        Some(_) => TargetHealth::Down,
    };
    ScrapeTargetRow {
        job: target.job.clone(),
        instance: target.instance.clone(),
        url: target.url.clone(),
        health,
        last_error: scraped.and_then(|(report, _)| report.error.clone()),
        last_scrape: scraped.map(|(_, at)| at),
        duration_ms: scraped.map_or(0.0, |(report, _)| report.elapsed.as_secs_f64() * 1000.0),
        samples: scraped.map_or(0, |(report, _)| report.scraped),
    }
}

/// Stores the metadata and the target's state after a scrape. The samples are already stored; a failure here is logged.
async fn record(state: &AppState, metadata: Vec<MetadataRow>, row: ScrapeTargetRow) {
    let (ingest, store) = (state.ingest.clone(), state.store.clone());
    let stored = tokio::task::spawn_blocking(move || {
        if !metadata.is_empty() {
            ingest.put_metadata(&metadata)?;
        }
        store.put_scrape_targets(std::slice::from_ref(&row))
    });
    if let Ok(Err(error)) = stored.await {
        tracing::warn!(error = %chain(&error), "metadata and state of a scrape target were not stored");
    }
}

/// Returns the planned time if the timer fired within the tolerance, else the actual time.
fn sample_time(planned: Timestamp, now: Timestamp) -> Timestamp {
    if (now.millis() - planned.millis()).abs() <= TOLERANCE_MS { planned } else { now }
}

/// Logs a change between up and down, and rejected samples.
fn log_result(target: &ScrapeTarget, report: &ScrapeReport, was_up: bool) {
    match &report.error {
        Some(error) if was_up => tracing::warn!(target = target.url, error, "target is down"),
        None if !was_up => tracing::info!(target = target.url, "target is up again"),
        _ => {}
    }
    if report.refused.is_partial() {
        tracing::warn!(target = target.url, "{}", report.refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_built_from_the_configuration() {
        let text = "[[scrape]]\njob = \"node\"\ntargets = [\"127.0.0.1:9100\", \"h:1\"]\ninterval = \"5s\"\n\
                    scheme = \"https\"\npath = \"m\"\nlabels = { zone = \"a\" }\n";
        let config: Config = toml::from_str(text).unwrap();
        let targets = targets(&config);
        assert_eq!(targets.len(), 2);
        assert_eq!(targets[1].url, "https://h:1/m");
        assert_eq!(targets[1].instance, "h:1");
        assert_eq!(targets[0].timeout, Duration::from_secs(5));
        assert_eq!(targets[0].interval.millis(), 5000);
        assert_eq!(targets[0].labels, [("zone".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn a_timer_within_the_tolerance_gets_the_planned_time() {
        let check = |now, expected| {
            let at = sample_time(Timestamp::from_millis(1000), Timestamp::from_millis(now));
            assert_eq!(at.millis(), expected);
        };
        check(1000, 1000);
        check(1100, 1000);
        check(1101, 1101);
    }
}
