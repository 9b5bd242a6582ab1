//! Facts and proposal for one cache: reads events, runs the replay, chooses between a time-to-live and invalidation,
//! and composes the proposal. Called by `advisor`.

use almanac_models::{
    Level, Timestamp,
    ttl::{Access, OnWrite, hit_ratio_bounds},
};
use serde_json::json;

use super::{
    CacheAccess, CacheReplay, CacheSpec, DaySchedule, Gains, Invalidation, TtlError, TtlFigures, TtlOptions, TtlTerms,
    choose::seconds,
    default_grid,
    describe::{describe_invalidation, describe_ttl},
    figures::ttl_seconds,
    replay_caches,
    spec::{EVENTS_MAX, HIT_RATIO},
};
use crate::{
    advise::{
        Proposal, Rollback,
        kit::{Interval, LEVEL},
    },
    signal::{self, EvalLimits, Value},
    store::{
        Store,
        rows::{CacheEvent, CacheOp, EventFilter, Patch},
    },
};

/// Span of events that are read, milliseconds: two weeks.
const HISTORY_MS: i64 = 14 * 86_400_000;
/// Minimum gain of hit ratio for a change when the present time-to-live keeps the limit.
const MIN_GAIN: f64 = 0.005;
/// Minimum gain of hit ratio of invalidation on write over the best time-to-live. It is higher because invalidation
/// needs a change of the application.
const INVALIDATION_MIN_GAIN: f64 = 0.01;
/// Minimum confidence of a recommendation: more likely than not to keep its promise.
pub(super) const MIN_CONFIDENCE: f64 = 0.5;

/// Reads the events of a cache over the last two weeks.
///
/// # Errors
/// [`TtlError::NotIdentifiable`] without events, with the bounds that hit and miss counters give; [`TtlError::Store`].
pub(super) fn fetch(store: &Store, spec: &CacheSpec, now: Timestamp) -> Result<Vec<CacheEvent>, TtlError> {
    let filter = EventFilter {
        names: vec![spec.name.clone()],
        start: Some(now.plus_millis(-HISTORY_MS)),
        end: Some(now),
        limit: Some(EVENTS_MAX),
        ..EventFilter::default()
    };
    let events = store.cache_events(&filter)?;
    if events.is_empty() {
        return Err(TtlError::NotIdentifiable {
            cache: spec.name.clone(),
            reason: bounds_from_counters(store, spec, now)?,
        });
    }
    Ok(events)
}

