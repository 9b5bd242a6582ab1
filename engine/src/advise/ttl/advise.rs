//! Facts and proposal of a cache's time-to-live: reads the events, replays them, decides, and composes the proposal.

use almanac_models::{
    Level, Timestamp,
    ttl::{Access, OnWrite, hit_ratio_bounds},
};
use serde_json::json;

use super::{
    CacheAccess, CacheReplay, CacheSpec, DaySchedule, Figure, Gains, TtlError, TtlFigures, TtlOptions, TtlTerms,
    choose::seconds, default_grid, figures::ttl_seconds, replay_caches, spec::HIT_RATIO,
};
use crate::{
    advise::{
        Need, Outcome, Proposal, Rollback,
        kit::{Interval, LEVEL},
    },
    signal::{self, EvalLimits, Value},
    store::{
        Store,
        rows::{CacheEvent, CacheOp, EventFilter, Patch},
    },
};

/// How far back events are read, milliseconds: two weeks.
const HISTORY_MS: i64 = 14 * 86_400_000;
/// Hit ratio that a change must gain where the present time-to-live is within the limit.
const WORTH: f64 = 0.005;
/// What to send where the events do not suffice.
const SEND: &str = "send an event with op \"get\" for each read of a key and one with op \"write\" whenever the origin's value \
                    changes (POST /v1/events, or a sample of the keys)";

/// Reads the events of a cache over the last two weeks.
///
/// # Errors
/// [`TtlError::NotIdentifiable`] with the bounds that counters give where there are no events, or the store failed.
pub(super) fn fetch(store: &Store, spec: &CacheSpec, now: Timestamp) -> Result<Vec<CacheEvent>, TtlError> {
    let filter = EventFilter {
        names: vec![spec.name.clone()],
        start: Some(now.plus_millis(-HISTORY_MS)),
        end: Some(now),
        limit: Some(super::spec::EVENTS_MAX),
    };
    let events = store.cache_events(&filter)?;
    if events.is_empty() {
        return Err(TtlError::NotIdentifiable { cache: spec.name.clone(), reason: from_counters(store, spec, now)? });
    }
    Ok(events)
}

/// What is recommended for one cache; pure.
///
/// Learned on the first half of the events and replayed on the second; only what
/// kept the limit there as well is recommended.
///
/// # Errors
/// [`TtlError`] where the events cannot be replayed.
pub(super) fn decide(spec: &CacheSpec, events: &[CacheEvent]) -> Result<Outcome<TtlTerms>, TtlError> {
    let level = Level::try_new(LEVEL).map_err(|_| TtlError::Split { split: LEVEL })?;
    let mut options = TtlOptions::new(level);
    options.stale_share_max = spec.stale_share_max;
    options.costs = spec.costs;
    options.on_write = on_write(spec, events);
    options.current_ms = spec.ttl_ms.map(|ttl_ms| (spec.name.clone(), ttl_ms)).into_iter().collect();
    if !spec.grid_ms.is_empty() {
        options.grid_ms.clone_from(&spec.grid_ms);
    }
    let replays = replay_caches(events.iter().map(CacheAccess::from), &options)?;
    match replays.into_iter().next() {
        Some(replay) => Ok(recommend(spec, &replay, &options)),
        None => Ok(Outcome::lacks("there are no events of it", SEND)),
    }
}

impl<'a> From<&'a CacheEvent> for CacheAccess<'a> {
    fn from(event: &'a CacheEvent) -> Self {
        let access = match event.op {
            CacheOp::Get => Access::Get,
            CacheOp::Write => Access::Write,
            CacheOp::Delete => Access::Delete,
        };
        Self {
            at_ms: event.timestamp.millis(),
            cache: &event.cache,
            key: &event.key,
            access,
            miss_cost_ms: event.miss_cost_ms,
        }
    }
}

/// Where deletions are reported they are the invalidation as it really is; where the application is
/// said to invalidate but reports none, every write is taken to drop the copy.
fn on_write(spec: &CacheSpec, events: &[CacheEvent]) -> OnWrite {
    let reported = events.iter().any(|event| event.op == CacheOp::Delete);
    if spec.invalidate_on.is_empty() || reported { OnWrite::Keep } else { OnWrite::Drop }
}

