use std::collections::BTreeMap;

use almanac_models::{
    Timestamp,
    ttl::{Access, KeyEvent, OnWrite, Tally, Window, replay},
};
use hashbrown::HashMap;

use super::{
    CacheReplay, Figure, KeyTraces, Predicted, TtlError, TtlFigures, TtlOptions,
    choose::{Choice, candidates, choose},
    predict::{Prediction, Predictor},
};

/// One access of a cache's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheAccess<'a> {
    /// Epoch milliseconds.
    pub at_ms: i64,
    /// The cache's name.
    pub cache: &'a str,
    /// The key.
    pub key: &'a str,
    /// What happened.
    pub access: Access,
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
    let mut caches: BTreeMap<&str, Vec<(&str, KeyEvent)>> = BTreeMap::new();
    for access in accesses {
        let event = KeyEvent { at_ms: access.at_ms, access: access.access };
        caches.entry(access.cache).or_default().push((access.key, event));
    }
    if let Some(unknown) = options.current_ms.keys().find(|name| !caches.contains_key(name.as_str())) {
        let known = caches.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        return Err(TtlError::UnknownCache { cache: unknown.clone(), known });
    }
    Ok(caches
        .into_iter()
        .map(|(cache, mut events)| {
            events.sort_by_key(|(_, event)| event.at_ms);
            replay_cache(cache, &events, options)
        })
        .collect())
}

fn replay_cache(cache: &str, events: &[(&str, KeyEvent)], options: &TtlOptions) -> CacheReplay {
    let first_ms = events.first().map_or(0, |(_, event)| event.at_ms);
    let last_ms = events.last().map_or(0, |(_, event)| event.at_ms);
    let split_ms = split_at(first_ms, last_ms, options.split);
    let (learned, scored) = events.split_at(events.partition_point(|(_, event)| event.at_ms < split_ms));
    let second = Window { start_ms: split_ms, end_ms: last_ms };

    let mut traces = KeyTraces::new(options.max_events);
    for (key, event) in learned {
        traces.observe(key, *event);
    }
    let known = Window { start_ms: first_ms, end_ms: split_ms };
    let predictor = Predictor::new(&traces, known, last_ms - split_ms, options.on_write, options.level);
    let gap = Gap::of(&traces, options.on_write);
    let predict = |ttl_ms: i64| gap.apply(predictor.predict(ttl_ms));

    let current_ttl_ms = options.current_ms.get(cache).copied();
    let mut asked = options.grid_ms.clone();
    asked.extend(current_ttl_ms);
    let predicted: Vec<(i64, Prediction)> = candidates(&asked).into_iter().map(|ttl| (ttl, predict(ttl))).collect();
    let choice = choose(&predicted, options.stale_share_max, options.costs);
    let (recommended_ttl_ms, mut reason) = match choice {
        Choice::Ttl(ttl_ms) if gap != Gap::NoReads => (Some(ttl_ms), None),
        Choice::Ttl(_) => (None, None),
        Choice::Nothing { reason } => (None, Some(reason)),
    };
    if gap != Gap::None {
        reason = Some(gap.reason(cache));
    }
    asked.extend(recommended_ttl_ms);
    let replayed = Replayed::of(scored);
    let ttls = predicted
        .iter()
        .filter(|(ttl_ms, _)| asked.contains(ttl_ms))
        .map(|(ttl_ms, predicted)| replayed.figures(*ttl_ms, predicted, options, second, gap))
        .collect();
    CacheReplay {
        cache: cache.to_owned(),
        identifiable: gap == Gap::None,
        reason,
        split_at: Timestamp::from_millis(split_ms),
        current_ttl_ms,
        recommended_ttl_ms,
        ttls,
        span: (Timestamp::from_millis(first_ms), Timestamp::from_millis(last_ms)),
        events: events.len(),
        sampled_share: traces.sampled_share(),
    }
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

/// The accesses to score, by key, none left out.
struct Replayed<'a> {
    keys: HashMap<&'a str, Vec<KeyEvent>>,
    has_reads: bool,
}

impl<'a> Replayed<'a> {
    fn of(events: &[(&'a str, KeyEvent)]) -> Self {
        let mut keys: HashMap<&str, Vec<KeyEvent>> = HashMap::new();
        for (key, event) in events {
            keys.entry(key).or_default().push(*event);
        }
        Self { keys, has_reads: events.iter().any(|(_, event)| event.access == Access::Get) }
    }

    fn figures(
        &self,
        ttl_ms: i64,
        predicted: &Prediction,
        options: &TtlOptions,
        window: Window,
        gap: Gap,
    ) -> TtlFigures {
        let mut tally = Tally::default();
        for events in self.keys.values() {
            tally.add(&replay(events, ttl_ms, options.on_write, window), 1.0);
        }
        let length_ms = window.len_ms();
        let resident = if length_ms > 0.0 { tally.resident_ms / length_ms } else { 0.0 };
        TtlFigures {
            ttl_ms,
            hit_ratio: Figure { predicted: predicted.hit_ratio, replayed: tally.hit_ratio() },
            stale_share: Figure {
                predicted: predicted.stale_share,
                replayed: tally.stale_share().filter(|_| gap == Gap::None),
            },
            resident_keys_mean: Figure {
                predicted: predicted.resident_keys_mean,
                replayed: self.has_reads.then_some(resident),
            },
        }
    }
}
