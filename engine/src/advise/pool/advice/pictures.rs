//! Draws the evidence of a pool's recommendation: the predicted wait over the number of connections. Called by `advisor`.

use serde_json::Value;

use crate::{
    advise::picture::{Axis, Line, LineRole, Mark, MarkRole, Picture, Quantity, Shape},
    store::rows::RecommendationRow,
};

/// Draws the picture of a recommendation from its evidence. A rollback has none.
pub(in crate::advise::pool) fn pictures(row: &RecommendationRow) -> Vec<Picture> {
    draw(row).into_iter().collect()
}

fn draw(row: &RecommendationRow) -> Option<Picture> {
    let curve = row.evidence.get("curve")?.as_array()?;
    let points: Vec<[f64; 4]> = curve
        .iter()
        .filter_map(|point| {
            let of = |name: &str| point.get(name).and_then(Value::as_f64);
            Some([of("connections")?, of("wait_p95")?, of("lower")?, of("upper")?])
        })
        .collect();
    let limit = row.evidence.get("wait_max").and_then(Value::as_f64)?;
    let (first, last) = (points.first()?[0], points.last()?[0]);
    let line = |name: &str, role: LineRole, shape: Shape, idx: usize| {
        Line::new(name, role, shape, points.iter().map(|point| point[idx]))
    };
    let setting = |setting: &Value| setting.get("connections").and_then(Value::as_f64);
    let (present, proposed) = (setting(&row.current)?, setting(&row.proposed)?);
    let wait = |connections: f64| {
        let found = points.iter().find(|point| (point[0] - connections).abs() < 0.5);
        found.map_or(f64::NAN, |point| 1e3 * point[1])
    };
    let inside = |at: &f64| (first..=last).contains(at);
    let marks = [(present, MarkRole::Present, "present"), (proposed, MarkRole::Proposed, "proposed")];
    let mut lines = vec![
        line("predicted", LineRole::Proposed, Shape::Line, 1),
        line("lower end", LineRole::Lower, Shape::Line, 2),
        line("upper end", LineRole::Upper, Shape::Line, 3),
        Line::new("limit", LineRole::Limit, Shape::Line, points.iter().map(|_| limit)),
    ];
    if let Some(measured) = row.evidence["measured"]["wait_p95_busiest"].as_f64().filter(|_| inside(&present)) {
        let at = |point: &[f64; 4]| if (point[0] - present).abs() < 0.5 { measured } else { f64::NAN };
        lines.push(Line::new("measured", LineRole::Measured, Shape::Points, points.iter().map(at)));
    }
    lines.retain(Line::has_values);
    Some(Picture {
        name: "wait",
        title: "Wait for a connection by the pool's size".to_owned(),
        text: format!(
            "In the busiest times, 95 % of the checkouts are predicted to wait at most {:.1} ms with the present {present:.0} connections of an \
             instance and {:.1} ms with {proposed:.0}; the limit is {:.1} ms.",
            wait(present),
            wait(proposed),
            1e3 * limit
        ),
        x: Axis::number("connections of an instance", "1", points.iter().map(|point| point[0]).collect()),
        y: Quantity::new("wait, 95 % quantile", "s"),
        lines,
        spans: Vec::new(),
        marks: marks
            .into_iter()
            .filter(|mark| inside(&mark.0))
            .map(|(at, role, label)| Mark::new(at, role, label))
            .collect(),
    })
}