/// Decides on a replay; pure.
fn recommend(spec: &CacheSpec, replay: &CacheReplay, options: &TtlOptions) -> Outcome<TtlTerms> {
    let asides = asides(replay);
    let keep = |reason: String| Outcome::keep(with_asides(reason, &asides));
    if !replay.identifiable {
        let reason = replay.reason.clone().unwrap_or_else(|| "not identifiable".to_owned());
        return Outcome::Lacks { needs: vec![Need { missing: reason, remedy: String::new() }] };
    }
    let kept = |row: &&TtlFigures| {
        row.stale_share.predicted.upper <= spec.stale_share_max
            && row.stale_share.replayed.is_some_and(|share| share <= spec.stale_share_max)
    };
    let Some(learned_ms) = replay.recommended_ttl_ms else {
        return keep(replay.reason.clone().unwrap_or_else(|| "no time-to-live keeps the limit".to_owned()));
    };
    // The longest that kept its promise, no longer than what was learned.
    let chosen = replay.ttls.iter().rfind(|row| row.ttl_ms <= learned_ms && kept(row));
    let Some(chosen) = chosen else {
        return keep(format!(
            "a time-to-live of {} s kept the stale share within {} in the first half of the events, but nothing did in the second",
            seconds(learned_ms),
            spec.stale_share_max
        ));
    };
    let current = spec.ttl_ms.and_then(|ttl_ms| replay.at(ttl_ms));
    if let Some(current) = current.filter(|current| serves_as_well(current, chosen, &kept)) {
        let figures = sentence(spec, current, None);
        return keep(format!("the present time-to-live serves as well as any single one: {figures}"));
    }
    let hit = chosen.hit_ratio.predicted;
    let drops = options.on_write == OnWrite::Drop;
    let before = current.and_then(|current| current.hit_ratio.replayed).zip(spec.ttl_ms);
    Outcome::Propose(Box::new(Proposal {
        current: json!({"ttl_seconds": spec.ttl_ms.map(ttl_seconds)}),
        proposed: json!({"ttl_seconds": ttl_seconds(chosen.ttl_ms)}),
        valid_until: None,
        metric: HIT_RATIO,
        effect: Interval { value: hit.value.unwrap_or(hit.lower), lower: hit.lower, upper: hit.upper },
        confidence: held_share(replay),
        reason: with_asides(sentence(spec, chosen, current), &asides),
        evidence: json!({"on_write": drops, "replay": replay.to_json()}),
        terms: TtlTerms { on_write: drops },
        rollback: before.map(|(baseline, ttl_ms)| Rollback { baseline, patch: patch(spec, ttl_ms), terms: None }),
        patch: patch(spec, chosen.ttl_ms),
    }))
}

/// What is to be known beside the time-to-live: what is wrong with the cache as such, and what other means would gain.
fn asides(replay: &CacheReplay) -> Vec<String> {
    let findings = replay.findings.iter().map(|finding| finding.text.clone());
    let gains = replay.gains.iter().flat_map(Gains::words);
    findings.chain(replay.hours.iter().map(DaySchedule::words)).chain(gains).collect()
}

fn with_asides(sentence: String, asides: &[String]) -> String {
    std::iter::once(sentence).chain(asides.iter().cloned()).collect::<Vec<_>>().join("; ")
}

fn patch(spec: &CacheSpec, ttl_ms: i64) -> Patch {
    let body = json!({"cache": spec.name, "ttl_seconds": ttl_seconds(ttl_ms)}).to_string();
    Patch { format: "almanac/ttl+json".to_owned(), body }
}

fn serves_as_well(current: &TtlFigures, chosen: &TtlFigures, kept: &impl Fn(&&TtlFigures) -> bool) -> bool {
    let hit = |row: &TtlFigures| row.hit_ratio.predicted.value.unwrap_or(0.0);
    let keys = |row: &TtlFigures| row.resident_keys_mean.predicted.value.unwrap_or(0.0);
    // As many hits for a tenth fewer keys in memory is worth a change as well.
    kept(&current) && hit(chosen) - hit(current) < WORTH && keys(current) <= 1.1 * keys(chosen)
}

fn sentence(spec: &CacheSpec, chosen: &TtlFigures, current: Option<&TtlFigures>) -> String {
    let percent =
        |figure: &Figure| 100.0 * figure.replayed.or(figure.predicted.value).unwrap_or(figure.predicted.upper);
    let told = |row: &TtlFigures| {
        format!(
            "at {} s {:.1} % of reads hit, {:.2} % of them stale, and {:.0} keys are held",
            seconds(row.ttl_ms),
            percent(&row.hit_ratio),
            percent(&row.stale_share),
            row.resident_keys_mean.replayed.unwrap_or(0.0)
        )
    };
    let limit = 100.0 * spec.stale_share_max;
    let misses = |row: &TtlFigures| 100.0 - percent(&row.hit_ratio);
    match current {
        Some(current) => {
            let price = if misses(current) > 0.0 && misses(chosen) > 1.05 * misses(current) {
                format!("; the origin is read {:.1} times as often", misses(chosen) / misses(current))
            } else {
                String::new()
            };
            format!("{}, within the stale limit of {limit} %; at present, {}{price}", told(chosen), told(current))
        }
        None => format!("{}, within the stale limit of {limit} %", told(chosen)),
    }
}

