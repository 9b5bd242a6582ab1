//! The tables of a SELECT, and which column of which table a name means.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint, JoinOperator, Select, SelectItem,
    SelectItemQualifiedWildcardKind, TableFactor,
};

use super::{
    make::{name_of, strip},
    refusal::{Refusal, refuse},
};
use crate::database::{Catalogue, Column, Table, TableKind};

/// Tables of the FROM clause of one SELECT.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// Tables in their order.
    pub(crate) tables: Vec<Named<'a>>,
}

/// A table with the name by which the SELECT refers to it.
#[derive(Debug, Clone)]
pub(crate) struct Named<'a> {
    /// Alias, or the table's name.
    pub(crate) alias: String,
    /// The table.
    pub(crate) table: &'a Table,
    /// Whether an outer join may fill its columns with NULL.
    pub(crate) is_optional: bool,
    /// Condition of the join that adds it; none for the first table and for tables after a comma.
    pub(crate) on: Option<&'a Expr>,
    /// Whether it is joined by an inner join or a comma.
    pub(crate) is_inner: bool,
}

/// Name of an output column, with the table and column that it shows; none for a computed one.
pub(crate) type Output<'a> = (String, Option<(usize, &'a Column)>);

impl<'a> Scope<'a> {
    /// Reads a FROM clause of ordinary tables and joins with ON.
    ///
    /// # Errors
    /// [`Refusal`] names what else it has.
    pub(crate) fn of(select: &'a Select, catalogue: &'a Catalogue) -> Result<Self, Refusal> {
        let mut tables: Vec<Named<'a>> = Vec::new();
        for from in &select.from {
            let first = tables.len();
            tables.push(named(&from.relation, catalogue)?);
            for join in &from.joins {
                let mut next = named(&join.relation, catalogue)?;
                let (constraint, is_inner) = match &join.join_operator {
                    JoinOperator::Join(on) | JoinOperator::Inner(on) => (on, true),
                    JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, false),
                    JoinOperator::Right(on) | JoinOperator::RightOuter(on) => {
                        tables.iter_mut().skip(first).for_each(|table| table.is_optional = true);
                        (on, false)
                    }
                    JoinOperator::FullOuter(on) => {
                        tables.iter_mut().skip(first).for_each(|table| table.is_optional = true);
                        next.is_optional = true;
                        (on, false)
                    }
                    JoinOperator::CrossJoin(JoinConstraint::None) => {
                        tables.push(next);
                        continue;
                    }
                    _ => return refuse("it has a join of another kind"),
                };
                if matches!(join.join_operator, JoinOperator::Left(_) | JoinOperator::LeftOuter(_)) {
                    next.is_optional = true;
                }
                let JoinConstraint::On(on) = constraint else { return refuse("it has a join without ON") };
                next.on = Some(on);
                next.is_inner = is_inner;
                tables.push(next);
            }
        }
        for (at, table) in tables.iter().enumerate() {
            if tables.iter().skip(at + 1).any(|other| other.alias == table.alias) {
                return refuse("two of its tables have one name");
            }
        }
        Ok(Self { tables })
    }

    /// Returns the table and the column that an expression names. None if it is no column, or an ambiguous one.
    pub(crate) fn column(&self, expr: &Expr) -> Option<(usize, &'a Column)> {
        let (qualifier, name) = match strip(expr) {
            Expr::Identifier(name) => (None, name_of(name)),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => (Some(name_of(table)), name_of(name)),
                _ => return None,
            },
            _ => return None,
        };
        let mut found = self.tables.iter().enumerate().filter_map(|(at, named)| {
            let is_meant = qualifier.as_ref().is_none_or(|qualifier| *qualifier == named.alias);
            if is_meant { named.table.column(&name).map(|column| (at, column)) } else { None }
        });
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// Returns the only table.
    ///
    /// # Errors
    /// [`Refusal`] when there are several, or none.
    pub(crate) fn only(&self) -> Result<&Named<'a>, Refusal> {
        match self.tables.as_slice() {
            [only] => Ok(only),
            _ => refuse("it reads several tables"),
        }
    }
}

