//! Draws the evidence of a cache's recommendation: hit ratio and stale share over the time-to-live, and times-to-live by
//! hour of the day. Called by `advisor`; reads the stored evidence alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::CacheSpec;
use crate::{
    advise::picture::{Axis, Line, LineRole, Mark, MarkRole, Picture, Quantity, Scale, Shape, percent},
    store::rows::RecommendationRow,
};

/// Hours of the day, both ends included.
const HOURS: usize = 25;

/// Draws a recommendation. Empty without a replay in the evidence, as in a rollback.
pub(super) fn pictures(spec: Option<&CacheSpec>, row: &RecommendationRow) -> Vec<Picture> {
    let replay = &row.evidence["replay"];
    let Some(curve) = Curve::of(row) else { return Vec::new() };
    // Evidence of older releases lacks the limit.
    let limit = row.evidence["stale_share_max"].as_f64().or(spec.map(|spec| spec.stale_share_max));
    let mut pictures = vec![curve.draw(&HIT_RATIO, None), curve.draw(&STALE_SHARE, limit)];
    pictures.extend(draw_hours(replay, &curve));
    pictures
}

/// A figure of every time-to-live.
struct FigureKind {
    /// Name in the evidence, and of the picture.
    name: &'static str,
    title: &'static str,
    label: &'static str,
    /// How to read it.
    reading: &'static str,
}

const HIT_RATIO: FigureKind = FigureKind {
    name: "hit_ratio",
    title: "Hit ratio over the time-to-live",
    label: "hits among reads",
    reading: "Share of reads that hit at each time-to-live",
};
const STALE_SHARE: FigureKind = FigureKind {
    name: "stale_share",
    title: "Stale share over the time-to-live",
    label: "stale hits among hits",
    reading: "Share of hits that are stale at each time-to-live",
};

/// The figures of a replay at each time-to-live, ascending.
struct Curve<'a> {
    seconds: Vec<f64>,
    rows: Vec<Option<&'a Value>>,
    present: Option<f64>,
    proposed: Option<f64>,
    /// Figures with a copy dropped at each write, if that is proposed.
    invalidation: Option<&'a Value>,
}

impl<'a> Curve<'a> {
    fn of(row: &'a RecommendationRow) -> Option<Self> {
        let replay = &row.evidence["replay"];
        let rows: Vec<&Value> = replay["ttls"].as_array()?.iter().filter(|row| ttl(row).is_some()).collect();
        let invalidates = row.proposed["invalidate_on_write"].as_bool() == Some(true);
        let invalidation =
            Some(&replay["gains"]["invalidate_on_write"]).filter(|gain| invalidates && ttl(gain).is_some());
        let (present, proposed) = (ttl(&row.current), ttl(&row.proposed));
        let known =
            rows.iter().filter_map(|row| ttl(row)).chain(invalidation.and_then(ttl)).chain(present).chain(proposed);
        // Positive numbers sort as their bits do.
        let seconds: Vec<f64> =
            known.map(f64::to_bits).collect::<BTreeSet<u64>>().into_iter().map(f64::from_bits).collect();
        let at = |seconds: &f64| {
            rows.iter().copied().find(|row| ttl(row).is_some_and(|ttl| ttl.to_bits() == seconds.to_bits()))
        };
        let rows = seconds.iter().map(at).collect();
        (!seconds.is_empty()).then_some(Self { seconds, rows, present, proposed, invalidation })
    }

    /// Draws a figure: predicted on the first part of the events with its interval, and replayed on the second.
    fn draw(&self, kind: &FigureKind, limit: Option<f64>) -> Picture {
        let line = |name: &str, role, shape, of: &dyn Fn(&Value) -> Option<f64>| {
            let value = |row: &Option<&Value>| row.and_then(|row| of(&row[kind.name])).unwrap_or(f64::NAN);
            Line::new(name, role, shape, self.rows.iter().map(value))
        };
        let mut lines = vec![
            line("replayed", LineRole::Measured, Shape::Points, &|figure| figure["replayed"].as_f64()),
            line("predicted", LineRole::Compared, Shape::Line, &|figure| figure["predicted"]["value"].as_f64()),
            line("predicted, lower end", LineRole::Lower, Shape::Line, &|figure| figure["predicted"]["lower"].as_f64()),
            line("predicted, upper end", LineRole::Upper, Shape::Line, &|figure| figure["predicted"]["upper"].as_f64()),
        ];
        if let Some(gain) = self.invalidation {
            let at = ttl(gain).unwrap_or(f64::NAN);
            let value = best_known(&gain[kind.name]).unwrap_or(f64::NAN);
            let only_there = |seconds: &f64| if seconds.to_bits() == at.to_bits() { value } else { f64::NAN };
            let values = self.seconds.iter().map(only_there);
            lines.push(Line::new("with copies dropped at each write", LineRole::Proposed, Shape::Points, values));
        }
        if let Some(limit) = limit {
            lines.push(Line::new("limit", LineRole::Limit, Shape::Line, self.seconds.iter().map(|_| limit)));
        }
        lines.retain(Line::has_values);
        let mut axis = Axis::number("time-to-live", "s", self.seconds.clone());
        axis.scale = Scale::Log;
        Picture {
            name: kind.name,
            title: kind.title.to_owned(),
            text: self.text(kind, limit),
            x: axis,
            y: Quantity::new(kind.label, "1"),
            lines,
            spans: Vec::new(),
            marks: self.marks(),
        }
    }

