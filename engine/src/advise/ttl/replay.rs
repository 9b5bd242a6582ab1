//! Replays a cache's events: learns on the first part, predicts and replays the second, and recommends a time-to-live.

use std::collections::BTreeMap;

use almanac_models::{
    Timestamp,
    ttl::{Access, KeyEvent, Lifetime, OnWrite, Tally, Window, replay},
};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{
    super::stamps::bulk,
    CacheReplay, Figure, Gains, KeyTraces, Predicted, TtlError, TtlFigures, TtlOptions,
    choose::{Choice, candidates, choose, seconds},
    findings::{findings, hardly_read, looked_at},
    gains::schedule,
    predict::{Prediction, Predictor},
};

/// One access of a cache's key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheAccess<'a> {
    /// Epoch milliseconds.
    pub at_ms: i64,
    /// The cache's name.
    pub cache: &'a str,
    /// The key.
    pub key: &'a str,
    /// What happened.
    pub access: Access,
    /// What a miss costs, milliseconds, where that was told.
    pub miss_cost_ms: Option<f64>,
}

/// One access, its cache known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed<'a> {
    pub(super) key: &'a str,
    pub(super) event: KeyEvent,
    /// Not a number where it was not told; there are many of these.
    miss_cost_ms: f32,
}

/// What is known of a cache, and what it is held against.
pub(super) struct TrainTestSplit<'a> {
    pub(super) options: &'a TtlOptions,
    /// The first part, by time and by key.
    pub(super) learned: &'a [Timed<'a>],
    pub(super) traces: &'a KeyTraces,
    pub(super) known: Window,
    /// The second part, by time and by key.
    pub(super) scored: &'a [Timed<'a>],
    pub(super) replayed: &'a Replayed<'a>,
    pub(super) second: Window,
    /// What a miss costs on average in the first part, milliseconds.
    pub(super) fetch_ms: Option<f64>,
}

impl<'a> TrainTestSplit<'a> {
    /// Reads a day over both parts; infinite where they take no time.
    pub(super) fn reads_per_day(&self) -> f64 {
        (self.traces.gets() as f64 + self.replayed.gets()) / self.days()
    }

    /// Days of both parts.
    pub(super) fn days(&self) -> f64 {
        (self.known.len_ms() + self.second.len_ms()) / 86_400_000.0
    }

    /// Predicts the second part from the first.
    pub(super) fn predictor(&self, on_write: OnWrite) -> Predictor<'a> {
        let length_ms = self.second.end_ms - self.second.start_ms;
        Predictor::new(self.traces, self.known, length_ms, on_write, self.options.level)
    }
}

/// Learns each cache's times-to-live on the first part of its events, predicts the second, replays
/// the second, and recommends one.
///
/// `accesses`: in any order; they are sorted by time, ties keep theirs. The parts are split by time,
/// for each cache between its own first and last event. Caches come in the order of their names.
/// The recommendation depends on the first part alone.
///
/// # Errors
/// [`TtlError`] for an option outside its range or a present time-to-live of an unknown cache.
pub fn replay_caches<'a>(
    accesses: impl IntoIterator<Item = CacheAccess<'a>>,
    options: &TtlOptions,
) -> Result<Vec<CacheReplay>, TtlError> {
    options.validate()?;
    let mut caches: BTreeMap<&str, Vec<Timed<'_>>> = BTreeMap::new();
    for CacheAccess { at_ms, cache, key, access, miss_cost_ms } in accesses {
        #[expect(clippy::cast_possible_truncation, reason = "a cost in milliseconds, of which the mean is taken")]
        let miss_cost_ms = miss_cost_ms.map_or(f32::NAN, |cost| cost as f32);
        caches.entry(cache).or_default().push(Timed { key, event: KeyEvent { at_ms, access }, miss_cost_ms });
    }
    if let Some(unknown) = options.current_ms.keys().find(|name| !caches.contains_key(name.as_str())) {
        let known = caches.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        return Err(TtlError::UnknownCache { cache: unknown.clone(), known });
    }
    Ok(caches
        .into_iter()
        .map(|(cache, mut events)| {
            events.sort_by_key(|timed| timed.event.at_ms);
            replay_cache(cache, &mut events, options)
        })
        .collect())
}

