//! Tests of the gains and findings of the replay.

use almanac_models::{
    Level,
    ttl::{Access, OnWrite, PoissonKey},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::advise::ttl::{CacheAccess, CacheReplay, FindingKind, TtlOptions, replay_caches};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Returns events of `keys` keys over `days`. `rates`: reads and writes per second of each key, by UTC hour.
fn events(
    seed: u64,
    keys: usize,
    days: i64,
    rates: impl Fn(usize, i64) -> (f64, f64),
    cost: Option<f64>,
) -> Vec<(i64, String, Access, Option<f64>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut events = Vec::new();
    for key in 0..keys {
        for hour in 0..days * 24 {
            let (reads, writes) = rates(key, hour % 24);
            for (access, rate) in [(Access::Get, reads), (Access::Write, writes)] {
                let mut at_ms = 0.0;
                loop {
                    at_ms -= (1.0 - rng.random::<f64>()).ln() * 1e3 / rate;
                    // The negated comparison also ends a rate of 0.
                    if !(at_ms < 3.6e6) {
                        break;
                    }
                    #[expect(clippy::cast_possible_truncation, reason = "within an hour")]
                    let stamp = hour * HOUR_MS + at_ms as i64;
                    events.push((stamp, format!("k{key}"), access, cost.filter(|_| access == Access::Get)));
                }
            }
        }
    }
    events.sort_by_key(|event| event.0);
    events
}

fn replayed(events: &[(i64, String, Access, Option<f64>)], limit: f64) -> CacheReplay {
    let mut options = TtlOptions::new(Level::try_new(0.8).unwrap());
    options.stale_share_max = limit;
    replayed_with(events, &options)
}

fn replayed_with(events: &[(i64, String, Access, Option<f64>)], options: &TtlOptions) -> CacheReplay {
    let accesses = events.iter().map(|(at_ms, key, access, miss_cost_ms)| CacheAccess {
        at_ms: *at_ms,
        cache: "pages",
        key,
        access: *access,
        miss_cost_ms: *miss_cost_ms,
    });
    replay_caches(accesses, options).unwrap().remove(0)
}

#[test]
fn a_cache_written_by_day_is_kept_longer_by_night() {
    // Reads of each key every 100 s all day; writes of each key every 5 hours, from 8 to 20 o'clock.
    let rates = |_: usize, hour: i64| (0.01, if (8..20).contains(&hour) { 5.6e-5 } else { 0.0 });
    let replay = replayed(&events(1, 60, 4, rates, None), 0.01);
    let single = replay.at(replay.recommended_ttl_ms.unwrap()).unwrap();
    let day = replay.hours.as_ref().unwrap_or_else(|| panic!("no schedule: {:?}", replay.reason));
    assert!((2..=3).contains(&day.parts.len()), "{:?}", day.parts);
    let ttl_at = |hour: usize| {
        let holds = |from: usize, until: usize| {
            if from < until { (from..until).contains(&hour) } else { hour >= from || hour < until }
        };
        day.parts.iter().find(|part| holds(part.from, part.until)).unwrap().ttl_ms
    };
    assert!(ttl_at(1) >= 5 * ttl_at(13), "{:?}", day.parts);
    let gained = day.hit_ratio.replayed.unwrap() - single.hit_ratio.replayed.unwrap();
    assert!(gained >= 0.01 && day.stale_share.replayed.unwrap() <= 0.01, "{gained} {day:?}");
    assert!(day.describe().contains("o'clock") && replay.to_json()["hours"][0]["ttl_seconds"].is_u64());
    // Writes at a constant rate give no schedule.
    let flat = replayed(&events(2, 60, 4, |_, _| (0.01, 2.8e-5), None), 0.01);
    assert!(flat.hours.is_none() && flat.to_json()["hours"].is_null(), "{:?}", flat.hours);
    // Nor do less than two days.
    assert!(replayed(&events(1, 60, 1, rates, None), 0.01).hours.is_none());
}

#[test]
fn invalidation_gains_what_the_formula_says() {
    let key = PoissonKey { reads_per_s: 0.02, writes_per_s: 2e-4 };
    let replay = replayed(&events(3, 40, 2, |_, _| (key.reads_per_s, key.writes_per_s), None), 0.01);
    let gains = replay.gains.as_ref().unwrap();
    assert_eq!(Some(gains.ttl_ms), replay.recommended_ttl_ms);
    let gain = gains.invalidate_on_write.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let truth = key.hit_ratio_invalidated(gain.figures.ttl_ms as f64 / 1e3);
    // 69,000 reads a half: a binomial error of 0.0004.
    let hit = gain.figures.hit_ratio;
    assert!((hit.replayed.unwrap() - truth).abs() < 0.003, "{hit:?} {truth}");
    assert!((hit.predicted.value.unwrap() - truth).abs() < 0.003, "{hit:?} {truth}");
    assert_eq!(gain.figures.stale_share.replayed, Some(0.0));
    let at = replay.at(gains.ttl_ms).unwrap();
    assert!((gain.hit_ratio_gained - (hit.replayed.unwrap() - at.hit_ratio.replayed.unwrap())).abs() < 1e-12);
    // Nothing is gained where writes drop the copy already, and early refresh needs the cost of a miss.
    let mut options = TtlOptions::new(Level::try_new(0.8).unwrap());
    options.on_write = OnWrite::Drop;
    let gains = replayed_with(&events(3, 4, 1, |_, _| (0.02, 2e-4), None), &options).gains.unwrap();
    assert_eq!((gains.invalidate_on_write, gains.refresh_early), (None, None));
}

#[test]
fn refreshing_early_spares_waits_at_a_few_fetches() {
    // Each key is read every second; a fetch takes two seconds.
    let mut options = TtlOptions::new(Level::try_new(0.8).unwrap());
    options.grid_ms = vec![30_000];
    options.stale_share_max = 1.0;
    let events = events(4, 4, 1, |_, _| (1.0, 1e-4), Some(2_000.0));
    let early = replayed_with(&events, &options).gains.unwrap().refresh_early.unwrap();
    assert!((early.fetch_ms - 2_000.0).abs() < 1e-9);
    let (before, after) = early.waiting_share;
    // One miss and λδ reads with it in a cycle of 1 + λT reads.
    let truth = 3.0 / 31.0;
    for waits in [before.predicted.value.unwrap(), before.replayed.unwrap()] {
        assert!((waits - truth).abs() < 0.05 * truth, "{before:?}");
    }
    assert!(after.replayed.unwrap() < 0.6 * before.replayed.unwrap(), "{early:?}");
    for figure in [before, after, early.fetches_per_read.0, early.fetches_per_read.1] {
        let (predicted, replayed) = (figure.predicted, figure.replayed.unwrap());
        assert!(predicted.lower <= predicted.value.unwrap() && predicted.value.unwrap() <= predicted.upper);
        assert!((predicted.value.unwrap() - replayed).abs() < 0.02, "{figure:?}");
    }
    // The result is repeatable.
    assert_eq!(replayed_with(&events, &options).gains.unwrap().refresh_early.unwrap(), early);
    assert!(early.describe().unwrap().starts_with("with early refresh (XFetch), "));
}

#[test]
fn later_events_change_no_prediction() {
    let whole = events(9, 20, 2, |key, _| (if key < 10 { 0.01 } else { 0.001 }, 5e-5), Some(30.0));
    let known = replayed(&whole, 0.02);
    let split_ms = known.split_at.millis();
    // Of the second half only the first hour and the last event are kept, so that the split stays the same.
    let last_ms = whole.last().unwrap().0;
    let other: Vec<_> =
        whole.iter().filter(|event| event.0 < split_ms + HOUR_MS || event.0 == last_ms).cloned().collect();
    let changed = replayed(&other, 0.02);
    assert_eq!((changed.split_at, changed.recommended_ttl_ms), (known.split_at, known.recommended_ttl_ms));
    let predicted = |replay: &CacheReplay| {
        let gains = replay.gains.as_ref().unwrap();
        let (invalidated, early) = (gains.invalidate_on_write.unwrap(), gains.refresh_early.unwrap());
        let waits = (early.waiting_share.0.predicted, early.waiting_share.1.predicted);
        (gains.ttl_ms, invalidated.figures.ttl_ms, invalidated.figures.hit_ratio.predicted, early.fetch_ms, waits)
    };
    assert_eq!(predicted(&changed), predicted(&known));
    assert_ne!(changed.gains, known.gains);
}

#[test]
fn caches_that_save_little_are_found() {
    let kinds = |replay: &CacheReplay| replay.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>();
    // Each key is read once or twice, so that no time-to-live gives hits.
    let scan = replayed(&events(5, 4_000, 1, |_, _| (2e-7, 1e-8), None), 0.5);
    assert_eq!(kinds(&scan), [FindingKind::Unneeded], "{:?}", scan.findings);
    let few = replayed(&events(6, 2, 2, |_, _| (2e-4, 1e-4), None), 0.9);
    assert_eq!(kinds(&few), [FindingKind::Unneeded]);
    assert!(few.findings[0].text.starts_with("this cache is rarely read: "), "{}", few.findings[0].text);
    // Many hits, but a miss costs a thousandth of a millisecond.
    let busy = |cost| replayed(&events(7, 20, 1, |_, _| (0.01, 1e-5), Some(cost)), 0.5);
    let cheap = busy(0.001);
    assert_eq!(kinds(&cheap), [FindingKind::Unneeded]);
    assert!(cheap.findings[0].to_json()["saved_seconds_per_day_at_most"].as_f64().unwrap() < 0.1);
    assert_eq!(busy(50.0).findings, []);
}

#[test]
fn a_cache_full_of_unread_copies_needs_a_limit() {
    // 20 keys read every 20 s, and 20,000 read once a day or less.
    let rates = |key: usize, _: i64| if key < 20 { (0.05, 1e-5) } else { (5e-6, 0.0) };
    let events = events(8, 20_020, 1, rates, None);
    let mut options = TtlOptions::new(Level::try_new(0.8).unwrap());
    options.grid_ms = vec![600_000, 3_600_000];
    options.stale_share_max = 0.5;
    let replay = replayed_with(&events, &options);
    assert_eq!(
        replay.findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(),
        [FindingKind::WantsEvictionLimit]
    );
    let finding = replay.findings[0].to_json();
    assert_eq!(finding["kind"], "wants_eviction_limit");
    assert!(finding["unread_residency_share"]["replayed"].as_f64().unwrap() > 0.5, "{finding}");
    let limit = finding["limit_keys"].as_f64().unwrap();
    assert!(limit >= 20.0 && limit < 0.5 * finding["resident_keys_mean"].as_f64().unwrap(), "{finding}");
    // A simulated cache with that limit keeps the promised share of hits on the second half within 0.005.
    let ttl_ms = finding["ttl_seconds"].as_i64().unwrap() * 1_000;
    let second = events.iter().filter(|event| event.0 >= replay.split_at.millis()).collect::<Vec<_>>();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let (bounded, free) = (lru_hits(&second, ttl_ms, limit as usize), lru_hits(&second, ttl_ms, usize::MAX));
    let kept = bounded / free;
    assert!((kept - finding["hits_kept"]["replayed"].as_f64().unwrap()).abs() < 0.005, "{kept} {finding}");
    assert!(kept > 0.98, "{kept}");
}

/// Returns the hits of a cache of at most `limit` keys with least-recently-used eviction.
fn lru_hits(events: &[&(i64, String, Access, Option<f64>)], ttl_ms: i64, limit: usize) -> f64 {
    let mut held: Vec<(&str, i64)> = Vec::new();
    let mut hits = 0.0;
    for (at_ms, key, access, _) in events.iter().copied().filter(|event| event.2 == Access::Get) {
        debug_assert_eq!(*access, Access::Get);
        let found = held.iter().rposition(|(name, _)| name == key);
        let filled = found.map(|place| held.remove(place).1).filter(|filled| at_ms - filled < ttl_ms);
        hits += f64::from(u8::from(filled.is_some()));
        held.push((key, filled.unwrap_or(*at_ms)));
        // Expired copies are removed only to keep the search short.
        if held.len() > limit || (limit == usize::MAX && held[0].1 <= at_ms - DAY_MS) {
            held.remove(0);
        }
    }
    hits
}
