//! Decides on `max_connections`, where the sessions come near it.

use almanac_models::Timestamp;
use serde_json::json;

use crate::advise::{
    Outcome,
    database::{
        DatabaseSpec,
        settings::{
            advisor::CONNECTIONS_SHARE,
            change::{Case, Change, Scope},
            facts::{Sessions, SettingsFacts},
            terms::SettingsTerms,
        },
    },
    kit::Interval,
};

/// Share of the connections from which their number is near the limit.
const NEAR: f64 = 0.85;
/// Share of the connections that a new limit leaves used at the peak.
const ROOM: f64 = 0.7;
/// Share of active sessions at the peak below which a pool serves the same work with fewer connections.
const ACTIVE_MAX: f64 = 0.5;
/// Connections of a pool relative to the active sessions.
const POOL: f64 = 1.5;
/// Least snapshots.
const SNAPSHOTS_MIN: f64 = 60.0;
/// Values of `max_connections` are multiples of it.
const STEP: f64 = 25.0;

/// Decides on the connections. None: they are not near the limit, or were not observed.
pub(in super::super) fn decide(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    now: Timestamp,
) -> Option<(String, Outcome<SettingsTerms>)> {
    let sessions = facts.sessions.filter(|sessions| sessions.snapshots >= SNAPSHOTS_MIN)?;
    let limit = facts.number("max_connections")?;
    let reserved = facts.number("superuser_reserved_connections").unwrap_or(3.0)
        + facts.number("reserved_connections").unwrap_or(0.0);
    let usable = limit - reserved;
    if !(usable > 0.0) || sessions.peak < NEAR * usable {
        return None;
    }
    let near = Near { spec, facts, sessions, limit, usable };
    let outcome = if sessions.active < ACTIVE_MAX * sessions.peak { near.pool(now) } else { near.raise(now) };
    Some((format!("{}:max_connections", spec.name), outcome))
}

struct Near<'a> {
    spec: &'a DatabaseSpec,
    facts: &'a SettingsFacts,
    sessions: Sessions,
    limit: f64,
    usable: f64,
}

impl Near<'_> {
    /// Most sessions are idle: a pool.
    fn pool(&self, now: Timestamp) -> Outcome<SettingsTerms> {
        let size = (POOL * self.sessions.active).ceil().max(5.0);
        let change = Change {
            name: "default_pool_size",
            scope: Scope::Pool,
            present: None,
            restore: None,
            value: format!("{size:.0}"),
        };
        let share = size / self.usable;
        let notes = vec![
            "The patch is a line of pgbouncer.ini with pool_mode = transaction; session state such as SET, advisory locks and LISTEN does \
             not survive a transaction there."
                .to_owned(),
            "A larger max_connections would keep idle sessions, each with a process and its caches.".to_owned(),
        ];
        // Sessions that do not use the pool, such as jobs and tools, stay.
        let effect = Interval { value: (1.5 * share).min(NEAR), lower: share, upper: NEAR };
        let reason = format!(
            "Up to {:.0} of {:.0} connections are used, but at most {:.0} sessions are active (99th percentile): a pool of {size:.0} \
             serves them.",
            self.sessions.peak, self.usable, self.sessions.active
        );
        change.propose(self.case(effect, reason, notes, self.usable), self.facts, now)
    }

    /// The sessions are active: more of them.
    fn raise(&self, now: Timestamp) -> Outcome<SettingsTerms> {
        let reserved = self.limit - self.usable;
        let value = ((self.sessions.peak / ROOM + reserved) / STEP).ceil() * STEP;
        let change = Change {
            name: "max_connections",
            scope: Scope::Restart,
            present: Some(format!("{:.0}", self.limit)),
            restore: Some(format!("{:.0}", self.limit)),
            value: format!("{value:.0}"),
        };
        let usable = value - reserved;
        let share = self.sessions.peak / usable;
        let notes = vec![
            "Each sort and hash table of a further session may take work_mem.".to_owned(),
            "A standby needs at least the value of its primary and is changed first.".to_owned(),
        ];
        let effect = Interval { value: share, lower: 0.8 * share, upper: NEAR };
        let reason = format!(
            "Up to {:.0} of {:.0} connections are used, {:.0} of them active (99th percentile); at the limit new ones are refused. With \
             {value:.0} the peak uses {:.0} %.",
            self.sessions.peak,
            self.usable,
            self.sessions.active,
            100.0 * share
        );
        change.propose(self.case(effect, reason, notes, usable), self.facts, now)
    }

    fn case(&self, effect: Interval, reason: String, notes: Vec<String>, usable: f64) -> Case {
        let terms = |usable: f64| SettingsTerms::Connections { database: self.spec.name.clone(), usable };
        Case {
            metric: CONNECTIONS_SHARE,
            effect,
            baseline: self.sessions.peak / self.usable,
            confidence: 0.75,
            reason,
            evidence: json!({
                "connections_peak": self.sessions.peak,
                "active_p99": self.sessions.active,
                "connections_usable": self.usable,
                "snapshots": self.sessions.snapshots,
            }),
            notes,
            terms: terms(usable),
            terms_before: Some(terms(self.usable)),
        }
    }
}
