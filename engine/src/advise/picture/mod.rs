//! The evidence of a recommendation as pictures: lines, spans and marks over an axis, for a page that draws them.
//!
//! `types` is what a picture consists of, `rows` selects the rows of a long history that are drawn, `spans` finds runs of
//! rows, and `effect` draws the promised against the measured effect of any advisor. Advisors draw the rest.

mod effect;
mod rows;
mod spans;
mod text;
mod types;

pub(super) use effect::effect_picture;
pub use rows::{DrawnRows, RowKey};
pub use spans::{SpanBudget, spans_where};
pub(super) use text::percent;
pub use types::{
    Axis, AxisKind, Line, LineRole, Mark, MarkRole, POINTS_MAX, Picture, Quantity, SPANS_MAX, Scale, Shape, Span,
    SpanRole,
};

#[cfg(test)]
pub(super) use types::assert_sound;
pub(super) use types::position;
