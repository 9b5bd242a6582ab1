//! The sentence of a recommendation for a cache: the change, its benefit and its cost. Called by `advise`.

use super::{CacheReplay, CacheSpec, Figure, Invalidation, TtlFigures, choose::seconds};

/// Relative change of the number of keys below which the sentence omits it.
const KEYS_WORTH: f64 = 0.1;

/// Returns, for example, "Shorten the time-to-live of pages from 3600 s to 60 s: 0.60 % of hits are stale instead of
/// 10.20 % (limit 1 %), …".
pub(super) fn describe_ttl(
    spec: &CacheSpec,
    replay: &CacheReplay,
    chosen: &TtlFigures,
    current: Option<&TtlFigures>,
) -> String {
    let (name, to) = (&spec.name, seconds(chosen.ttl_ms));
    let limit = 100.0 * spec.stale_share_max;
    let Some(current) = current else {
        return format!(
            "Set the time-to-live of {name} to {to} s: {:.1} % of reads hit, {:.2} % of them stale (limit {limit} %), and {:.0} keys are held; the \
             present time-to-live is unknown",
            percent(&chosen.hit_ratio),
            percent(&chosen.stale_share),
            keys(chosen),
        );
    };
    let verb = if chosen.ttl_ms < current.ttl_ms { "Shorten" } else { "Lengthen" };
    format!(
        "{verb} the time-to-live of {name} from {} s to {to} s: {}",
        seconds(current.ttl_ms),
        [stale(chosen, current, limit), hits(replay, chosen, current), held(chosen, current)].concat()
    )
}

/// Returns, for example, "Drop copies of pages at each write and keep them up to 86400 s instead of 3600 s: …; without
/// that the best time-to-live is …".
///
/// `second`: the best time-to-live that keeps the limit.
pub(super) fn describe_invalidation(
    spec: &CacheSpec,
    replay: &CacheReplay,
    invalidation: &Invalidation,
    current: Option<&TtlFigures>,
    second: Option<&TtlFigures>,
) -> String {
    let figures = &invalidation.figures;
    let limit = 100.0 * spec.stale_share_max;
    let present = current.map_or_else(String::new, |current| format!(" instead of {} s", seconds(current.ttl_ms)));
    let brings = match current {
        Some(current) => {
            [stale(figures, current, limit), hits(replay, figures, current), held(figures, current)].concat()
        }
        None => format!("{:.1} % of reads hit and none of them is stale", percent(&figures.hit_ratio)),
    };
    let alternative = match second {
        Some(second) => format!(
            "without that the best time-to-live is {} s, at which {:.1} % of reads hit and {:.2} % of hits are stale (limit {limit} %)",
            seconds(second.ttl_ms),
            percent(&second.hit_ratio),
            percent(&second.stale_share)
        ),
        None => format!("without that no time-to-live keeps the stale share within {limit} %"),
    };
    format!(
        "Drop copies of {} at each write and keep them up to {} s{present}: {brings}; {alternative}",
        spec.name,
        seconds(figures.ttl_ms)
    )
}

fn stale(proposed: &TtlFigures, current: &TtlFigures, limit: f64) -> String {
    let (ours, theirs) = (percent(&proposed.stale_share), percent(&current.stale_share));
    let share = if ours > 0.0 { format!("{ours:.2} % of hits are") } else { "no hit is".to_owned() };
    format!("{share} stale instead of {theirs:.2} % (limit {limit} %)")
}

fn hits(replay: &CacheReplay, proposed: &TtlFigures, current: &TtlFigures) -> String {
    let (ours, theirs) = (percent(&proposed.hit_ratio), percent(&current.hit_ratio));
    let reads = replay.reads_per_day * (ours - theirs).abs() / 100.0;
    let origin = match ours.total_cmp(&theirs) {
        std::cmp::Ordering::Less if theirs < 100.0 => {
            let times = (100.0 - ours) / (100.0 - theirs);
            format!(", so the origin is read {reads:.0} times more a day, {times:.1} times as often")
        }
        std::cmp::Ordering::Greater => format!(", so the origin is read {reads:.0} times less a day"),
        _ => String::new(),
    };
    format!("; {ours:.1} % of reads hit instead of {theirs:.1} %{origin}")
}

fn held(proposed: &TtlFigures, current: &TtlFigures) -> String {
    let (ours, theirs) = (keys(proposed), keys(current));
    if (ours - theirs).abs() <= KEYS_WORTH * theirs {
        return String::new();
    }
    format!("; {ours:.0} keys are held instead of {theirs:.0}")
}

/// Returns a share in percent: the replayed one, or else the predicted one.
fn percent(figure: &Figure) -> f64 {
    100.0 * figure.best_known().unwrap_or(figure.predicted.upper)
}

fn keys(figures: &TtlFigures) -> f64 {
    figures.resident_keys_mean.best_known().unwrap_or(0.0)
}
