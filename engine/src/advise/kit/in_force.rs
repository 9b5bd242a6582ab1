//! The time for which an applied recommendation was in force, for pictures of it.

use almanac_models::Timestamp;

use crate::store::{
    Store, StoreError,
    rows::{OutcomeFilter, RecommendationRow, State},
};

/// Returns the application of a recommendation and the end of the time in which its setting was in force: `now`, or the
/// time at which it regressed, because it is rolled back then. None before the application and after it expired.
///
/// # Errors
/// [`StoreError`] when the outcomes cannot be read.
pub fn in_force(
    store: &Store,
    row: &RecommendationRow,
    now: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let until = match row.state {
        State::Applied | State::Verified => now,
        State::Regressed => row.updated_at,
        State::Proposed | State::Accepted | State::Dismissed | State::Expired => return Ok(None),
    };
    let filter = OutcomeFilter {
        recommendations: vec![row.id.clone()],
        to_state: Some(State::Applied),
        ..OutcomeFilter::default()
    };
    let applied = store.outcomes(&filter)?.first().map(|outcome| outcome.at);
    Ok(applied.map(|applied| (applied, until)).filter(|(applied, until)| applied < until))
}
