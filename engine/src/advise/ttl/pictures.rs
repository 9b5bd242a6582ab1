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
        let figure = |name: &str, (seconds, share): (f64, f64)| format!("{} at the {name} {seconds} s", percent(share));
        let figures: Vec<String> = [
            present.map(|known| figure("present", known)),
            proposed.map(|known| figure("proposed", known)),
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
