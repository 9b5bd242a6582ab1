//! Checks the kinds of the operands of operators and functions, and suggests corrections.

use super::{operand::Operand, parser::Parser};
use crate::signal::{
    SignalError, ValueKind,
    functions::Function,
    plan::{Binary, BinaryOp, Cardinality, Matching},
};

/// Returns a correction for an operand of another kind than `wanted`.
fn suggestion(operand: &Operand, text: &str, wanted: ValueKind) -> String {
    let written = text.get(operand.start..operand.end).unwrap_or("…");
    let written = if written.chars().count() > 40 { "…" } else { written };
    match (wanted, operand.kind()) {
        (ValueKind::Matrix, ValueKind::Vector) if operand.bare => format!("add a range: {written}[5m]"),
        (ValueKind::Matrix, ValueKind::Vector) => format!("make it a subquery: {written}[5m:1m]"),
        (ValueKind::Vector, ValueKind::Matrix) => {
            format!("apply a function of ranges, such as rate({written}) or last_over_time({written})")
        }
        (ValueKind::Vector, ValueKind::Scalar) => format!("write vector({written})"),
        (ValueKind::Scalar, ValueKind::Vector) => format!("write scalar({written})"),
        (ValueKind::String, _) => "write it in quotes".to_owned(),
        (wanted, _) => format!("a {} is needed", wanted.name()),
    }
}

impl Parser<'_> {
    /// Rejects an operand of another kind than `who` needs.
    pub(super) fn need(&self, operand: &Operand, wanted: ValueKind, who: &str) -> Result<(), SignalError> {
        let found = operand.kind();
        if found == wanted {
            return Ok(());
        }
        let suggestion = suggestion(operand, self.text, wanted);
        let message = format!("{who} needs {}, this is {}; {suggestion}", wanted.with_article(), found.with_article());
        Err(self.error_at(operand.start, operand.end, message))
    }

    /// Rejects an operand that is neither a scalar nor an instant vector.
    pub(super) fn need_number(&self, operand: &Operand, who: &str) -> Result<(), SignalError> {
        match operand.kind() {
            ValueKind::Scalar | ValueKind::Vector => Ok(()),
            ValueKind::Matrix => self.need(operand, ValueKind::Vector, who),
            ValueKind::String => {
                Err(self.error_at(operand.start, operand.end, format!("{who} needs numbers, this is a string")))
            }
        }
    }

    /// Rejects a call with a wrong number of arguments, or arguments of the wrong kinds.
    pub(super) fn check_call(
        &self,
        function: &Function,
        args: &[Operand],
        start: usize,
        end: usize,
    ) -> Result<(), SignalError> {
        let (least, most) = function.counts();
        let is_right = args.len() >= least && most.is_none_or(|most| args.len() <= most);
        if !is_right {
            let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
            let wanted = match most {
                Some(most) if most == least => format!("{least} {}", plural(least)),
                Some(most) => format!("{least} to {most} arguments"),
                None => format!("at least {least} {}", plural(least)),
            };
            let kinds: Vec<&str> = function.args.iter().map(|kind| kind.name()).collect();
            let shape = format!("{}({})", function.name, kinds.join(", "));
            let message = format!("{} takes {wanted}, got {}: {shape}", function.name, args.len());
            return Err(self.error_at(start, end, message));
        }
        for (idx, arg) in args.iter().enumerate() {
            // All further arguments have the last kind.
            if let Some(wanted) = function.args.get(idx).or(function.args.last()) {
                self.need(arg, *wanted, function.name)?;
            }
        }
        Ok(())
    }

    /// Rejects operands and modifiers that the operator does not accept.
    ///
    /// `operator`: its bytes in the text.
    pub(super) fn check_binary(
        &self,
        binary: &Binary,
        (has_matching, has_fill): (bool, bool),
        sides: (&Operand, &Operand),
        operator: (usize, usize),
    ) -> Result<(), SignalError> {
        let (left, right) = sides;
        let name = self.text.get(operator.0..operator.1).unwrap_or_default();
        let wrong = |message: String| Err(self.error_at(operator.0, operator.1, message));
        self.need_number(left, name)?;
        self.need_number(right, name)?;
        let scalars = [left, right].into_iter().filter(|side| side.kind() == ValueKind::Scalar).count();
        let is_comparison = matches!(binary.op, BinaryOp::Compare(_));
        if binary.return_bool && !is_comparison {
            return wrong(format!("bool is valid for comparisons only; remove it after {name}"));
        }
        if is_comparison && scalars == 2 && !binary.return_bool {
            return wrong(format!("a comparison of two scalars needs bool: write {name} bool"));
        }
        if matches!(binary.op, BinaryOp::Set(_)) {
            if has_fill {
                return wrong(format!("{name} takes no fill modifier"));
            }
            if scalars > 0 {
                let side = if left.kind() == ValueKind::Scalar { left } else { right };
                return self.need(side, ValueKind::Vector, name);
            }
            if binary.matching.cardinality != Cardinality::OneToOne {
                return wrong(format!("{name} takes no group_left or group_right"));
            }
        }
        if scalars > 0 && has_fill {
            return wrong("fill needs two instant vectors, but one side is a scalar".to_owned());
        }
        if scalars > 0 && has_matching {
            return wrong("on and ignoring need two instant vectors, but one side is a scalar".to_owned());
        }
        self.check_labels(&binary.matching, operator)
    }

    /// Rejects labels that are in `on` and in the group modifier.
    fn check_labels(&self, matching: &Matching, operator: (usize, usize)) -> Result<(), SignalError> {
        let (Cardinality::ManyToOne(include) | Cardinality::OneToMany(include)) = &matching.cardinality else {
            return Ok(());
        };
        match include.iter().find(|label| matching.on && matching.names.contains(label)) {
            None => Ok(()),
            Some(label) => {
                let message = format!("label {label:?} is already in on(…); remove it from the group modifier");
                Err(self.error_at(operator.0, operator.1, message))
            }
        }
    }
}
