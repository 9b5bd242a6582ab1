//! A secret of the configuration, which no log line, error or debug output shows.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// A secret text; its debug output is `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, to send it or to compare it; it must not reach a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Reads a text. The error for any other type does not repeat the value, as serde's own would.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("a secret is a text; write it in quotes");
        match toml::Value::deserialize(deserializer).map_err(|_| wrong())? {
            toml::Value::String(text) if text.trim().is_empty() => {
                Err(de::Error::custom("the secret is empty; write one or leave the key out"))
            }
            toml::Value::String(text) => Ok(Self(text)),
            _ => Err(wrong()),
        }
    }
}
