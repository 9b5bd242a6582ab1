//! Prints a rewritten statement: placeholders numbered from 1 without gaps, in a form that PostgreSQL prepares.

use std::{collections::BTreeMap, ops::ControlFlow};

use sqlparser::ast::{CastKind, DataType, Expr, Value, ValueWithSpan, VisitMut, VisitorMut};

use super::{
    make::{number_of, parameters_in},
    refusal::{Refusal, refuse},
};
use crate::{advise::database::query::finding::Parameter, database::statement::parse};

/// Parses a rewritten text, numbers its placeholders without gaps, and prints it. `roles`: the sources of placeholders that
/// are not those of the same number before.
///
/// # Errors
/// [`Refusal`] when the text cannot be parsed, or a placeholder has another style.
pub(crate) fn finish(text: &str, roles: &BTreeMap<usize, Parameter>) -> Result<(String, Vec<Parameter>), Refusal> {
    let mut tree = match parse(text) {
        Ok(tree) => tree,
        Err(error) => return refuse(format!("the rewritten statement is not understood ({error})")),
    };
    let numbers: Vec<usize> = parameters_in(&tree).into_iter().collect();
    if numbers.contains(&0) {
        return refuse("a placeholder is not written as $n");
    }
    let _ = VisitMut::visit(&mut tree, &mut Renumber(&numbers));
    let parameters =
        numbers.iter().map(|number| roles.get(number).cloned().unwrap_or(Parameter::Same(*number))).collect();
    Ok((tree.to_string(), parameters))
}

/// Numbers placeholders by their rank, and writes `interval $1` and `date $1` as `$1::interval` and `$1::date`, which can be
/// prepared.
struct Renumber<'a>(&'a [usize]);

impl VisitorMut for Renumber<'_> {
    type Break = ();

    fn post_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        let rank = number_of(&value.value).and_then(|number| self.0.iter().position(|known| *known == number));
        if let Some(rank) = rank {
            value.value = Value::Placeholder(format!("${}", rank + 1));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let cast = match &*expr {
            Expr::Interval(interval)
                if interval.leading_field.is_none()
                    && matches!(&*interval.value, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) =>
            {
                (interval.value.clone(), DataType::Interval { fields: None, precision: None })
            }
            Expr::TypedString(typed) if matches!(typed.value.value, Value::Placeholder(_)) => {
                (Box::new(Expr::Value(typed.value.clone())), typed.data_type.clone())
            }
            _ => return ControlFlow::Continue(()),
        };
        let (inner, data_type) = cast;
        *expr = Expr::Cast { kind: CastKind::DoubleColon, expr: inner, data_type, array: false, format: None };
        ControlFlow::Continue(())
    }
}

/// Returns whether the tree of this normalised text means the same as the text. The parser replaces the field of
/// `EXTRACT($1 FROM x)`, and drops the type of `inet $1`. `char $1` and `bit $1` have any length, which a cast would cut to 1.
pub(crate) fn is_printable(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let line = words.join(" ");
    const TYPES: [&str; 13] = [
        "inet",
        "cidr",
        "macaddr",
        "point",
        "box",
        "tstzrange",
        "tsrange",
        "daterange",
        "int4range",
        "tsquery",
        "char",
        "character",
        "bit",
    ];
    let is_typed = TYPES.iter().any(|name| line.contains(&format!("{name} $")));
    !is_typed && !line.contains("extract($") && !line.contains("extract ($") && !line.contains("extract( $")
}
