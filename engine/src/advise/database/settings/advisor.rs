//! Implements the `Advisor` trait for settings; the work is done in `decide` and `measure`.

use almanac_models::Timestamp;
use serde_json::Value;

use super::{decide::verdicts, facts::SettingsFacts, measure::measure, terms::SettingsTerms};
use crate::{
    advise::{Advisor, Applied, FetchError, Metric, Outcome, Setting, Sources, database::DatabaseSpec},
    ledger::{Difference, Direction, Measured},
};

/// Bytes of temporary files that are no longer read and written.
pub(super) const TEMPORARY_BYTES: Metric =
    Metric { name: "temporary_bytes", unit: "bytes/day", better: Direction::Higher };
/// Time of statements that a change saves.
pub(super) const STATEMENT_TIME: Metric = Metric { name: "statement_time", unit: "s/day", better: Direction::Higher };
/// Share of dead rows of a table.
pub(super) const DEAD_SHARE: Metric = Metric { name: "dead_share", unit: "1", better: Direction::Lower };
/// Share of a table's pages that are all-visible.
pub(super) const VISIBLE_SHARE: Metric = Metric { name: "visible_share", unit: "1", better: Direction::Higher };
/// Share of a table's updates without new index entries.
pub(super) const HOT_SHARE: Metric = Metric { name: "hot_share", unit: "1", better: Direction::Higher };
/// Peak of the connections relative to those that the server allows.
pub(super) const CONNECTIONS_SHARE: Metric = Metric { name: "connections_share", unit: "1", better: Direction::Lower };

/// Advisor on the settings of a database. Its targets are the database, `database:setting`, and `database:table:parameter`.
#[derive(Debug)]
pub struct Settings;

impl Advisor for Settings {
    const KIND: &'static str = "settings";
    const TITLE: &'static str = "Settings";
    const TARGET: &'static str = "setting";
    const EFFECTS: &'static [Metric] =
        &[TEMPORARY_BYTES, STATEMENT_TIME, DEAD_SHARE, VISIBLE_SHARE, HOT_SHARE, CONNECTIONS_SHARE];
    const CONFIDENCE_MIN: f64 = 0.5;
    type Spec = DatabaseSpec;
    type Facts = SettingsFacts;
    type Terms = SettingsTerms;

    fn fetch(from: &Sources<'_>, spec: &DatabaseSpec, _: &str, now: Timestamp) -> Result<SettingsFacts, FetchError> {
        SettingsFacts::fetch(from, spec, now)
    }

    fn decide(spec: &DatabaseSpec, target: &str, facts: &SettingsFacts, now: Timestamp) -> Outcome<SettingsTerms> {
        let found = verdicts(spec, facts, now).into_iter().find(|(found, _)| found == target);
        found.map_or_else(|| Outcome::keep("nothing shows that another value is better"), |(_, outcome)| outcome)
    }

    fn decide_all(
        spec: &DatabaseSpec,
        _: &str,
        facts: &SettingsFacts,
        now: Timestamp,
    ) -> Vec<(String, Outcome<SettingsTerms>)> {
        verdicts(spec, facts, now)
    }

    /// Two proposals with one statement are the same; their figures move with the load.
    fn difference(new: &Setting<'_>, old: &Setting<'_>) -> Difference {
        let statement = |setting: &Setting<'_>| setting.proposed.get("statement").cloned();
        if statement(new) == statement(old) { Difference::None } else { Difference::Distinct }
    }

    /// A dismissed proposal is made again when the present value changes.
    fn basis(current: &Value) -> Value {
        current.get("value").cloned().unwrap_or(Value::Null)
    }

    fn measure(
        from: &Sources<'_>,
        _: Option<&DatabaseSpec>,
        applied: &Applied<SettingsTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        measure(from.store, &applied.terms, applied.at, now)
    }
}
