//! What bounds the connections of all instances: the database's own limit, and the instances that scaling foresees.
//! Called by `fetch`.

use almanac_models::Timestamp;
use serde_json::Value;

use super::fetch::missing;
use crate::{
    advise::{
        FetchError,
        kit::{align, one_series},
        pool::PoolSpec,
    },
    store::{
        Store,
        rows::{RecommendationFilter, State},
    },
};

/// Least steps with sessions in a state to tell how they spend their time.
const STATES_MIN: usize = 100;
/// Kind of the recommendations that foresee instances.
const SCALING: &str = "scaling";

/// Most instances that are expected, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreseen {
    /// Number of instances.
    pub instances: f64,
    /// Where the number comes from, for the reason.
    pub source: String,
}

/// Connections that all instances together may have.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionLimit {
    /// Number of connections; may be below 0 when others have them.
    pub free: f64,
    /// How it is made up, for the reason.
    pub source: String,
}

/// Returns the most instances that are expected: the configured maximum, the most of the scaling recommendation, or the
/// most of the history.
pub(super) fn foreseen(
    store: &Store,
    spec: &PoolSpec,
    instances: &[f64],
    now: Timestamp,
) -> Result<Foreseen, FetchError> {
    let seen = instances.iter().copied().fold(1.0, f64::max);
    if let Some(most) = spec.instances_max {
        return Ok(Foreseen { instances: f64::from(most).max(seen), source: "instances_max".to_owned() });
    }
    let Some(workload) = &spec.workload else {
        return Ok(Foreseen { instances: seen, source: "the most of the history".to_owned() });
    };
    let filter = RecommendationFilter { targets: vec![workload.clone()], ..RecommendationFilter::default() };
    let is_open = |state: State| matches!(state, State::Proposed | State::Accepted | State::Applied | State::Verified);
    let rows = store.recommendations(&filter)?;
    let row = rows.iter().rfind(|row| row.kind.as_str() == SCALING && is_open(row.state) && row.valid_from <= now);
    let planned = |value: &Value| value.get("replicas").and_then(Value::as_f64);
    let slots = row.and_then(|row| row.proposed.get("schedule")).and_then(Value::as_array);
    let most = slots.into_iter().flatten().filter_map(planned).chain(row.and_then(|row| planned(&row.proposed)));
    Ok(match most.reduce(f64::max) {
        Some(most) => Foreseen {
            instances: most.max(seen),
            source: format!("the schedule of the workload {workload}, and the most of the history"),
        },
        None => Foreseen {
            instances: seen,
            source: format!("the most of the history; the workload {workload} has no scaling recommendation"),
        },
    })
}

/// Returns the bound of the connections of all instances. None when none is configured.
///
/// The database's connections, without those reserved for superusers, are shared with others: the most connections of the
/// server over the history that were not this pool's. Without `open`, the pool's own are those that a pool keeps which
/// opens connections when they are needed: the most in use so far, at most `size`.
pub(super) fn connection_limit(
    store: &Store,
    spec: &PoolSpec,
    (timestamps, in_use, instances): (&[i64], &[f64], &[f64]),
    size: u32,
    now: Timestamp,
) -> Result<Option<ConnectionLimit>, FetchError> {
    let stated = spec
        .connections_max
        .map(|most| ConnectionLimit { free: f64::from(most), source: format!("connections_max is {most}") });
    let Some(database) = &spec.database else { return Ok(stated) };
    let Some((catalogue, _)) = store.database_catalogue(database)? else {
        return Err(missing(
            format!("the limit of the database {database} is unknown: no snapshot of it was read yet"),
            "write the [[database]] of this name, wait for its first snapshot, or write connections_max instead of database",
        ));
    };
    let setting = |name: &str| catalogue.settings.get(name).and_then(|text| text.parse::<f64>().ok());
    let Some(most) = setting("max_connections") else {
        return Err(missing(
            format!("max_connections of the database {database} is unknown"),
            "grant the role pg_read_all_settings, or write connections_max instead of database",
        ));
    };
    let reserved =
        setting("superuser_reserved_connections").unwrap_or(3.0) + setting("reserved_connections").unwrap_or(0.0);
    let points = |expr: &str| one_series(store, expr, spec.step_ms, spec.history_ms, now);
    let all = align(&points(&format!("max(pg_server_connections{{database=\"{database}\"}})"))?, timestamps);
    let open = spec.open.as_deref().map(points).transpose()?.map(|points| align(&points, timestamps));
    let mut peak = 0.0_f64;
    let mut others = 0.0_f64;
    for (step, all) in all.iter().enumerate() {
        peak = peak.max(if in_use[step].is_finite() { in_use[step] } else { 0.0 });
        let own = match &open {
            Some(open) if open[step].is_finite() => open[step],
            Some(_) => continue,
            None => peak.min(f64::from(size)) * instances[step],
        };
        if all.is_finite() {
            others = others.max(all - own);
        }
    }
    let free = most - reserved - others;
    let source = format!(
        "the database {database} has {most:.0} connections, {reserved:.0} of them reserved and at most {others:.0} used by others"
    );
    Ok(Some(match stated {
        Some(stated) if stated.free < free => stated,
        _ => ConnectionLimit { free, source },
    }))
}

/// Returns how much of the time in which sessions of a database had an open statement or transaction they waited for the
/// application in it, in [0, 1]; none without enough snapshots. A session that waits so has a connection of the pool that no
/// statement uses: a transaction is held over a call, or over work of the application.
pub(super) fn idle_in_transaction(
    store: &Store,
    spec: &PoolSpec,
    database: &str,
    now: Timestamp,
) -> Result<Option<f64>, FetchError> {
    let points = |states: &str| {
        let expr = format!("sum(pg_connections{{database=\"{database}\",state=~\"{states}\"}})");
        one_series(store, &expr, spec.step_ms, spec.history_ms, now)
    };
    let sum =
        |points: &[(i64, f64)]| points.iter().map(|(_, value)| value).filter(|value| value.is_finite()).sum::<f64>();
    let working = points("active|idle in transaction.*")?;
    let (all, waiting) = (sum(&working), sum(&points("idle in transaction.*")?));
    Ok((working.len() >= STATES_MIN && all > 0.0).then(|| waiting / all))
}

/// Returns the time after which a database closes an idle session, seconds. None: never, or unknown.
pub(super) fn session_timeout(store: &Store, database: &str) -> Result<Option<f64>, FetchError> {
    let catalogue = store.database_catalogue(database)?;
    let text = catalogue.and_then(|(catalogue, _)| catalogue.settings.get("idle_session_timeout").cloned());
    Ok(text.as_deref().and_then(setting_seconds).filter(|seconds| *seconds > 0.0))
}

/// Parses a duration as PostgreSQL shows it, such as `10min`; a bare number is in milliseconds.
fn setting_seconds(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::setting_seconds;

    #[test]
    fn durations_are_those_of_postgresql() {
        for (text, seconds) in
            [("0", 0.0), ("30s", 30.0), ("10min", 600.0), ("1500ms", 1.5), ("1d", 86_400.0), ("2h", 7_200.0)]
        {
            assert_eq!(setting_seconds(text), Some(seconds), "{text}");
        }
        assert_eq!(setting_seconds("soon"), None);
        assert_eq!(setting_seconds("5 moons"), None);
    }
}
