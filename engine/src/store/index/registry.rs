//! Labels of every series in memory, and the inverted index that evaluates matchers.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashSet},
    hash::BuildHasher,
    iter,
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use parking_lot::Mutex;

use super::{order::LabelOrder, symbols::Symbols};
use crate::{
    series::{Labels, MatchOp, Matcher, SeriesId},
    store::StoreError,
};

/// Number of series, and reciprocal of their share of all, from which they are sorted by the stored order.
const ORDERED_MIN: usize = 5_000;
const ORDERED_SHARE: usize = 8;

/// Symbols of the values that the pattern of a matcher accepts; `None` for a matcher without a pattern.
pub(super) type Accepted = Option<hashbrown::HashSet<u32>>;

/// Labels of every series and the inverted index over them.
///
/// A series takes 8 bytes per label here and 4 per label in the index, besides the strings: about 200 MB for a million
/// series of ten labels.
#[derive(Debug)]
pub(in crate::store) struct Registry {
    symbols: Symbols,
    /// Symbols (name, value) of all series, concatenated; those of one series are sorted by name.
    pairs: Vec<(u32, u32)>,
    /// Index in `pairs` of the first label of series `i`; one more entry than series.
    starts: Vec<usize>,
    by_labels: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// All series by their labels, so that many need not be compared again for each query.
    order: Mutex<LabelOrder>,
    /// Posting lists: name → value → series numbers, ascending.
    postings: HashMap<u32, HashMap<u32, Vec<u32>>>,
    /// Count of numbers without a series. Such a series had no sample left when the store was opened.
    holes: usize,
    /// Series that a deletion left without samples. Senders may cache their numbers, so they stay registered, but they
    /// do not count towards the limit.
    emptied: HashSet<u32>,
    limit: usize,
    /// Limit of the length of all distinct names and values in bytes.
    label_limit: usize,
}

impl Registry {
    pub(in crate::store) fn new(limit: usize, label_limit: usize) -> Self {
        Self {
            symbols: Symbols::default(),
            pairs: Vec::new(),
            starts: vec![0],
            by_labels: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            order: Mutex::default(),
            postings: HashMap::new(),
            holes: 0,
            emptied: HashSet::new(),
            limit,
            label_limit,
        }
    }

    /// Returns the maximum number of series.
    pub(in crate::store) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the limit of the length of all distinct names and values in bytes.
    pub(in crate::store) fn label_limit(&self) -> usize {
        self.label_limit
    }

    /// Returns the length of all distinct names and values in bytes.
    pub(in crate::store) fn label_bytes(&self) -> usize {
        self.symbols.bytes()
    }

