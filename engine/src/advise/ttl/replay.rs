//! Replays the events of caches: learns on the first part, predicts and replays the second, and recommends a
//! time-to-live. Called by `advise` and by the command line.

use std::collections::BTreeMap;

use almanac_models::{
    Timestamp,
    ttl::{Access, KeyEvent, OnWrite, Window},
};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{
    super::stamps::inlier_range,
    CacheReplay, Gains, KeyTraces, Predicted, TtlError, TtlFigures, TtlOptions,
    choose::{Choice, candidates, choose, seconds},
    findings::{findings, rarely_read, reference_row},
    gains::schedule,
    predict::Prediction,
    split::{ScoredAccesses, TimedAccess, TrainTestSplit},
};

/// One access of a key of a cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheAccess<'a> {
    /// Time, epoch milliseconds.
    pub at_ms: i64,
    /// Name of the cache.
    pub cache: &'a str,
    /// The key.
    pub key: &'a str,
    /// Kind of access.
    pub access: Access,
    /// Cost of a miss, milliseconds, if reported.
    pub miss_cost_ms: Option<f64>,
}

/// Learns times-to-live of each cache on the first part of its events, predicts and replays the second, and recommends
/// one.
///
/// `accesses`: in any order; they are sorted by time, and ties keep their order. Each cache is split by time between
/// its own first and last event. Caches are returned by name. The recommendation depends on the first part alone.
///
/// # Errors
/// [`TtlError`] for an option outside its range or a present time-to-live of an unknown cache.
pub fn replay_caches<'a>(
    accesses: impl IntoIterator<Item = CacheAccess<'a>>,
    options: &TtlOptions,
) -> Result<Vec<CacheReplay>, TtlError> {
    replay_caches_counted(accesses, options, &mut |_, _| {})
}

/// Replays like [`replay_caches`], and calls `done` after each cache with the replayed events and those of all caches.
///
/// # Errors
/// As [`replay_caches`].
pub fn replay_caches_counted<'a>(
    accesses: impl IntoIterator<Item = CacheAccess<'a>>,
    options: &TtlOptions,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Vec<CacheReplay>, TtlError> {
    options.validate()?;
    let mut caches: BTreeMap<&str, Vec<TimedAccess<'_>>> = BTreeMap::new();
    for CacheAccess { at_ms, cache, key, access, miss_cost_ms } in accesses {
        #[expect(clippy::cast_possible_truncation, reason = "a cost in milliseconds, of which the mean is taken")]
        let miss_cost_ms = miss_cost_ms.map_or(f32::NAN, |cost| cost as f32);
        caches.entry(cache).or_default().push(TimedAccess { key, event: KeyEvent { at_ms, access }, miss_cost_ms });
    }
    if let Some(unknown) = options.current_ms.keys().find(|name| !caches.contains_key(name.as_str())) {
        let known = caches.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        return Err(TtlError::UnknownCache { cache: unknown.clone(), known });
    }
    let all: usize = caches.values().map(Vec::len).sum();
    let mut replayed = 0;
    done(0, all);
    let replays = caches.into_iter().map(|(cache, mut events)| {
        events.sort_by_key(|timed| timed.event.at_ms);
        replayed += events.len();
        let replay = replay_cache(cache, &mut events, options);
        done(replayed, all);
        replay
    });
    Ok(replays.collect())
}

