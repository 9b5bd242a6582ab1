//! Lists the functions that a statement calls, so that the caller can leave out a statement with lasting effects.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{Expr, ObjectName, TableFactor, Visit, Visitor};

use super::draw::{fold, last};
use crate::database::statement::{StatementError, parse};

/// Returns the names of the functions that a statement calls, without their schemas, in ascending order.
///
/// # Errors
/// [`StatementError`]: the statement cannot be parsed.
pub fn functions(text: &str) -> Result<Vec<String>, StatementError> {
    let mut found = Functions(BTreeSet::new());
    let _ = parse(text)?.visit(&mut found);
    Ok(found.0.into_iter().collect())
}

struct Functions(BTreeSet<String>);

impl Functions {
    fn add(&mut self, name: &ObjectName) {
        self.0.extend(last(name).map(|name| fold(&name)));
    }
}

impl Visitor for Functions {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.add(&function.name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
            self.add(name);
        }
        ControlFlow::Continue(())
    }
}