    /// Checks that the names and values of new series fit into the limit of their length.
    ///
    /// # Errors
    /// `LabelLimit`.
    pub(in crate::store) fn check_labels<'a>(
        &self,
        new: impl Iterator<Item = &'a Labels> + Clone,
    ) -> Result<(), StoreError> {
        let most: usize = new.clone().flat_map(Labels::iter).map(|(name, value)| name.len() + value.len()).sum();
        if self.symbols.bytes().saturating_add(most) <= self.label_limit {
            return Ok(());
        }
        let mut texts = HashSet::new();
        let mut bytes = self.symbols.bytes();
        for (name, value) in new.flat_map(Labels::iter) {
            for text in [name, value] {
                if self.symbols.lookup(text).is_none() && texts.insert(text) {
                    bytes += text.len();
                }
            }
        }
        if bytes > self.label_limit { Err(StoreError::LabelLimit { limit: self.label_limit }) } else { Ok(()) }
    }

    /// Returns one more than the highest assigned number.
    pub(in crate::store) fn end(&self) -> u32 {
        u32::try_from(self.starts.len() - 1).unwrap_or(u32::MAX)
    }

    /// Returns the number of series, without those that a deletion emptied.
    pub(in crate::store) fn len(&self) -> usize {
        self.starts.len() - 1 - self.holes - self.emptied.len()
    }

    /// Marks series as emptied by a deletion.
    pub(in crate::store) fn note_emptied(&mut self, ids: &[u32]) {
        self.emptied.extend(ids);
    }

    /// Clears the mark of emptied series that have samples again.
    pub(in crate::store) fn note_returned(&mut self, ids: &[u32]) {
        for id in ids {
            self.emptied.remove(id);
        }
    }

    /// Returns the number of the series with these labels, if it is registered.
    pub(in crate::store) fn find(&self, labels: &Labels) -> Option<SeriesId> {
        let mut pairs = Vec::with_capacity(labels.len());
        for (name, value) in labels.iter() {
            pairs.push((self.symbols.lookup(name)?, self.symbols.lookup(value)?));
        }
        self.find_pairs(&pairs)
    }

    fn find_pairs(&self, pairs: &[(u32, u32)]) -> Option<SeriesId> {
        let hash = self.hasher.hash_one(pairs);
        self.by_labels.find(hash, |&id| self.pairs_of(id) == pairs).map(|&id| SeriesId::new(id))
    }

    /// Returns the number of a series and registers a new one.
    pub(in crate::store) fn register(&mut self, labels: &Labels) -> Result<SeriesId, StoreError> {
        if let Some(id) = self.find(labels) {
            return Ok(id);
        }
        let full = StoreError::SeriesLimit { limit: self.limit };
        if self.len() >= self.limit {
            return Err(full);
        }
        self.check_labels(iter::once(labels))?;
        let begin = self.pairs.len();
        for (name, value) in labels.iter() {
            match (self.symbols.intern(name), self.symbols.intern(value)) {
                (Some(name), Some(value)) => self.pairs.push((name, value)),
                _ => {
                    self.pairs.truncate(begin);
                    return Err(full);
                }
            }
        }
        Ok(self.enter(begin))
    }

    /// Makes `end` the next number to assign; the skipped numbers have no series.
    pub(in crate::store) fn skip_to(&mut self, end: u32) {
        while self.end() < end {
            self.starts.push(self.pairs.len());
            self.holes += 1;
        }
    }

    /// Registers a stored series under its stored number. Numbers must ascend, labels must be sorted by name.
    pub(in crate::store) fn restore<'a>(
        &mut self,
        id: u32,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), StoreError> {
        let corrupt = |detail: String| StoreError::Corrupt { table: "series", detail };
        if id < self.end() {
            return Err(corrupt(format!("duplicate series number {id}")));
        }
        self.skip_to(id);
        let begin = self.pairs.len();
        for (name, value) in labels {
            match (self.symbols.intern(name), self.symbols.intern(value)) {
                (Some(name), Some(value)) => self.pairs.push((name, value)),
                _ => return Err(corrupt("too many distinct label strings".to_owned())),
            }
        }
        if self.find_pairs(&self.pairs[begin..]).is_some() {
            let labels: Vec<&str> = self.pairs[begin..].iter().map(|pair| &**self.symbols.text(pair.1)).collect();
            return Err(corrupt(format!("series {id} has the same labels as another: {}", labels.join(", "))));
        }
        self.enter(begin);
        Ok(())
    }

    /// Registers the pairs from `begin` on as the next series.
    fn enter(&mut self, begin: usize) -> SeriesId {
        let id = self.end();
        for idx in begin..self.pairs.len() {
            let (name, value) = self.pairs[idx];
            self.postings.entry(name).or_default().entry(value).or_default().push(id);
        }
        let hash = self.hasher.hash_one(&self.pairs[begin..]);
        self.starts.push(self.pairs.len());
        let (pairs, starts, hasher) = (&self.pairs, &self.starts, &self.hasher);
        self.by_labels.insert_unique(hash, id, |&other| {
            hasher.hash_one(&pairs[starts[other as usize]..starts[other as usize + 1]])
        });
        SeriesId::new(id)
    }

    /// Sorts series by their labels, as [`Labels`] are ordered.
    pub(in crate::store) fn sort_by_labels<T>(&self, all: &mut [T], id: impl Fn(&T) -> u32) {
        if all.len() < ORDERED_MIN || all.len() < self.end() as usize / ORDERED_SHARE {
            all.sort_unstable_by(|a, b| self.compare(id(a), id(b)));
        } else {
            let places = self.order.lock().places(self.end(), |a, b| self.compare(a, b));
            all.sort_unstable_by_key(|one| places[id(one) as usize]);
        }
    }

    fn compare(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (self.pairs_of(a), self.pairs_of(b));
        // Equal strings have equal symbols, so only the first difference is compared as text.
        match a.iter().zip(b).find(|(x, y)| x != y) {
            Some((x, y)) => {
                let text = |pair: &(u32, u32)| (self.symbols.text(pair.0), self.symbols.text(pair.1));
                text(x).cmp(&text(y))
            }
            None => a.len().cmp(&b.len()),
        }
    }

    /// Returns whether an assigned number has no series.
    pub(in crate::store) fn is_hole(&self, id: u32) -> bool {
        self.holes > 0 && self.pairs_of(id).is_empty()
    }

    fn pairs_of(&self, id: u32) -> &[(u32, u32)] {
        &self.pairs[self.starts[id as usize]..self.starts[id as usize + 1]]
    }

    /// Returns the names and values of a series' labels, sorted by name.
    pub(in crate::store) fn label_pairs(&self, id: u32) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.pairs_of(id).iter().map(|&(name, value)| (self.symbols.text(name), self.symbols.text(value)))
    }

    /// Returns the labels of a series; `None` for a number without a series.
    pub(in crate::store) fn labels(&self, id: SeriesId) -> Option<Labels> {
        if id.index() >= self.end() {
            return None;
        }
        Some(Labels::from_sorted(self.label_pairs(id.index()).map(|(name, value)| (&**name, &**value))))
    }

    /// Returns the values of a label with their symbols.
    pub(super) fn values(&self, name: &str) -> Vec<(u32, Arc<str>)> {
        let Some(values) = self.symbols.lookup(name).and_then(|name| self.postings.get(&name)) else {
            return Vec::new();
        };
        values.keys().map(|&value| (value, Arc::clone(self.symbols.text(value)))).collect()
    }

    /// Returns the numbers of all series that satisfy every matcher, ascending; no matcher: all.
    ///
    /// `accepted`: for each matcher the values that its pattern accepts. A value that was added since is not accepted.
    pub(super) fn select(&self, matchers: &[Matcher], accepted: &[Accepted]) -> Vec<u32> {
        let mut chosen: Option<Vec<u32>> = None;
        let mut rest = Vec::new();
        for (matcher, accepted) in matchers.iter().zip(accepted) {
            // A matcher that accepts the empty value also accepts series without the label, which have no posting list:
            if matcher.matches_value("") {
                // it is applied last, by subtracting the series with a rejected value.
                rest.push((matcher, accepted));
                continue;
            }
            let found = self.postings_of(matcher, accepted, true);
            chosen = Some(match chosen {
                None => found,
                Some(before) => intersect(&before, &found),
            });
            if chosen.as_ref().is_some_and(Vec::is_empty) {
                return Vec::new();
            }
        }
        let mut ids = chosen.unwrap_or_else(|| (0..self.end()).filter(|&id| !self.is_hole(id)).collect());
        for (matcher, accepted) in rest {
            let excluded = self.postings_of(matcher, accepted, false);
            if !excluded.is_empty() {
                ids = subtract(&ids, &excluded);
            }
        }
        ids
    }

    /// Returns the series whose label has a value that `matcher` accepts, or rejects when `wanted` is false.
    fn postings_of(&self, matcher: &Matcher, accepted: &Accepted, wanted: bool) -> Vec<u32> {
        let Some(values) = self.symbols.lookup(matcher.name()).and_then(|name| self.postings.get(&name)) else {
            return Vec::new();
        };
        if matcher.op() == MatchOp::Equal && wanted {
            return self.symbols.lookup(matcher.value()).and_then(|v| values.get(&v)).cloned().unwrap_or_default();
        }
        let is_accepted = |value: u32| match accepted {
            Some(accepted) => accepted.contains(&value),
            None => matcher.matches_value(self.symbols.text(value)),
        };
        let lists: Vec<&Vec<u32>> =
            values.iter().filter(|(value, _)| is_accepted(**value) == wanted).map(|(_, list)| list).collect();
        union(&lists)
    }

    /// Returns the distinct label names of these series, sorted.
    pub(in crate::store) fn names_of(&self, ids: &[u32]) -> Vec<String> {
        let mut seen = vec![false; self.symbols.len()];
        let mut names = BTreeSet::new();
        for &id in ids {
            for &(name, _) in self.pairs_of(id) {
                if !std::mem::replace(&mut seen[name as usize], true) {
                    names.insert(self.symbols.text(name).to_string());
                }
            }
        }
        names.into_iter().collect()
    }

    /// Returns the distinct values of a label among these series, sorted.
    pub(in crate::store) fn values_of(&self, name: &str, ids: &[u32]) -> Vec<String> {
        let Some(name) = self.symbols.lookup(name) else { return Vec::new() };
        let mut seen = vec![false; self.symbols.len()];
        let mut values = BTreeSet::new();
        for &id in ids {
            for &(n, value) in self.pairs_of(id) {
                if n == name && !std::mem::replace(&mut seen[value as usize], true) {
                    values.insert(self.symbols.text(value).to_string());
                }
            }
        }
        values.into_iter().collect()
    }
}

