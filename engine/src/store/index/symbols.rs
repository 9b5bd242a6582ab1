//! String interning for the registry.

use std::{hash::BuildHasher, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Interned strings: each distinct string is stored once and has a dense number.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    strings: Vec<Arc<str>>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: usize,
}

impl Symbols {
    /// Returns the number of a string and assigns one to a new string. `None` once all 2³² numbers are assigned.
    pub(super) fn intern(&mut self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        if let Some(&found) = self.table.find(hash, |&s| &*self.strings[s as usize] == text) {
            return Some(found);
        }
        let symbol = u32::try_from(self.strings.len()).ok()?;
        self.strings.push(text.into());
        self.bytes += text.len();
        let (strings, hasher) = (&self.strings, &self.hasher);
        self.table.insert_unique(hash, symbol, |&s| hasher.hash_one(&*strings[s as usize]));
        Some(symbol)
    }

    /// Returns the number of a string, if it is interned.
    pub(super) fn lookup(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.table.find(hash, |&s| &*self.strings[s as usize] == text).copied()
    }

    /// Returns the number of distinct strings.
    pub(super) fn len(&self) -> usize {
        self.strings.len()
    }

    /// Returns the length of all distinct strings in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the string of a number.
    pub(super) fn text(&self, symbol: u32) -> &Arc<str> {
        &self.strings[symbol as usize]
    }
}
