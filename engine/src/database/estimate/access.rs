//! Ways to read one relation: sequentially, by an index, by its entries alone, by a bitmap.

use super::{
    costs::{Costs, work},
    design::hypothetical_bytes,
    predicate::{conjuncts, implies, predicate_of},
    selectivity::{LIST, joint, share},
};
use crate::database::{
    Index, IndexKey, Table,
    shape::{Filter, Key, OrderKey, Pattern, Relation, Test},
};

/// One way to read a relation, with its cost for one execution.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    /// Index that is used; none: a sequential scan.
    pub index: Option<String>,
    /// Cost in the planner's units.
    pub planner: f64,
    /// Work in milliseconds.
    pub work: f64,
    /// Part of the cost that is due before the first row.
    pub startup: f64,
    /// Tuples read from the table.
    pub read: f64,
    /// Whether rows come in the wanted order.
    pub is_ordered: bool,
}

/// What is asked of a relation.
pub(super) struct Question<'a> {
    pub(super) table: &'a Table,
    pub(super) relation: &'a Relation,
    /// Filters on it, equalities with relations that are read before included.
    pub(super) filters: &'a [Filter],
    /// Wanted order; empty: any.
    pub(super) order: &'a [OrderKey],
    /// See [`Costs::skew`].
    pub(super) skew: f64,
    /// Rows that are kept at least, as measured; 0 if unknown.
    pub(super) least: f64,
}

impl Question<'_> {
    fn rows(&self) -> f64 {
        self.table.rows.unwrap_or(1000.0).max(1.0)
    }

    fn pages(&self) -> f64 {
        self.table.pages.filter(|pages| *pages > 0.0).unwrap_or_else(|| (self.rows() / 80.0).max(1.0))
    }

    /// Rows that all filters keep.
    pub(super) fn kept(&self) -> f64 {
        let kept = self.rows() * joint(self.filters.iter(), self.table, self.skew);
        kept.max(self.least).max(1.0).min(self.rows())
    }
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

/// Work of testing filters on one tuple.
fn test_work(filters: &[Filter]) -> f64 {
    let one = |filter: &Filter| {
        let test = if matches!(filter.test, Test::Like { .. }) { work::PATTERN } else { work::OPERATOR };
        if matches!(filter.key, Key::Expression(_)) { test + work::EXPRESSION } else { test }
    };
    filters.iter().map(one).sum()
}

/// Reads the whole table.
pub(super) fn sequential(question: &Question<'_>, costs: &Costs) -> Path {
    let (rows, pages) = (question.rows(), question.pages());
    let processor = rows * (costs.cpu_tuple + costs.cpu_operator * count(question.filters.len()));
    let serial = pages * costs.seq_page + processor;
    // Workers share the tuples; the leader helps a little, and each result row is sent to it (parallel_tuple_cost).
    let workers =
        if pages > 1024.0 { ((pages / 1024.0).ln() / 3.0_f64.ln() + 1.0).floor().min(costs.workers) } else { 0.0 };
    let parallel = if workers > 0.0 {
        let divisor = workers + (1.0 - 0.3 * workers).max(0.0);
        1000.0 + pages * costs.seq_page + processor / divisor + question.kept() * 0.1
    } else {
        f64::INFINITY
    };
    Path {
        index: None,
        planner: serial.min(parallel),
        work: pages * work::PAGE + rows * (work::TUPLE + test_work(question.filters)),
        startup: 0.0,
        read: rows,
        is_ordered: question.order.is_empty(),
    }
}

/// How far an index serves a question.
struct Matched {
    /// Share of the index's entries that are scanned.
    scanned: f64,
    /// Share of the table's rows that are fetched, after conditions that the entry decides.
    fetched: f64,
    /// Filters that the scan decides.
    decided: usize,
    /// Descents: more than one for a list.
    descents: f64,
    /// Whether entries come in the wanted order.
    is_ordered: bool,
}

/// Reads by an index. None: the index does not help.
pub(super) fn by_index(question: &Question<'_>, index: &Index, costs: &Costs) -> Option<Path> {
    if !implies(question.filters, index.predicate.as_deref()) {
        return None;
    }
    match index.method.as_str() {
        "btree" => by_btree(question, index, costs),
        "hash" => by_hash(question, index, costs),
        "gin" | "gist" => by_inverted(question, index, costs),
        "brin" => by_ranges(question, index, costs),
        _ => None,
    }
}