/// Decides on one cache, without I/O.
///
/// Learns on the first half of the events and replays the second. Recommends a time-to-live only if it kept the limit
/// in the second half too, or invalidation on write if that is better than any time-to-live.
///
/// # Errors
/// [`TtlError::Kept`] when the present time-to-live is as good; [`TtlError::NotIdentifiable`] with the bounds that hold
/// and the events to send; [`TtlError::NoTtl`] when no time-to-live keeps the limit.
pub(super) fn decide(spec: &CacheSpec, events: &[CacheEvent]) -> Result<Proposal<TtlTerms>, TtlError> {
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
    let none = || TtlError::NotIdentifiable { cache: spec.name.clone(), reason: "the cache has no events".to_owned() };
    recommend(spec, &replays.into_iter().next().ok_or_else(none)?, &options)
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

/// Returns what a write does to the copy. Reported deletions are the application's real invalidation. Without them,
/// every write of a cache with `invalidate_on` drops the copy.
fn on_write(spec: &CacheSpec, events: &[CacheEvent]) -> OnWrite {
    let reported = events.iter().any(|event| event.op == CacheOp::Delete);
    if spec.invalidate_on.is_empty() || reported { OnWrite::Keep } else { OnWrite::Drop }
}

/// Decides on a replay, without I/O.
fn recommend(spec: &CacheSpec, replay: &CacheReplay, options: &TtlOptions) -> Result<Proposal<TtlTerms>, TtlError> {
    let notes = notes(replay);
    let cache = || spec.name.clone();
    let refuse = |reason: String| TtlError::NoTtl { cache: cache(), reason: with_notes(reason, &notes) };
    let keep = |reason: String| TtlError::Kept { cache: cache(), reason: with_notes(reason, &notes) };
    if !replay.identifiable {
        let reason = replay.reason.clone().unwrap_or_else(|| "not identifiable".to_owned());
        return Err(TtlError::NotIdentifiable { cache: cache(), reason: with_notes(reason, &replay.notes) });
    }
    // A row keeps the limit if the upper end of its prediction and its replayed share do.
    let kept = |row: &&TtlFigures| {
        row.stale_share.predicted.upper <= spec.stale_share_max
            && row.stale_share.replayed.is_some_and(|share| share <= spec.stale_share_max)
    };
    // The longest time-to-live that keeps the limit in both halves, at most the one learned on the first.
    let learned_ms = replay.recommended_ttl_ms;
    let chosen =
        learned_ms.and_then(|learned_ms| replay.ttls.iter().rfind(|row| row.ttl_ms <= learned_ms && kept(row)));
    let current = spec.ttl_ms.and_then(|ttl_ms| replay.at(ttl_ms));
    let confidence = held_share(replay);
    let unsure = || {
        let (held, least) = (100.0 * confidence, 100.0 * MIN_CONFIDENCE);
        keep(format!(
            "the present time-to-live is kept: {held:.0} % of the predictions held in the replay, at least {least:.0} % are required"
        ))
    };
    // Invalidation comes first: it applies even if no time-to-live keeps the limit.
    if let Some(invalidation) = invalidation_first(spec, replay, chosen) {
        if confidence < MIN_CONFIDENCE {
            return Err(unsure());
        }
        let sentence = describe_invalidation(spec, replay, invalidation, current, chosen);
        let alternatives = chosen.map(|row| alternative("ttl", row)).into_iter().collect();
        let means = RecommendedMeans { figures: &invalidation.figures, invalidates: true, sentence, alternatives };
        return Ok(proposal(spec, replay, options, &means, (current, confidence, &notes)));
    }
    let Some(learned_ms) = learned_ms else {
        return Err(refuse(replay.reason.clone().unwrap_or_else(|| "no time-to-live keeps the limit".to_owned())));
    };
    let Some(chosen) = chosen else {
        return Err(refuse(format!(
            "a time-to-live of {} s kept the stale share within {} in the first half of the events, but nothing did in the second",
            seconds(learned_ms),
            spec.stale_share_max
        )));
    };
    if let Some(current) = current.filter(|current| is_as_good(current, chosen, &kept)) {
        let percent = |figure: &super::Figure| 100.0 * figure.best_known().unwrap_or(figure.predicted.upper);
        return Err(keep(format!(
            "the present time-to-live of {} s is as good as any single one: {:.1} % of reads hit, {:.2} % of them stale",
            seconds(current.ttl_ms),
            percent(&current.hit_ratio),
            percent(&current.stale_share)
        )));
    }
    if confidence < MIN_CONFIDENCE {
        return Err(unsure());
    }
    let sentence = describe_ttl(spec, replay, chosen, current);
    let invalidation = replay.gains.as_ref().and_then(|gains| gains.invalidate_on_write.as_ref());
    let alternatives = invalidation.map(|gain| alternative("invalidate_on_write", &gain.figures)).into_iter().collect();
    let means = RecommendedMeans { figures: chosen, invalidates: false, sentence, alternatives };
    Ok(proposal(spec, replay, options, &means, (current, confidence, &notes)))
}

/// The recommended means and the alternatives.
struct RecommendedMeans<'a> {
    figures: &'a TtlFigures,
    /// Whether each write drops the copy.
    invalidates: bool,
    sentence: String,
    alternatives: Vec<serde_json::Value>,
}

