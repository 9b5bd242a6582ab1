//! What a picture consists of. Built by advisors and by `effect`; written as JSON by the service.

/// Maximum number of values on the x axis of a picture.
pub const POINTS_MAX: usize = 1_500;
/// Maximum number of spans of a picture.
pub const SPANS_MAX: usize = 200;

/// One picture of a recommendation's evidence.
///
/// ```
/// use almanac_engine::advise::picture::{Axis, Line, LineRole, Picture, Quantity, Shape};
///
/// let picture = Picture {
///     name: "hit_ratio",
///     title: "Hit ratio".to_owned(),
///     text: "Longer times-to-live hit more.".to_owned(),
///     x: Axis::number("time-to-live", "s", vec![1.0, 10.0]),
///     y: Quantity::new("hits among reads", "1"),
///     lines: vec![Line::new("replayed", LineRole::Measured, Shape::Points, [0.25, f64::NAN])],
///     spans: Vec::new(),
///     marks: Vec::new(),
/// };
/// // A missing value is a gap.
/// assert_eq!(picture.lines[0].values, [Some(0.25), None]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Name, unique among the pictures of a recommendation and the same for every recommendation of a kind.
    pub name: &'static str,
    /// Title for headings.
    pub title: String,
    /// How to read it, with its figures.
    pub text: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The quantity of every line.
    pub y: Quantity,
    /// Lines, each with as many values as the axis.
    pub lines: Vec<Line>,
    /// Parts of the axis, at most about [`SPANS_MAX`].
    pub spans: Vec<Span>,
    /// Points of the axis.
    pub marks: Vec<Mark>,
}

/// The horizontal axis of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Kind of the values.
    pub kind: AxisKind,
    /// Name of the quantity.
    pub label: String,
    /// Unit of the values: `ms` since 1970-01-01T00:00Z for a time.
    pub unit: String,
    /// Scale that shows the values best.
    pub scale: Scale,
    /// Values, ascending, at most [`POINTS_MAX`]. Whole milliseconds for a time.
    pub values: Vec<f64>,
}

impl Axis {
    /// Creates an axis of time from epoch milliseconds.
    #[must_use]
    pub fn time(at_ms: impl IntoIterator<Item = i64>) -> Self {
        let values = at_ms.into_iter().map(position).collect();
        Self { kind: AxisKind::Time, label: "time".to_owned(), unit: "ms".to_owned(), scale: Scale::Linear, values }
    }

    /// Creates a linear axis of numbers.
    #[must_use]
    pub fn number(label: &str, unit: &str, values: Vec<f64>) -> Self {
        Self { kind: AxisKind::Number, label: label.to_owned(), unit: unit.to_owned(), scale: Scale::Linear, values }
    }
}

/// Returns the position of an instant, epoch milliseconds, on an axis of time.
#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 ms")]
pub(in crate::advise) fn position(at_ms: i64) -> f64 {
    at_ms as f64
}

/// A quantity with its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// Name.
    pub label: String,
    /// Unit, `1` for a share; empty when it is that of a configured expression, which is unknown.
    pub unit: String,
}

impl Quantity {
    /// Creates a quantity.
    #[must_use]
    pub fn new(label: &str, unit: &str) -> Self {
        Self { label: label.to_owned(), unit: unit.to_owned() }
    }
}

/// A line of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Name for the legend.
    pub name: String,
    /// Meaning.
    pub role: LineRole,
    /// How its values are joined.
    pub shape: Shape,
    /// Values, as many as the axis has, to six significant digits; none is a gap.
    pub values: Vec<Option<f64>>,
}

impl Line {
    /// Creates a line; a value that is not finite is a gap.
    pub fn new(name: impl Into<String>, role: LineRole, shape: Shape, values: impl IntoIterator<Item = f64>) -> Self {
        Self { name: name.into(), role, shape, values: values.into_iter().map(drawn).collect() }
    }

    /// Returns whether it has a value.
    #[must_use]
    pub fn has_values(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }
}

/// Rounds a value to six significant digits, which no screen shows. None when it is not finite.
fn drawn(value: f64) -> Option<f64> {
    value.is_finite().then(|| format!("{value:.5e}").parse().unwrap_or(value))
}

/// A part of the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Start, a position on the axis.
    pub from: f64,
    /// End, at least `from`.
    pub to: f64,
    /// Meaning.
    pub role: SpanRole,
    /// Text for the reader.
    pub label: String,
}