fn by_btree(question: &Question<'_>, index: &Index, costs: &Costs) -> Option<Path> {
    let (rows, pages) = (question.rows(), question.pages());
    let in_index = predicate_share(question, index);
    let matched = matched(question, index);
    let covering = is_covering(question, index);
    let ordered = matched.is_ordered && !question.order.is_empty();
    if matched.decided == 0 && !ordered && !covering && index.predicate.is_none() {
        return None;
    }
    let entries = (rows * in_index * matched.scanned).max(question.least).max(1.0);
    let fetched = (rows * matched.fetched).max(question.least).max(1.0).min(entries);
    let bytes =
        index.bytes.filter(|bytes| *bytes > 0.0).unwrap_or_else(|| hypothetical_bytes(question.table, index, in_index));
    let index_pages = (bytes / super::costs::PAGE * matched.scanned).ceil().max(1.0);
    let remaining = count(question.filters.len().saturating_sub(matched.decided));
    let visible = if covering { question.table.all_visible.unwrap_or(0.9) } else { 0.0 };
    let height = (rows.max(2.0).ln() / 200.0_f64.ln()).ceil();
    let descent =
        matched.descents * (rows.max(2.0).log2() * costs.cpu_operator + (height + 1.0) * 50.0 * costs.cpu_operator);
    let scan = index_pages * costs.random_page
        + entries * (costs.cpu_index_tuple + costs.cpu_operator * count(matched.decided.max(1)));
    // Mackert and Lohman, as PostgreSQL uses it, while the table fits the cache.
    let visited = (2.0 * pages * fetched / (2.0 * pages + fetched)).min(pages);
    let correlation = index
        .keys
        .first()
        .and_then(|key| question.table.column(key.column.as_deref()?)?.statistics.as_ref()?.correlation)
        .unwrap_or(0.0);
    let squared = correlation * correlation * if index.keys.len() > 1 { 0.5625 } else { 1.0 };
    let in_order = (pages * matched.fetched).ceil().max(1.0);
    let scattered = visited * costs.random_page;
    let together = costs.random_page + (in_order - 1.0) * costs.seq_page;
    let heap = (scattered + squared * (together - scattered)) * (1.0 - visible);
    let processor = fetched * (costs.cpu_tuple + costs.cpu_operator * remaining);
    let plain = descent + scan + heap + processor;
    // A bitmap sorts the pages, so that they are read in order, but loses the order of the rows.
    let page_cost = costs.random_page - (costs.random_page - costs.seq_page) * (visited / pages).sqrt();
    let bitmap = descent + scan + entries * 0.1 * costs.cpu_operator + visited * page_cost + processor;
    let by_bitmap = !ordered && matched.decided > 0 && bitmap < plain;
    let moves = 1.0 - squared * 0.9;
    let fetch = if by_bitmap {
        visited * work::PAGE + fetched * (work::TUPLE + work::OPERATOR) + entries * work::ENTRY
    } else {
        fetched * (work::TUPLE + work::FETCH * moves) * (1.0 - visible)
    };
    Some(Path {
        index: Some(index.name.clone()),
        planner: if by_bitmap { bitmap } else { plain },
        work: matched.descents * work::DESCENT + entries * work::ENTRY + fetch + fetched * work::OPERATOR * remaining,
        startup: descent,
        read: fetched,
        is_ordered: question.order.is_empty() || (matched.is_ordered && !by_bitmap),
    })
}

fn by_hash(question: &Question<'_>, index: &Index, costs: &Costs) -> Option<Path> {
    let key = index.keys.first()?;
    let filter =
        question.filters.iter().find(|filter| is_key(key, &filter.key) && matches!(filter.test, Test::Equal(_)))?;
    let fetched = (question.rows() * share(filter, question.table, question.skew)).max(question.least).max(1.0);
    Some(Path {
        index: Some(index.name.clone()),
        planner: (fetched + 1.0) * costs.random_page,
        work: work::DESCENT + fetched * (work::FETCH + work::TUPLE),
        startup: costs.random_page,
        read: fetched,
        is_ordered: question.order.is_empty(),
    })
}

