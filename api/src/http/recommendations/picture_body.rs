//! Pictures as JSON.

use almanac_engine::advise::{
    PictureSet,
    picture::{Axis, Line, Mark, Picture, Quantity, Span},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Pictures of the evidence of one recommendation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PictureList {
    /// The pictures, the most important first.
    pictures: Vec<PictureBody>,
    /// Reason why pictures are missing, such as a target that is no longer configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
}

/// One picture.
#[derive(Debug, Serialize, ToSchema)]
struct PictureBody {
    /// Name, unique within the list and the same for every recommendation of a kind.
    name: &'static str,
    /// Title.
    title: String,
    /// How to read it, with its figures.
    text: String,
    /// The horizontal axis.
    x: AxisBody,
    /// The quantity of every line.
    y: QuantityBody,
    /// Lines, each with as many values as `x.values`.
    lines: Vec<LineBody>,
    /// Parts of the axis, at most 200.
    spans: Vec<SpanBody>,
    /// Points of the axis.
    marks: Vec<MarkBody>,
}

/// The horizontal axis.
#[derive(Debug, Serialize, ToSchema)]
struct AxisBody {
    /// `time` or `number`.
    kind: &'static str,
    /// Name of the quantity.
    label: String,
    /// Unit; `ms` since 1970 for a time.
    unit: String,
    /// `linear` or `log`.
    scale: &'static str,
    /// Values, ascending, at most 1,500.
    #[serde(serialize_with = "positions")]
    values: Vec<f64>,
}

/// A quantity with its unit.
#[derive(Debug, Serialize, ToSchema)]
struct QuantityBody {
    /// Name.
    label: String,
    /// Unit, `1` for a share; empty when unknown.
    unit: String,
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
struct LineBody {
    /// Name for the legend.
    name: String,
    /// `measured`, `present`, `proposed`, `compared`, `lower`, `upper` or `limit`.
    role: &'static str,
    /// `line`, `steps` (a value holds until the next) or `points`.
    shape: &'static str,
    /// Values to six significant digits; null is a gap.
    values: Vec<Option<f64>>,
}

/// A part of the axis.
#[derive(Debug, Serialize, ToSchema)]
struct SpanBody {
    /// Start.
    #[serde(serialize_with = "position")]
    from: f64,
    /// End.
    #[serde(serialize_with = "position")]
    to: f64,
    /// `shortfall`, `incident`, `alert`, `false_alert`, `learned` or `missing`.
    role: &'static str,
    /// Text for the reader.
    label: String,
}

/// A point of the axis.
#[derive(Debug, Serialize, ToSchema)]
struct MarkBody {
    /// Position.
    #[serde(serialize_with = "position")]
    at: f64,
    /// `present`, `proposed`, `limit` or `now`.
    role: &'static str,
    /// Text for the reader.
    label: String,
}

/// Positions without a fraction are written as integers, as milliseconds are everywhere else.
#[expect(clippy::cast_possible_truncation, reason = "checked: whole and far below 2^53")]
fn whole(position: f64) -> Option<i64> {
    (position.fract() == 0.0 && position.abs() < 9e15).then_some(position as i64)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn position<S: Serializer>(position: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match whole(*position) {
        Some(position) => serializer.serialize_i64(position),
        None => serializer.serialize_f64(*position),
    }
}

fn positions<S: Serializer>(positions: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    /// One value of the axis.
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Position(#[serde(serialize_with = "position")] f64);

    serializer.collect_seq(positions.iter().map(|&position| Position(position)))
}

impl From<PictureSet> for PictureList {
    fn from(set: PictureSet) -> Self {
        Self { pictures: set.pictures.into_iter().map(Into::into).collect(), missing: set.missing }
    }
}

impl From<Picture> for PictureBody {
    fn from(picture: Picture) -> Self {
        let Picture { name, title, text, x, y, lines, spans, marks } = picture;
        let Axis { kind, label, unit, scale, values } = x;
        let Quantity { label: quantity, unit: quantity_unit } = y;
        Self {
            name,
            title,
            text,
            x: AxisBody { kind: kind.as_str(), label, unit, scale: scale.as_str(), values },
            y: QuantityBody { label: quantity, unit: quantity_unit },
            lines: lines.into_iter().map(Into::into).collect(),
            spans: spans.into_iter().map(Into::into).collect(),
            marks: marks.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Line> for LineBody {
    fn from(Line { name, role, shape, values }: Line) -> Self {
        Self { name, role: role.as_str(), shape: shape.as_str(), values }
    }
}

impl From<Span> for SpanBody {
    fn from(Span { from, to, role, label }: Span) -> Self {
        Self { from, to, role: role.as_str(), label }
    }
}

impl From<Mark> for MarkBody {
    fn from(Mark { at, role, label }: Mark) -> Self {
        Self { at, role: role.as_str(), label }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_positions_are_integers() {
        let mark = |at| serde_json::to_string(&MarkBody { at, role: "now", label: "now".to_owned() }).unwrap();
        assert!(mark(1_795_954_192_450.0).starts_with(r#"{"at":1795954192450,"#));
        assert!(mark(12.5).starts_with(r#"{"at":12.5,"#));
        let values = vec![1.0, 2.5];
        let axis = AxisBody { kind: "number", label: String::new(), unit: String::new(), scale: "log", values };
        assert!(serde_json::to_string(&axis).unwrap().ends_with(r#""values":[1,2.5]}"#));
    }
}