/// How often the predictions held in the replay of the second half.
#[expect(clippy::cast_precision_loss, reason = "a handful of figures")]
fn held_share(replay: &CacheReplay) -> f64 {
    let figures = replay.ttls.iter().flat_map(|row| [row.hit_ratio, row.stale_share]);
    let (mut held, mut all) = (0_usize, 0_usize);
    for figure in figures {
        let Some(replayed) = figure.replayed else { continue };
        all += 1;
        let slack = 0.005;
        held += usize::from(figure.predicted.lower - slack <= replayed && replayed <= figure.predicted.upper + slack);
    }
    (held as f64 + 1.0) / (all as f64 + 2.0)
}

/// What counters alone can say, in words.
fn from_counters(store: &Store, spec: &CacheSpec, now: Timestamp) -> Result<String, TtlError> {
    let (Some(hits), Some(misses), Some(ttl_ms)) = (&spec.hits, &spec.misses, spec.ttl_ms) else {
        return Ok(format!("not identifiable: there are no events of it; {SEND}"));
    };
    let count = |expr: &str| {
        counter(store, expr, now).map_err(|source| TtlError::Counters { cache: spec.name.clone(), source })
    };
    let (hits, misses) = (count(hits)?, count(misses)?);
    let grid = if spec.grid_ms.is_empty() { default_grid() } else { spec.grid_ms.clone() };
    let bounds: Vec<String> = grid
        .iter()
        .filter_map(|&other_ms| {
            let bounds = hit_ratio_bounds(hits, misses, seconds(ttl_ms), seconds(other_ms))?;
            Some(format!("{:.3} to {:.3} at {} s", bounds.lower, bounds.upper, seconds(other_ms)))
        })
        .collect();
    if bounds.is_empty() {
        return Ok(format!("not identifiable: there are no events of it and its counters are empty; {SEND}"));
    }
    Ok(format!("not identifiable, bounds are: hit ratio {}; stale share 0 to 1 everywhere; {SEND}", bounds.join(", ")))
}

