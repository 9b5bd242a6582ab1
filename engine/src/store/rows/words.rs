//! The macro `words!`, which gives an enumeration its text form in tables, answers and on the command line.

/// Error of parsing a word that an enumeration does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {word:?}; expected: {expected}")]
pub struct UnknownWord {
    /// Subject of the enumeration, such as "state of a recommendation".
    pub what: &'static str,
    /// Rejected word.
    pub word: String,
    /// Accepted words, separated by commas.
    pub expected: String,
}

/// Implements `as_str`, `ALL`, `Display`, `FromStr`, serde and the column type of an enumeration by the given words.
macro_rules! words {
    ($type:ident, $what:literal, { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// All variants, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word used in tables, answers and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::store::rows::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::store::rows::UnknownWord {
                        what: $what,
                        word: word.to_owned(),
                        expected: [$($word),+].join(", "),
                    }),
                }
            }
        }

        impl $crate::store::rows::descriptor::CellType for $type {
            const TYPE: $crate::store::rows::ColumnType = $crate::store::rows::ColumnType::Text;

            fn cell(&self) -> $crate::store::rows::Cell<'_> {
                $crate::store::rows::Cell::Text(self.as_str())
            }

            fn read_nullable(
                cells: &dyn $crate::store::rows::descriptor::Cells,
                column: usize,
            ) -> Result<Option<Self>, $crate::store::StoreError> {
                let word = cells.text(column)?;
                word.map(|word| word.parse())
                    .transpose()
                    .map_err(|error: $crate::store::rows::UnknownWord| cells.corrupt(column, &error.to_string()))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'_, str> as serde::Deserialize>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(super) use words;
