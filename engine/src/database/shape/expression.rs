//! Resolves columns and indexable expressions, and notes which columns and subqueries an expression uses.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Visit, VisitMut, Visitor,
    VisitorMut,
};

use super::{
    build::{Walk, name_of, table_of},
    predicate::role_of,
    types::{Key, Role},
};
use crate::database::{Table, statement::quote};

/// Where a column belongs.
enum Place {
    /// To a relation of the present block.
    Local(usize, String),
    /// To a relation of an outer block.
    Outer,
    /// Unknown, such as an alias of the projection.
    Unknown,
}

impl Walk<'_> {
    /// Notes the columns and the subqueries of an expression.
    pub(super) fn use_columns(&mut self, expr: &Expr) {
        for part in parts(expr) {
            match part {
                Part::Column(idents) => match self.place(&idents) {
                    Place::Local(relation, column) => {
                        if let Some(&idx) = self.stack.last()
                            && let Some(relation) = self.block(idx).relations.get_mut(relation)
                        {
                            relation.columns.insert(column);
                        }
                    }
                    Place::Outer => {
                        if let Some(&idx) = self.stack.last() {
                            self.block(idx).is_correlated = true;
                        }
                    }
                    Place::Unknown => {}
                },
                Part::Subquery(query, role) => {
                    self.query(&query, role);
                }
            }
        }
    }

    /// Returns the columns of the present block's relations in an expression, without those of its subqueries.
    pub(super) fn local_columns(&self, expr: &Expr) -> BTreeSet<(usize, String)> {
        let columns = parts(expr).into_iter().filter_map(|part| match part {
            Part::Column(idents) => match self.place(&idents) {
                Place::Local(relation, column) => Some((relation, column)),
                Place::Outer | Place::Unknown => None,
            },
            Part::Subquery(..) => None,
        });
        columns.collect()
    }

    /// Returns whether an expression names any column outside its subqueries.
    pub(super) fn has_columns(&self, expr: &Expr) -> bool {
        parts(expr).iter().any(|part| matches!(part, Part::Column(_)))
    }

    /// Returns the relation and key of an expression that an index can have: a column, or an immutable expression over the
    /// columns of one relation.
    pub(super) fn key(&self, expr: &Expr) -> Option<(usize, Key)> {
        match expr {
            Expr::Nested(inner) => self.key(inner),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                let idents = identifiers(expr)?;
                match self.place(&idents) {
                    Place::Local(relation, column) => Some((relation, Key::Column(column))),
                    Place::Outer | Place::Unknown => None,
                }
            }
            // `column::text` of a text column is the column itself.
            Expr::Cast { expr: inner, data_type: DataType::Text | DataType::Varchar(_), .. } => {
                let (relation, key) = self.key(inner)?;
                let name = key.column()?.to_owned();
                let table = self.table_at(relation)?;
                let type_name = &table.column(&name)?.type_name;
                (type_name == "text" || type_name.starts_with("character varying")).then_some((relation, key))
            }
            other => {
                let columns = self.local_columns(other);
                let relations: BTreeSet<usize> = columns.iter().map(|(relation, _)| *relation).collect();
                let mut relations = relations.into_iter();
                let (Some(relation), None) = (relations.next(), relations.next()) else { return None };
                let table = self.table_at(relation)?;
                if !is_immutable(other, table) || parts(other).len() != count_columns(other) {
                    return None;
                }
                let mut plain = other.clone();
                let _ = VisitMut::visit(&mut plain, &mut Unqualify);
                Some((relation, Key::Expression(plain.to_string().replace("::TEXT", "::text"))))
            }
        }
    }

    fn table_at(&self, relation: usize) -> Option<&Table> {
        let block = self.shape.blocks.get(*self.stack.last()?)?;
        table_of(self.catalogue, block.relations.get(relation)?.table.as_deref()?)
    }

    /// Finds the relation of a column: the present block first, then the outer ones.
    fn place(&self, idents: &[String]) -> Place {
        let Some((column, qualifier)) = idents.split_last() else { return Place::Unknown };
        let qualifier = qualifier.last();
        for (depth, &idx) in self.stack.iter().rev().enumerate() {
            let Some(block) = self.shape.blocks.get(idx) else { continue };
            let found = block.relations.iter().position(|relation| {
                let table = relation.table.as_deref().and_then(|key| table_of(self.catalogue, key));
                let has = table.is_some_and(|table| table.column(column).is_some());
                match qualifier {
                    Some(qualifier) => relation.alias == *qualifier,
                    None => has,
                }
            });
            match found {
                Some(relation) if depth == 0 => return Place::Local(relation, column.clone()),
                Some(_) => return Place::Outer,
                None => {}
            }
        }
        Place::Unknown
    }
}

/// A column or a subquery of an expression.
enum Part {
    Column(Vec<String>),
    Subquery(Box<Query>, Role),
}