/// A point of the axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Position on the axis.
    pub at: f64,
    /// Meaning.
    pub role: MarkRole,
    /// Text for the reader.
    pub label: String,
}

impl Mark {
    /// Creates a mark.
    pub fn new(at: f64, role: MarkRole, label: impl Into<String>) -> Self {
        Self { at, role, label: label.into() }
    }
}

/// Declares an enumeration of words, each with its text.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$meaning])* $variant,)+
        }

        impl $name {
            /// Returns the word, as responses have it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// Kind of the values of an axis.
    AxisKind {
        /// Epoch milliseconds.
        Time = "time",
        /// Numbers.
        Number = "number",
    }
}

words! {
    /// Scale of an axis.
    Scale {
        /// Equal distances for equal differences.
        Linear = "linear",
        /// Equal distances for equal ratios; all values are positive.
        Log = "log",
    }
}

words! {
    /// Meaning of a line.
    LineRole {
        /// Recorded or replayed on records.
        Measured = "measured",
        /// The present setting.
        Present = "present",
        /// The proposed setting.
        Proposed = "proposed",
        /// Another rule or setting, for comparison.
        Compared = "compared",
        /// Lower end of an interval or band.
        Lower = "lower",
        /// Upper end of it.
        Upper = "upper",
        /// A limit that must be kept.
        Limit = "limit",
    }
}

words! {
    /// How the values of a line are joined.
    Shape {
        /// By straight lines.
        Line = "line",
        /// Each value holds until the next.
        Steps = "steps",
        /// Not joined.
        Points = "points",
    }
}

words! {
    /// Meaning of a span.
    SpanRole {
        /// A rule or setting provides less than is needed.
        Shortfall = "shortfall",
        /// A labelled incident.
        Incident = "incident",
        /// An alert that is right, or of which it is unknown.
        Alert = "alert",
        /// An alert without an incident.
        FalseAlert = "false_alert",
        /// The part of the history that was learned from; figures are of the rest.
        Learned = "learned",
        /// No data.
        Missing = "missing",
    }
}

words! {
    /// Meaning of a mark.
    MarkRole {
        /// The present setting.
        Present = "present",
        /// The proposed setting.
        Proposed = "proposed",
        /// A limit.
        Limit = "limit",
        /// The time of the decision or of the response.
        Now = "now",
    }
}

/// Fails a test unless every rule of a picture holds.
#[cfg(test)]
pub(in crate::advise) fn assert_sound(picture: &Picture) {
    let name = picture.name;
    let values = &picture.x.values;
    assert!(!values.is_empty() && values.len() <= POINTS_MAX, "{name}: {} points", values.len());
    assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{name}: x does not ascend");
    assert!(picture.x.scale == Scale::Linear || values[0] > 0.0, "{name}: a logarithm of {}", values[0]);
    assert!(!picture.lines.is_empty() && !picture.text.is_empty() && !picture.title.is_empty(), "{name}");
    for line in &picture.lines {
        assert_eq!(line.values.len(), values.len(), "{name}: {}", line.name);
        assert!(line.has_values(), "{name}: {} is empty", line.name);
        assert!(line.values.iter().flatten().all(|value| value.is_finite()), "{name}: {}", line.name);
    }
    assert!(picture.spans.len() <= SPANS_MAX, "{name}: {} spans", picture.spans.len());
    let (first, last) = (values[0], values[values.len() - 1]);
    for span in &picture.spans {
        assert!(first <= span.from && span.from <= span.to && span.to <= last, "{name}: {span:?}");
    }
    for mark in &picture.marks {
        assert!((first..=last).contains(&mark.at), "{name}: {mark:?} is outside of {first} to {last}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_six_digits_and_gaps() {
        let line = Line::new("a", LineRole::Measured, Shape::Line, [1.234_567_89e9, f64::NAN, f64::INFINITY, -0.1]);
        assert_eq!(line.values, [Some(1.234_57e9), None, None, Some(-0.1)]);
        assert!(line.has_values() && !Line::new("a", LineRole::Limit, Shape::Line, [f64::NAN]).has_values());
        // Times are never rounded.
        let now = 1_795_954_192_450;
        assert_eq!(Axis::time([now]).values, [1_795_954_192_450.0]);
        assert_eq!((SpanRole::FalseAlert.as_str(), LineRole::Lower.as_str()), ("false_alert", "lower"));
    }
}
