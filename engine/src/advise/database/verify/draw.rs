//! Finds what each placeholder of a statement is compared with, so that values can be drawn from the rows of a copy.

use std::{collections::BTreeMap, ops::ControlFlow};

use sqlparser::ast::{
    AssignmentTarget, BinaryOperator, Expr, Ident, LimitClause, ObjectName, Query, Statement, TableFactor, Value,
    Visit, Visitor,
};

use crate::database::{
    Catalogue,
    shape::Verb,
    statement::{StatementError, parse, quote},
};

/// Types whose constants `type $1` PostgreSQL accepts only with a literal.
const TYPES: [&str; 9] = ["interval", "date", "time", "timestamp", "timestamptz", "inet", "cidr", "numeric", "uuid"];

/// The placeholders of a statement.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draw {
    /// What the statement does.
    pub verb: Verb,
    /// Relations whose rows supply values.
    pub relations: Vec<Source>,
    /// What each placeholder is for, by number; a placeholder that is missing has a type alone.
    pub slots: BTreeMap<usize, Slot>,
}

/// A relation whose rows supply values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Table as `schema.name`.
    pub key: String,
    /// Table as SQL names it.
    pub table: String,
    /// Alias by which the expressions refer to it.
    pub alias: String,
    /// Expressions over the relation, as SQL.
    pub expressions: Vec<String>,
}

/// What a placeholder is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// A value of an expression: relation, expression.
    Equal(usize, usize),
    /// An array of values of an expression.
    Set(usize, usize),
    /// A lower bound of an expression.
    Lower(usize, usize),
    /// An upper bound of an expression.
    Upper(usize, usize),
    /// A pattern over an expression.
    Pattern(usize, usize),
    /// A word of an expression, without wildcards.
    Word(usize, usize),
    /// A wildcard beside the word of a pattern.
    Wildcard,
    /// A value that a column is set to.
    Assigned(usize, usize),
    /// LIMIT.
    Limit,
    /// OFFSET.
    Offset,
    /// A field of a time, such as that of `date_trunc`.
    Field,
}

/// Returns the text as PREPARE accepts it: `interval $1`, which only normalised texts have, becomes `$1::interval`.
#[must_use]
pub fn prepared(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (head, tail) = rest.split_at(at);
        let end = tail.char_indices().skip(1).find(|(_, c)| !c.is_ascii_digit()).map_or(tail.len(), |(idx, _)| idx);
        let (placeholder, behind) = tail.split_at(end);
        let trimmed = head.trim_end();
        let start = trimmed.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |idx| idx + 1);
        let word = trimmed.get(start..).unwrap_or_default().to_ascii_lowercase();
        if placeholder.len() > 1 && trimmed.len() < head.len() && TYPES.contains(&word.as_str()) {
            out.push_str(trimmed.get(..start).unwrap_or_default());
            out.push_str(&format!("{placeholder}::{word}"));
        } else {
            out.push_str(head);
            out.push_str(placeholder);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Finds the placeholders of a statement. `text`: normalised, see [`normalize`](crate::database::statement::normalize).
///
/// # Errors
/// [`StatementError`]: the statement cannot be parsed.
pub fn draw(text: &str, catalogue: &Catalogue) -> Result<Draw, StatementError> {
    let statement = parse(text)?;
    let mut names = Names { catalogue, sources: Vec::new() };
    let _ = statement.visit(&mut names);
    if let Statement::Insert(insert) = &statement {
        // The table of an INSERT is no factor of FROM.
        let table = insert.table.to_string();
        names.add(&table.split('.').map(|part| part.trim_matches('"').to_owned()).collect::<Vec<_>>(), None);
    }
    let verb = match &statement {
        Statement::Query(_) => Verb::Select,
        Statement::Insert(_) => Verb::Insert,
        Statement::Update(_) => Verb::Update,
        Statement::Delete(_) => Verb::Delete,
        _ => Verb::Other,
    };
    let mut walk = Walk { catalogue, draw: Draw { verb, relations: names.sources, slots: BTreeMap::new() } };
    if let Statement::Update(update) = &statement {
        for assignment in &update.assignments {
            if let AssignmentTarget::ColumnName(name) = &assignment.target
                && let Some(number) = placeholder(&assignment.value)
                && let Some(column) = last(name)
            {
                walk.compared(&Expr::Identifier(column), number, Slot::Assigned);
            }
        }
    }
    let _ = statement.visit(&mut walk);
    Ok(walk.draw)
}

/// Collects the relations of a statement with their aliases.
struct Names<'a> {
    catalogue: &'a Catalogue,
    sources: Vec<Source>,
}

