//! Measures the effect of an applied index.

use almanac_models::Timestamp;
use hashbrown::HashMap;

use super::{advisor::INDEX_SIZE, terms::IndexTerms};
use crate::{
    ledger::Measured,
    store::{Store, StoreError, rows::DatabaseFilter},
};

/// Least whole hours with executions since the application.
const LEAST_HOURS: usize = 6;
/// Normal quantile of the two-sided interval at [`LEVEL`](crate::advise::kit::LEVEL).
const Z: f64 = 1.2816;

/// Measures what an index saves since `applied_at`: of each executed statement the mean time before, less the time that it
/// takes now, so that more or fewer executions alone change nothing but the size of the saving. The hour of the application
/// is left out. None while fewer than six hours are known.
///
/// # Errors
/// [`StoreError`].
pub(super) fn measure(
    store: &Store,
    terms: &IndexTerms,
    metric: &str,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, StoreError> {
    if metric == INDEX_SIZE.name {
        return dropped(store, terms, applied_at);
    }
    const HOUR_MS: i64 = 3_600_000;
    let first = Timestamp::from_millis((applied_at.millis().div_euclid(HOUR_MS) + 1) * HOUR_MS);
    // The present hour is not complete.
    let end = Timestamp::from_millis(now.millis().div_euclid(HOUR_MS) * HOUR_MS);
    let filter = DatabaseFilter { database: terms.database.clone(), from: Some(first), until: Some(end) };
    let before: HashMap<&str, f64> = terms.families.iter().map(|term| (term.family.as_str(), term.before_ms)).collect();
    let mut hours: HashMap<i64, f64> = HashMap::new();
    for row in store.database_statement_use(&filter)? {
        if let Some(before_ms) = before.get(row.family.as_str()) {
            *hours.entry(row.hour.millis()).or_default() += before_ms * row.calls - row.total_ms;
        }
    }
    if hours.len() < LEAST_HOURS {
        return Ok(None);
    }
    // Seconds a day from milliseconds an hour.
    let values: Vec<f64> = hours.values().map(|saved| saved * 24.0 / 1000.0).collect();
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let mean = values.iter().sum::<f64>() / count;
    let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let margin = Z * (spread / count).sqrt();
    Ok(Some(Measured { value: mean, lower: mean - margin, upper: mean + margin, broken: None }))
}

/// Returns the freed bytes once a catalogue that was read after the application has no such index.
fn dropped(store: &Store, terms: &IndexTerms, applied_at: Timestamp) -> Result<Option<Measured>, StoreError> {
    let Some((catalogue, read_at)) = store.database_catalogue(&terms.database)? else { return Ok(None) };
    if read_at <= applied_at {
        return Ok(None);
    }
    let is_there = catalogue
        .tables
        .iter()
        .any(|table| table.indexes.iter().any(|index| format!("{}.{}", table.schema, index.name) == terms.index));
    let bytes = if is_there { 0.0 } else { terms.bytes.unwrap_or(0.0) };
    let broken = is_there.then(|| format!("the index {} is still in the database", terms.index));
    Ok(Some(Measured { value: bytes, lower: bytes, upper: bytes, broken }))
}
