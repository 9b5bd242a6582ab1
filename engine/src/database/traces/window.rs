//! The requests of a time: added up from requests, stored by the hour, and read back for a service or a database.

use std::collections::{BTreeMap, BTreeSet};

use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Request, RouteEvidence, Statement, StatementEvidence};
use crate::store::{
    Store, StoreError,
    rows::{RequestOrigin, RequestStatementFilter, RequestStatementRow},
};

/// Length of an hour in milliseconds.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// A route of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// Name of the service.
    pub service: String,
    /// Server, consumer or job.
    pub origin: RequestOrigin,
    /// Method and route, or the name of the span.
    pub route: String,
}

/// Requests of a time by route.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    /// Length of the time in milliseconds, at least that of the hours with requests.
    pub length_ms: i64,
    /// The routes.
    pub routes: BTreeMap<RouteKey, RouteEvidence>,
}

/// What a window is read for.
#[derive(Debug, Clone, Default)]
pub struct WindowFilter {
    /// Only of this service.
    pub service: Option<String>,
    /// Only statements of this database; those of spans without a name of the database are left out.
    pub database: Option<String>,
    /// Hours that contain this instant, and later ones.
    pub since: Option<Timestamp>,
    /// Hours that start before this instant.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Counts a request; without a bound on the number of families.
    pub fn add(&mut self, request: &Request) {
        let mut space = usize::MAX;
        self.add_bounded(request, &mut space);
    }

    /// Counts a request. `space`: number of new routes and families for which there is space; it is reduced. Returns the
    /// number of routes and families that were left out.
    pub fn add_bounded(&mut self, request: &Request, space: &mut usize) -> u64 {
        let key = RouteKey {
            service: request.service.as_ref().to_owned(),
            origin: request.origin,
            route: request.route.as_ref().to_owned(),
        };
        if let Some(known) = self.routes.get_mut(&key) {
            return known.add(request, space);
        }
        if *space == 0 {
            return 1;
        }
        *space -= 1;
        self.routes.entry(key).or_default().add(request, space)
    }

    /// Adds the requests of another window; the lengths of both are added.
    pub fn merge(&mut self, other: &Self) {
        self.length_ms = self.length_ms.saturating_add(other.length_ms);
        for (key, route) in &other.routes {
            self.routes.entry(key.clone()).or_default().merge(route);
        }
    }

    /// Returns the number of routes and families.
    #[must_use]
    pub fn size(&self) -> usize {
        self.routes.values().map(|route| 1 + route.statements.len()).sum()
    }

    /// Reads the requests of a service or a database back. The length is that of the hours that have rows, which ends at
    /// `until`.
    ///
    /// # Errors
    /// Those of the store.
    ///
    /// ```no_run
    /// use almanac_engine::{
    ///     database::traces::{Window, WindowFilter, loops},
    ///     store::Store,
    /// };
    ///
    /// # fn run(store: &Store, now: almanac_models::Timestamp) -> Result<(), almanac_engine::store::StoreError> {
    /// let week = now.plus_millis(-7 * 86_400_000);
    /// let filter =
    ///     WindowFilter { database: Some("app".into()), since: Some(week), until: Some(now), ..WindowFilter::default() };
    /// for finding in loops(&Window::read(store, &filter)?) {
    ///     assert!(finding.looping <= finding.requests);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn read(store: &Store, filter: &WindowFilter) -> Result<Self, StoreError> {
        let services = filter.service.iter().cloned().collect();
        let rows =
            store.request_statements(&RequestStatementFilter { services, since: filter.since, until: filter.until })?;
        let mut window = Self::from_rows(&rows, filter.until);
        if let Some(database) = &filter.database {
            for route in window.routes.values_mut() {
                route.statements.retain(|_, one| one.statement.database == *database);
            }
        }
        Ok(window)
    }

    /// Adds up stored rows. A row whose evidence cannot be read, of a later release, is left out.
    #[must_use]
    pub fn from_rows(rows: &[RequestStatementRow], until: Option<Timestamp>) -> Self {
        let mut window = Self::default();
        let hours: BTreeSet<i64> = rows.iter().map(|row| row.hour.millis()).collect();
        for row in rows {
            let key = RouteKey { service: row.service.clone(), origin: row.origin, route: row.route.clone() };
            if row.family.is_empty() {
                let Ok(read) = serde_json::from_value::<RouteEvidence>(row.evidence.clone()) else { continue };
                window.routes.entry(key).or_default().merge(&read);
            } else {
                let Ok(mut read) = serde_json::from_value::<StatementEvidence>(row.evidence.clone()) else { continue };
                let (family, text, verb) = (row.family.clone(), row.statement.clone(), read.verb);
                read.statement = Statement { family, text, verb, database: row.database.clone() };
                let route = window.routes.entry(key).or_default();
                route.statements.entry(row.family.clone()).or_default().merge(&read);
            }
        }
        let length = |hour: &i64| until.map_or(HOUR_MS, |until| (until.millis() - hour).clamp(0, HOUR_MS));
        window.length_ms = hours.iter().map(length).sum();
        window
    }

    /// Returns the rows of the routes that are chosen, for the hour that starts at `hour`.
    pub(super) fn rows(&self, hour: Timestamp, chosen: impl Fn(&RouteKey) -> bool) -> Vec<RequestStatementRow> {
        let mut rows = Vec::new();
        for (key, route) in self.routes.iter().filter(|(key, _)| chosen(key)) {
            #[expect(clippy::cast_precision_loss, reason = "a time in seconds needs no more than 53 bits")]
            let seconds = |nanos: u64| nanos as f64 / 1e9;
            let row = |family: &str, statement: &Statement, evidence| RequestStatementRow {
                hour,
                service: key.service.clone(),
                origin: key.origin,
                route: key.route.clone(),
                database: statement.database.clone(),
                family: family.to_owned(),
                statement: statement.text.clone(),
                requests: route.requests,
                looping: 0,
                calls: 0,
                seconds: seconds(route.nanos),
                evidence,
            };
            let json = |value: Result<serde_json::Value, _>| value.unwrap_or_default();
            let (mut looping, mut calls) = (0, 0);
            for (family, one) in &route.statements {
                looping = (one.looping + one.hidden).max(looping);
                calls += one.calls;
                let evidence = json(serde_json::to_value(one));
                let (requests, seconds) = (one.requests, seconds(one.nanos));
                let (looping, calls) = (one.looping + one.hidden, one.calls);
                let of_family = row(family, &one.statement, evidence);
                rows.push(RequestStatementRow { requests, looping, calls, seconds, ..of_family });
            }
            let of_route = row("", &Statement::default(), json(serde_json::to_value(route)));
            rows.push(RequestStatementRow { looping, calls, ..of_route });
        }
        rows
    }
}
