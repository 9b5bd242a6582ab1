//! Walks a syntax tree and collects its blocks.

use sqlparser::ast::{
    Delete, Distinct, Expr, FromTable, GroupByExpr, Insert, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor,
    TableObject, TableWithJoins, Update, UpdateTableFromKind, Value,
};

use super::types::{Amount, Block, Key, OrderKey, Relation, Role, Shape, Verb};
use crate::database::Catalogue;

/// Reads the shape of a statement. Relations that the catalogue does not know are kept without a table.
#[must_use]
pub fn shape(statement: &Statement, catalogue: &Catalogue) -> Shape {
    let mut walk = Walk { catalogue, shape: Shape::default(), stack: Vec::new(), names: Vec::new() };
    walk.statement(statement);
    walk.shape
}

/// State of a walk.
pub(super) struct Walk<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) shape: Shape,
    /// Blocks that enclose the present place, the innermost last.
    pub(super) stack: Vec<usize>,
    /// Names of common table expressions with their blocks.
    names: Vec<(String, Option<usize>)>,
}

impl Walk<'_> {
    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => {
                self.shape.verb = Verb::Select;
                self.query(query, Role::Main);
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => {}
        }
    }

    /// Adds the blocks of a query and returns the index of its first one.
    pub(super) fn query(&mut self, query: &Query, role: Role) -> Option<usize> {
        let known = self.names.len();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let name = name_of(&cte.alias.name);
                // A recursive part refers to itself; it must be known by name while its block is read.
                self.names.push((name, None));
                let at = self.names.len() - 1;
                let block = self.query(&cte.query, Role::Cte);
                if let Some(entry) = self.names.get_mut(at) {
                    entry.1 = block;
                }
            }
        }
        let block = self.body(&query.body, role);
        if let (Some(idx), SetExpr::Select(select)) = (block, &*query.body) {
            self.stack.push(idx);
            self.order(query, select, idx);
            self.limit(query, idx);
            if !query.locks.is_empty() {
                self.block(idx).locks = true;
            }
            self.stack.pop();
        }
        self.names.truncate(known);
        block
    }

    fn body(&mut self, body: &SetExpr, role: Role) -> Option<usize> {
        match body {
            SetExpr::Select(select) => Some(self.select(select, role)),
            SetExpr::Query(query) => self.query(query, role),
            SetExpr::SetOperation { left, right, .. } => {
                let first = self.body(left, if role == Role::Main { Role::Part } else { role });
                self.body(right, Role::Part);
                first
            }
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => {
                self.statement(statement);
                None
            }
            SetExpr::Values(values) => {
                for expr in values.rows.iter().flat_map(|row| row.content.iter()) {
                    self.use_columns(expr);
                }
                None
            }
            SetExpr::Table(_) | SetExpr::Merge(_) => None,
        }
    }

    /// Opens a block inside the present one and makes it the innermost.
    fn open(&mut self, role: Role) -> usize {
        let idx = self.shape.blocks.len();
        let parent = self.stack.last().copied();
        self.shape.blocks.push(Block { role, parent, counts_only: true, ..Block::default() });
        self.stack.push(idx);
        idx
    }

    pub(super) fn block(&mut self, idx: usize) -> &mut Block {
        // An index comes from `open` alone, so that the block exists.
        &mut self.shape.blocks[idx]
    }

    fn select(&mut self, select: &Select, role: Role) -> usize {
        let idx = self.open(role);
        for from in &select.from {
            self.from(from, idx);
        }
        for item in &select.projection {
            self.item(item, idx);
        }
        if let Some(selection) = &select.selection {
            self.conjunct(selection);
        }
        if let GroupByExpr::Expressions(keys, _) = &select.group_by
            && !keys.is_empty()
        {
            self.block(idx).is_grouped = true;
            for key in keys {
                let key = self.referred(key, &select.projection);
                self.use_columns(&key);
                if let Some(found) = self.key(&key) {
                    self.block(idx).group.push(found);
                }
            }
        }
        if let Some(having) = &select.having {
            self.use_columns(having);
        }
        if let Some(distinct) = &select.distinct {
            self.block(idx).is_grouped = true;
            if let Distinct::On(keys) = distinct {
                for key in keys {
                    self.use_columns(key);
                    if let Some(found) = self.key(key) {
                        self.block(idx).group.push(found);
                    }
                }
            }
        }
        let block = self.block(idx);
        block.is_aggregate &= !block.is_grouped;
        self.stack.pop();
        idx
    }

    fn from(&mut self, from: &TableWithJoins, idx: usize) {
        let first = self.block(idx).relations.len();
        self.factor(&from.relation, idx);
        for join in &from.joins {
            let before = self.block(idx).relations.len();
            self.factor(&join.relation, idx);
            let (constraint, left, right) = match &join.join_operator {
                JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => {
                    (Some(on), false, false)
                }
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (Some(on), false, true),
                JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (Some(on), true, false),
                JoinOperator::FullOuter(on) => (Some(on), true, true),
                _ => (None, false, false),
            };
            for (at, relation) in self.block(idx).relations.iter_mut().enumerate().skip(first) {
                relation.is_optional |= if at < before { left } else { right };
            }
            match constraint {
                Some(JoinConstraint::On(expr)) => self.conjunct(expr),
                Some(JoinConstraint::Using(names)) => {
                    for name in names {
                        self.using(&last_name(name), idx, before);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds the join of `USING (column)` between the relations before `at` and the one at `at`.
    fn using(&mut self, column: &str, idx: usize, at: usize) {
        let has = |relation: &Relation, catalogue: &Catalogue| {
            let table = relation.table.as_deref().and_then(|key| table_of(catalogue, key));
            table.is_some_and(|table| table.column(column).is_some())
        };
        let catalogue = self.catalogue;
        let block = self.block(idx);
        let left = block.relations.iter().take(at).position(|relation| has(relation, catalogue));
        let right = block.relations.get(at).is_some_and(|relation| has(relation, catalogue));
        for side in left.into_iter().chain(right.then_some(at)) {
            if let Some(relation) = block.relations.get_mut(side) {
                relation.columns.insert(column.to_owned());
            }
        }
        if let (Some(left), true) = (left, right) {
            let key = Key::Column(column.to_owned());
            block.joins.push(super::types::Join { left: (left, key.clone()), right: (at, key) });
        }
    }

    fn factor(&mut self, factor: &TableFactor, idx: usize) {
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let named = last_name(name);
                let alias = alias.as_ref().map_or_else(|| named.clone(), |alias| name_of(&alias.name));
                let cte = if name.0.len() == 1 && args.is_none() {
                    self.names.iter().rev().find(|(known, _)| *known == named).cloned()
                } else {
                    None
                };
                let relation = match (cte, args) {
                    (Some((_, block)), _) => Relation { alias, block, ..Relation::default() },
                    (None, Some(_)) => Relation { alias, ..Relation::default() },
                    (None, None) => Relation { alias, table: self.table(name), ..Relation::default() },
                };
                self.block(idx).relations.push(relation);
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let block = self.query(subquery, Role::Derived);
                let alias = alias.as_ref().map(|alias| name_of(&alias.name)).unwrap_or_default();
                self.block(idx).relations.push(Relation { alias, block, ..Relation::default() });
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.from(table_with_joins, idx),
            TableFactor::Function { alias, .. } | TableFactor::TableFunction { alias, .. } => {
                let alias = alias.as_ref().map(|alias| name_of(&alias.name)).unwrap_or_default();
                self.block(idx).relations.push(Relation { alias, ..Relation::default() });
            }
            _ => self.block(idx).relations.push(Relation::default()),
        }
    }

    /// Returns the key of a table, or notes its name as unknown.
    fn table(&mut self, name: &ObjectName) -> Option<String> {
        let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(name_of).collect();
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table),
            [.., schema, table] => (Some(schema.as_str()), table),
            [] => return None,
        };
        let found = self.catalogue.table(schema, table).map(crate::database::Table::key);
        if found.is_none() {
            self.shape.unknown.insert(parts.join("."));
        }
        found
    }

    fn item(&mut self, item: &SelectItem, idx: usize) {
        match item {
            SelectItem::UnnamedExpr(expr)
            | SelectItem::ExprWithAlias { expr, .. }
            | SelectItem::ExprWithAliases { expr, .. } => {
                self.aggregate(expr, idx);
                self.use_columns(expr);
            }
            SelectItem::Wildcard(_) => {
                for relation in &mut self.block(idx).relations {
                    relation.is_whole = true;
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let alias = last_name(name);
                for relation in self.block(idx).relations.iter_mut().filter(|relation| relation.alias == alias) {
                    relation.is_whole = true;
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => self.use_columns(expr),
        }
    }

    /// Notes whether the projection is made of aggregates.
    fn aggregate(&mut self, expr: &Expr, idx: usize) {
        const AGGREGATES: [&str; 12] = [
            "count",
            "sum",
            "avg",
            "min",
            "max",
            "array_agg",
            "string_agg",
            "bool_or",
            "bool_and",
            "json_agg",
            "jsonb_agg",
            "every",
        ];
        let name = match expr {
            Expr::Function(function) if function.over.is_none() => Some(function.name.to_string().to_lowercase()),
            _ => None,
        };
        let block = self.block(idx);
        match name {
            Some(name) if AGGREGATES.contains(&name.as_str()) => {
                block.is_aggregate = true;
                block.counts_only &= name == "count";
            }
            _ => block.counts_only = false,
        }
    }

    /// Returns the expression that a key of GROUP BY or ORDER BY means: a number or an alias of the projection, or itself.
    fn referred(&self, key: &Expr, projection: &[SelectItem]) -> Expr {
        let of_item = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
            _ => None,
        };
        let found = match key {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => {
                    digits.parse::<usize>().ok().and_then(|nth| projection.get(nth.checked_sub(1)?))
                }
                _ => None,
            }
            .and_then(of_item),
            Expr::Identifier(name) => projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if alias.value == name.value => Some(expr.clone()),
                _ => None,
            }),
            _ => None,
        };
        found.unwrap_or_else(|| key.clone())
    }

    fn order(&mut self, query: &Query, select: &Select, idx: usize) {
        let Some(order) = &query.order_by else { return };
        let OrderByKind::Expressions(keys) = &order.kind else { return };
        for by in keys {
            let expr = self.referred(&by.expr, &select.projection);
            self.use_columns(&expr);
            let is_descending = by.options.asc == Some(false);
            let nulls_first = by.options.nulls_first.unwrap_or(is_descending);
            match self.key(&expr) {
                Some((relation, key)) if !self.block(idx).is_order_computed => {
                    self.block(idx).order.push(OrderKey { relation, key, is_descending, nulls_first });
                }
                _ => self.block(idx).is_order_computed = true,
            }
        }
        let block = self.block(idx);
        if block.is_order_computed {
            block.order.clear();
        }
    }

    fn limit(&mut self, query: &Query, idx: usize) {
        let (limit, offset) = match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
            None => (None, None),
        };
        let limit = limit.or_else(|| query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()));
        let (limit, offset) = (limit.and_then(amount), offset.and_then(amount));
        let block = self.block(idx);
        block.limit = limit;
        block.offset = offset;
    }

    fn insert(&mut self, insert: &Insert) {
        self.shape.verb = Verb::Insert;
        if let TableObject::TableName(name) = &insert.table {
            self.shape.written = self.table(name);
        }
        if let Some(source) = &insert.source {
            self.query(source, Role::Derived);
        }
    }

    fn update(&mut self, update: &Update) {
        self.shape.verb = Verb::Update;
        let idx = self.open(Role::Main);
        self.from(&update.table, idx);
        self.shape.written = self.block(idx).relations.first().and_then(|relation| relation.table.clone());
        if let Some(UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables)) = &update.from {
            for from in tables {
                self.from(from, idx);
            }
        }
        for assignment in &update.assignments {
            let names = match &assignment.target {
                sqlparser::ast::AssignmentTarget::ColumnName(name) => vec![last_name(name)],
                sqlparser::ast::AssignmentTarget::Tuple(names) => names.iter().map(last_name).collect(),
            };
            self.shape.assigned.extend(names);
            self.use_columns(&assignment.value);
        }
        self.changed(update.selection.as_ref(), idx);
    }

    fn delete(&mut self, delete: &Delete) {
        self.shape.verb = Verb::Delete;
        let idx = self.open(Role::Main);
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        for from in tables {
            self.from(from, idx);
        }
        self.shape.written = self.block(idx).relations.first().and_then(|relation| relation.table.clone());
        for from in delete.using.iter().flatten() {
            self.from(from, idx);
        }
        self.changed(delete.selection.as_ref(), idx);
    }

    /// Closes the block of an UPDATE or DELETE. The changed row is read whole.
    fn changed(&mut self, selection: Option<&Expr>, idx: usize) {
        if let Some(selection) = selection {
            self.conjunct(selection);
        }
        let block = self.block(idx);
        block.locks = true;
        block.counts_only = false;
        if let Some(relation) = block.relations.first_mut() {
            relation.is_whole = true;
        }
        self.stack.pop();
    }
}

fn amount(expr: &Expr) -> Option<Amount> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok().map(Amount::Known),
            Value::Placeholder(text) => {
                Some(Amount::Parameter(text.strip_prefix('$').and_then(|digits| digits.parse().ok()).unwrap_or(0)))
            }
            Value::Null => None,
            _ => Some(Amount::Parameter(0)),
        },
        Expr::Nested(inner) => amount(inner),
        Expr::Identifier(name) if name.value.eq_ignore_ascii_case("all") => None,
        _ => Some(Amount::Parameter(0)),
    }
}

/// Returns the name as PostgreSQL folds it.
pub(super) fn name_of(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

fn last_name(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(name_of).unwrap_or_default()
}

/// Returns the table of a key `schema.name`.
pub(super) fn table_of<'a>(catalogue: &'a Catalogue, key: &str) -> Option<&'a crate::database::Table> {
    catalogue.tables.iter().find(|table| {
        key.len() == table.schema.len() + table.name.len() + 1
            && key.starts_with(&table.schema)
            && key.ends_with(&table.name)
            && key.as_bytes().get(table.schema.len()) == Some(&b'.')
    })
}