/// Trigrams, lexemes and containment, by bitmap.
fn by_inverted(question: &Question<'_>, index: &Index, costs: &Costs) -> Option<Path> {
    let serves = |filter: &&Filter| {
        index.keys.iter().any(|key| {
            is_key(key, &filter.key)
                && match &filter.test {
                    Test::Contains(_) => true,
                    Test::Like { .. } => {
                        let class = key.operator_class.as_deref().unwrap_or("");
                        class.contains("trgm")
                    }
                    _ => false,
                }
        })
    };
    let filter = question.filters.iter().find(serves)?;
    let pages = question.pages();
    let fetched = (question.rows() * share(filter, question.table, question.skew)).max(question.least).max(1.0);
    let visited = (2.0 * pages * fetched / (2.0 * pages + fetched)).min(pages);
    let page_cost = costs.random_page - (costs.random_page - costs.seq_page) * (visited / pages).sqrt();
    Some(Path {
        index: Some(index.name.clone()),
        planner: 20.0 * costs.random_page
            + visited * page_cost
            + fetched * (costs.cpu_tuple + costs.cpu_operator * 2.0),
        // Several lists of postings are read and intersected; candidates are tested again.
        work: 0.15 + question.rows() * 0.000_000_5 + fetched * 3.0 * (work::FETCH + work::TUPLE + work::PATTERN),
        startup: 20.0 * costs.random_page,
        read: fetched * 3.0,
        is_ordered: question.order.is_empty(),
    })
}

/// Block ranges (BRIN), by a lossy bitmap.
fn by_ranges(question: &Question<'_>, index: &Index, costs: &Costs) -> Option<Path> {
    let key = index.keys.first()?;
    let column = key.column.as_deref()?;
    let correlation = question.table.column(column)?.statistics.as_ref()?.correlation.unwrap_or(0.0).abs();
    let ranges: Vec<&Filter> = question
        .filters
        .iter()
        .filter(|filter| is_key(key, &filter.key) && matches!(filter.test, Test::Range { .. } | Test::Equal(_)))
        .collect();
    if ranges.is_empty() {
        return None;
    }
    let (rows, pages) = (question.rows(), question.pages());
    let kept = joint(ranges.into_iter(), question.table, question.skew).max(question.least / rows).min(1.0);
    let share = (kept / correlation.max(0.01)).min(1.0).max(128.0 / pages.max(128.0));
    Some(Path {
        index: Some(index.name.clone()),
        planner: pages / 128.0 * 0.1
            + share * (pages * costs.seq_page + rows * (costs.cpu_tuple + costs.cpu_operator * 2.0)),
        work: 0.02 + share * (pages * work::PAGE + rows * (work::TUPLE + 2.0 * work::OPERATOR)),
        startup: 1.0,
        read: share * rows,
        is_ordered: question.order.is_empty(),
    })
}

/// Matches a B-tree's keys with the filters and the order.
fn matched(question: &Question<'_>, index: &Index) -> Matched {
    let table = question.table;
    let of =
        |key: &IndexKey| question.filters.iter().filter(|filter| is_key(key, &filter.key)).collect::<Vec<&Filter>>();
    let mut found = Matched { scanned: 1.0, fetched: 1.0, decided: 0, descents: 1.0, is_ordered: false };
    let mut at = 0;
    let mut several = false;
    let mut distinct_left = table.rows.unwrap_or(1000.0).max(1.0);
    for key in &index.keys {
        let filters = of(key);
        let Some(equal) = filters.iter().find(|filter| is_equality(&filter.test)) else { break };
        if let Test::In(values) = &equal.test {
            several = true;
            found.descents *= values.map_or(LIST, count);
        }
        let one = share(equal, table, question.skew).max(1.0 / distinct_left);
        distinct_left *= one;
        found.scanned *= one;
        found.decided += 1;
        at += 1;
    }
    let ordered_from = at;
    if let Some(key) = index.keys.get(at) {
        let ranges: Vec<&Filter> = of(key).into_iter().filter(|filter| is_range(&filter.test, key)).collect();
        if !ranges.is_empty() {
            found.scanned *= joint(ranges.iter().copied(), table, question.skew);
            found.decided += ranges.len();
            at += 1;
        }
    }
    found.fetched = found.scanned * predicate_share(question, index);
    // Conditions on later keys and included columns are decided without the table's row (keys only, outside index-only scans).
    for key in index.keys.iter().skip(at) {
        for filter in of(key).into_iter().filter(|filter| is_equality(&filter.test) || is_range(&filter.test, key)) {
            found.fetched *= share(filter, table, question.skew);
            found.decided += 1;
        }
    }
    found.is_ordered = !several && is_order(question, index, ordered_from);
    found
}

