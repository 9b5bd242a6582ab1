//! Settings of a session: what `SET` accepts and `SHOW` returns.

use std::{collections::HashMap, time::Duration};

use almanac_engine::store::PG_SETTINGS;

/// Settings of a session that differ from their defaults.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Values by name in lower case.
    values: HashMap<String, String>,
    /// Values before the transaction, to which its rollback returns.
    before: Option<HashMap<String, String>>,
    /// Values to which the end of the transaction returns: those that `SET LOCAL` has replaced.
    local: HashMap<String, Option<String>>,
}

/// What `SET` leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// It has its effect, or none that could be seen.
    Quietly,
    /// It is accepted without effect; the client gets a notice with the reason.
    Ignored(String),
    /// The value is refused, with the reason.
    Refused(String),
}

/// Largest number of settings and of bytes of a value that a session keeps.
const MOST: usize = 64;
const LONGEST: usize = 256;

/// Whether a setting has a value, by its name in any case.
pub(super) fn is_known(name: &str) -> bool {
    default(name).is_some()
}

fn default(name: &str) -> Option<&'static str> {
    PG_SETTINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

impl Settings {
    /// Returns the value of a setting.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.values.get(&name.to_lowercase()).cloned().or_else(|| default(name).map(str::to_owned))
    }

    /// Changes a setting until the end of the transaction, as `SET LOCAL` does.
    pub(super) fn set_local(&mut self, name: &str, value: Option<&str>) -> Changed {
        if self.before.is_none() {
            return Changed::Ignored("SET LOCAL has no effect outside of a transaction".to_owned());
        }
        let name = name.to_lowercase();
        let former = self.local.get(&name).cloned().unwrap_or_else(|| self.values.get(&name).cloned());
        let changed = self.set(&name, value);
        if changed == Changed::Quietly {
            self.local.insert(name, former);
        }
        changed
    }

    /// Marks the start of a transaction.
    pub(super) fn begin(&mut self) {
        if self.before.is_none() {
            self.before = Some(self.values.clone());
        }
    }

    /// Ends a transaction: a rollback takes all its changes back, a commit those of `SET LOCAL`.
    pub(super) fn end(&mut self, is_committed: bool) {
        let local = std::mem::take(&mut self.local);
        let Some(before) = self.before.take() else { return };
        if !is_committed {
            self.values = before;
            return;
        }
        for (name, former) in local {
            match former {
                Some(value) => self.values.insert(name, value),
                None => self.values.remove(&name),
            };
        }
    }

    /// Changes a setting, or resets it.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Changed {
        let name = name.to_lowercase();
        let Some(value) = value else {
            self.local.remove(&name);
            self.values.remove(&name);
            return Changed::Quietly;
        };
        let plain = value.trim_matches('\'').to_lowercase();
        let ignored = |reason: &str| Changed::Ignored(format!("SET {name} has no effect: {reason}"));
        match name.as_str() {
            "client_encoding" | "names" => {
                let is_utf8 = ["utf8", "utf-8", "unicode", "sql_ascii", "auto"].contains(&plain.as_str());
                return if is_utf8 {
                    Changed::Quietly
                } else {
                    Changed::Refused(format!("client_encoding {value:?} is not offered; use UTF8"))
                };
            }
            "statement_timeout" if duration(value).is_none() => {
                return Changed::Refused(format!("statement_timeout {value:?} is not a duration such as 5000 or 5s"));
            }
            "application_name" | "statement_timeout" | "extra_float_digits" | "client_min_messages" => {}
            "datestyle" if plain.starts_with("iso") => {}
            "datestyle" => return ignored("dates are in the style ISO"),
            "timezone" if !["utc", "etc/utc", "gmt", "z", "0"].contains(&plain.as_str()) => {
                return ignored("all times are in UTC");
            }
            "default_transaction_read_only" | "transaction_read_only"
                if ["off", "false", "0"].contains(&plain.as_str()) =>
            {
                return ignored("this service is read-only");
            }
            "search_path" => return ignored("all views are in the schema public"),
            "intervalstyle" if plain != "postgres" => return ignored("intervals are in the style postgres"),
            "bytea_output" if plain != "hex" => return ignored("bytes are in hexadecimal digits"),
            known if is_known(known) => {}
            _ => return ignored("the setting is unknown here"),
        }
        if value.len() > LONGEST || (self.values.len() >= MOST && !self.values.contains_key(&name)) {
            return Changed::Refused(format!("SET {name}: the value or the number of settings is too large"));
        }
        self.local.remove(&name);
        self.values.insert(name, value.to_owned());
        Changed::Quietly
    }

    /// Forgets all changes.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.local.clear();
    }

    /// Returns the limit on the time of a statement that the client has set.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        self.values.get("statement_timeout").and_then(|value| duration(value)).filter(|limit| !limit.is_zero())
    }
}

/// Parses a duration as PostgreSQL does: a number of milliseconds, or a number with a unit.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim().trim_matches('\'');
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    Some(match unit.trim() {
        "" | "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "min" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(3_600)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_their_effect_or_a_notice() {
        let mut settings = Settings::default();
        assert_eq!(settings.get("TimeZone").as_deref(), Some("UTC"));
        assert_eq!(settings.set("extra_float_digits", Some("3")), Changed::Quietly);
        assert_eq!(settings.get("EXTRA_FLOAT_DIGITS").as_deref(), Some("3"));
        assert!(matches!(settings.set("timezone", Some("Europe/Berlin")), Changed::Ignored(_)));
        assert!(matches!(settings.set("jit", Some("off")), Changed::Ignored(_)));
        assert!(matches!(settings.set("client_encoding", Some("LATIN1")), Changed::Refused(_)));
        assert!(matches!(settings.set("statement_timeout", Some("soon")), Changed::Refused(_)));
        assert_eq!(settings.set("statement_timeout", Some("5s")), Changed::Quietly);
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(5)));
        assert_eq!(settings.set("statement_timeout", Some("0")), Changed::Quietly);
        assert_eq!(settings.statement_timeout(), None);
        settings.clear();
        assert_eq!(settings.get("extra_float_digits").as_deref(), Some("1"));
    }

    #[test]
    fn a_transaction_takes_its_changes_back() {
        let mut settings = Settings::default();
        let timeout = |settings: &Settings| settings.get("statement_timeout").unwrap();
        assert!(matches!(settings.set_local("statement_timeout", Some("1s")), Changed::Ignored(_)));
        assert_eq!(settings.set("statement_timeout", Some("1s")), Changed::Quietly);
        for (is_committed, expected) in [(true, "1s"), (false, "1s")] {
            settings.begin();
            assert_eq!(settings.set_local("Statement_Timeout", Some("2s")), Changed::Quietly);
            assert_eq!(settings.set_local("statement_timeout", Some("3s")), Changed::Quietly);
            assert!(matches!(settings.set_local("statement_timeout", Some("soon")), Changed::Refused(_)));
            assert_eq!(timeout(&settings), "3s");
            settings.end(is_committed);
            assert_eq!(timeout(&settings), expected, "{is_committed}");
        }
        // What SET has changed after SET LOCAL lasts if the transaction is committed.
        for (is_committed, expected) in [(false, "1s"), (true, "5s")] {
            settings.begin();
            settings.set_local("statement_timeout", Some("4s"));
            settings.set("statement_timeout", Some("5s"));
            settings.end(is_committed);
            assert_eq!(timeout(&settings), expected, "{is_committed}");
        }
        settings.begin();
        settings.clear();
        settings.end(true);
        assert_eq!(timeout(&settings), "0");
    }
}
