//! The kind of a recommendation, which is the name of its advisor. The store checks the form only; it has no list of
//! advisors.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Cell, ColumnType, UnknownWord,
    descriptor::{CellType, Cells},
};
use crate::store::StoreError;

/// Maximum length of a kind, in bytes.
const LENGTH_MAX: usize = 31;

/// Name of the advisor that made a recommendation: 1 to 31 lower-case letters, digits and `_`, the first a letter.
///
/// ```
/// use almanac_engine::store::rows::Kind;
///
/// const TTL: Kind = Kind::from_static("ttl");
/// assert_eq!("ttl".parse(), Ok(TTL));
/// assert!("Time to live".parse::<Kind>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    // Bytes after the name are 0, so that the derived order of the arrays is that of the names.
    bytes: [u8; LENGTH_MAX],
    length: u8,
}

impl Kind {
    /// Returns the kind of a constant name.
    ///
    /// # Panics
    /// When the name is invalid; in a constant this is a compile-time error.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        match Self::new(name) {
            Some(kind) => kind,
            None => {
                panic!("a kind consists of 1 to 31 lower-case letters, digits and underscores and starts with a letter")
            }
        }
    }

    const fn new(name: &str) -> Option<Self> {
        let name = name.as_bytes();
        if name.is_empty() || name.len() > LENGTH_MAX || !name[0].is_ascii_lowercase() {
            return None;
        }
        let mut bytes = [0; LENGTH_MAX];
        let mut idx = 0;
        while idx < name.len() {
            if !(name[idx].is_ascii_lowercase() || name[idx].is_ascii_digit() || name[idx] == b'_') {
                return None;
            }
            bytes[idx] = name[idx];
            idx += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 31")]
        let length = name.len() as u8;
        Some(Self { bytes, length })
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The bytes are ASCII.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.as_str())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownWord;

    fn from_str(name: &str) -> Result<Self, UnknownWord> {
        Self::new(name).ok_or_else(|| UnknownWord {
            what: "kind of recommendation",
            word: name.to_owned(),
            expected: "a lower-case name such as scaling or ttl".to_owned(),
        })
    }
}

impl CellType for Kind {
    const TYPE: ColumnType = ColumnType::Text;

    fn cell(&self) -> Cell<'_> {
        Cell::Text(self.as_str())
    }

    fn read_nullable(cells: &dyn Cells, column: usize) -> Result<Option<Self>, StoreError> {
        let name = cells.text(column)?;
        name.map(|name| name.parse())
            .transpose()
            .map_err(|error: UnknownWord| cells.corrupt(column, &error.to_string()))
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_plain_name() {
        for name in ["ttl", "client_cache", "a1", "abcdefghijklmnopqrstuvwxyzabcde"] {
            assert_eq!(name.parse::<Kind>().map(|kind| kind.to_string()).as_deref(), Ok(name));
        }
        for name in ["", "TTL", "1a", "_a", "a-b", "a b", "ä", "abcdefghijklmnopqrstuvwxyzabcdef"] {
            assert!(name.parse::<Kind>().is_err(), "{name:?}");
        }
        let sorted = ["a", "ab", "b"].map(Kind::from_static);
        assert!(sorted.is_sorted());
    }
}
