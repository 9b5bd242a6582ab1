//! Indexes that could serve the blocks of a workload.

use std::collections::{BTreeMap, BTreeSet};

use super::gain::{Family, Read};
use crate::database::{
    Index, IndexKey, Table, TableKind,
    estimate::Hypothetical,
    shape::{Block, Filter, Key, Operand, OrderKey, Pattern, Test},
    statement::quote,
};

/// Most keys of an index.
const MOST_KEYS: usize = 4;
/// Most included columns, and their widest sum in bytes.
const MOST_INCLUDED: usize = 4;
const WIDEST_INCLUDED: f64 = 96.0;
/// Widest keys in bytes: PostgreSQL refuses an entry of a B-tree above 2,704 bytes, and the widest row decides.
const WIDEST_KEY: f64 = 400.0;
/// Largest share of rows in a partial index.
const PARTIAL_SHARE: f64 = 0.35;
/// Least pages of a table whose block ranges are worth an index, and least correlation of the column.
const RANGES_PAGES: f64 = 12_800.0;
const RANGES_CORRELATION: f64 = 0.97;
/// Most candidates for one table.
const MOST_CANDIDATES: usize = 240;

/// Returns the candidates of a workload with the families that they could serve (by position).
pub(super) fn candidates(read: &Read<'_>) -> Vec<(Hypothetical, BTreeSet<usize>)> {
    let popularity = read.popularity();
    let mut found: BTreeMap<(String, String), (Hypothetical, BTreeSet<usize>)> = BTreeMap::new();
    let mut of_table: BTreeMap<String, usize> = BTreeMap::new();
    for (nth, family) in read.families.iter().enumerate() {
        for (table, index) in of_family(read, family, &popularity) {
            let identity = (table.clone(), identity(&index));
            if !found.contains_key(&identity) {
                let count = of_table.entry(table.clone()).or_default();
                *count += 1;
                if *count > MOST_CANDIDATES {
                    continue;
                }
            }
            let entry = found.entry(identity).or_insert_with(|| (Hypothetical { table, index }, BTreeSet::new()));
            entry.1.insert(nth);
        }
    }
    // A candidate of one family may serve every family that reads its table.
    let mut all: Vec<(Hypothetical, BTreeSet<usize>)> = found.into_values().collect();
    for (candidate, served) in &mut all {
        let reads = |(nth, family): (usize, &Family<'_>)| family.tables.contains(&candidate.table).then_some(nth);
        served.extend(read.families.iter().enumerate().filter_map(reads));
        candidate.index.name = format!("candidate {}", identity(&candidate.index));
    }
    all
}

/// Returns what distinguishes an index from others of its table.
pub(super) fn identity(index: &Index) -> String {
    let keys: Vec<String> = index.keys.iter().map(|key| format!("{key:?}")).collect();
    format!("{} {} {:?} {:?}", index.method, keys.join(","), index.include, index.predicate)
}

fn of_family(read: &Read<'_>, family: &Family<'_>, popularity: &BTreeMap<(String, Key), f64>) -> Vec<(String, Index)> {
    let mut found = Vec::new();
    let nothing = BTreeSet::new();
    let design = crate::database::estimate::Design { catalogue: read.catalogue, added: &[], dropped: &nothing };
    let checks = crate::database::estimate::referring(&family.shape, &design);
    for block in family.shape.blocks.iter().chain(&checks) {
        for (at, relation) in block.relations.iter().enumerate() {
            let Some(key) = relation.table.as_deref() else { continue };
            let Some(table) = read.catalogue.tables.iter().find(|table| table.key() == key) else { continue };
            // Neither has an index here.
            if matches!(table.kind, TableKind::View | TableKind::Foreign) {
                continue;
            }
            let view = View { block, at, table, popularity };
            found.extend(view.indexes().into_iter().map(|index| (key.to_owned(), index)));
        }
    }
    found
}

/// Returns the predicate of a partial index that has the rows of a filter; none for a filter with a parameter, or on an
/// expression.
fn predicate(filter: &Filter) -> Option<String> {
    let column = quote(filter.key.column()?);
    match &filter.test {
        Test::Equal(Operand::Literal(text)) => Some(format!("{column} = {text}")),
        Test::IsNull => Some(format!("{column} IS NULL")),
        Test::IsNotNull => Some(format!("{column} IS NOT NULL")),
        Test::Is(true) => Some(column),
        Test::Is(false) => Some(format!("NOT {column}")),
        _ => None,
    }
}

/// Returns whether the default GIN operator class of a type has an operator (PostgreSQL's manual, 70.2).
fn contains_by_gin(type_name: &str, operator: &str) -> bool {
    match type_name {
        "jsonb" => matches!(operator, "@>" | "?" | "?|" | "?&" | "@?" | "@@"),
        "tsvector" => operator == "@@",
        name => name.ends_with("[]") && matches!(operator, "@>" | "<@" | "&&"),
    }
}

/// One relation of a block.
struct View<'a> {
    block: &'a Block,
    at: usize,
    table: &'a Table,
    popularity: &'a BTreeMap<(String, Key), f64>,
}

