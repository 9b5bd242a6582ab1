//! Measures the effect of an applied rewrite.

use almanac_models::Timestamp;
use hashbrown::HashMap;

use super::terms::QueryTerms;
use crate::{
    ledger::Measured,
    store::{Store, StoreError, rows::DatabaseFilter},
};

/// Least whole hours with executions since the application.
const LEAST_HOURS: usize = 6;
/// Normal quantile of the two-sided interval at [`LEVEL`](crate::advise::kit::LEVEL).
const Z: f64 = 1.2816;
/// Length of an hour, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Execution time and executions of one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Hour {
    /// Time that the executions of the family would have taken with their mean time before, in milliseconds.
    expected_ms: f64,
    /// Time of the family and of the rewritten statements, in milliseconds.
    own_ms: f64,
    /// Executions of all other families.
    others: f64,
}

/// Measures what a change saves since `applied_at`, in seconds a day. Where the statement stays, its executions are compared
/// at the mean time before; where another statement replaces it, the time before is scaled by the executions of all other
/// families, so that more load alone is no loss. The hour of the application is left out. None while fewer than six hours
/// are known.
///
/// # Errors
/// [`StoreError`].
pub(super) fn measure(
    store: &Store,
    terms: &QueryTerms,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, StoreError> {
    let first = Timestamp::from_millis((applied_at.millis().div_euclid(HOUR_MS) + 1) * HOUR_MS);
    // The present hour is not complete.
    let end = Timestamp::from_millis(now.millis().div_euclid(HOUR_MS) * HOUR_MS);
    let filter = DatabaseFilter { database: terms.database.clone(), from: Some(first), until: Some(end) };
    let mut hours: HashMap<i64, Hour> = HashMap::new();
    for row in store.database_statement_use(&filter)? {
        let hour = hours.entry(row.hour.millis()).or_default();
        let before = terms.families.iter().find(|term| term.family == row.family);
        if before.is_none() && !terms.after.contains(&row.family) {
            hour.others += row.calls;
            continue;
        }
        hour.own_ms += row.total_ms;
        hour.expected_ms += before.map_or(0.0, |term| term.mean_ms * row.calls);
    }
    Ok(saved(&hours.into_values().collect::<Vec<_>>(), terms))
}

/// Returns the mean saving of the hours, in seconds a day.
fn saved(hours: &[Hour], terms: &QueryTerms) -> Option<Measured> {
    if hours.len() < LEAST_HOURS {
        return None;
    }
    let before: f64 = terms.families.iter().map(|term| term.hourly_ms).sum();
    let values: Vec<f64> = hours
        .iter()
        .map(|hour| {
            let load = if terms.others_per_hour > 0.0 { hour.others / terms.others_per_hour } else { 1.0 };
            let expected = if terms.after.is_empty() { hour.expected_ms } else { before * load };
            (expected - hour.own_ms) * 24.0 / 1_000.0
        })
        .collect();
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let mean = values.iter().sum::<f64>() / count;
    let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let margin = Z * (spread / count).sqrt();
    Some(Measured { value: mean, lower: mean - margin, upper: mean + margin, broken: None })
}

#[cfg(test)]
mod tests {
    use super::{Hour, saved};
    use crate::advise::database::query::advice::{QueryTerms, TermOfFamily};

    fn terms(after: &[&str]) -> QueryTerms {
        QueryTerms {
            database: "app".to_owned(),
            families: vec![TermOfFamily { family: "a".to_owned(), mean_ms: 10.0, hourly_ms: 36_000.0 }],
            after: after.iter().map(|name| (*name).to_owned()).collect(),
            others_per_hour: 1_000.0,
        }
    }

    #[test]
    fn a_rewrite_is_compared_at_equal_load() {
        let hour = |load: f64| Hour { expected_ms: 0.0, own_ms: 6_000.0 * load, others: 1_000.0 * load };
        let measured = saved(&[hour(1.0); 6], &terms(&["b"])).unwrap();
        assert!((measured.value - 720.0).abs() < 1e-9, "{measured:?}");
        // Twice the load saves twice as much, and is no loss.
        let measured = saved(&[hour(2.0); 6], &terms(&["b"])).unwrap();
        assert!((measured.value - 1_440.0).abs() < 1e-9, "{measured:?}");
        assert_eq!(saved(&[hour(1.0); 5], &terms(&["b"])), None);
    }

    #[test]
    fn a_change_that_was_not_made_saves_nothing() {
        let hour = Hour { expected_ms: 36_000.0, own_ms: 36_000.0, others: 1_000.0 };
        assert!(saved(&[hour; 8], &terms(&["b"])).unwrap().value.abs() < 1e-9);
        assert!(saved(&[hour; 8], &terms(&[])).unwrap().value.abs() < 1e-9);
    }
}