/// Collects the columns and subqueries of an expression; what is inside a subquery is left to it.
fn parts(expr: &Expr) -> Vec<Part> {
    struct Collect {
        depth: usize,
        role: Role,
        found: Vec<Part>,
    }
    impl Visitor for Collect {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if self.depth == 0 {
                self.found.push(Part::Subquery(Box::new(query.clone()), self.role));
            }
            self.depth += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if self.depth == 0 {
                if let Some(role) = role_of(expr) {
                    self.role = role;
                }
                if let Some(idents) = identifiers(expr) {
                    self.found.push(Part::Column(idents));
                }
            }
            ControlFlow::Continue(())
        }
        fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if self.depth == 0 && role_of(expr).is_some() {
                self.role = Role::In;
            }
            ControlFlow::Continue(())
        }
    }
    let mut collect = Collect { depth: 0, role: Role::In, found: Vec::new() };
    let _ = Visit::visit(expr, &mut collect);
    collect.found
}

fn count_columns(expr: &Expr) -> usize {
    parts(expr).iter().filter(|part| matches!(part, Part::Column(_))).count()
}

fn identifiers(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Identifier(ident) => Some(vec![name_of(ident)]),
        Expr::CompoundIdentifier(idents) => Some(idents.iter().map(name_of).collect()),
        _ => None,
    }
}

/// Removes qualifiers of columns and quotes that a name does not need, and writes functions in lower case.
struct Unqualify;

impl VisitorMut for Unqualify {
    type Break = ();
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let Some(last) = idents.last()
        {
            *expr = Expr::Identifier(Ident::clone(last));
        }
        match expr {
            Expr::Identifier(ident) if ident.quote_style.is_some() && quote(&ident.value) == ident.value => {
                ident.quote_style = None;
            }
            Expr::Function(function) => {
                for part in &mut function.name.0 {
                    if let sqlparser::ast::ObjectNamePart::Identifier(ident) = part
                        && ident.quote_style.is_none()
                    {
                        ident.value.make_ascii_lowercase();
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Returns whether a cast depends on no setting: to text of text, a number, a UUID or a Boolean, and of text to a number or a
/// UUID, as of a key of JSON.
fn is_plain_cast(inner: &Expr, data_type: &DataType, table: &Table) -> bool {
    const PLAIN: [&str; 9] =
        ["text", "character", "smallint", "integer", "bigint", "numeric", "uuid", "boolean", "citext"];
    let column = identifiers(inner).and_then(|names| Some(table.column(names.last()?)?.type_name.as_str()));
    let is_plain = |name: &str| PLAIN.iter().any(|plain| name == *plain || name.starts_with(&format!("{plain}(")));
    match data_type {
        DataType::Text | DataType::Varchar(None) | DataType::CharacterVarying(None) => {
            column.is_some_and(|name| is_plain(name) || name.starts_with("character varying"))
        }
        DataType::Int(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::SmallInt(None)
        | DataType::Numeric(_)
        | DataType::Uuid => match inner {
            Expr::Nested(inner) => is_plain_cast(inner, data_type, table),
            // `->>` gives text.
            Expr::BinaryOp { op, .. } => {
                use sqlparser::ast::BinaryOperator::{HashLongArrow, LongArrow};
                matches!(op, LongArrow | HashLongArrow)
            }
            _ => column.is_some_and(|name| name == "text" || name.starts_with("character varying")),
        },
        _ => false,
    }
}

/// Functions that PostgreSQL marks immutable and that predicates are written with.
const IMMUTABLE: [&str; 12] =
    ["lower", "upper", "btrim", "ltrim", "rtrim", "abs", "length", "md5", "coalesce", "floor", "ceil", "left"];

/// Returns whether an index may have the expression: no parameter, no literal beside keys of JSON, only functions that are
/// immutable, and no cast that depends on the time zone.
fn is_immutable(expr: &Expr, table: &Table) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) | Expr::Trim { expr: inner, trim_what: None, trim_characters: None, .. } => {
            is_immutable(inner, table)
        }
        Expr::Value(value) => !matches!(value.value, sqlparser::ast::Value::Placeholder(_)),
        Expr::BinaryOp { left, op, right } => {
            use sqlparser::ast::BinaryOperator::{Arrow, HashArrow, HashLongArrow, LongArrow, StringConcat};
            matches!(op, Arrow | LongArrow | HashArrow | HashLongArrow | StringConcat)
                && is_immutable(left, table)
                && is_immutable(right, table)
        }
        Expr::Cast { expr: inner, data_type, .. } => {
            let of_zone = identifiers(inner).and_then(|names| names.last().cloned()).is_some_and(|name| {
                table
                    .column(&name)
                    .is_none_or(|column| !matches!(column.type_name.as_str(), "timestamp without time zone" | "date"))
            });
            (matches!(data_type, DataType::Date) && !of_zone || is_plain_cast(inner, data_type, table))
                && is_immutable(inner, table)
        }
        Expr::Function(Function { name, args: FunctionArguments::List(list), over: None, filter: None, .. }) => {
            let name = name.to_string().to_lowercase();
            IMMUTABLE.contains(&name.as_str())
                && list.args.iter().all(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => is_immutable(expr, table),
                    _ => false,
                })
        }
        _ => false,
    }
}
