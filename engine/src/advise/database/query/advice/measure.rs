//! Measures the effect of an applied rewrite.

use almanac_models::Timestamp;
use hashbrown::HashMap;

use super::terms::QueryTerms;
use crate::{
    advise::{FetchError, Need},
    ledger::Measured,
    store::{Store, rows::DatabaseFilter},
};

/// Least whole hours with executions since the application.
const LEAST_HOURS: usize = 6;
/// Least share of the time before that the family has to keep for its executions to count as those of a change that was
/// not made, where the rewritten statement was not seen.
const UNCHANGED_MIN: f64 = 0.5;
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
/// [`FetchError::Missing`] when the family is used less and the statement that replaces it is not known: its time would
/// count as saved. [`FetchError::Store`].
pub(super) fn measure(
    store: &Store,
    terms: &QueryTerms,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, FetchError> {
    let first = Timestamp::from_millis((applied_at.millis().div_euclid(HOUR_MS) + 1) * HOUR_MS);
    // The present hour is not complete.
    let end = Timestamp::from_millis(now.millis().div_euclid(HOUR_MS) * HOUR_MS);
    let filter = DatabaseFilter { database: terms.database.clone(), from: Some(first), until: Some(end) };
    let mut hours: HashMap<i64, Hour> = HashMap::new();
    let mut is_seen = false;
    for row in store.database_statement_use(&filter)? {
        let hour = hours.entry(row.hour.millis()).or_default();
        let before = terms.families.iter().find(|term| term.family == row.family);
        if before.is_none() && !terms.after.contains(&row.family) {
            hour.others += row.calls;
            continue;
        }
        is_seen |= terms.after.contains(&row.family);
        hour.own_ms += row.total_ms;
        hour.expected_ms += before.map_or(0.0, |term| term.mean_ms * row.calls);
    }
    let hours: Vec<Hour> = hours.into_values().collect();
    if hours.len() >= LEAST_HOURS && !is_comparable(&hours, terms, is_seen) {
        return Err(FetchError::Missing(Need {
            missing: "the time of the statement that replaces the one before, since no execution of the proposed one was seen"
                .to_owned(),
            remedy: "compare both in pg_stat_statements: the application may write it otherwise".to_owned(),
        }));
    }
    Ok(saved(&hours, terms))
}

/// Returns whether the time after the change is known: the statement stays, its replacement was seen, or the family takes
/// its time as before.
fn is_comparable(hours: &[Hour], terms: &QueryTerms, is_seen: bool) -> bool {
    if is_seen || terms.after.is_empty() && !terms.is_replacement_unknown {
        return true;
    }
    let before: f64 = hours.iter().map(|hour| expected(hour, terms)).sum();
    hours.iter().map(|hour| hour.own_ms).sum::<f64>() >= UNCHANGED_MIN * before
}

/// Returns the time that an hour would have taken without the change, in milliseconds.
fn expected(hour: &Hour, terms: &QueryTerms) -> f64 {
    if terms.after.is_empty() && !terms.is_replacement_unknown {
        return hour.expected_ms;
    }
    let before: f64 = terms.families.iter().map(|term| term.hourly_ms).sum();
    let load = if terms.others_per_hour > 0.0 { hour.others / terms.others_per_hour } else { 1.0 };
    before * load
}

/// Returns the mean saving of the hours, in seconds a day.
fn saved(hours: &[Hour], terms: &QueryTerms) -> Option<Measured> {
    if hours.len() < LEAST_HOURS {
        return None;
    }
    let values: Vec<f64> = hours.iter().map(|hour| (expected(hour, terms) - hour.own_ms) * 24.0 / 1_000.0).collect();
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let mean = values.iter().sum::<f64>() / count;
    let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let margin = Z * (spread / count).sqrt();
    Some(Measured { value: mean, lower: mean - margin, upper: mean + margin, broken: None })
}

#[cfg(test)]
mod tests {
    use super::{Hour, is_comparable, saved};
    use crate::advise::database::query::advice::{QueryTerms, TermOfFamily};

    fn terms(after: &[&str]) -> QueryTerms {
        QueryTerms {
            database: "app".to_owned(),
            families: vec![TermOfFamily { family: "a".to_owned(), mean_ms: 10.0, hourly_ms: 36_000.0 }],
            after: after.iter().map(|name| (*name).to_owned()).collect(),
            is_replacement_unknown: false,
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

    #[test]
    fn a_replacement_that_was_not_seen_counts_as_no_saving() {
        let hour = |own_ms: f64| Hour { expected_ms: 0.0, own_ms, others: 1_000.0 };
        assert!(!is_comparable(&[hour(0.0); 6], &terms(&["b"]), false), "the time of the new statement is not known");
        assert!(is_comparable(&[hour(0.0); 6], &terms(&["b"]), true));
        assert!(is_comparable(&[hour(30_000.0); 6], &terms(&["b"]), false), "the change was not made");
        assert!(is_comparable(&[hour(0.0); 6], &terms(&[]), false), "the statement stays");
        let unknown = QueryTerms { is_replacement_unknown: true, ..terms(&[]) };
        assert!(!is_comparable(&[hour(6_000.0); 6], &unknown, false));
    }
}