/// `events`: in ascending order of time.
fn replay_cache(cache: &str, events: &mut Vec<Timed<'_>>, options: &TtlOptions) -> CacheReplay {
    let notes = leave_out(events);
    let events: &[Timed<'_>] = events;
    let first_ms = events.first().map_or(0, |timed| timed.event.at_ms);
    let last_ms = events.last().map_or(0, |timed| timed.event.at_ms);
    let split_ms = split_at(first_ms, last_ms, options.split);
    let (learned, scored) = events.split_at(events.partition_point(|timed| timed.event.at_ms < split_ms));

    let mut traces = KeyTraces::new(options.max_events);
    for timed in learned {
        traces.observe(timed.key, timed.event);
    }
    let replayed = Replayed::of(scored);
    let parts = TrainTestSplit {
        options,
        learned,
        traces: &traces,
        known: Window { start_ms: first_ms, end_ms: split_ms },
        scored,
        replayed: &replayed,
        second: Window { start_ms: split_ms, end_ms: last_ms },
        fetch_ms: mean_cost(learned),
    };
    let predictor = parts.predictor(options.on_write);
    let gap = Gap::of(&traces, options.on_write);
    let few = too_few(traces.gets(), &replayed, last_ms - first_ms);
    let predict = |ttl_ms: i64| gap.apply(predictor.predict(ttl_ms));

    let current_ttl_ms = options.current_ms.get(cache).copied();
    let mut asked = options.grid_ms.clone();
    asked.extend(current_ttl_ms);
    let predicted: Vec<(i64, Prediction)> = candidates(&asked).into_iter().map(|ttl| (ttl, predict(ttl))).collect();
    let choice = choose(&predicted, options.stale_share_max, options.costs);
    let (recommended_ttl_ms, mut reason) = match choice {
        Choice::Ttl(ttl_ms) if gap != Gap::NoReads && few.is_none() => (Some(ttl_ms), None),
        Choice::Ttl(_) => (None, None),
        Choice::Nothing { reason } => (None, Some(reason)),
    };
    if gap != Gap::None || few.is_some() {
        let gap = (gap != Gap::None).then(|| gap.reason(cache));
        reason = Some(few.iter().cloned().chain(gap).collect::<Vec<_>>().join("; "));
    }
    asked.extend(recommended_ttl_ms);
    let ttls: Vec<TtlFigures> = predicted
        .iter()
        .filter(|(ttl_ms, _)| asked.contains(ttl_ms))
        .map(|(ttl_ms, predicted)| parts.figures(*ttl_ms, predicted, gap))
        .collect();
    let at = looked_at(&ttls, recommended_ttl_ms, current_ttl_ms).filter(|_| gap != Gap::NoReads && few.is_none());
    let gains = at.map(|at| Gains::of(&parts, at));
    let identifiable = gap == Gap::None && few.is_none();
    let single = ttls.iter().find(|row| Some(row.ttl_ms) == recommended_ttl_ms);
    CacheReplay {
        cache: cache.to_owned(),
        identifiable,
        reason,
        split_at: Timestamp::from_millis(split_ms),
        current_ttl_ms,
        recommended_ttl_ms,
        hours: if identifiable { schedule(&parts, single) } else { None },
        findings: match at {
            Some(at) => findings(&parts, &ttls, at, gains.as_ref()),
            // How seldom a cache is read is known from few events over a long time as well.
            None if gap != Gap::NoReads => hardly_read(&parts).into_iter().collect(),
            None => Vec::new(),
        },
        reads_per_day: parts.reads_per_day(),
        notes,
        gains,
        ttls,
        span: (Timestamp::from_millis(first_ms), Timestamp::from_millis(last_ms)),
        events: events.len(),
        sampled_share: traces.sampled_share(),
    }
}

/// Reads that each part must have for a verdict.
const LEAST_READS: f64 = 100.0;

/// Why the events are too few for a verdict, where they are.
fn too_few(learned: u64, replayed: &Replayed<'_>, span_ms: i64) -> Option<String> {
    let (before, after) = (learned as f64, replayed.gets());
    // A part without any read has a reason of its own.
    (before > 0.0 && before.min(after) < LEAST_READS).then(|| {
        format!(
            "too few events: {before:.0} reads before the split and {after:.0} after it, over {} s in all; {LEAST_READS} of each are needed",
            seconds(span_ms)
        )
    })
}

/// Leaves out events that lie far from all others in time, and those of a file that holds every event several times. Says so.
fn leave_out(events: &mut Vec<Timed<'_>>) -> Vec<String> {
    let mut notes = Vec::new();
    let stamps: Vec<i64> = events.iter().map(|timed| timed.event.at_ms).collect();
    let near = bulk(&stamps);
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
    let times = copies(events);
    if times > 1 {
        let mut seen: HashMap<(&str, u8), usize, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
        let mut at_ms = None;
        let all = events.len();
        events.retain(|timed| {
            if at_ms != Some(timed.event.at_ms) {
                seen.clear();
                at_ms = Some(timed.event.at_ms);
            }
            let count = seen.entry((timed.key, number(timed.event.access))).or_insert(0);
            *count += 1;
            (*count - 1).is_multiple_of(times)
        });
        notes.push(format!("every event of {all} is there {times} times, as in a file read twice; each counts once"));
    }
    notes
}

/// Events from which repetition of each is no chance.
const LEAST_COPIED: usize = 100;

/// How many times each event is there: the largest number that divides how often each occurs at its moment; 1 of few events.
fn copies(events: &[Timed<'_>]) -> usize {
    if events.len() < LEAST_COPIED {
        return 1;
    }
    let mut times = 0;
    let mut counts: HashMap<(&str, u8), usize, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    for same in events.chunk_by(|a, b| a.event.at_ms == b.event.at_ms) {
        counts.clear();
        same.iter().for_each(|timed| *counts.entry((timed.key, number(timed.event.access))).or_insert(0) += 1);
        times = counts.values().fold(times, |times, &count| common_divisor(times, count));
        if times == 1 {
            return 1;
        }
    }
    times.max(1)
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn number(access: Access) -> u8 {
    match access {
        Access::Get => 0,
        Access::Write => 1,
        Access::Delete => 2,
    }
}

/// Mean of what a miss costs over the reads that tell it, milliseconds.
fn mean_cost(events: &[Timed<'_>]) -> Option<f64> {
    let costs = events.iter().filter(|timed| timed.event.access == Access::Get && timed.miss_cost_ms >= 0.0);
    let (sum, count) = costs.fold((0.0, 0.0), |(sum, count), timed| (sum + f64::from(timed.miss_cost_ms), count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "spans are far below 2^53 ms")]
fn split_at(first_ms: i64, last_ms: i64, split: f64) -> i64 {
    first_ms.saturating_add((last_ms.saturating_sub(first_ms) as f64 * split).floor() as i64)
}

/// What the events to learn from do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    NoReads,
    NoWrites,
}

impl Gap {
    fn of(traces: &KeyTraces, on_write: OnWrite) -> Self {
        match (traces.gets(), traces.writes()) {
            (0, _) => Self::NoReads,
            // Where each write drops the copy nothing is stale, however many writes there are.
            (_, 0) if on_write == OnWrite::Keep => Self::NoWrites,
            _ => Self::None,
        }
    }

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

impl TrainTestSplit<'_> {
    fn figures(&self, ttl_ms: i64, predicted: &Prediction, gap: Gap) -> TtlFigures {
        let [hit_ratio, mut stale_share, resident_keys_mean] =
            self.replayed.figures(ttl_ms, predicted, self.options.on_write, self.second);
        if gap != Gap::None {
            stale_share.replayed = None;
        }
        TtlFigures { ttl_ms, hit_ratio, stale_share, resident_keys_mean }
    }
}

/// The accesses to score, by key, none left out.
pub(super) struct Replayed<'a> {
    keys: HashMap<&'a str, Vec<KeyEvent>, FixedState>,
    gets: f64,
}

impl<'a> Replayed<'a> {
    fn of(events: &[Timed<'a>]) -> Self {
        let mut keys: HashMap<&str, Vec<KeyEvent>, _> = HashMap::with_hasher(FixedState::with_seed(0));
        for timed in events {
            keys.entry(timed.key).or_default().push(timed.event);
        }
        Self { keys, gets: events.iter().filter(|timed| timed.event.access == Access::Get).count() as f64 }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &[KeyEvent])> {
        self.keys.iter().map(|(key, events)| (*key, events.as_slice()))
    }

    /// Reads.
    pub(super) fn gets(&self) -> f64 {
        self.gets
    }

    /// Hit ratio, stale share and mean number of resident keys: what is predicted, beside what is replayed.
    pub(super) fn figures(
        &self,
        ttl_ms: impl Lifetime,
        predicted: &Prediction,
        on_write: OnWrite,
        window: Window,
    ) -> [Figure; 3] {
        let mut tally = Tally::default();
        for events in self.keys.values() {
            tally.add(&replay(events, ttl_ms, on_write, window), 1.0);
        }
        let length_ms = window.len_ms();
        let resident = if length_ms > 0.0 { tally.resident_ms / length_ms } else { 0.0 };
        let held = (self.gets > 0.0).then_some(resident);
        [
            Figure { predicted: predicted.hit_ratio, replayed: tally.hit_ratio() },
            Figure { predicted: predicted.stale_share, replayed: tally.stale_share() },
            Figure { predicted: predicted.resident_keys_mean, replayed: held },
        ]
    }
}
