//! DISTINCT that removes the repeated rows of a join: EXISTS repeats none.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use sqlparser::ast::{Distinct, Expr, GroupByExpr, OrderByKind, Query, Select, Visit, Visitor};

use crate::advise::database::query::{
    finding::{Action, Check, Equality, Finding, Pattern, Rewrite},
    known::{Context, Known},
    tree::{
        Refusal, Scope, conjuncts, finish, has_aggregate, joined, name_of, output_names, plain, pure, refuse, strip,
        unique_keys, wrapped,
    },
};

/// Finds SELECT DISTINCT over two joined tables that returns columns of one of them.
pub(crate) fn find(known: &Known<'_>, context: &Context<'_>) -> Option<Finding> {
    let query = known.query()?;
    let select = plain(query).ok()?;
    let is_joined = select.from.iter().map(|from| 1 + from.joins.len()).sum::<usize>() >= 2;
    if !matches!(select.distinct, Some(Distinct::Distinct)) || !is_joined || !context.matters(known.usage) {
        return None;
    }
    match rewrite(query, select, context) {
        // A DISTINCT that is not about a join may be needed: this is no fault.
        Err(Outcome::NoFault) => None,
        Err(Outcome::Refused(refusal)) => Some(context.kept(known, Pattern::DistinctJoin, refusal)),
        Ok(rewrite) => {
            let rests_on = "no repeated rows are formed, sorted and removed";
            let saving = context.saving(known.usage, [0.0, 0.4, 0.95], rests_on);
            Some(context.finding(known, Pattern::DistinctJoin, Action::Rewrite(rewrite), saving))
        }
    }
}

enum Outcome {
    NoFault,
    Refused(Refusal),
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn rewrite(query: &Query, select: &Select, context: &Context<'_>) -> Result<Rewrite, Outcome> {
    let scope = Scope::of(select, context.catalogue)?;
    let Some(names) = output_names(select, &scope) else { return Err(Outcome::NoFault) };
    let mut tables: BTreeSet<usize> = BTreeSet::new();
    let mut columns = Vec::new();
    for (_, column) in &names {
        let Some((at, column)) = column else { return Err(Outcome::NoFault) };
        tables.insert(*at);
        columns.push(column.name.as_str());
    }
    let (Some(&kept), 1, 2) = (tables.first(), tables.len(), scope.tables.len()) else { return Err(Outcome::NoFault) };
    let Some(table) = scope.tables.get(kept) else { return Err(Outcome::NoFault) };
    let is_identified =
        unique_keys(table.table).iter().any(|key| key.iter().all(|name| columns.contains(&name.as_str())));
    if !is_identified {
        return Err(Outcome::NoFault);
    }
    pure(query)?;
    if scope.tables.iter().any(|named| named.is_optional || !named.is_inner) {
        return Ok(refuse("it has an outer join")?);
    }
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    if is_grouped || select.having.is_some() || has_aggregate(&select.projection) {
        return Ok(refuse("it groups its rows")?);
    }
    if (query.limit_clause.is_some() || query.fetch.is_some()) && query.order_by.is_none() {
        return Ok(refuse("it has LIMIT without ORDER BY, so that other rows may be returned")?);
    }
    if let Some(order) = &query.order_by {
        let OrderByKind::Expressions(keys) = &order.kind else { return Ok(refuse("its order is not understood")?) };
        for key in keys {
            // A bare name means an output column first, and those are of the kept table.
            let is_output = match strip(&key.expr) {
                Expr::Identifier(name) => names.iter().any(|(known, _)| *known == name_of(name)),
                _ => false,
            };
            if !is_output && !(used(&key.expr, &scope)?.is_subset(&BTreeSet::from([kept]))) {
                return Ok(refuse("its order is by the other table")?);
            }
        }
    }
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    let conditions =
        scope.tables.iter().flat_map(|named| conjuncts(named.on)).chain(conjuncts(select.selection.as_ref()));
    for condition in conditions {
        let is_inside = used(condition, &scope)?.iter().any(|at| *at != kept);
        if is_inside { &mut inside } else { &mut outside }.push(wrapped(condition));
    }
    // The FROM items are printed by themselves, without their joins.
    let factors: Vec<String> = select
        .from
        .iter()
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)))
        .map(ToString::to_string)
        .collect();
    let (Some(kept_text), Some(other_text)) = (factors.get(kept), factors.get(1 - kept)) else {
        return Err(Outcome::NoFault);
    };
    outside.push(format!("EXISTS (SELECT 1 FROM {other_text}{})", joined(&inside)));
    let projection: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
    let is_whole = select.projection.iter().any(|item| matches!(item, sqlparser::ast::SelectItem::Wildcard(_)));
    if is_whole {
        return Err(Outcome::NoFault);
    }
    let mut text = format!("SELECT {} FROM {kept_text}{}", projection.join(", "), joined(&outside));
    let order = query.order_by.as_ref().map(ToString::to_string);
    let limit = query.limit_clause.as_ref().map(ToString::to_string);
    for part in order.into_iter().chain(limit) {
        text.push_str(&format!(" {}", part.trim()));
    }
    if query.fetch.is_some() {
        return Ok(refuse("it has FETCH")?);
    }
    let (statement, parameters) = finish(&text, &BTreeMap::new())?;
    let equality = Equality::Always;
    Ok(Rewrite { statement, parameters, first: None, equality, check: Check::Multiset, added: Vec::new() })
}

/// Returns the tables whose columns an expression names.
fn used(expr: &Expr, scope: &Scope<'_>) -> Result<BTreeSet<usize>, Refusal> {
    struct Search<'s, 'a>(&'s Scope<'a>, BTreeSet<usize>);
    impl Visitor for Search<'_, '_> {
        type Break = Refusal;
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Refusal> {
            ControlFlow::Break(Refusal("a condition has a subquery".to_owned()))
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refusal> {
            if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                return ControlFlow::Continue(());
            }
            match self.0.column(expr) {
                Some((at, _)) => {
                    self.1.insert(at);
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(Refusal(format!("{expr} is no column of its tables"))),
            }
        }
    }
    let mut search = Search(scope, BTreeSet::new());
    match Visit::visit(expr, &mut search) {
        ControlFlow::Continue(()) => Ok(search.1),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}
