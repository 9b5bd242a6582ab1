//! Interns strings: each distinct string once, by number.

use std::{hash::BuildHasher, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Interned strings: each distinct string once, by a dense number.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    strings: Vec<Arc<str>>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Symbols {
    /// The number of a string, given out when it is new. `None` once four thousand million are taken.
    pub(super) fn intern(&mut self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        if let Some(&found) = self.table.find(hash, |&s| &*self.strings[s as usize] == text) {
            return Some(found);
        }
        let symbol = u32::try_from(self.strings.len()).ok()?;
        self.strings.push(text.into());
        let (strings, hasher) = (&self.strings, &self.hasher);
        self.table.insert_unique(hash, symbol, |&s| hasher.hash_one(&*strings[s as usize]));
        Some(symbol)
    }

    /// The number of a string, if it has one.
    pub(super) fn lookup(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.table.find(hash, |&s| &*self.strings[s as usize] == text).copied()
    }

    /// How many strings there are.
    pub(super) fn len(&self) -> usize {
        self.strings.len()
    }

    /// The string of a number.
    pub(super) fn text(&self, symbol: u32) -> &Arc<str> {
        &self.strings[symbol as usize]
    }
}
