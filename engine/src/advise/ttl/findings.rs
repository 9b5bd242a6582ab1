//! Finds what is wrong with a cache whatever its time-to-live: hardly read, hardly hit, full of what is never read again.

use almanac_models::ttl::{Access, KeyEvent, OnWrite, StackDistances, Tally, Window, replay};
use hashbrown::HashMap;
use serde_json::{Map, Value, json};

use super::{
    Gains, TtlFigures,
    choose::seconds,
    figures::ttl_seconds,
    replay::{Timed, TrainTestSplit},
};

/// Fewer reads a day make no cache.
const READS_PER_DAY: f64 = 100.0;
/// A cache that saves less of the origin's time a day, seconds, is not worth its keeping.
const SAVED_S_PER_DAY: f64 = 10.0;
/// Hit ratio below which a cache is not worth its keeping where nobody says what a miss costs.
const HIT_RATIO: f64 = 0.05;
/// Rates by the day are told from at least as much of a day.
const LEAST_DAYS: f64 = 0.95;
/// Share of the memory that must go to copies that are never read again.
const UNREAD_SHARE: f64 = 0.5;
/// Share of the hits that a limit on the number of keys has to keep.
const HITS_KEPT: f64 = 0.99;

/// What is wrong with a cache as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// It is hardly read, hardly hits, or saves hardly anything.
    Unneeded,
    /// Most of its memory holds copies that are never read again, and far fewer keys would hit nearly as often.
    WantsEvictionLimit,
}

impl FindingKind {
    /// As JSON says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unneeded => "unneeded",
            Self::WantsEvictionLimit => "wants_eviction_limit",
        }
    }
}

/// Something that is wrong with a cache whatever its time-to-live, with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// In words.
    pub text: String,
    /// By name.
    pub figures: Map<String, Value>,
}

impl Finding {
    fn new(kind: FindingKind, text: String, figures: Value) -> Self {
        let figures = if let Value::Object(figures) = figures { figures } else { Map::new() };
        Self { kind, text, figures }
    }

    /// `{"kind", "text", …figures}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("kind".to_owned(), json!(self.kind.as_str()));
        object.insert("text".to_owned(), json!(self.text));
        object.extend(self.figures.clone());
        Value::Object(object)
    }
}

/// What is wrong with the cache as such. `rows`: its figures at every time-to-live; `at`: those at the one that is, or will be,
/// in force.
pub(super) fn findings(
    parts: &TrainTestSplit<'_>,
    rows: &[TtlFigures],
    at: &TtlFigures,
    gains: Option<&Gains>,
) -> Vec<Finding> {
    let unneeded = unneeded(parts, rows, gains);
    let limit = if unneeded.is_none() { wants_limit(parts, at) } else { None };
    unneeded.into_iter().chain(limit).collect()
}

/// A cache that is read less often than a cache is worth, by the day; needs about a day of events.
pub(super) fn hardly_read(parts: &TrainTestSplit<'_>) -> Option<Finding> {
    let reads = parts.reads_per_day();
    (reads < READS_PER_DAY && parts.days() >= LEAST_DAYS).then(|| {
        let text = format!(
            "hardly anybody reads this cache: {reads:.0} reads a day were reported, fewer than {READS_PER_DAY}; \
             without it the origin would hardly be read more often"
        );
        Finding::new(FindingKind::Unneeded, text, json!({"reads_per_day": reads}))
    })
}

