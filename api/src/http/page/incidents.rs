//! Incidents: suspected ones with their signals in order of departure, labelled ones, deploys, and the form to label.

use almanac_engine::store::rows::{EventFilter, Incident, IncidentVerdict, SignalFilter};
use almanac_models::Timestamp;
use askama::Template;
use axum::{Extension, extract::State, response::Response};

use super::{
    card::Stamp,
    overview::Suspected,
    shell::{Shell, render},
};
use crate::{
    access::{Caller, Scope},
    http::{ApiError, AppState, Lane, Params},
};

/// Spans that the page offers: name and length in days.
const SPANS: [(&str, i64); 4] = [("1d", 1), ("7d", 7), ("30d", 30), ("365d", 365)];
/// Rows of a list.
const MAX_ROWS: usize = 200;

#[derive(Template)]
#[template(path = "incidents.html")]
struct Incidents {
    shell: Shell,
    span: String,
    spans: Vec<&'static str>,
    suspected: Vec<Suspected>,
    labelled: Vec<Labelled>,
    deploys: Vec<Deployed>,
    targets: Vec<String>,
    may_label: bool,
    begin_ms: i64,
    end_ms: i64,
}

#[derive(Debug)]
struct Labelled {
    started: Stamp,
    ended: Option<Stamp>,
    title: String,
    target: String,
    source: String,
    verdict: IncidentVerdict,
    /// The verdict that a click would give it.
    other: IncidentVerdict,
}

impl Labelled {
    fn of(row: Incident) -> Self {
        let other = match row.verdict {
            IncidentVerdict::Real => IncidentVerdict::False,
            IncidentVerdict::False => IncidentVerdict::Real,
        };
        Self {
            started: Stamp::of(row.started_at),
            ended: row.ended_at.map(Stamp::of),
            title: row.title,
            target: row.target.unwrap_or_default(),
            source: row.source,
            verdict: row.verdict,
            other,
        }
    }
}

#[derive(Debug)]
struct Deployed {
    at: Stamp,
    service: String,
    version: String,
}

/// The page at `/incidents`; `span` is the time that it shows.
pub(super) async fn incidents(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> Result<Response, ApiError> {
    params.only(&["span"])?;
    let span = params.get("span").unwrap_or("7d");
    let days = SPANS.iter().find(|(name, _)| *name == span).map(|(_, days)| *days).ok_or_else(|| {
        let known: Vec<&str> = SPANS.iter().map(|(name, _)| *name).collect();
        ApiError::bad_request("invalid_parameter", format!("span {span:?} is not one of {}", known.join(", ")))
    })?;
    let shell = Shell::new(&state, &caller, "Incidents", "/incidents");
    let (now, span) = (state.clock.now(), span.to_owned());
    let may_label = caller.require(Scope::Ingest).is_ok();
    let store = state.store.clone();
    let page = state
        .run(Lane::Light, move || {
            let start = Timestamp::from_millis(now.millis() - days * 86_400_000);
            let filter = EventFilter { start: Some(start), limit: Some(MAX_ROWS), ..EventFilter::default() };
            let mut suspected = store.suspected_incidents(&filter)?;
            suspected.sort_by_key(|row| std::cmp::Reverse(row.started_at));
            let incidents = store.incidents(&filter)?;
            let suspected = suspected.iter().map(|row| Suspected::of(row, &incidents)).collect();
            let labelled = incidents.into_iter().rev().map(Labelled::of).collect();
            let mut deploys: Vec<Deployed> = store
                .deploys(&filter)?
                .into_iter()
                .map(|row| Deployed {
                    at: Stamp::of(row.at),
                    service: row.service,
                    version: row.version.unwrap_or_default(),
                })
                .collect();
            deploys.reverse();
            let targets = store.signals(&SignalFilter::default())?.into_iter().map(|row| row.signal).collect();
            Ok::<_, ApiError>(Incidents {
                shell,
                span,
                spans: SPANS.iter().map(|(name, _)| *name).collect(),
                suspected,
                labelled,
                deploys,
                targets,
                may_label,
                begin_ms: start.millis(),
                end_ms: now.millis(),
            })
        })
        .await?;
    render(&page)
}
