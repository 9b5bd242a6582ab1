//! Binary operators of which at least one side is a histogram.

use std::sync::Arc;

use crate::{
    histogram::Histogram,
    signal::{
        EvalLimits, SignalError,
        frame::{ABSENT, Frame, is_histogram},
        native::{RECONCILED, trimmed},
        plan::{BinaryOp, CompareOp},
    },
};

/// Where the histograms of an operation are and its notes go.
#[derive(Debug, Clone, Copy)]
pub(in crate::signal) struct Operands<'a> {
    pub(in crate::signal) limits: &'a EvalLimits,
    /// First byte of the operation in the text of the query.
    pub(in crate::signal) at: usize,
}

impl Operands<'_> {
    /// Applies an operator to two cells, of which one is a histogram or the operator is a trim. [`ABSENT`]: no result.
    pub(in crate::signal) fn apply(&self, op: BinaryOp, return_bool: bool, left: f64, right: f64) -> f64 {
        let arena = &self.limits.arena;
        let found = match (arena.get(left), arena.get(right)) {
            (None, None) => self.mismatch("float", op, "float"),
            (None, Some(histogram)) if op == BinaryOp::Mul => Some(self.kept(&histogram, |h| h.scale(left))),
            (None, Some(_)) => self.mismatch("float", op, "histogram"),
            (Some(histogram), None) => match op {
                BinaryOp::Mul => Some(self.kept(&histogram, |h| h.scale(right))),
                BinaryOp::Div => Some(self.kept(&histogram, |h| h.divide(right))),
                BinaryOp::TrimUpper => Some(arena.put(Arc::new(trimmed(&histogram, right, true)))),
                BinaryOp::TrimLower => Some(arena.put(Arc::new(trimmed(&histogram, right, false)))),
                _ => self.mismatch("histogram", op, "float"),
            },
            (Some(a), Some(b)) => match op {
                BinaryOp::Add | BinaryOp::Sub => self.combined(op, &a, &b),
                BinaryOp::Compare(CompareOp::Equal) => Some(if a.same(&b) { left } else { ABSENT }),
                BinaryOp::Compare(CompareOp::NotEqual) => Some(if a.same(&b) { ABSENT } else { left }),
                _ => self.mismatch("histogram", op, "histogram"),
            },
        };
        match found {
            None => ABSENT,
            Some(cell) if return_bool => f64::from(u8::from(cell.to_bits() != ABSENT.to_bits())),
            Some(cell) => cell,
        }
    }

    fn kept(&self, histogram: &Histogram, change: impl FnOnce(&mut Histogram)) -> f64 {
        let mut changed = histogram.clone();
        change(&mut changed);
        self.limits.arena.put(Arc::new(changed))
    }

    fn combined(&self, op: BinaryOp, a: &Histogram, b: &Histogram) -> Option<f64> {
        let notes = &self.limits.notes;
        let mut result = a.clone();
        let combined = if op == BinaryOp::Add { result.add(b) } else { result.sub(b) };
        let Ok(combined) = combined else {
            let message =
                format!("{} has no result for a histogram with exponential and one with custom buckets", op.symbol());
            notes.warn(self.at, message);
            return None;
        };
        if combined.collides {
            let message = format!(
                "{} has no result for a histogram whose counter was reset and one whose counter was not",
                op.symbol()
            );
            notes.warn(self.at, message);
            return None;
        }
        if combined.reconciled {
            notes.inform(self.at, RECONCILED);
        }
        if op == BinaryOp::Sub {
            result.hint = crate::histogram::ResetHint::Gauge;
        }
        Some(self.limits.arena.put(Arc::new(result)))
    }

    /// Adds an info about sides that do not fit.
    fn mismatch(&self, left: &str, op: BinaryOp, right: &str) -> Option<f64> {
        self.limits.notes.inform(self.at, format!("{left} {} {right} has no result", op.symbol()));
        None
    }
}

/// Negates every cell.
///
/// # Errors
/// [`SignalError::DuplicateLabels`]
pub(in crate::signal) fn negated(mut frame: Frame, limits: &EvalLimits) -> Result<Frame, SignalError> {
    let operands = Operands { limits, at: 0 };
    for cell in &mut frame.cells {
        if is_histogram(*cell) {
            *cell = operands.apply(BinaryOp::Mul, false, *cell, -1.0);
        }
    }
    frame.map(|value| -value);
    frame.drop_names()
}