fn named<'a>(factor: &'a TableFactor, catalogue: &'a Catalogue) -> Result<Named<'a>, Refusal> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = factor
    else {
        return refuse("it reads a subquery or a function in FROM");
    };
    if !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
        return refuse("it has a clause of a table that is not understood");
    }
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(name_of).collect();
    let (schema, table_name) = match parts.as_slice() {
        [table] => (None, table),
        [schema, table] => (Some(schema.as_str()), table),
        _ => return refuse("it names a table with more than two parts"),
    };
    let Some(table) = catalogue.table(schema, table_name) else {
        return refuse(format!("the relation {name} is not in the catalogue"));
    };
    if matches!(table.kind, TableKind::View | TableKind::Foreign) {
        return refuse(format!("{name} is a view or a foreign table"));
    }
    if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
        return refuse("it renames the columns of a table");
    }
    let alias = alias.as_ref().map_or_else(|| table_name.clone(), |alias| name_of(&alias.name));
    Ok(Named { alias, table, is_optional: false, on: None, is_inner: true })
}

/// Returns the sets of columns that identify a row: primary key first, then unique indexes over columns that refuse NULL.
pub(crate) fn unique_keys(table: &Table) -> Vec<Vec<String>> {
    let mut found: Vec<(bool, Vec<String>)> = Vec::new();
    for index in table.indexes.iter().filter(|index| index.unique && index.valid && index.predicate.is_none()) {
        let columns: Option<Vec<String>> = index.keys.iter().map(|key| key.column.clone()).collect();
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else { continue };
        if columns.iter().all(|name| table.column(name).is_some_and(|column| column.not_null)) {
            found.push((!index.primary, columns));
        }
    }
    found.sort_by_key(|(is_secondary, columns)| (*is_secondary, columns.len()));
    found.into_iter().map(|(_, columns)| columns).collect()
}

/// Returns the names of the output columns of a SELECT, with the table and column behind each; none where it has `*` over a
/// table that is not known, or a name that is not certain.
pub(crate) fn output_names<'a>(select: &Select, scope: &Scope<'a>) -> Option<Vec<Output<'a>>> {
    let mut found = Vec::new();
    let whole = |at: usize, found: &mut Vec<Output<'a>>| {
        if let Some(named) = scope.tables.get(at) {
            found.extend(named.table.columns.iter().map(|column| (column.name.clone(), Some((at, column)))));
        }
    };
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, alias } => found.push((name_of(alias), scope.column(expr))),
            SelectItem::UnnamedExpr(expr) => match (scope.column(expr), strip(expr)) {
                (Some((at, column)), _) => found.push((column.name.clone(), Some((at, column)))),
                (None, Expr::Function(function)) => {
                    found.push((function.name.0.last()?.as_ident().map(name_of)?, None));
                }
                _ => return None,
            },
            SelectItem::Wildcard(options) if options.to_string().is_empty() => {
                for at in 0..scope.tables.len() {
                    whole(at, &mut found);
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                if options.to_string().is_empty() =>
            {
                let alias = name.0.last()?.as_ident().map(name_of)?;
                let at = scope.tables.iter().position(|named| named.alias == alias)?;
                whole(at, &mut found);
            }
            _ => return None,
        }
    }
    Some(found)
}

/// Returns the name and the argument of an aggregate whose value does not depend on the order of its rows: `count`, `min`,
/// `max`, `bool_and`, `bool_or`, and `sum` and `avg` of whole and decimal numbers. The argument is none for `count(*)`.
pub(crate) fn aggregate_of<'e>(expr: &'e Expr, scope: &Scope<'_>) -> Option<(String, Option<&'e Expr>)> {
    let Expr::Function(function) = strip(expr) else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    if function.filter.is_some() || function.over.is_some() || !function.within_group.is_empty() {
        return None;
    }
    if !list.clauses.is_empty() || list.duplicate_treatment.is_some() || function.name.0.len() != 1 {
        return None;
    }
    let name = function.name.0.last()?.as_ident().map(name_of)?;
    let argument = match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name == "count" => None,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => return None,
    };
    let type_name = argument.and_then(|expr| scope.column(expr)).map(|(_, column)| column.type_name.as_str());
    let is_exact = |name: &str| {
        ["smallint", "integer", "bigint"].contains(&name) || name == "numeric" || name.starts_with("numeric(")
    };
    let is_known = match name.as_str() {
        "count" => argument.is_none() || type_name.is_some(),
        "min" | "max" | "bool_and" | "bool_or" => type_name.is_some(),
        "sum" | "avg" => type_name.is_some_and(is_exact),
        _ => false,
    };
    is_known.then_some((name, argument))
}
