//! `count_values`: counts equal values in each group.

use hashbrown::{HashMap, hash_map::Entry};

use super::Groups;
use crate::signal::{
    EvalLimits, SignalError,
    frame::{Frame, is_absent},
};

/// `count_values`: counts equal values in each group. The label `name` contains the value.
///
/// # Errors
/// [`SignalError::Argument`] if `name` is empty, [`SignalError::TooManySamples`], [`SignalError::Cancelled`].
pub(in crate::signal) fn count_values(
    name: &str,
    frame: &Frame,
    groups: &Groups<'_>,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    if name.is_empty() {
        return Err(SignalError::Argument { function: "count_values", message: "the label name is empty".to_owned() });
    }
    let mut result = Frame::new(frame.steps);
    let mut rows: HashMap<(usize, Counted), usize> = HashMap::new();
    for (row, group) in groups.of_row.iter().enumerate() {
        for (step, value) in frame.row(row).iter().enumerate() {
            if is_absent(*value) {
                continue;
            }
            let counted = match rows.entry((*group, Counted::new(*value, limits))) {
                Entry::Occupied(found) => *found.get(),
                Entry::Vacant(new) => {
                    // Each distinct value is a row of its own.
                    limits.check_cells(result.cells.len() + result.steps)?;
                    let mut labels = groups.labels[*group].to_builder();
                    match &new.key().1 {
                        Counted::Float(_) => labels.set(name, &text(*value)),
                        Counted::Histogram(text) => labels.set(name, text),
                    };
                    *new.insert(result.push_absent(groups.row(*group, labels.build())))
                }
            };
            let cell = &mut result.row_mut(counted)[step];
            *cell = if is_absent(*cell) { 1.0 } else { *cell + 1.0 };
        }
    }
    // The label may have replaced one that distinguished groups.
    result.merge()
}

/// A value that is counted.
#[derive(PartialEq, Eq, Hash)]
enum Counted {
    /// The bits. All NaNs are one value. 0 and -0 are two, because they are written differently.
    Float(u64),
    /// The text of a histogram.
    Histogram(String),
}

impl Counted {
    fn new(cell: f64, limits: &EvalLimits) -> Self {
        match limits.arena.get(cell) {
            Some(histogram) => Self::Histogram(histogram.to_string()),
            None => Self::Float(if cell.is_nan() { f64::NAN.to_bits() } else { cell.to_bits() }),
        }
    }
}

/// Formats a value as Prometheus does in labels: without exponents.
fn text(value: f64) -> String {
    if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}
