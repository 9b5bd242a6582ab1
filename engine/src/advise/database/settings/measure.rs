//! Measures the effect of an applied setting.

use std::collections::BTreeMap;

use almanac_models::Timestamp;

use super::terms::{FamilyBefore, SettingsTerms};
use crate::{
    advise::{FetchError, kit::one_value},
    ledger::Measured,
    store::{
        Store,
        rows::{DatabaseFilter, DatabaseStatementUseRow, DatabaseTableUseRow},
    },
};

/// Least whole hours since the application.
const LEAST_HOURS: usize = 6;
/// Normal quantile of the two-sided interval at [`LEVEL`](crate::advise::kit::LEVEL).
const Z: f64 = 1.2816;
const HOUR_MS: i64 = 3_600_000;
/// Bytes of a block.
const BLOCK: f64 = 8_192.0;
/// Least updates of which a share is taken.
const UPDATES_MIN: f64 = 100.0;

/// Measures a setting since `applied_at`. The hour of the application is left out. None while fewer than six hours are known.
///
/// # Errors
/// [`FetchError::Store`], [`FetchError::History`].
pub(super) fn measure(
    store: &Store,
    terms: &SettingsTerms,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, FetchError> {
    // The hour of the application and the present one are not complete.
    let first = (applied_at.millis().div_euclid(HOUR_MS) + 1) * HOUR_MS;
    let end = now.millis().div_euclid(HOUR_MS) * HOUR_MS;
    let span = |database: &String| DatabaseFilter {
        database: database.clone(),
        from: Some(Timestamp::from_millis(first)),
        until: Some(Timestamp::from_millis(end)),
    };
    let hours = end.saturating_sub(first) / HOUR_MS;
    let is_short = usize::try_from(hours).unwrap_or(0) < LEAST_HOURS;
    Ok(match terms {
        SettingsTerms::TemporaryBytes { database, families } => {
            let rows = store.database_statement_use(&span(database))?;
            mean(&saved(&rows, families, |row| row.blocks_temporary * BLOCK), 24.0)
        }
        SettingsTerms::StatementTime { database, families } => {
            let rows = store.database_statement_use(&span(database))?;
            mean(&saved(&rows, families, |row| row.total_ms), 24.0 / 1_000.0)
        }
        SettingsTerms::DeadShare { database, table } => {
            let all = |row: &DatabaseTableUseRow| row.live + row.dead;
            let rows = store.database_table_use(&span(database))?;
            let of = rows.iter().filter(|row| row.relation == *table && all(row) > 0.0);
            mean(&of.map(|row| row.dead / all(row)).collect::<Vec<_>>(), 1.0)
        }
        SettingsTerms::HotShare { database, table } => {
            let rows = store.database_table_use(&span(database))?;
            let of = rows.iter().filter(|row| row.relation == *table && row.updated >= UPDATES_MIN);
            mean(&of.map(|row| row.updated_hot / row.updated).collect::<Vec<_>>(), 1.0)
        }
        SettingsTerms::VisibleShare { database, table } => {
            let found = store.database_catalogue(database)?;
            // The share is that of the last VACUUM or ANALYZE.
            let found = found.filter(|(_, read_at)| read_at.millis() >= applied_at.millis() + 24 * HOUR_MS);
            let share = found.and_then(|(catalogue, _)| {
                catalogue.tables.iter().find(|known| known.key() == *table).and_then(|known| known.all_visible)
            });
            share.map(|share| Measured { value: share, lower: share, upper: share, broken: None })
        }
        SettingsTerms::Connections { .. } | SettingsTerms::ReadTime { .. } if is_short => None,
        SettingsTerms::Connections { database, usable } => {
            let expr = format!("max_over_time(pg_server_connections{{database=\"{database}\"}}[{hours}h])");
            let peak = one_value(store, &expr, Timestamp::from_millis(end))?;
            peak.filter(|_| *usable > 0.0).map(|peak| {
                let share = peak / usable;
                Measured { value: share, lower: share, upper: share, broken: None }
            })
        }
        SettingsTerms::ReadTime { database, before_ms } => {
            let mut values = Vec::new();
            for hour in 0..hours {
                let at = Timestamp::from_millis(first + (hour + 1) * HOUR_MS);
                let increase = |name: &str| {
                    let expr = format!("increase(pg_database_{name}_total{{database=\"{database}\"}}[1h])");
                    one_value(store, &expr, at)
                };
                let found = (increase("blocks_hit")?, increase("blocks_read")?, increase("read_milliseconds")?);
                if let (Some(hit), Some(read), Some(ms)) = found {
                    values.push(before_ms * (hit + read) - ms);
                }
            }
            mean(&values, 24.0 / 1_000.0)
        }
    })
}

/// Returns of each hour what the families would have had as before, less what they had.
fn saved(
    rows: &[DatabaseStatementUseRow],
    families: &[FamilyBefore],
    value: impl Fn(&DatabaseStatementUseRow) -> f64,
) -> Vec<f64> {
    let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
    for row in rows {
        if let Some(known) = families.iter().find(|known| known.family == row.family) {
            *hours.entry(row.hour.millis()).or_default() += known.before * row.calls - value(row);
        }
    }
    hours.into_values().collect()
}

/// Returns the mean of the hours with its interval, times `factor`. None below six hours.
fn mean(hours: &[f64], factor: f64) -> Option<Measured> {
    if hours.len() < LEAST_HOURS {
        return None;
    }
    let count = f64::from(u32::try_from(hours.len()).unwrap_or(u32::MAX));
    let mean = hours.iter().sum::<f64>() / count;
    let spread = hours.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let margin = Z * (spread / count).sqrt();
    Some(Measured {
        value: mean * factor,
        lower: (mean - margin) * factor,
        upper: (mean + margin) * factor,
        broken: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_executions_change_the_size_of_a_saving_and_not_its_sign() {
        let row = |calls: f64, blocks_temporary: f64| DatabaseStatementUseRow {
            hour: Timestamp::from_millis(0),
            database: "app".to_owned(),
            family: "f".to_owned(),
            calls,
            total_ms: 0.0,
            squares: 0.0,
            longest_ms: 0.0,
            planning_ms: 0.0,
            rows: 0.0,
            blocks_hit: 0.0,
            blocks_read: 0.0,
            blocks_temporary,
            wal_bytes: 0.0,
        };
        let families = [FamilyBefore { family: "f".to_owned(), before: 100.0 }];
        let of = |row| saved(&[row], &families, |row| row.blocks_temporary).first().copied();
        assert_eq!(of(row(10.0, 0.0)), Some(1_000.0));
        assert_eq!(of(row(1.0, 0.0)), Some(100.0));
        assert_eq!(of(row(10.0, 1_000.0)), Some(0.0), "a change that was not made saves nothing");
    }

    #[test]
    fn six_hours_are_needed() {
        assert_eq!(mean(&[1.0; 5], 1.0), None);
        let measured = mean(&[1.0; 6], 24.0);
        assert_eq!(measured, Some(Measured { value: 24.0, lower: 24.0, upper: 24.0, broken: None }));
    }
}
