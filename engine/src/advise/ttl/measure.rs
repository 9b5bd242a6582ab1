//! Measures the effect of an applied time-to-live. Called by `advisor` for the ledger.

use almanac_models::{
    Level, Timestamp,
    ttl::{KeyEvent, OnWrite, Tally, Window, replay},
};
use hashbrown::HashMap;

use super::{CacheAccess, CacheSpec, TtlError, TtlTerms, spec::EVENTS_MAX};
use crate::{
    advise::kit::LEVEL,
    ledger::Measured,
    store::{
        Store,
        rows::{CacheOp, EventFilter},
    },
};

/// Minimum number of reads since the application.
const MIN_READS: f64 = 1_000.0;

/// Measures the hit ratio at the applied time-to-live on the accesses since `applied_at`. Returns none below a thousand
/// reads or before four times the time-to-live has passed.
///
/// Accesses are replayed from an empty cache, because a cache's own counters depend on the time-to-live that it really
/// has. A stale share that surely exceeds the limit breaks the promise at any hit ratio.
///
/// # Errors
/// [`TtlError`] when the events cannot be read.
pub(super) fn measure(
    store: &Store,
    spec: &CacheSpec,
    seconds: f64,
    terms: TtlTerms,
    applied_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Measured>, TtlError> {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
    let ttl_ms = (seconds * 1e3).round() as i64;
    let mut window = Window { start_ms: applied_at.millis(), end_ms: now.millis() };
    if ttl_ms <= 0 || (window.end_ms - window.start_ms) / 4 < ttl_ms {
        return Ok(None);
    }
    let filter = EventFilter {
        names: vec![spec.name.clone()],
        start: Some(applied_at),
        end: Some(now),
        limit: Some(EVENTS_MAX),
        ..EventFilter::default()
    };
    let events = store.cache_events(&filter)?;
    if let Some(first) = events.first().filter(|_| events.len() == EVENTS_MAX) {
        // `cache_events` returns the newest events when there are more than the limit.
        window.start_ms = first.timestamp.millis();
    }
    // Reported deletions are the real invalidation.
    let reported = events.iter().any(|event| event.op == CacheOp::Delete);
    let drops = !reported && terms.on_write;
    let on_write = if drops { OnWrite::Drop } else { OnWrite::Keep };
    let mut keys: HashMap<&str, Vec<KeyEvent>> = HashMap::new();
    for event in &events {
        let access = CacheAccess::from(event);
        keys.entry(&event.key).or_default().push(KeyEvent { at_ms: access.at_ms, access: access.access });
    }
    let mut tally = Tally::default();
    for events in keys.values() {
        tally.add(&replay(events, ttl_ms, on_write, window), 1.0);
    }
    Ok(judge(&tally, spec.stale_share_max))
}

/// Returns the measured hit ratio with its interval, and the breach of the stale limit.
fn judge(tally: &Tally, stale_share_max: f64) -> Option<Measured> {
    let level = Level::try_new(LEVEL).ok()?;
    let hit = tally.hit_ratio_estimate().filter(|_| tally.gets >= MIN_READS)?;
    let bounds = hit.interval(level, 1.0);
    let stale = tally.stale_share_estimate().filter(|stale| stale.interval(level, 1.0).lower > stale_share_max);
    let broken = stale.map(|stale| {
        format!("{:.2} % of hits were stale, the limit is {} %", 100.0 * stale.value, 100.0 * stale_share_max)
    });
    Some(Measured {
        value: hit.value,
        lower: bounds.lower.clamp(0.0, 1.0),
        upper: bounds.upper.clamp(0.0, 1.0),
        broken,
    })
}

#[cfg(test)]
mod tests {
    use almanac_models::ttl::Access;

    use super::*;
    use crate::ledger::Direction;

    /// One key read each second and written each `write_every` seconds.
    fn tally(write_every: i64) -> Tally {
        let events: Vec<KeyEvent> = (0..4_000)
            .flat_map(|second| {
                let read = KeyEvent { at_ms: second * 1_000, access: Access::Get };
                let write = KeyEvent { at_ms: second * 1_000 + 500, access: Access::Write };
                std::iter::once(read).chain((second % write_every == 3).then_some(write))
            })
            .collect();
        replay(&events, 20_000, OnWrite::Keep, Window { start_ms: 0, end_ms: 4_000_000 })
    }

    #[test]
    fn a_broken_limit_breaks_the_promise() {
        let kept = judge(&tally(4_001), 0.05).unwrap();
        assert!((kept.value - 0.95).abs() < 1e-3 && kept.broken.is_none(), "{kept:?}");
        let broken = judge(&tally(30), 0.05).unwrap();
        assert!(
            broken.broken.as_deref().is_some_and(|text| text.ends_with("% of hits were stale, the limit is 5 %")),
            "{broken:?}"
        );
        assert!(!broken.keeps(Direction::Higher, 0.9, 0.99) && kept.keeps(Direction::Higher, 0.9, 0.99));
    }

    #[test]
    fn few_reads_give_no_measurement() {
        assert_eq!(judge(&Tally::default(), 0.05), None);
    }
}
