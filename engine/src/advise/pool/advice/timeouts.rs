//! Advice on the time limits of a pool, where something shows that the present ones are wrong. Called by `proposal` and
//! `describe`.

use super::Study;
use crate::advise::pool::spec::seconds;

/// A changed time limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeLimit {
    /// New value in seconds.
    pub(super) seconds: f64,
    /// The sentence for people.
    pub(super) text: String,
}

/// Returns the time limit of a wait if the present one ends waits that would be served, or exceeds that of the caller.
///
/// `p999`: 99.9 % quantile of the wait in the busiest blocks, seconds.
pub(super) fn timeout(study: &Study<'_>, p999: f64) -> Option<TimeLimit> {
    let deadline = study.spec.deadline_ms.map(seconds);
    let present = study.spec.timeout_ms.map(seconds);
    // Three times the rarest wait, within half of the caller's limit: the statement needs time as well.
    let wanted = tenths((3.0 * p999).max(0.1)).min(deadline.map_or(f64::INFINITY, |deadline| deadline / 2.0));
    match (present, deadline) {
        (Some(present), _) if wanted > present && p999 > present => Some(TimeLimit {
            seconds: wanted,
            text: format!(
                "raise its timeout from {present} s to {wanted} s: one of a thousand checkouts waits {:.2} s in the busiest times",
                p999
            ),
        }),
        (Some(present), Some(deadline)) if present >= deadline => Some(TimeLimit {
            seconds: wanted,
            text: format!(
                "lower its timeout from {present} s to {wanted} s: the caller gives up after {deadline} s, so that longer waits serve nobody"
            ),
        }),
        _ => None,
    }
}

/// Returns the age at which connections should be closed, if the database closes idle ones earlier than the pool.
pub(super) fn recycle(study: &Study<'_>) -> Option<TimeLimit> {
    let closes = study.facts.session_timeout?;
    let present = study.spec.recycle_ms.map(seconds);
    if study.spec.pre_ping || present.is_some_and(|present| present < closes) {
        return None;
    }
    let wanted = (closes / 2.0).floor().max(1.0);
    Some(TimeLimit {
        seconds: wanted,
        text: format!(
            "set its recycle to {wanted} s, or pre_ping: the database closes sessions that are idle for {closes} s \
             (idle_session_timeout), and the pool would hand out closed connections"
        ),
    })
}

/// Rounds up to a tenth of a second.
fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).ceil() / 10.0
}
