//! Finds problems of a cache that no time-to-live solves: too few reads, too few hits, or memory full of copies that
//! are never read again. Called by `replay`.

use almanac_models::ttl::{Access, KeyEvent, OnWrite, StackDistances, Tally, Window, replay};
use hashbrown::HashMap;
use serde_json::{Map, Value, json};

use super::{
    Gains, TtlFigures,
    choose::seconds,
    figures::ttl_seconds,
    split::{TimedAccess, TrainTestSplit},
};

/// Minimum reads per day of a useful cache.
const MIN_READS_PER_DAY: f64 = 100.0;
/// Minimum time of the origin that a useful cache saves per day, seconds.
const MIN_SAVED_S_PER_DAY: f64 = 10.0;
/// Minimum hit ratio of a useful cache when the cost of a miss is unknown.
const MIN_HIT_RATIO: f64 = 0.05;
/// Minimum span of events for rates per day, days.
const MIN_DAYS: f64 = 0.95;
/// Minimum share of the memory in copies that are never read again for an eviction limit.
const MIN_UNREAD_SHARE: f64 = 0.5;
/// Share of the hits that an eviction limit must keep.
const HITS_KEPT: f64 = 0.99;

/// Kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// The cache is rarely read, rarely hits, or saves little.
    Unneeded,
    /// Most of its memory holds copies that are never read again, and far fewer keys would hit almost as often.
    WantsEvictionLimit,
}

impl FindingKind {
    /// Returns the name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unneeded => "unneeded",
            Self::WantsEvictionLimit => "wants_eviction_limit",
        }
    }
}

/// A problem of a cache at any time-to-live, with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Kind of the problem.
    pub kind: FindingKind,
    /// Sentence for people.
    pub text: String,
    /// Figures by name.
    pub figures: Map<String, Value>,
}

impl Finding {
    fn new(kind: FindingKind, text: String, figures: Value) -> Self {
        let figures = if let Value::Object(figures) = figures { figures } else { Map::new() };
        Self { kind, text, figures }
    }

    /// Returns `{"kind", "text", …figures}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("kind".to_owned(), json!(self.kind.as_str()));
        object.insert("text".to_owned(), json!(self.text));
        object.extend(self.figures.clone());
        Value::Object(object)
    }
}

/// Returns the problems of the cache. `rows`: its figures at every time-to-live; `at`: the figures at the time-to-live
/// that is, or will be, in use.
pub(super) fn findings(
    split: &TrainTestSplit<'_>,
    rows: &[TtlFigures],
    at: &TtlFigures,
    gains: Option<&Gains>,
) -> Vec<Finding> {
    let unneeded = unneeded(split, rows, gains);
    let limit = if unneeded.is_none() { eviction_limit(split, at) } else { None };
    unneeded.into_iter().chain(limit).collect()
}

/// Returns a finding for a cache with too few reads per day. Needs about a day of events.
pub(super) fn rarely_read(split: &TrainTestSplit<'_>) -> Option<Finding> {
    let reads = split.reads_per_day();
    (reads < MIN_READS_PER_DAY && split.days() >= MIN_DAYS).then(|| {
        let text = format!(
            "this cache is rarely read: {reads:.0} reads a day were reported, fewer than {MIN_READS_PER_DAY}; \
             without it the origin would serve about as many reads",
        );
        Finding::new(FindingKind::Unneeded, text, json!({"reads_per_day": reads}))
    })
}

/// Judges by the highest hit ratio at any time-to-live that keeps the limit, and with invalidation on write.
fn unneeded(split: &TrainTestSplit<'_>, rows: &[TtlFigures], gains: Option<&Gains>) -> Option<Finding> {
    if let Some(finding) = rarely_read(split) {
        return Some(finding);
    }
    let (days, reads) = (split.days(), split.reads_per_day());
    let allowed = |row: &&TtlFigures| row.stale_share.predicted.upper <= split.options.stale_share_max;
    let invalidated = gains.and_then(|gains| gains.invalidate_on_write.as_ref()).map(|gain| gain.figures.hit_ratio);
    let best = rows.iter().filter(allowed).map(|row| row.hit_ratio).chain(invalidated);
    let most = best.map(|hit| hit.predicted.upper.max(hit.replayed.unwrap_or(0.0))).reduce(f64::max)?;
    let mut figures = json!({"reads_per_day": reads, "hit_ratio_at_most": most});
    let text = if let Some(cost_ms) = split.fetch_ms {
        let saved = reads * most * cost_ms / 1e3;
        if saved >= MIN_SAVED_S_PER_DAY || days < MIN_DAYS {
            return None;
        }
        figures["saved_seconds_per_day_at_most"] = json!(saved);
        format!(
            "this cache saves little: with at most {:.1} % hits at any allowed time-to-live and {cost_ms:.1} ms a miss, it saves \
             the origin {saved:.1} s a day, less than {MIN_SAVED_S_PER_DAY} s",
            100.0 * most
        )
    } else {
        if most >= MIN_HIT_RATIO {
            return None;
        }
        format!(
            "this cache saves little: at most {:.1} % of its reads hit at any allowed time-to-live, {} % would be needed",
            100.0 * most,
            100.0 * MIN_HIT_RATIO
        )
    };
    Some(Finding::new(FindingKind::Unneeded, text, figures))
}