    fn text(&self, kind: &FigureKind, limit: Option<f64>) -> String {
        let at = |seconds: f64| {
            let row = self.seconds.iter().position(|known| known.to_bits() == seconds.to_bits());
            best_known(&row.and_then(|row| self.rows[row])?[kind.name])
        };
        let present = self.present.and_then(|seconds| Some((seconds, at(seconds)?)));
        let proposed = self.proposed.and_then(|seconds| {
            let share = self.invalidation.map_or_else(|| at(seconds), |gain| best_known(&gain[kind.name]));
            Some((seconds, share?))
        });
        let dropping = if self.invalidation.is_some() { " with copies dropped at each write" } else { "" };
        let figure = |name: &str, (seconds, share): (f64, f64), how: &str| {
            format!("{} at the {name} {seconds} s{how}", percent(share))
        };
        let figures: Vec<String> = [
            present.map(|known| figure("present", known, "")),
            proposed.map(|known| figure("proposed", known, dropping)),
            limit.map(|limit| format!("at most {} is allowed", percent(limit))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let figures = if figures.is_empty() { String::new() } else { format!(": {}", figures.join(", ")) };
        format!(
            "{}{figures}. The line is predicted from the first part of the events with its interval, and the points are the \
             replay of the second part.",
            kind.reading
        )
    }

    fn marks(&self) -> Vec<Mark> {
        let mark = |seconds: Option<f64>, role, name: &str| {
            seconds.map(|seconds| Mark::new(seconds, role, format!("{name}: {seconds} s")))
        };
        let present = mark(self.present, MarkRole::Present, "present");
        present.into_iter().chain(mark(self.proposed, MarkRole::Proposed, "proposed")).collect()
    }
}

/// Draws the times-to-live by hour of the day beside the single ones. None when the evidence has none.
fn draw_hours(replay: &Value, curve: &Curve<'_>) -> Option<Picture> {
    let parts = replay["hours"].as_array().filter(|parts| !parts.is_empty())?;
    let number = |part: &Value, name: &str| part[name].as_u64().and_then(|hour| usize::try_from(hour).ok());
    let mut by_hour = [f64::NAN; HOURS];
    for part in parts {
        let (Some(from), Some(until), Some(seconds)) = (number(part, "from"), number(part, "until"), ttl(part)) else {
            return None;
        };
        // A part that spans midnight ends at an hour that is not after its first.
        let length = if until > from { until - from } else { until + 24 - from };
        (from..from + length).for_each(|hour| by_hour[hour % 24] = seconds);
    }
    by_hour[HOURS - 1] = by_hour[0];
    let figures = &replay["hours_figures"];
    let share = |name: &str| best_known(&figures[name]).map_or_else(|| "an unknown share".to_owned(), percent);
    let constant = |name: &str, role, seconds: Option<f64>| {
        Line::new(name, role, Shape::Line, [seconds.unwrap_or(f64::NAN); HOURS])
    };
    let mut lines = vec![
        Line::new("by hour of the day", LineRole::Compared, Shape::Steps, by_hour),
        constant("present", LineRole::Present, curve.present),
        constant("proposed", LineRole::Proposed, curve.proposed),
    ];
    lines.retain(Line::has_values);
    Some(Picture {
        name: "ttl_by_hour",
        title: "Time-to-live by hour of the day".to_owned(),
        text: format!(
            "With the time-to-live of the hour (UTC) in which a copy is filled, {} of reads hit and {} of hits are stale.",
            share("hit_ratio"),
            share("stale_share")
        ),
        x: Axis::number("hour of the day", "h", (0_u8..).take(HOURS).map(f64::from).collect()),
        y: Quantity::new("time-to-live", "s"),
        lines,
        spans: Vec::new(),
        marks: Vec::new(),
    })
}

/// Returns the field `ttl_seconds`, if it is positive.
fn ttl(object: &Value) -> Option<f64> {
    object.get("ttl_seconds")?.as_f64().filter(|seconds| *seconds > 0.0)
}

/// Returns the replayed value of a figure, or else the predicted one.
fn best_known(figure: &Value) -> Option<f64> {
    figure["replayed"].as_f64().or_else(|| figure["predicted"]["value"].as_f64())
}

#[cfg(test)]
mod tests {
    use almanac_models::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        advise::{Advisor, Sources, advise_on, picture::assert_sound, ttl::Ttl},
        store::{
            Store, StoreOptions,
            rows::{CacheEvent, CacheOp, EventBatch},
        },
    };

    /// Advises on two hours of events: 20 keys read in turn, one every two seconds, each written every ten minutes.
    fn advised(spec: &CacheSpec) -> RecommendationRow {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.duckdb"), StoreOptions::default()).unwrap();
        let event = |at_ms: i64, key: i64, op| CacheEvent {
            timestamp: Timestamp::from_millis(at_ms),
            cache: "pages".to_owned(),
            key: format!("k{key}"),
            op,
            bytes: None,
            miss_cost_ms: None,
        };
        let cache = (0..3_600_i64).flat_map(|tick| {
            let key = (tick * 7) % 20;
            let write = (tick % 300 == key * 15).then(|| event(tick * 2_000 + 1, key, CacheOp::Write));
            std::iter::once(event(tick * 2_000, key, CacheOp::Get)).chain(write)
        });
        store.put_events(EventBatch { cache: cache.collect(), ..EventBatch::default() }).unwrap();
        let verdict = advise_on::<Ttl>(&Sources { store: &store }, spec, Timestamp::from_millis(7_200_000)).remove(0);
        let row = verdict.recommendation().unwrap_or_else(|| panic!("{}", verdict.reason())).clone();
        // The pictures need the evidence alone.
        let now = Timestamp::from_millis(8_000_000);
        assert_eq!(Ttl::pictures(&Sources { store: &store }, None, &row, now).unwrap(), pictures(Some(spec), &row));
        row
    }

    fn spec(can_invalidate: bool) -> CacheSpec {
        CacheSpec { ttl_ms: Some(3_600_000), stale_share_max: 0.2, can_invalidate, ..CacheSpec::new("pages") }
    }

    fn line(picture: &Picture, role: LineRole) -> &Line {
        picture.lines.iter().find(|line| line.role == role).unwrap()
    }

    #[test]
    fn both_curves_are_those_of_the_evidence() {
        let row = advised(&spec(false));
        let pictures = pictures(None, &row);
        pictures.iter().for_each(assert_sound);
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name).collect();
        assert_eq!(names, ["hit_ratio", "stale_share"]);
        for picture in &pictures {
            for figures in row.evidence["replay"]["ttls"].as_array().unwrap() {
                let seconds = figures["ttl_seconds"].as_f64().unwrap();
                let at = picture.x.values.iter().position(|x| (x - seconds).abs() < 1e-9).unwrap();
                let figure = &figures[picture.name];
                for (role, value) in [
                    (LineRole::Measured, &figure["replayed"]),
                    (LineRole::Compared, &figure["predicted"]["value"]),
                    (LineRole::Lower, &figure["predicted"]["lower"]),
                    (LineRole::Upper, &figure["predicted"]["upper"]),
                ] {
                    let (drawn, value) = (line(picture, role).values[at], value.as_f64());
                    let same =
                        drawn.zip(value).is_some_and(|(drawn, value)| (drawn - value).abs() <= 1e-5 * value.abs());
                    assert!(same || drawn == value, "{} at {seconds} s: {drawn:?} {value:?}", picture.name);
                }
            }
            let marks: Vec<(MarkRole, f64)> = picture.marks.iter().map(|mark| (mark.role, mark.at)).collect();
            let proposed = row.proposed["ttl_seconds"].as_f64().unwrap();
            assert_eq!(marks, [(MarkRole::Present, 3_600.0), (MarkRole::Proposed, proposed)]);
        }
        assert!(line(&pictures[1], LineRole::Limit).values.iter().all(|limit| *limit == Some(0.2)));
        assert!(pictures[1].text.contains("at most 20.0 % is allowed"), "{}", pictures[1].text);
    }