/// Returns invalidation on write if it hits more than the best time-to-live that keeps the limit, or if none keeps it.
fn invalidation_first<'a>(
    spec: &CacheSpec,
    replay: &'a CacheReplay,
    chosen: Option<&TtlFigures>,
) -> Option<&'a Invalidation> {
    let invalidation = replay.gains.as_ref()?.invalidate_on_write.as_ref().filter(|_| spec.can_invalidate)?;
    let hit = invalidation.figures.hit_ratio.best_known()?;
    let best = chosen.and_then(|row| row.hit_ratio.best_known());
    best.is_none_or(|best| hit - best >= INVALIDATION_MIN_GAIN).then_some(invalidation)
}

/// Formats the second-best means for the evidence.
fn alternative(means: &str, figures: &TtlFigures) -> serde_json::Value {
    json!({
        "means": means,
        "ttl_seconds": ttl_seconds(figures.ttl_ms),
        "hit_ratio": figures.hit_ratio.to_json(),
        "stale_share": figures.stale_share.to_json(),
        "resident_keys_mean": figures.resident_keys_mean.to_json(),
    })
}

/// Composes the proposal.
fn proposal(
    spec: &CacheSpec,
    replay: &CacheReplay,
    options: &TtlOptions,
    means: &RecommendedMeans<'_>,
    (current, confidence, notes): (Option<&TtlFigures>, f64, &[String]),
) -> Proposal<TtlTerms> {
    let RecommendedMeans { figures, invalidates, sentence, alternatives } = means;
    let hit = figures.hit_ratio.predicted;
    let mut proposed = json!({"ttl_seconds": ttl_seconds(figures.ttl_ms)});
    if *invalidates {
        proposed["invalidate_on_write"] = json!(true);
    }
    let drops = options.on_write == OnWrite::Drop;
    let before = current.and_then(|current| current.hit_ratio.replayed).zip(spec.ttl_ms);
    Proposal {
        current: json!({"ttl_seconds": spec.ttl_ms.map(ttl_seconds)}),
        proposed,
        valid_until: None,
        metric: HIT_RATIO,
        effect: Interval { value: hit.value.unwrap_or(hit.lower), lower: hit.lower, upper: hit.upper },
        confidence,
        reason: with_notes(sentence.clone(), notes),
        evidence: json!({
            "on_write": *invalidates || drops,
            "stale_share_max": spec.stale_share_max,
            "replay": replay.to_json(),
            "alternatives": alternatives,
        }),
        terms: TtlTerms { on_write: *invalidates || drops },
        rollback: before.map(|(baseline, ttl_ms)| Rollback {
            baseline,
            patch: patch(spec, ttl_ms, false),
            terms: Some(TtlTerms { on_write: drops }),
        }),
        patch: patch(spec, figures.ttl_ms, *invalidates),
    }
}

/// Returns the notes that follow the sentence: dropped events, findings, and the gains of other means.
fn notes(replay: &CacheReplay) -> Vec<String> {
    let findings = replay.findings.iter().map(|finding| finding.text.clone());
    let refresh = replay.gains.iter().filter_map(Gains::describe_refresh);
    let hours = replay.hours.iter().map(DaySchedule::describe);
    replay.notes.iter().cloned().chain(findings).chain(hours).chain(refresh).collect()
}

/// Appends notes to a sentence.
fn with_notes(sentence: String, notes: &[String]) -> String {
    std::iter::once(sentence).chain(notes.iter().cloned()).collect::<Vec<_>>().join("; ")
}

fn patch(spec: &CacheSpec, ttl_ms: i64, invalidates: bool) -> Patch {
    let mut body = json!({"cache": spec.name, "ttl_seconds": ttl_seconds(ttl_ms)});
    if invalidates {
        body["invalidate_on_write"] = json!(true);
    }
    Patch { format: "almanac/ttl+json".to_owned(), body: body.to_string() }
}