/// Replays one cache. `events`: in ascending time.
fn replay_cache(cache: &str, events: &mut Vec<TimedAccess<'_>>, options: &TtlOptions) -> CacheReplay {
    let notes = drop_unusable(events);
    let events: &[TimedAccess<'_>] = events;
    let first_ms = events.first().map_or(0, |timed| timed.event.at_ms);
    let last_ms = events.last().map_or(0, |timed| timed.event.at_ms);
    let split_ms = split_at(first_ms, last_ms, options.split);
    let (train_events, test_events) = events.split_at(events.partition_point(|timed| timed.event.at_ms < split_ms));

    let mut traces = KeyTraces::new(options.max_events);
    for timed in train_events {
        traces.observe(timed.key, timed.event);
    }
    let test_accesses = ScoredAccesses::of(test_events);
    let split = TrainTestSplit {
        options,
        train_events,
        traces: &traces,
        train_window: Window { start_ms: first_ms, end_ms: split_ms },
        test_events,
        test_accesses: &test_accesses,
        test_window: Window { start_ms: split_ms, end_ms: last_ms },
        fetch_ms: mean_cost(train_events),
    };
    let predictor = split.predictor(options.on_write);
    let gap = DataGap::of(&traces, options.on_write);
    let few = too_few(traces.gets(), &test_accesses, last_ms - first_ms);
    let predict = |ttl_ms: i64| gap.apply(predictor.predict(ttl_ms));

    let current_ttl_ms = options.current_ms.get(cache).copied();
    // The choice is made among the grid and round times-to-live between; the report shows the requested ones alone.
    let mut requested_ms = options.grid_ms.clone();
    requested_ms.extend(current_ttl_ms);
    let predicted: Vec<(i64, Prediction)> =
        candidates(&requested_ms).into_iter().map(|ttl| (ttl, predict(ttl))).collect();
    let choice = choose(&predicted, options.stale_share_max, options.costs);
    let (recommended_ttl_ms, mut reason) = match choice {
        Choice::Ttl(ttl_ms) if gap != DataGap::NoReads && few.is_none() => (Some(ttl_ms), None),
        Choice::Ttl(_) => (None, None),
        Choice::Nothing { reason } => (None, Some(reason)),
    };
    if gap != DataGap::None || few.is_some() {
        let gap = (gap != DataGap::None).then(|| gap.reason(cache));
        reason = Some(few.iter().cloned().chain(gap).collect::<Vec<_>>().join("; "));
    }
    requested_ms.extend(recommended_ttl_ms);
    let ttls: Vec<TtlFigures> = predicted
        .iter()
        .filter(|(ttl_ms, _)| requested_ms.contains(ttl_ms))
        .map(|(ttl_ms, predicted)| figures(&split, *ttl_ms, predicted, gap))
        .collect();
    let at =
        reference_row(&ttls, recommended_ttl_ms, current_ttl_ms).filter(|_| gap != DataGap::NoReads && few.is_none());
    let gains = at.map(|at| Gains::of(&split, at));
    let identifiable = gap == DataGap::None && few.is_none();
    let single = ttls.iter().find(|row| Some(row.ttl_ms) == recommended_ttl_ms);
    CacheReplay {
        cache: cache.to_owned(),
        identifiable,
        reason,
        split_at: Timestamp::from_millis(split_ms),
        current_ttl_ms,
        recommended_ttl_ms,
        hours: if identifiable { schedule(&split, single) } else { None },
        findings: match at {
            Some(at) => findings(&split, &ttls, at, gains.as_ref()),
            // A low read rate is known from few events over a long time as well.
            None if gap != DataGap::NoReads => rarely_read(&split).into_iter().collect(),
            None => Vec::new(),
        },
        reads_per_day: split.reads_per_day(),
        notes,
        gains,
        ttls,
        span: (Timestamp::from_millis(first_ms), Timestamp::from_millis(last_ms)),
        events: events.len(),
        sampled_share: traces.sampled_share(),
    }
}

/// Minimum number of reads in each part.
const MIN_READS: f64 = 100.0;

/// Returns why the events are too few, if they are.
fn too_few(learned: u64, replayed: &ScoredAccesses<'_>, span_ms: i64) -> Option<String> {
    let (before, after) = (learned as f64, replayed.gets());
    // A part without any read is a [`DataGap`].
    (before > 0.0 && before.min(after) < MIN_READS).then(|| {
        format!(
            "too few events: {before:.0} reads before the split and {after:.0} after it, over {} s in all; {MIN_READS} of each are needed",
            seconds(span_ms)
        )
    })
}

/// Removes events with outlying timestamps and copies of a file that contains every event several times. Returns a note
/// for each.
fn drop_unusable(events: &mut Vec<TimedAccess<'_>>) -> Vec<String> {
    let mut notes = Vec::new();
    let stamps: Vec<i64> = events.iter().map(|timed| timed.event.at_ms).collect();
    let near = inlier_range(&stamps);
    if near.len() < events.len() {
        let far = stamps[..near.start].first().or(stamps[near.end..].first()).copied().unwrap_or_default();
        let (n, all) = (events.len() - near.len(), events.len());
        notes.push(format!(
            "{n} of {all} events are far from all others in time, the first at {far} (epoch milliseconds), and are left out; check the clock \
             and the unit of the timestamps"
        ));
        events.truncate(near.end);
        events.drain(..near.start);
    }
    let times = repetitions(events);
    if times > 1 {
        let mut seen: HashMap<(&str, u8), usize, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
        let mut at_ms = None;
        let all = events.len();
        events.retain(|timed| {
            if at_ms != Some(timed.event.at_ms) {
                seen.clear();
                at_ms = Some(timed.event.at_ms);
            }
            let count = seen.entry((timed.key, access_index(timed.event.access))).or_insert(0);
            *count += 1;
            (*count - 1).is_multiple_of(times)
        });
        notes.push(format!("each of {all} events occurs {times} times, as in a file read twice; each is counted once"));
    }
    notes
}

/// Minimum number of events for detecting that each one is repeated.
const MIN_EVENTS_FOR_REPETITION: usize = 100;

/// Returns how many times each event occurs: the greatest common divisor of the counts of equal events at one
/// timestamp. 1 for few events.
fn repetitions(events: &[TimedAccess<'_>]) -> usize {
    if events.len() < MIN_EVENTS_FOR_REPETITION {
        return 1;
    }
    let mut times = 0;
    let mut counts: HashMap<(&str, u8), usize, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    for same in events.chunk_by(|a, b| a.event.at_ms == b.event.at_ms) {
        counts.clear();
        same.iter().for_each(|timed| *counts.entry((timed.key, access_index(timed.event.access))).or_insert(0) += 1);
        times = counts.values().fold(times, |times, &count| common_divisor(times, count));
        if times == 1 {
            return 1;
        }
    }
    times.max(1)
}

/// Returns the greatest common divisor, by Euclid.
fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Returns a hashable number of the kind of access.
fn access_index(access: Access) -> u8 {
    match access {
        Access::Get => 0,
        Access::Write => 1,
        Access::Delete => 2,
    }
}

/// Returns the mean cost of a miss over the reads that report it, milliseconds.
fn mean_cost(events: &[TimedAccess<'_>]) -> Option<f64> {
    let costs = events.iter().filter(|timed| timed.event.access == Access::Get && timed.miss_cost_ms >= 0.0);
    let (sum, count) = costs.fold((0.0, 0.0), |(sum, count), timed| (sum + f64::from(timed.miss_cost_ms), count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Returns the instant that is the share `split` of the span after its start.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "spans are far below 2^53 ms")]
fn split_at(first_ms: i64, last_ms: i64, split: f64) -> i64 {
    first_ms.saturating_add((last_ms.saturating_sub(first_ms) as f64 * split).floor() as i64)
}

/// A quantity that the first part does not determine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataGap {
    None,
    NoReads,
    NoWrites,
}

impl DataGap {
    fn of(traces: &KeyTraces, on_write: OnWrite) -> Self {
        match (traces.gets(), traces.writes()) {
            (0, _) => Self::NoReads,
            // If each write drops the copy, no hit is stale, whatever the writes.
            (_, 0) if on_write == OnWrite::Keep => Self::NoWrites,
            _ => Self::None,
        }
    }

    /// Replaces what the gap leaves undetermined by bounds.
    fn apply(self, mut prediction: Prediction) -> Prediction {
        let unknown = Predicted { value: None, lower: 0.0, upper: 1.0 };
        if self != Self::None {
            prediction.stale_share = unknown;
        }
        if self == Self::NoReads {
            prediction.hit_ratio = unknown;
            prediction.resident_keys_mean = Predicted { value: None, lower: 0.0, upper: f64::INFINITY };
        }
        prediction
    }

    /// Returns which events to send.
    fn reason(self, cache: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::NoReads => format!(
                "not identifiable: cache {cache:?} has no reads before the split; send an event with op \"get\" for each read of a key"
            ),
            Self::NoWrites => format!(
                "stale share not identifiable, bounds are 0 and 1: cache {cache:?} has no writes before the split; \
                 send an event with op \"write\" whenever the origin's value of a key changes"
            ),
        }
    }
}

/// Returns the figures at a time-to-live, without the stale share that a gap leaves undetermined.
fn figures(split: &TrainTestSplit<'_>, ttl_ms: i64, predicted: &Prediction, gap: DataGap) -> TtlFigures {
    let [hit_ratio, mut stale_share, resident_keys_mean] =
        split.test_accesses.figures(ttl_ms, predicted, split.options.on_write, split.test_window);
    if gap != DataGap::None {
        stale_share.replayed = None;
    }
    TtlFigures { ttl_ms, hit_ratio, stale_share, resident_keys_mean }
}
