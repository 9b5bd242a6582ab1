//! Finds the learned signal of an expression, whose band or forecasts an advisor may use.

use crate::{
    signal,
    store::{
        Store, StoreError,
        rows::{SignalFilter, SignalRow, SignalStatus},
    },
};

/// Returns the name of the learned signal with this expression. Expressions are compared in normalised form.
///
/// # Errors
/// [`StoreError`] when the signals cannot be read.
pub fn learned_signal(store: &Store, expr: &str) -> Result<Option<String>, StoreError> {
    let filter = SignalFilter { status: Some(SignalStatus::Ready), ..SignalFilter::default() };
    let plain = |expr: &str| signal::tree(expr, |tree| Some(tree.to_string()));
    let wanted = plain(expr);
    let same = |row: &SignalRow| wanted.is_some() && plain(&row.expr) == wanted;
    Ok(store.signals(&filter)?.into_iter().find(same).map(|row| row.signal))
}