/// Judged by the most that may hit at any time-to-live that keeps the limit, or with copies dropped at each write.
fn unneeded(parts: &TrainTestSplit<'_>, rows: &[TtlFigures], gains: Option<&Gains>) -> Option<Finding> {
    if let Some(finding) = hardly_read(parts) {
        return Some(finding);
    }
    let (days, reads) = (parts.days(), parts.reads_per_day());
    let allowed = |row: &&TtlFigures| row.stale_share.predicted.upper <= parts.options.stale_share_max;
    let invalidated = gains.and_then(|gains| gains.invalidate_on_write.as_ref()).map(|gain| gain.figures.hit_ratio);
    let best = rows.iter().filter(allowed).map(|row| row.hit_ratio).chain(invalidated);
    let most = best.map(|hit| hit.predicted.upper.max(hit.replayed.unwrap_or(0.0))).reduce(f64::max)?;
    let mut figures = json!({"reads_per_day": reads, "hit_ratio_at_most": most});
    let text = if let Some(cost_ms) = parts.fetch_ms {
        let saved = reads * most * cost_ms / 1e3;
        if saved >= SAVED_S_PER_DAY || days < LEAST_DAYS {
            return None;
        }
        figures["saved_seconds_per_day_at_most"] = json!(saved);
        format!(
            "nobody needs this cache: with {:.1} % hits at most at any allowed time-to-live, at {cost_ms:.1} ms a miss, it saves \
             the origin {saved:.1} s a day, less than {SAVED_S_PER_DAY}",
            100.0 * most
        )
    } else {
        if most >= HIT_RATIO {
            return None;
        }
        format!(
            "nobody needs this cache: at no allowed time-to-live do more than {:.1} % of its reads hit, and {} % would be worth it",
            100.0 * most,
            100.0 * HIT_RATIO
        )
    };
    Some(Finding::new(FindingKind::Unneeded, text, figures))
}

/// A limit for a cache that drops the key that was read longest ago (LRU).
fn wants_limit(parts: &TrainTestSplit<'_>, at: &TtlFigures) -> Option<Finding> {
    let on_write = parts.options.on_write;
    let unread = |keys: &mut dyn Iterator<Item = &[KeyEvent]>, window: Window| {
        let mut tally = Tally::default();
        keys.for_each(|events| tally.add(&replay(events, at.ttl_ms, on_write, window), 1.0));
        if tally.resident_ms > 0.0 { tally.unread_ms / tally.resident_ms } else { 0.0 }
    };
    let predicted = unread(&mut parts.traces.iter(), parts.known);
    let replayed = unread(&mut parts.replayed.iter().map(|(_, events)| events), parts.second);
    if predicted.min(replayed) < UNREAD_SHARE {
        return None;
    }
    let kept = parts.learned.iter().filter(|timed| parts.traces.keeps(timed.key));
    let mut distances = hit_distances(kept, at.ttl_ms, on_write);
    distances.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let last = ((distances.len() as f64 * HITS_KEPT).ceil() as usize).checked_sub(1)?;
    // Of a sample of the keys only as many lie between two reads of one (SHARDS).
    let limit = (f64::from(*distances.get(last)?) / parts.traces.sampled_share()).ceil() + 1.0;
    let resident = at.resident_keys_mean.best_known()?;
    if limit >= resident {
        return None;
    }
    let scored = hit_distances(parts.scored.iter(), at.ttl_ms, on_write);
    let held = scored.iter().filter(|distance| f64::from(**distance) < limit).count() as f64;
    let hits_kept = held / scored.len().max(1) as f64;
    let figure = |value: f64, replayed: f64| json!({"predicted": value, "replayed": replayed});
    let text = format!(
        "this cache wants a limit: at {} s {:.0} % of what it holds is never read again; the {limit:.0} keys read last would keep \
         {:.1} % of the hits, and it holds {resident:.0}",
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

/// For each hit at this time-to-live, how many other keys were read since the key's last read: where fewer are kept, it would
/// have missed. `events`: of all keys, by time.
fn hit_distances<'a>(events: impl Iterator<Item = &'a Timed<'a>>, ttl_ms: i64, on_write: OnWrite) -> Vec<u32> {
    let mut keys: HashMap<&str, (usize, Option<i64>)> = HashMap::new();
    let mut stack = StackDistances::default();
    let mut distances = Vec::new();
    for Timed { key, event, .. } in events {
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

/// The time-to-live that other findings and gains are told for: the recommended one, else the present one, else the shortest of
/// those that hit most.
pub(super) fn looked_at(rows: &[TtlFigures], recommended: Option<i64>, current: Option<i64>) -> Option<&TtlFigures> {
    let at = |ttl_ms: Option<i64>| ttl_ms.and_then(|ttl_ms| rows.iter().find(|row| row.ttl_ms == ttl_ms));
    let hit = |row: &TtlFigures| row.hit_ratio.predicted.value.unwrap_or(0.0);
    let most = rows.iter().map(hit).fold(0.0, f64::max);
    at(recommended).or_else(|| at(current)).or_else(|| rows.iter().find(|row| hit(row) >= most - super::choose::WORTH))
}