impl Names<'_> {
    fn add(&mut self, parts: &[String], alias: Option<String>) {
        let Some((name, schema)) = parts.split_last() else { return };
        let Some(table) = self.catalogue.table(schema.last().map(String::as_str), name) else { return };
        let alias = alias.unwrap_or_else(|| name.clone());
        let source = Source { key: table.key(), table: table.qualified(), alias, expressions: Vec::new() };
        if !self.sources.contains(&source) {
            self.sources.push(source);
        }
    }
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor {
            let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(fold).collect();
            self.add(&parts, alias.as_ref().map(|alias| fold(&alias.name)));
        }
        ControlFlow::Continue(())
    }
}

/// Collects what placeholders are compared with.
struct Walk<'a> {
    catalogue: &'a Catalogue,
    draw: Draw,
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            if let Some(number) = limit.as_ref().and_then(placeholder) {
                self.draw.slots.insert(number, Slot::Limit);
            }
            if let Some(number) = offset.as_ref().and_then(|offset| placeholder(&offset.value)) {
                self.draw.slots.insert(number, Slot::Offset);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right),
            Expr::InList { expr, list, .. } => {
                for number in list.iter().filter_map(placeholder) {
                    self.compared(expr, number, Slot::Equal);
                }
            }
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                if let Some(number) = placeholder(right) {
                    self.compared(left, number, Slot::Set);
                }
            }
            Expr::Between { expr, low, high, .. } => {
                if let Some(number) = placeholder(low) {
                    self.compared(expr, number, Slot::Lower);
                }
                if let Some(number) = placeholder(high) {
                    self.compared(expr, number, Slot::Upper);
                }
            }
            Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => self.pattern(expr, pattern),
            Expr::Function(function) => {
                let name = function.name.to_string().to_ascii_lowercase();
                let is_field = ["date_trunc", "date_part"].contains(&name.as_str());
                if is_field && let Some(number) = placeholders(expr).first() {
                    self.draw.slots.entry(*number).or_insert(Slot::Field);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Walk<'_> {
    fn comparison(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) {
        use BinaryOperator::{AtAt, Eq, Gt, GtEq, Lt, LtEq, NotEq, PGILikeMatch, PGLikeMatch};
        if let (Expr::Tuple(lefts), Expr::Tuple(rights)) = (strip(left), strip(right)) {
            for (left, right) in lefts.iter().zip(rights) {
                self.comparison(left, op, right);
            }
            return;
        }
        match op {
            PGLikeMatch | PGILikeMatch => self.pattern(left, right),
            AtAt => {
                for number in placeholders(right) {
                    self.compared(left, number, Slot::Word);
                }
            }
            Eq | NotEq | Lt | LtEq | Gt | GtEq => {
                let (expr, value, is_turned) = if placeholder(right).is_some() || placeholders(left).is_empty() {
                    (left, right, false)
                } else {
                    (right, left, true)
                };
                let Some(number) = placeholder(value) else { return };
                let is_upper = matches!(op, Lt | LtEq) != is_turned;
                match op {
                    Eq | NotEq => self.compared(expr, number, Slot::Equal),
                    _ if is_upper => self.compared(expr, number, Slot::Upper),
                    _ => self.compared(expr, number, Slot::Lower),
                }
            }
            _ => {}
        }
    }

    fn pattern(&mut self, expr: &Expr, pattern: &Expr) {
        let found = placeholders(pattern);
        match (placeholder(pattern), found.as_slice()) {
            (Some(number), _) => self.compared(expr, number, Slot::Pattern),
            // `$1 || $2 || $3`, which was `'%' || word || '%'`.
            (None, [first, word, last]) => {
                for number in [first, last] {
                    self.draw.slots.entry(*number).or_insert(Slot::Wildcard);
                }
                self.compared(expr, *word, Slot::Word);
            }
            (None, [first, second]) => {
                self.draw.slots.entry(*first).or_insert(Slot::Wildcard);
                self.compared(expr, *second, Slot::Word);
            }
            (None, [word]) => self.compared(expr, *word, Slot::Word),
            _ => {}
        }
    }

    /// Notes that a placeholder is compared with an expression over one relation.
    fn compared(&mut self, expr: &Expr, number: usize, slot: fn(usize, usize) -> Slot) {
        let expr = strip(expr);
        let Some(relation) = self.relation(expr) else { return };
        if !placeholders(expr).is_empty() || has_subquery(expr) {
            return;
        }
        let text = expr.to_string();
        let Some(source) = self.draw.relations.get_mut(relation) else { return };
        let at = source.expressions.iter().position(|known| *known == text).unwrap_or_else(|| {
            source.expressions.push(text);
            source.expressions.len() - 1
        });
        self.draw.slots.entry(number).or_insert_with(|| slot(relation, at));
    }

    /// Returns the relation of an expression, if it is over exactly one.
    fn relation(&self, expr: &Expr) -> Option<usize> {
        let mut columns = Columns(Vec::new());
        let _ = expr.visit(&mut columns);
        let mut found = None;
        for (qualifier, name) in columns.0 {
            let at = self.draw.relations.iter().position(|source| match &qualifier {
                Some(qualifier) => source.alias == *qualifier,
                None => {
                    let (schema, table) = source.key.split_once('.').unwrap_or(("", &source.key));
                    self.catalogue.table(Some(schema), table).is_some_and(|table| table.column(&name).is_some())
                }
            })?;
            if found.is_some_and(|known| known != at) {
                return None;
            }
            found = Some(at);
        }
        found
    }
}

/// Collects columns with their qualifiers.
struct Columns(Vec<(Option<String>, String)>);

impl Visitor for Columns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.0.push((None, fold(ident))),
            Expr::CompoundIdentifier(parts) => {
                if let [.., qualifier, name] = parts.as_slice() {
                    self.0.push((Some(fold(qualifier)), fold(name)));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Collects the numbers of placeholders.
struct Placeholders(Vec<usize>);

impl Visitor for Placeholders {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(text) = &value.value
            && let Some(number) = text.strip_prefix('$').and_then(|digits| digits.parse().ok())
        {
            self.0.push(number);
        }
        ControlFlow::Continue(())
    }
}

fn placeholders(expr: &Expr) -> Vec<usize> {
    let mut found = Placeholders(Vec::new());
    let _ = expr.visit(&mut found);
    found.0
}

fn has_subquery(expr: &Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    expr.visit(&mut Queries).is_break()
}

/// Returns the number of an expression that is a placeholder alone, with or without a cast.
fn placeholder(expr: &Expr) -> Option<usize> {
    match strip(expr) {
        Expr::Cast { expr, .. } => placeholder(expr),
        Expr::Value(_) => placeholders(expr).first().copied(),
        // `$1 - interval $2`: the bound is shifted.
        Expr::BinaryOp { left, op: BinaryOperator::Plus | BinaryOperator::Minus, .. } => placeholder(left),
        // `lower($1)`: a value of the other side is its own lower case.
        Expr::Function(function) if ["lower", "upper"].contains(&function.name.to_string().to_lowercase().as_str()) => {
            match placeholders(expr).as_slice() {
                [number] => Some(*number),
                _ => None,
            }
        }
        _ => None,
    }
}

fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => strip(inner),
        other => other,
    }
}

pub(super) fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

pub(super) fn last(name: &ObjectName) -> Option<Ident> {
    name.0.last().and_then(|part| part.as_ident()).cloned()
}

impl Source {
    /// Returns the relation as FROM names it.
    #[must_use]
    pub fn from(&self) -> String {
        format!("{} AS {}", self.table, quote(&self.alias))
    }
}
