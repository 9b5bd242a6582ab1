//! `(SELECT count(*) …) > 0` to EXISTS, which ends at the first row.

use std::{collections::BTreeMap, ops::ControlFlow};

use sqlparser::ast::{BinaryOperator, Expr, GroupByExpr, Query, SelectItem, Value, Visit, Visitor};

use crate::advise::database::query::{
    finding::{Action, Check, Equality, Finding, Pattern, Rewrite},
    known::{Context, Known},
    tree::{Refusal, finish, is_count, parameter, plain, pure, refuse, strip},
};

/// A comparison of a count with a number.
struct Comparison {
    text: String,
    subquery: Query,
    op: BinaryOperator,
    /// The number, or the placeholder for it.
    number: Result<f64, usize>,
}

/// Finds counts that are only compared with zero.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let comparison = compared(query)?;
    if !context.matters(known.usage) {
        return None;
    }
    let (number, condition) = match comparison.number {
        Ok(number) => (number, None),
        Err(placeholder) => {
            // Without values it is not known whether the count is compared with zero.
            let values = known.values(placeholder)?;
            let [(only, _)] = values.values.as_slice() else { return None };
            (only.parse().ok()?, Some(format!("${placeholder} is always {only}, as in all executions that were seen")))
        }
    };
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    let is_number = |value: f64| (number - value).abs() < f64::EPSILON;
    let exists = match comparison.op {
        Gt | NotEq if is_number(0.0) => true,
        GtEq if is_number(1.0) => true,
        Eq | LtEq if is_number(0.0) => false,
        Lt if is_number(1.0) => false,
        _ => return None,
    };
    Some(match rewrite(query, &comparison, exists, condition) {
        Err(refusal) => context.kept(known, Pattern::CountAsExists, refusal),
        Ok(rewrite) => {
            let saving =
                context.saving(known.usage, [0.1, 0.5, 0.99], "one row is read in place of all that are counted");
            context.finding(known, Pattern::CountAsExists, Action::Rewrite(rewrite), saving)
        }
    })
}

fn rewrite(query: &Query, found: &Comparison, exists: bool, condition: Option<String>) -> Result<Rewrite, Refusal> {
    pure(query)?;
    let inner = &found.subquery;
    let select = plain(inner)?;
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let has_others = is_grouped || select.having.is_some() || select.distinct.is_some();
    if has_others || inner.limit_clause.is_some() || inner.fetch.is_some() || select.from.is_empty() {
        return refuse("the count has a clause besides its conditions");
    }
    let from = select.from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let conditions = select.selection.as_ref().map(|selection| format!(" WHERE {selection}")).unwrap_or_default();
    let negation = if exists { "" } else { "NOT " };
    let text = query.to_string();
    if text.matches(&found.text).count() != 1 {
        return refuse("the comparison occurs twice");
    }
    // A column of the result keeps its name.
    let is_column = plain(query)?
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::UnnamedExpr(expr) if expr.to_string() == found.text));
    let name = if is_column { " AS \"?column?\"" } else { "" };
    let exists = format!("({negation}EXISTS (SELECT 1 FROM {from}{conditions})){name}");
    let after = text.replacen(&found.text, &exists, 1);
    let (statement, parameters) = finish(&after, &BTreeMap::new())?;
    let equality = condition.map_or(Equality::Always, Equality::When);
    Ok(Rewrite { statement, parameters, first: None, equality, check: Check::Multiset, added: Vec::new() })
}

/// Returns the first comparison of a scalar subquery `count(*)` with a number or a placeholder.
fn compared(query: &Query) -> Option<Comparison> {
    struct Search(Option<Comparison>);
    impl Visitor for Search {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let Expr::BinaryOp { left, op, right } = expr else { return ControlFlow::Continue(()) };
            let turned = match op {
                BinaryOperator::Gt => BinaryOperator::Lt,
                BinaryOperator::GtEq => BinaryOperator::LtEq,
                BinaryOperator::Lt => BinaryOperator::Gt,
                BinaryOperator::LtEq => BinaryOperator::GtEq,
                other => other.clone(),
            };
            for (count, value, op) in [(left, right, op.clone()), (right, left, turned)] {
                let Expr::Subquery(subquery) = strip(count) else { continue };
                let number = match (parameter(value), strip(value)) {
                    (Some(placeholder), _) => Err(placeholder),
                    (None, Expr::Value(value)) => match &value.value {
                        Value::Number(digits, _) => match digits.parse() {
                            Ok(number) => Ok(number),
                            Err(_) => continue,
                        },
                        _ => continue,
                    },
                    _ => continue,
                };
                let is_count = plain(subquery).is_ok_and(|select| {
                    matches!(select.projection.as_slice(),
                        [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] if is_count(item))
                });
                if is_count {
                    let subquery = (**subquery).clone();
                    self.0 = Some(Comparison { text: expr.to_string(), subquery, op, number });
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        }
    }
    let mut search = Search(None);
    let _ = Visit::visit(query, &mut search);
    search.0
}