fn counter(store: &Store, expr: &str, now: Timestamp) -> Result<f64, signal::SignalError> {
    let query = signal::parse(expr)?;
    Ok(match signal::instant(store, &query, now.millis(), &EvalLimits::default())? {
        Value::Scalar(value) => value,
        Value::Vector(samples) => samples.iter().map(|sample| sample.value).sum(),
        _ => f64::NAN,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        advise::{
            Sources, advise_on,
            ttl::{Finding, FindingKind, Ttl},
        },
        store::{
            StoreOptions,
            rows::{EventBatch, RecommendationRow},
        },
    };

    const SECOND: i64 = 1_000;

    /// Two hours: 20 keys read every two seconds in turn, each written every ten minutes.
    fn events(ops: &[CacheOp]) -> Vec<CacheEvent> {
        let mut events = Vec::new();
        for tick in 0..3_600_i64 {
            let key = (tick * 7) % 20;
            let mut put = |at_ms: i64, op: CacheOp| {
                if ops.contains(&op) {
                    events.push(CacheEvent {
                        timestamp: Timestamp::from_millis(at_ms),
                        cache: "pages".to_owned(),
                        key: format!("k{key}"),
                        op,
                        bytes: None,
                        miss_cost_ms: None,
                    });
                }
            };
            put(tick * 2 * SECOND, CacheOp::Get);
            if tick % 300 == key * 15 {
                put(tick * 2 * SECOND + 1, CacheOp::Write);
                put(tick * 2 * SECOND + 2, CacheOp::Delete);
            }
        }
        events
    }

    /// The recommendation, or why there is none.
    fn advised(ops: &[CacheOp], spec: &CacheSpec) -> Result<RecommendationRow, String> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        store.put_events(EventBatch { cache: events(ops), ..EventBatch::default() }).unwrap();
        let verdicts = advise_on::<Ttl>(&Sources { store: &store }, spec, Timestamp::from_millis(7_200 * SECOND));
        verdicts[0].recommendation().cloned().ok_or_else(|| verdicts[0].reason())
    }

    fn pages(ttl_s: i64, limit: f64) -> CacheSpec {
        CacheSpec { ttl_ms: Some(ttl_s * SECOND), stale_share_max: limit, ..CacheSpec::new("pages") }
    }

    #[test]
    fn a_ttl_that_breaks_the_limit_is_shortened_with_proof() {
        let row = advised(&[CacheOp::Get, CacheOp::Write], &pages(3_600, 0.2)).unwrap();
        let proposed = row.proposed["ttl_seconds"].as_i64().unwrap();
        assert!(proposed < 3_600, "{proposed}");
        assert_eq!(row.patch.body, format!("{{\"cache\":\"pages\",\"ttl_seconds\":{proposed}}}"));
        let ttls = row.evidence["replay"]["ttls"].as_array().unwrap();
        let proof = ttls.iter().find(|row| row["ttl_seconds"] == proposed).unwrap();
        assert!(proof["stale_share"]["replayed"].as_f64().unwrap() <= 0.2, "{proof}");
        assert!(row.effect.lower <= row.effect.value && row.effect.value <= row.effect.upper);
        assert!(row.reason.contains("within the stale limit of 20 %; at present, at 3600 s"), "{}", row.reason);
    }

    #[test]
    fn reported_deletions_are_the_invalidation() {
        let every = [CacheOp::Get, CacheOp::Write, CacheOp::Delete];
        let spec = CacheSpec { invalidate_on: vec!["page_edit".to_owned()], ..pages(60, 0.01) };
        let row = advised(&every, &spec).unwrap();
        assert!(row.proposed["ttl_seconds"].as_i64().unwrap() > 60, "{:?}", row.proposed);
        assert_eq!(row.evidence["on_write"], false);
        // Without reported deletions the writes stand for them, as configured.
        let row = advised(&every[..2], &spec).unwrap();
        assert_eq!(row.evidence["on_write"], true);
    }

    #[test]
    fn what_is_not_identifiable_says_so_and_what_to_send() {
        let message = advised(&[CacheOp::Get], &pages(60, 0.01)).unwrap_err();
        assert!(
            message.contains("not identifiable, bounds are 0 and 1") && message.contains("op \"write\""),
            "{message}"
        );
        let spec = CacheSpec { name: "other".to_owned(), ..pages(60, 0.01) };
        let message = advised(&[CacheOp::Get], &spec).unwrap_err();
        assert!(message.contains("not identifiable: there are no events of it"), "{message}");
        let counters = CacheSpec {
            hits: Some("vector(900)".to_owned()),
            misses: Some("vector(100)".to_owned()),
            grid_ms: vec![120_000],
            ..spec
        };
        let message = advised(&[CacheOp::Get], &counters).unwrap_err();
        assert!(
            message.contains("not identifiable, bounds are: hit ratio 0.900 to 0.947 at 120 s; stale share 0 to 1"),
            "{message}"
        );
    }

    #[test]
    fn nothing_is_said_where_the_present_ttl_serves_as_well() {
        let first = advised(&[CacheOp::Get, CacheOp::Write], &pages(3_600, 0.2)).unwrap();
        let proposed = first.proposed["ttl_seconds"].as_i64().unwrap();
        let kept = advised(&[CacheOp::Get, CacheOp::Write], &pages(proposed, 0.2)).unwrap_err();
        assert!(kept.starts_with("the present time-to-live serves as well"), "{kept}");
    }

    #[test]
    fn what_is_wrong_is_said_where_nothing_is_recommended() {
        let told = events(&[CacheOp::Get, CacheOp::Write]);
        let first = advised(&[CacheOp::Get, CacheOp::Write], &pages(3_600, 0.2)).unwrap();
        let proposed = first.proposed["ttl_seconds"].as_i64().unwrap();
        let spec = pages(proposed, 0.2);
        let mut options = TtlOptions::new(Level::try_new(LEVEL).unwrap());
        options.stale_share_max = 0.2;
        options.current_ms = [("pages".to_owned(), proposed * SECOND)].into();
        let mut replay = replay_caches(told.iter().map(CacheAccess::from), &options).unwrap().remove(0);
        let kept = |replay: &CacheReplay| match recommend(&spec, replay, &options) {
            Outcome::Keep { reason } => reason,
            other => panic!("{other:?}"),
        };
        assert!(!kept(&replay).contains("nobody needs"), "{}", kept(&replay));
        let text = "nobody needs this cache".to_owned();
        replay.findings.push(Finding { kind: FindingKind::Unneeded, text, figures: serde_json::Map::new() });
        let message = kept(&replay);
        assert!(message.starts_with("the present time-to-live serves as well as any single one"), "{message}");
        assert!(message.ends_with("; nobody needs this cache"), "{message}");
        // Beside what is recommended it stands in the reason and in the evidence.
        replay.current_ttl_ms = None;
        let Outcome::Propose(row) = recommend(&CacheSpec { ttl_ms: None, ..spec }, &replay, &options) else {
            panic!("nothing is proposed")
        };
        assert!(row.reason.contains("; nobody needs this cache"), "{}", row.reason);
        assert_eq!(row.evidence["replay"]["findings"][0]["kind"], "unneeded");
    }

    #[test]
    fn a_limit_that_nothing_keeps_is_said() {
        let message =
            advised(&[CacheOp::Get, CacheOp::Write], &CacheSpec { grid_ms: vec![1_800_000], ..pages(1_800, 0.001) })
                .unwrap_err();
        assert!(message.contains("no time-to-live keeps the stale share within 0.001"), "{message}");
    }
}
