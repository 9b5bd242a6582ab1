//! Which kinds of values operators and functions take, and what to write when they get another one.

use super::{operand::Operand, parser::Parser};
use crate::signal::{
    SignalError, ValueKind,
    functions::Function,
    plan::{Binary, BinaryOp, Cardinality, Matching},
};

/// What to write where `wanted` is needed and `found` was given.
fn advice(operand: &Operand, text: &str, wanted: ValueKind) -> String {
    let written = text.get(operand.start..operand.end).unwrap_or("…");
    let written = if written.chars().count() > 40 { "…" } else { written };
    match (wanted, operand.kind()) {
        (ValueKind::Matrix, ValueKind::Vector) if operand.bare => format!("add a range: {written}[5m]"),
        (ValueKind::Matrix, ValueKind::Vector) => format!("make it a subquery: {written}[5m:1m]"),
        (ValueKind::Vector, ValueKind::Matrix) => {
            format!("put it into a function of ranges, such as rate({written}) or last_over_time({written})")
        }
        (ValueKind::Vector, ValueKind::Scalar) => format!("write vector({written})"),
        (ValueKind::Scalar, ValueKind::Vector) => format!("write scalar({written})"),
        (ValueKind::String, _) => "write it in quotes".to_owned(),
        (wanted, _) => format!("a {} is needed", wanted.name()),
    }
}

impl Parser<'_> {
    /// Refuses an operand of another kind than `who` needs.
    pub(super) fn need(&self, operand: &Operand, wanted: ValueKind, who: &str) -> Result<(), SignalError> {
        let found = operand.kind();
        if found == wanted {
            return Ok(());
        }
        let advice = advice(operand, self.text, wanted);
        let message = format!("{who} needs {}, this is {}; {advice}", wanted.with_article(), found.with_article());
        Err(self.wrong(operand.start, operand.end, message))
    }

    /// Refuses an operand that is neither a scalar nor an instant vector.
    pub(super) fn need_number(&self, operand: &Operand, who: &str) -> Result<(), SignalError> {
        match operand.kind() {
            ValueKind::Scalar | ValueKind::Vector => Ok(()),
            ValueKind::Matrix => self.need(operand, ValueKind::Vector, who),
            ValueKind::String => {
                Err(self.wrong(operand.start, operand.end, format!("{who} needs numbers, this is a string")))
            }
        }
    }

    /// Refuses a call with too few or too many arguments, or of the wrong kinds.
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
            let message = format!("{} takes {wanted}, here are {}: {shape}", function.name, args.len());
            return Err(self.wrong(start, end, message));
        }
        for (idx, arg) in args.iter().enumerate() {
            // The last kind holds for all further arguments.
            if let Some(wanted) = function.args.get(idx).or(function.args.last()) {
                self.need(arg, *wanted, function.name)?;
            }
        }
        Ok(())
    }

    /// Refuses operators between values that they do not join.
    pub(super) fn check_binary(
        &self,
        binary: &Binary,
        has_matching: bool,
        sides: (&Operand, &Operand),
        operator: (usize, usize),
    ) -> Result<(), SignalError> {
        let (left, right) = sides;
        let name = self.text.get(operator.0..operator.1).unwrap_or_default();
        let wrong = |message: String| Err(self.wrong(operator.0, operator.1, message));
        self.need_number(left, name)?;
        self.need_number(right, name)?;
        let scalars = [left, right].into_iter().filter(|side| side.kind() == ValueKind::Scalar).count();
        let is_comparison = matches!(binary.op, BinaryOp::Compare(_));
        if binary.return_bool && !is_comparison {
            return wrong(format!("bool goes with comparisons only; leave it out after {name}"));
        }
        if is_comparison && scalars == 2 && !binary.return_bool {
            return wrong(format!("between two scalars a comparison needs bool: write {name} bool"));
        }
        if matches!(binary.op, BinaryOp::Set(_)) {
            if scalars > 0 {
                let side = if left.kind() == ValueKind::Scalar { left } else { right };
                return self.need(side, ValueKind::Vector, name);
            }
            if binary.matching.cardinality != Cardinality::OneToOne {
                return wrong(format!("{name} takes no group_left or group_right"));
            }
        }
        if scalars > 0 && has_matching {
            return wrong("on and ignoring go with two instant vectors; one side is a scalar".to_owned());
        }
        self.check_labels(&binary.matching, operator)
    }

    fn check_labels(&self, matching: &Matching, operator: (usize, usize)) -> Result<(), SignalError> {
        let (Cardinality::ManyToOne(include) | Cardinality::OneToMany(include)) = &matching.cardinality else {
            return Ok(());
        };
        match include.iter().find(|label| matching.on && matching.names.contains(label)) {
            None => Ok(()),
            Some(label) => {
                let message = format!("label {label:?} is in on(…) already; leave it out of the group modifier");
                Err(self.wrong(operator.0, operator.1, message))
            }
        }
    }
}