/// Returns whether the entries after `from` equal keys come in the wanted order, forward or backward.
fn is_order(question: &Question<'_>, index: &Index, from: usize) -> bool {
    let fixed = |key: &Key| {
        question
            .filters
            .iter()
            .any(|filter| filter.key == *key && is_equality(&filter.test) && !matches!(filter.test, Test::In(_)))
    };
    let mut keys = index.keys.iter().skip(from);
    let mut backward: Option<bool> = None;
    let mut unique_reached = false;
    for wanted in question.order {
        if fixed(&wanted.key) || unique_reached {
            continue;
        }
        let Some(key) = keys.next() else { return false };
        if !is_key(key, &wanted.key) {
            return false;
        }
        let turned = key.descending != wanted.is_descending;
        let not_null =
            wanted.key.column().and_then(|name| question.table.column(name)).is_some_and(|column| column.not_null);
        if !not_null && (key.nulls_first != wanted.nulls_first) != turned {
            return false;
        }
        if *backward.get_or_insert(turned) != turned {
            return false;
        }
        // After a unique key nothing is left to order.
        unique_reached =
            wanted.key.column().is_some_and(|column| super::selectivity::is_unique(question.table, column));
    }
    true
}

fn is_covering(question: &Question<'_>, index: &Index) -> bool {
    let has = |column: &String| {
        index.include.contains(column) || index.keys.iter().any(|key| key.column.as_ref() == Some(column))
    };
    let decided = |column: &String| {
        // A column that only the predicate tests is not read.
        index.predicate.is_some()
            && question.filters.iter().any(|filter| {
                filter.key.column() == Some(column) && implies(std::slice::from_ref(filter), index.predicate.as_deref())
            })
    };
    !question.relation.is_whole && question.relation.columns.iter().all(|column| has(column) || decided(column))
}

fn predicate_share(question: &Question<'_>, index: &Index) -> f64 {
    let Some(predicate) = index.predicate.as_deref() else { return 1.0 };
    let parts = conjuncts(predicate);
    let of = |part: &String| {
        let filter = question.filters.iter().find(|filter| predicate_of(filter).as_deref() == Some(part.as_str()));
        filter.map_or(0.5, |filter| share(filter, question.table, question.skew))
    };
    parts.iter().map(of).product()
}

fn is_key(key: &IndexKey, wanted: &Key) -> bool {
    match wanted {
        Key::Column(name) => key.column.as_deref() == Some(name),
        Key::Expression(text) => key.expression.as_deref().is_some_and(|expression| same_expression(expression, text)),
    }
}

/// Compares an index's expression, as `pg_get_indexdef` prints it, with one of a statement: case, white space, outer
/// parentheses and casts to text do not count.
fn same_expression(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let text = text.to_lowercase().replace("::text", "").replace("::character varying", "");
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut text = text.as_str();
        while let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
            text = inner;
        }
        text.replace("((", "(").replace("))", ")")
    };
    plain(a) == plain(b)
}

fn is_equality(test: &Test) -> bool {
    matches!(test, Test::Equal(_) | Test::In(_) | Test::IsNull | Test::Is(_))
}

fn is_range(test: &Test, key: &IndexKey) -> bool {
    match test {
        Test::Range { .. } | Test::IsNotNull => true,
        Test::Like { is_insensitive: false, pattern: Pattern::Prefix } => {
            key.operator_class.as_deref().is_some_and(|class| class.contains("pattern_ops"))
        }
        _ => false,
    }
}