impl View<'_> {
    fn filters(&self) -> impl Iterator<Item = &Filter> {
        self.block.filters.iter().filter(|filter| filter.relation == self.at)
    }

    fn indexes(&self) -> Vec<Index> {
        let mut found = self.inverted();
        let equal: Vec<Key> = self.keys(|test| matches!(test, Test::Equal(_)));
        let lists: Vec<Key> = self.keys(|test| matches!(test, Test::In(_)));
        let joins: Vec<Key> = self.joins();
        let fixed: BTreeSet<Key> = equal.iter().cloned().collect();
        let order = self.order(&fixed);
        let group: Vec<IndexKey> = self.group(&fixed);
        let ranges: Vec<Key> = self.keys(|test| matches!(test, Test::Range { .. }));
        // Without a join, with each join column, and with each alone.
        let mut sets: Vec<Vec<Key>> = vec![equal.clone()];
        for join in &joins {
            if !fixed.contains(join) {
                sets.push([equal.as_slice(), std::slice::from_ref(join)].concat());
                sets.push(vec![join.clone()]);
            }
        }
        for list in &lists {
            if !fixed.contains(list) {
                sets.push([equal.as_slice(), std::slice::from_ref(list)].concat());
            }
        }
        for set in sets {
            for set in self.arranged(set) {
                let keys: Vec<IndexKey> = set.iter().map(plain).collect();
                let mut tails: Vec<Vec<IndexKey>> = vec![Vec::new()];
                if !order.is_empty() {
                    tails.push(order.clone());
                }
                if !group.is_empty() {
                    tails.push(group.clone());
                }
                tails.extend(ranges.iter().filter(|range| !set.contains(range)).map(|range| vec![plain(range)]));
                for tail in tails {
                    self.variants(&[keys.as_slice(), &tail].concat(), &mut found);
                }
            }
        }
        found.extend(self.block_ranges(&ranges));
        found
    }

    /// Adds an index of these keys, alone, with a predicate, with included columns, and with both.
    fn variants(&self, keys: &[IndexKey], into: &mut Vec<Index>) {
        let mut keys = keys.to_vec();
        let mut known = BTreeSet::new();
        keys.retain(|key| known.insert((key.column.clone(), key.expression.clone())));
        keys.truncate(MOST_KEYS);
        let predicates = self.predicates();
        let whole = (keys.clone(), None);
        let mut forms: Vec<(Vec<IndexKey>, Option<String>)> = vec![whole];
        for (predicate, tested) in predicates {
            let left: Vec<IndexKey> = keys
                .iter()
                .filter(|key| key.column.as_ref().is_none_or(|column| !tested.contains(column)))
                .cloned()
                .collect();
            // A predicate alone needs a key: the tested column.
            let left = if left.is_empty() {
                tested.iter().take(1).map(|column| plain(&Key::Column(column.clone()))).collect()
            } else {
                left
            };
            forms.push((left, Some(predicate)));
        }
        for (keys, predicate) in forms {
            if keys.is_empty() || self.width(&keys) > WIDEST_KEY {
                continue;
            }
            let index = Index { method: "btree".to_owned(), keys, predicate, valid: true, ..Index::default() };
            if let Some(include) = self.included(&index) {
                into.push(Index { include, ..index.clone() });
            }
            into.push(index);
        }
    }

    /// Returns predicates of partial indexes with the columns that they test: each alone, and all together.
    fn predicates(&self) -> Vec<(String, BTreeSet<String>)> {
        let mut single: Vec<(String, String, f64)> = Vec::new();
        for filter in self.filters() {
            let (Some(predicate), Some(column)) = (predicate(filter), filter.key.column()) else { continue };
            let share = crate::database::estimate::share_of(filter, self.table, 1.0);
            if share <= PARTIAL_SHARE {
                single.push((predicate, column.to_owned(), share));
            }
        }
        let mut found: Vec<(String, BTreeSet<String>)> =
            single.iter().map(|(predicate, column, _)| (predicate.clone(), BTreeSet::from([column.clone()]))).collect();
        if single.len() > 1 {
            let all: Vec<&str> = single.iter().map(|(predicate, ..)| predicate.as_str()).collect();
            found.push((all.join(" AND "), single.iter().map(|(_, column, _)| column.clone()).collect()));
        }
        found
    }

    /// Returns the columns to include so that the table is not read; none if there are none, or too many.
    fn included(&self, index: &Index) -> Option<Vec<String>> {
        let relation = self.block.relations.get(self.at)?;
        if relation.is_whole || self.block.locks {
            return None;
        }
        let tested: BTreeSet<&str> = index
            .predicate
            .iter()
            .flat_map(|predicate| predicate.split(|c: char| !c.is_alphanumeric() && c != '_'))
            .collect();
        let is_key = |column: &&String| {
            !index.keys.iter().any(|key| key.column.as_ref() == Some(*column)) && !tested.contains(column.as_str())
        };
        let include: Vec<String> = relation.columns.iter().filter(is_key).cloned().collect();
        // A value that is stored out of line is whole in an index, where it may be too long for a page.
        let width = |column: &String| self.table.value_bytes(self.table.column(column)?);
        let widths: f64 = include.iter().map(|column| width(column).unwrap_or(1000.0)).sum();
        (!include.is_empty() && include.len() <= MOST_INCLUDED && widths <= WIDEST_INCLUDED).then_some(include)
    }

    /// Returns the mean width of the keys in bytes.
    fn width(&self, keys: &[IndexKey]) -> f64 {
        let of = |key: &IndexKey| self.table.value_bytes(self.table.column(key.column.as_deref()?)?);
        keys.iter().filter_map(of).sum()
    }

    fn keys(&self, of: impl Fn(&Test) -> bool) -> Vec<Key> {
        let mut found = Vec::new();
        for filter in self.filters().filter(|filter| of(&filter.test)) {
            if !found.contains(&filter.key) {
                found.push(filter.key.clone());
            }
        }
        found
    }

    fn joins(&self) -> Vec<Key> {
        let mut found = Vec::new();
        for (relation, key) in self.block.joins.iter().flat_map(|join| [&join.left, &join.right]) {
            if *relation == self.at && !found.contains(key) {
                found.push(key.clone());
            }
        }
        found
    }

    /// Returns the keys of the wanted order that no equality fixes.
    fn order(&self, fixed: &BTreeSet<Key>) -> Vec<IndexKey> {
        if self.block.is_grouped || self.block.order.iter().any(|key| key.relation != self.at) {
            return Vec::new();
        }
        let left: Vec<&OrderKey> = self.block.order.iter().filter(|key| !fixed.contains(&key.key)).collect();
        // A B-tree is read in both directions, so that only a change of direction matters.
        let turned = left.first().is_some_and(|first| first.is_descending);
        let is_uniform = left.iter().all(|key| key.is_descending == turned && key.nulls_first == turned);
        let of = |key: &&OrderKey| {
            let mut made = plain(&key.key);
            if !is_uniform {
                made.descending = key.is_descending;
                made.nulls_first = key.nulls_first;
            }
            made
        };
        left.iter().map(of).collect()
    }

    fn group(&self, fixed: &BTreeSet<Key>) -> Vec<IndexKey> {
        let own = self.block.group.iter().filter(|(relation, key)| *relation == self.at && !fixed.contains(key));
        own.map(|(_, key)| plain(key)).collect()
    }

    /// Orders equality keys: those that most of the workload's time tests come first, so that one index serves several
    /// statements. Of two or three keys every order is returned, the preferred one first.
    fn arranged(&self, mut keys: Vec<Key>) -> Vec<Vec<Key>> {
        let table = self.table.key();
        let weight = |key: &Key| self.popularity.get(&(table.clone(), key.clone())).copied().unwrap_or(0.0);
        let distinct = |key: &Key| {
            let statistics = key.column().and_then(|column| self.table.column(column)?.statistics.as_ref());
            statistics.map_or(1.0, |statistics| statistics.distinct_values(self.table.rows.unwrap_or(1.0)))
        };
        keys.sort_by(|a, b| {
            weight(b).total_cmp(&weight(a)).then_with(|| distinct(b).total_cmp(&distinct(a))).then_with(|| a.cmp(b))
        });
        keys.truncate(MOST_KEYS);
        match keys.as_slice() {
            [a, b] => vec![vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]],
            [a, b, c] => [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
                .into_iter()
                .map(|keys| keys.into_iter().cloned().collect())
                .collect(),
            _ => vec![keys],
        }
    }

    /// Returns inverted indexes: trigrams for patterns, the default class for containment.
    fn inverted(&self) -> Vec<Index> {
        let of = |filter: &Filter| {
            let class = match &filter.test {
                Test::Like { pattern: Pattern::Prefix, is_insensitive: false } => return None,
                Test::Like { pattern: Pattern::Unknown, is_insensitive: false } => return None,
                Test::Like { .. } => Some("gin_trgm_ops".to_owned()),
                Test::Contains(operator) => {
                    let column = self.table.column(filter.key.column()?)?;
                    if !contains_by_gin(&column.type_name, operator) {
                        return None;
                    }
                    None
                }
                _ => return None,
            };
            let key = IndexKey { operator_class: class, ..plain(&filter.key) };
            Some(Index { method: "gin".to_owned(), keys: vec![key], valid: true, ..Index::default() })
        };
        let prefix = |filter: &Filter| match &filter.test {
            Test::Like { pattern: Pattern::Prefix, is_insensitive: false } => {
                let key = IndexKey { operator_class: Some("text_pattern_ops".to_owned()), ..plain(&filter.key) };
                Some(Index { method: "btree".to_owned(), keys: vec![key], valid: true, ..Index::default() })
            }
            _ => None,
        };
        self.filters().flat_map(|filter| [of(filter), prefix(filter)]).flatten().collect()
    }

    /// Returns an index of block ranges for a column that the table is stored in the order of.
    fn block_ranges(&self, ranges: &[Key]) -> Vec<Index> {
        let is_large = self.table.pages.unwrap_or(0.0) >= RANGES_PAGES;
        let is_stored = |column: &str| {
            let statistics = self.table.column(column).and_then(|column| column.statistics.as_ref());
            statistics
                .and_then(|statistics| statistics.correlation)
                .is_some_and(|found| found.abs() >= RANGES_CORRELATION)
        };
        let serves = ranges.iter().filter(|key| is_large && key.column().is_some_and(is_stored));
        serves
            .map(|key| Index { method: "brin".to_owned(), keys: vec![plain(key)], valid: true, ..Index::default() })
            .collect()
    }
}

fn plain(key: &Key) -> IndexKey {
    match key {
        Key::Column(name) => IndexKey { column: Some(name.clone()), ..IndexKey::default() },
        Key::Expression(text) => IndexKey { expression: Some(text.clone()), ..IndexKey::default() },
    }
}
