//! Draws the evidence of a batch's recommendation: the time of a row over the rows of a statement. Called by `advisor`.

use serde_json::Value;

use crate::{
    advise::picture::{Axis, Line, LineRole, Mark, MarkRole, Picture, Quantity, Scale, Shape},
    store::rows::RecommendationRow,
};

/// Draws the picture of a recommendation from its evidence. A rollback has none.
pub(super) fn pictures(row: &RecommendationRow) -> Vec<Picture> {
    draw(&row.evidence, &row.current, &row.proposed).into_iter().collect()
}

pub(super) fn draw(evidence: &Value, current: &Value, proposed: &Value) -> Option<Picture> {
    let curve = evidence.get("curve")?.as_array()?;
    let points: Vec<[f64; 4]> = curve
        .iter()
        .filter_map(|point| {
            let of = |name: &str| point.get(name).and_then(Value::as_f64);
            Some([of("rows")?, of("seconds_per_row")?, of("lower")?, of("upper")?])
        })
        .collect();
    let (first, last) = (points.first()?[0], points.last()?[0]);
    let line = |name: &str, role: LineRole, idx: usize| {
        Line::new(name, role, Shape::Line, points.iter().map(|point| point[idx]))
    };
    let rows = |setting: &Value| setting.get("rows").and_then(Value::as_f64);
    let (present, proposed) = (rows(current)?, rows(proposed)?);
    let each = |rows: f64| {
        let found = points.iter().find(|point| (point[0] - rows).abs() < 0.5);
        found.map_or(f64::NAN, |point| 1e3 * point[1])
    };
    let marks = [(present, MarkRole::Present, "present"), (proposed, MarkRole::Proposed, "proposed")];
    Some(Picture {
        name: "time_per_row",
        title: "Time of a row by the rows of a statement".to_owned(),
        text: format!(
            "A row takes {:.3} ms in statements of {present:.0} rows, as at present, and {:.3} ms in those of {proposed:.0}, by a fixed cost of a \
             statement and a cost of each row that are fitted to {} pairs of mean rows and mean time.",
            each(present),
            each(proposed),
            evidence["pairs"]
        ),
        x: Axis {
            scale: Scale::Log,
            ..Axis::number("rows of a statement", "1", points.iter().map(|point| point[0]).collect())
        },
        y: Quantity::new("time of a row", "s"),
        lines: vec![
            line("fitted", LineRole::Proposed, 1),
            line("lower end", LineRole::Lower, 2),
            line("upper end", LineRole::Upper, 3),
        ],
        spans: Vec::new(),
        marks: marks
            .into_iter()
            .filter(|mark| (first..=last).contains(&mark.0))
            .map(|(at, role, label)| Mark::new(at, role, label))
            .collect(),
    })
}
