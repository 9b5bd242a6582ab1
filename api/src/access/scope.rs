//! Scopes: what a token permits. They do not include each other.

use std::{fmt, str::FromStr};

/// A permission of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Sending samples and events, and importing files.
    Ingest,
    /// Reading samples, signals, recommendations and metrics.
    Read,
    /// Running read-only SQL.
    Sql,
    /// Changing the state of recommendations.
    Act,
    /// Maintenance and deletion.
    Admin,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] = [Self::Ingest, Self::Read, Self::Sql, Self::Act, Self::Admin];

    /// Returns the name of the scope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Sql => "sql",
            Self::Act => "act",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Ingest => 1,
            Self::Read => 2,
            Self::Sql => 4,
            Self::Act => 8,
            Self::Admin => 16,
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str);
            let similarity = |name: &str| strsim::jaro_winkler(text, name);
            let nearest = known.into_iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
            match nearest.filter(|name| similarity(name) > 0.7) {
                Some(name) => format!("unknown scope {text:?}; did you mean {name:?}?"),
                None => format!("unknown scope {text:?}; known are {}", known.join(", ")),
            }
        })
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Returns the set of all scopes.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether the set has the scope.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the scopes in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// Parses names separated by commas.
impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let scopes = names.map(str::parse).collect::<Result<Self, String>>()?;
        if scopes.is_empty() { Err("no scope is given".to_owned()) } else { Ok(scopes) }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_the_nearest_one_is_suggested() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = text.parse::<Scopes>().map(|scopes| scopes.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text:?}");
        };
        check("read", Ok("read"));
        check("admin, ingest,read,read", Ok("ingest,read,admin"));
        check("ingest,read,sql,act,admin", Ok("ingest,read,sql,act,admin"));
        check("reed", Err("unknown scope \"reed\"; did you mean \"read\"?"));
        check("read,xyz", Err("unknown scope \"xyz\"; known are ingest, read, sql, act, admin"));
        check(" ,", Err("no scope is given"));
    }

    #[test]
    fn no_scope_includes_another() {
        for scope in Scope::ALL {
            let one = Scopes::from_iter([scope]);
            assert_eq!(one.iter().collect::<Vec<_>>(), [scope]);
            assert!(Scopes::all().has(scope) && !Scopes::default().has(scope));
        }
    }
}
