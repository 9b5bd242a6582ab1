//! `count_values`: counts equal values in each group.

use hashbrown::HashMap;

use super::Groups;
use crate::signal::{
    EvalLimits, SignalError,
    frame::{Frame, is_absent},
};

/// `count_values`: counts equal values in each group. The label `name` contains the value.
///
/// # Errors
/// [`SignalError::Argument`] if `name` is empty.
pub(in crate::signal) fn count_values(
    name: &str,
    frame: &Frame,
    groups: &Groups,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    if name.is_empty() {
        return Err(SignalError::Argument { function: "count_values", message: "the label name is empty".to_owned() });
    }
    let mut result = Frame::new(frame.steps);
    // All NaNs are one value. 0 and -0 are two, because they are written differently.
    let mut rows: HashMap<(usize, String), usize> = HashMap::new();
    for (row, group) in groups.of_row.iter().enumerate() {
        for (step, value) in frame.row(row).iter().enumerate() {
            if is_absent(*value) {
                continue;
            }
            let text = limits.arena.get(*value).map_or_else(|| text(*value), |histogram| histogram.to_string());
            let counted = *rows.entry((*group, text)).or_insert_with_key(|(_, text)| {
                let mut labels = groups.labels[*group].to_builder();
                labels.set(name, text);
                result.push_absent(groups.row(*group, labels.build()))
            });
            let cell = &mut result.row_mut(counted)[step];
            *cell = if is_absent(*cell) { 1.0 } else { *cell + 1.0 };
        }
    }
    // The label may have replaced one that distinguished groups.
    result.merge()
}

/// Formats a value as Prometheus does in labels: without exponents.
fn text(value: f64) -> String {
    if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}