/// Returns whether the present time-to-live keeps the limit, hits as much and holds no more keys.
fn is_as_good(current: &TtlFigures, chosen: &TtlFigures, kept: &impl Fn(&&TtlFigures) -> bool) -> bool {
    let hit = |row: &TtlFigures| row.hit_ratio.predicted.value.unwrap_or(0.0);
    let keys = |row: &TtlFigures| row.resident_keys_mean.predicted.value.unwrap_or(0.0);
    // As many hits with a tenth fewer keys in memory are worth a change too.
    kept(&current) && hit(chosen) - hit(current) < MIN_GAIN && keys(current) <= 1.1 * keys(chosen)
}

/// Returns the share of predictions that held in the replay of the second half, by Laplace's rule of succession.
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

/// Returns the bounds that hit and miss counters give, as text.
fn bounds_from_counters(store: &Store, spec: &CacheSpec, now: Timestamp) -> Result<String, TtlError> {
    const SEND: &str = "send an event with op \"get\" for each read of a key and one with op \"write\" whenever the \
                        origin's value changes (POST /v1/events, or a sample of the keys)";
    let (Some(hits), Some(misses), Some(ttl_ms)) = (&spec.hits, &spec.misses, spec.ttl_ms) else {
        return Ok(format!("not identifiable: the cache has no events; {SEND}"));
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
        return Ok(format!("not identifiable: the cache has no events and its counters are empty; {SEND}"));
    }
    Ok(format!("not identifiable, bounds are: hit ratio {}; stale share 0 to 1 everywhere; {SEND}", bounds.join(", ")))
}