/// Proposes a limit on the number of keys with least-recently-used eviction.
fn eviction_limit(split: &TrainTestSplit<'_>, at: &TtlFigures) -> Option<Finding> {
    let on_write = split.options.on_write;
    let unread = |keys: &mut dyn Iterator<Item = &[KeyEvent]>, window: Window| {
        let mut tally = Tally::default();
        keys.for_each(|events| tally.add(&replay(events, at.ttl_ms, on_write, window), 1.0));
        if tally.resident_ms > 0.0 { tally.unread_ms / tally.resident_ms } else { 0.0 }
    };
    let predicted = unread(&mut split.traces.iter(), split.train_window);
    let replayed = unread(&mut split.test_accesses.iter().map(|(_, events)| events), split.test_window);
    // The lower of both shares must suffice: a single half is not enough evidence.
    if predicted.min(replayed) < MIN_UNREAD_SHARE {
        return None;
    }
    let kept = split.train_events.iter().filter(|timed| split.traces.keeps(timed.key));
    let mut distances = hit_distances(kept, at.ttl_ms, on_write);
    distances.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let last = ((distances.len() as f64 * HITS_KEPT).ceil() as usize).checked_sub(1)?;
    // In a sample of the keys only that share of the keys lies between two reads of a key (SHARDS).
    let limit = (f64::from(*distances.get(last)?) / split.traces.sampled_share()).ceil() + 1.0;
    let resident = at.resident_keys_mean.best_known()?;
    if limit >= resident {
        return None;
    }
    let scored = hit_distances(split.test_events.iter(), at.ttl_ms, on_write);
    let held = scored.iter().filter(|distance| f64::from(**distance) < limit).count() as f64;
    let hits_kept = held / scored.len().max(1) as f64;
    let figure = |value: f64, replayed: f64| json!({"predicted": value, "replayed": replayed});
    let text = format!(
        "this cache needs an eviction limit: at {} s {:.0} % of what it holds is never read again; the {limit:.0} most recently read keys would \
         keep {:.1} % of the hits, and it holds {resident:.0}",
        seconds(at.ttl_ms),
        100.0 * replayed,
        100.0 * hits_kept
    );
    let figures = json!({
        "ttl_seconds": ttl_seconds(at.ttl_ms),
        "unread_residency_share": figure(predicted, replayed),
        "resident_keys_mean": resident,
        "limit_keys": limit,
        "hits_kept": figure(HITS_KEPT, hits_kept),
    });
    Some(Finding::new(FindingKind::WantsEvictionLimit, text, figures))
}

/// Returns for each hit at this time-to-live the number of other keys read since the key's last read, which is the LRU
/// stack distance. A cache limited to fewer keys misses there. `events`: of all keys, by time.
fn hit_distances<'a>(events: impl Iterator<Item = &'a TimedAccess<'a>>, ttl_ms: i64, on_write: OnWrite) -> Vec<u32> {
    let mut keys: HashMap<&str, (usize, Option<i64>)> = HashMap::new();
    let mut stack = StackDistances::default();
    let mut distances = Vec::new();
    for TimedAccess { key, event, .. } in events {
        let next = keys.len();
        let (number, filled_ms) = keys.entry(key).or_insert((next, None));
        match event.access {
            Access::Get => {
                let distance = stack.read(*number);
                match *filled_ms {
                    Some(filled) if event.at_ms.saturating_sub(filled) < ttl_ms => distances.extend(distance),
                    _ => *filled_ms = Some(event.at_ms),
                }
            }
            Access::Write if on_write == OnWrite::Keep => {}
            Access::Write | Access::Delete => *filled_ms = None,
        }
    }
    distances
}

/// Returns the row at which findings and gains are computed: the recommended time-to-live, else the present one, else
/// the shortest with nearly the highest hit ratio.
pub(super) fn reference_row(
    rows: &[TtlFigures],
    recommended: Option<i64>,
    current: Option<i64>,
) -> Option<&TtlFigures> {
    let at = |ttl_ms: Option<i64>| ttl_ms.and_then(|ttl_ms| rows.iter().find(|row| row.ttl_ms == ttl_ms));
    let hit = |row: &TtlFigures| row.hit_ratio.predicted.value.unwrap_or(0.0);
    let most = rows.iter().map(hit).fold(0.0, f64::max);
    at(recommended)
        .or_else(|| at(current))
        .or_else(|| rows.iter().find(|row| hit(row) >= most - super::choose::MIN_GAIN))
}