    #[test]
    fn dropping_copies_is_a_point_of_its_own() {
        let row = advised(&CacheSpec { stale_share_max: 0.01, ..spec(true) });
        let pictures = pictures(None, &row);
        pictures.iter().for_each(assert_sound);
        let dropping = line(&pictures[1], LineRole::Proposed);
        let values: Vec<f64> = dropping.values.iter().flatten().copied().collect();
        assert_eq!(values, [0.0], "no copy is stale");
        assert!(pictures[1].text.contains("s with copies dropped at each write"), "{}", pictures[1].text);
    }

    #[test]
    fn parts_of_the_day_wrap_at_midnight() {
        let mut row = advised(&spec(false));
        row.evidence["replay"]["hours"] = json!([
            {"from": 8, "until": 20, "ttl_seconds": 60},
            {"from": 20, "until": 8, "ttl_seconds": 600},
        ]);
        row.evidence["replay"]["hours_figures"] =
            json!({"hit_ratio": {"predicted": {"value": 0.5}, "replayed": 0.75}, "stale_share": {"replayed": 0.01}});
        let all = pictures(None, &row);
        all.iter().for_each(assert_sound);
        let by_hour = &all[2].lines[0];
        let at = |hour: usize| by_hour.values[hour];
        for (hour, seconds) in [(0, 600.0), (7, 600.0), (8, 60.0), (19, 60.0), (20, 600.0), (24, 600.0)] {
            assert_eq!(at(hour), Some(seconds), "{hour}");
        }
        assert!(all[2].text.contains("75.0 % of reads hit and 1.0 % of hits are stale"), "{}", all[2].text);
        row.evidence = json!({"reverts": "ttl-pages-1"});
        assert_eq!(pictures(None, &row), []);
    }
}
