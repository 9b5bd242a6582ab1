//! SQL of the tables described in [`rows`](super::rows): writing and reading rows as Arrow batches.

mod advice;
mod collected;
mod database;
mod events;
mod frame;
mod learned;
mod notices;
mod together;
mod traced;

pub(super) use advice::{advice_status, outcomes, put_advice_status, put_ledger, recommendations};
pub(super) use collected::{metadata, put_metadata, put_scrape_targets, scrape_targets};
pub(super) use database::{
    catalogue_of, database_catalogue, database_hours, database_rows, database_statements, database_sums,
    database_workload, put_database_catalogue, put_database_use,
};
pub(super) use events::{cache_events, deploys, incidents, put_events};
pub(super) use learned::{anomalies, forecasts, put_anomalies, put_forecasts, put_signals, signals};
pub(super) use notices::{
    dead_letters, notice_span, notices, put_dead_letter, put_notices, put_stream_cursor, put_webhook, retain_webhooks,
    stream_cursors, webhooks,
};
pub(super) use together::{
    correlations, peer_outliers, put_correlations, put_peer_outliers, put_suspected_incidents, suspected_incidents,
};
pub(super) use traced::{put_request_statements, request_statements};