/// Returns the intersection of two ascending lists.
fn intersect(a: &[u32], b: &[u32]) -> Vec<u32> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut found = Vec::with_capacity(short.len());
    let mut from = 0;
    for &id in short {
        // Galloping search: fast for lists of similar length as well as for a short list against a long one.
        let mut step = 1;
        while from + step < long.len() && long[from + step] < id {
            step *= 2;
        }
        let end = (from + step + 1).min(long.len());
        from += long[from..end].partition_point(|&other| other < id);
        if long.get(from) == Some(&id) {
            found.push(id);
        }
    }
    found
}

/// Returns the numbers of `a` that are not in `b`, both ascending.
fn subtract(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut from = 0;
    a.iter()
        .copied()
        .filter(|&id| {
            while from < b.len() && b[from] < id {
                from += 1;
            }
            b.get(from) != Some(&id)
        })
        .collect()
}

/// Returns the union of ascending lists, ascending.
fn union(lists: &[&Vec<u32>]) -> Vec<u32> {
    match lists {
        [] => Vec::new(),
        [one] => (*one).clone(),
        many => {
            // A series has one value per label, so the lists are disjoint.
            let mut all: Vec<u32> = many.iter().flat_map(|list| list.iter().copied()).collect();
            all.sort_unstable();
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().map(|&(n, v)| (n, v))).unwrap()
    }

    fn registry() -> Registry {
        let mut registry = Registry::new(100, 1 << 20);
        for (job, instance) in [("api", "a"), ("api", "b"), ("worker", "a"), ("worker", "")] {
            registry.register(&labels(&[("__name__", "up"), ("job", job), ("instance", instance)])).unwrap();
        }
        registry.register(&labels(&[("__name__", "down")])).unwrap();
        registry
    }

    #[test]
    fn a_series_keeps_its_number_and_the_limit_holds() {
        let mut registry = Registry::new(2, 1 << 20);
        let (a, b) = (labels(&[("x", "1")]), labels(&[("x", "2")]));
        let id = registry.register(&a).unwrap();
        registry.register(&b).unwrap();
        assert_eq!(registry.register(&a).unwrap(), id);
        assert_eq!(registry.labels(id).unwrap(), a);
        let refused = registry.register(&labels(&[("x", "3")])).unwrap_err();
        assert_eq!(refused.to_string(), "the store has reached its limit of 2 series; new series are rejected");
        assert_eq!(registry.find(&labels(&[("x", "3")])), None);
    }

    #[test]
    fn numbers_without_a_series_are_not_selected() {
        let mut registry = Registry::new(10, 1 << 20);
        registry.restore(3, [("x", "1")].into_iter()).unwrap();
        assert_eq!((registry.len(), registry.end()), (1, 4));
        assert_eq!(registry.select(&[], &[]), [3]);
        for (id, message) in [(4, "series 4 has the same labels as another"), (3, "duplicate series number 3")] {
            let again = registry.restore(id, [("x", "1")].into_iter()).unwrap_err();
            assert!(again.to_string().contains(message), "{again}");
        }
    }

    #[test]
    fn series_are_sorted_as_labels_are() {
        let registry = registry();
        let mut ids: Vec<u32> = (0..registry.end()).collect();
        registry.sort_by_labels(&mut ids, |&id| id);
        let sorted: Vec<Labels> = ids.into_iter().map(|id| registry.labels(SeriesId::new(id)).unwrap()).collect();
        assert!(sorted.is_sorted());
    }

    #[test]
    fn lists_are_intersected_and_subtracted() {
        let a: Vec<u32> = (0..200).step_by(3).collect();
        let b: Vec<u32> = (0..200).step_by(5).collect();
        let both: Vec<u32> = (0..200).step_by(15).collect();
        assert_eq!(intersect(&a, &b), both);
        assert_eq!(intersect(&[199], &b), Vec::<u32>::new());
        assert_eq!(subtract(&both, &a), Vec::<u32>::new());
        assert_eq!(subtract(&[1, 2, 3], &[2]), [1, 3]);
    }
}
