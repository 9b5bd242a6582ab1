//! `count_values`: how many elements of each group have each value.

use hashbrown::HashMap;

use super::Groups;
use crate::signal::{
    SignalError,
    frame::{Frame, RowLabels, is_absent},
};

/// `count_values`: how many elements of each group have each value, which the label `name` tells.
///
/// # Errors
/// [`SignalError::Argument`] when `name` is empty.
pub(in crate::signal) fn count_values(name: &str, frame: &Frame, groups: &Groups) -> Result<Frame, SignalError> {
    if name.is_empty() {
        return Err(SignalError::Argument {
            function: "count_values",
            message: "the label's name is empty".to_owned(),
        });
    }
    let mut result = Frame::new(frame.steps);
    // NaN is one value, whatever its bits; so are 0 and -0 two, as their texts are.
    let mut rows: HashMap<(usize, u64), usize> = HashMap::new();
    for (row, group) in groups.of_row.iter().enumerate() {
        for (step, value) in frame.row(row).iter().enumerate() {
            if is_absent(*value) {
                continue;
            }
            let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
            let counted = *rows.entry((*group, bits)).or_insert_with(|| {
                let mut labels = groups.labels[*group].to_builder();
                labels.set(name, &text(*value));
                result.push_absent(RowLabels::new(labels.build()))
            });
            let cell = &mut result.row_mut(counted)[step];
            *cell = if is_absent(*cell) { 1.0 } else { *cell + 1.0 };
        }
    }
    result.merge()
}

/// A value as Prometheus writes it in labels: never in exponents.
fn text(value: f64) -> String {
    if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}