/// Evaluates a counter at `now`; several series are summed.
fn counter(store: &Store, expr: &str, now: Timestamp) -> Result<f64, signal::SignalError> {
    let query = signal::parse(expr)?;
    Ok(match signal::instant(store, &query, now.millis(), &EvalLimits::default())? {
        Value::Scalar(value) => value,
        Value::Vector(samples) => {
            samples.iter().filter(|sample| sample.histogram.is_none()).map(|sample| sample.value).sum()
        }
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

    /// Two hours of events: 20 keys read in turn, one every two seconds, each written every ten minutes.
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

    /// Returns the recommendation, or the reason why there is none.
    fn advised(ops: &[CacheOp], spec: &CacheSpec) -> Result<RecommendationRow, String> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        store.put_events(EventBatch { cache: events(ops), ..EventBatch::default() }).unwrap();
        let verdicts = advise_on::<Ttl>(&Sources { store: &store }, spec, Timestamp::from_millis(7_200 * SECOND));
        verdicts[0].recommendation().cloned().ok_or_else(|| verdicts[0].reason())
    }

    /// A cache without invalidation.
    fn pages(ttl_s: i64, limit: f64) -> CacheSpec {
        CacheSpec {
            ttl_ms: Some(ttl_s * SECOND),
            stale_share_max: limit,
            can_invalidate: false,
            ..CacheSpec::new("pages")
        }
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
        assert!(row.reason.starts_with("Shorten the time-to-live of pages from 3600 s to"), "{}", row.reason);
        assert!(row.reason.contains("(limit 20 %)") && row.reason.contains("the origin is read"), "{}", row.reason);
        assert_eq!(row.evidence["alternatives"][0]["means"], "invalidate_on_write");
    }

    #[test]
    fn dropping_copies_comes_first_where_it_serves_best() {
        let able = CacheSpec { can_invalidate: true, ..pages(3_600, 0.01) };
        let row = advised(&[CacheOp::Get, CacheOp::Write], &able).unwrap();
        assert_eq!((&row.proposed["invalidate_on_write"], &row.evidence["on_write"]), (&json!(true), &json!(true)));
        assert!(row.reason.starts_with("Drop copies of pages at each write"), "{}", row.reason);
        assert!(row.patch.body.contains("\"invalidate_on_write\":true"), "{}", row.patch.body);
        // The best time-to-live is the alternative in both the sentence and the evidence; none may keep this limit.
        let second = &row.evidence["alternatives"][0];
        assert!(second.is_null() == row.reason.contains("no time-to-live keeps"), "{second} {}", row.reason);
        let loose = CacheSpec { stale_share_max: 0.2, ..able };
        let row = advised(&[CacheOp::Get, CacheOp::Write], &loose).unwrap();
        assert_eq!(row.evidence["alternatives"][0]["means"], "ttl", "{}", row.reason);
        assert!(row.reason.contains("without that the best time-to-live is"), "{}", row.reason);
    }

    #[test]
    fn reported_deletions_are_the_invalidation() {
        let every = [CacheOp::Get, CacheOp::Write, CacheOp::Delete];
        let spec = CacheSpec { invalidate_on: vec!["page_edit".to_owned()], ..pages(60, 0.01) };
        let row = advised(&every, &spec).unwrap();
        assert!(row.proposed["ttl_seconds"].as_i64().unwrap() > 60, "{:?}", row.proposed);
        assert_eq!(row.evidence["on_write"], false);
        // Without reported deletions, writes drop the copies, as configured.
        let row = advised(&every[..2], &spec).unwrap();
        assert_eq!(row.evidence["on_write"], true);
    }

    #[test]
    fn missing_data_is_named_with_the_events_to_send() {
        let message = advised(&[CacheOp::Get], &pages(60, 0.01)).unwrap_err();
        assert!(
            message.contains("not identifiable, bounds are 0 and 1") && message.contains("op \"write\""),
            "{message}"
        );
        let spec = CacheSpec { name: "other".to_owned(), ..pages(60, 0.01) };
        let message = advised(&[CacheOp::Get], &spec).unwrap_err();
        assert!(message.contains("not identifiable: the cache has no events"), "{message}");
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
    fn nothing_is_proposed_when_the_present_ttl_is_as_good() {
        let first = advised(&[CacheOp::Get, CacheOp::Write], &pages(3_600, 0.2)).unwrap();
        let proposed = first.proposed["ttl_seconds"].as_i64().unwrap();
        let kept = advised(&[CacheOp::Get, CacheOp::Write], &pages(proposed, 0.2)).unwrap_err();
        assert!(kept.starts_with("the present time-to-live of") && kept.contains("of reads hit"), "{kept}");
    }

    #[test]
    fn findings_are_reported_without_a_recommendation() {
        let events = events(&[CacheOp::Get, CacheOp::Write]);
        let first = advised(&[CacheOp::Get, CacheOp::Write], &pages(3_600, 0.2)).unwrap();
        let proposed = first.proposed["ttl_seconds"].as_i64().unwrap();
        let spec = pages(proposed, 0.2);
        let mut options = TtlOptions::new(Level::try_new(LEVEL).unwrap());
        options.stale_share_max = 0.2;
        options.current_ms = [("pages".to_owned(), proposed * SECOND)].into();
        let mut replay = replay_caches(events.iter().map(CacheAccess::from), &options).unwrap().remove(0);
        let decide = |replay: &CacheReplay| recommend(&spec, replay, &options);
        assert!(decide(&replay).unwrap_err().is_keep());
        let text = "this cache saves little".to_owned();
        replay.findings.push(Finding { kind: FindingKind::Unneeded, text, figures: serde_json::Map::new() });
        let message = decide(&replay).unwrap_err().to_string();
        assert!(message.contains("is as good as any single one: "), "{message}");
        assert!(message.ends_with("; this cache saves little"), "{message}");
        // With a recommendation the finding is in the reason and in the evidence.
        replay.current_ttl_ms = None;
        let row = recommend(&CacheSpec { ttl_ms: None, ..spec }, &replay, &options).unwrap();
        assert!(row.reason.contains("; this cache saves little"), "{}", row.reason);
        assert_eq!(row.evidence["replay"]["findings"][0]["kind"], "unneeded");
    }

    #[test]
    fn a_limit_that_no_ttl_keeps_is_reported() {
        let message =
            advised(&[CacheOp::Get, CacheOp::Write], &CacheSpec { grid_ms: vec![1_800_000], ..pages(1_800, 0.001) })
                .unwrap_err();
        assert!(message.contains("no time-to-live keeps the stale share within 0.001"), "{message}");
    }
}
