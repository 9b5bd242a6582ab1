//! The statement families of a database: texts, sums, and which of them have series of their own.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use almanac_models::Timestamp;

use crate::{
    database::{
        Plan, StatementUse,
        log::Timed,
        snapshot::StatementCounters,
        statement::{family, normalize},
    },
    store::rows::DatabaseStatementRow,
};

/// Families with series of their own.
pub(super) const CHOSEN_MAX: usize = 200;
/// Families in memory; the ones that were not seen for longest go first.
const FAMILIES_MAX: usize = 50_000;
/// Statements (`queryid`) whose family is remembered.
const STATEMENTS_MAX: usize = 100_000;
/// Time in which the weight of a family halves, in seconds.
const HALF_LIFE_S: f64 = 3_600.0;
/// How much heavier a family must be than the lightest chosen one to replace it, so that series do not alternate.
const REPLACES_AT: f64 = 2.0;
/// Length of an hour in milliseconds.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// One family.
#[derive(Debug, Clone, Default)]
pub(super) struct FamilyState {
    /// Normalised text; empty if texts may not leave the database.
    pub(super) text: String,
    first_seen_ms: i64,
    last_seen_ms: i64,
    /// Sum of all increases.
    pub(super) sums: StatementCounters,
    /// Recent execution time, in milliseconds.
    weight: f64,
    /// Values of placeholders, as the parameters of a statement.
    values: StatementUse,
    newest: Option<Plan>,
    slowest: Option<Plan>,
    changed: bool,
}

/// All families of a database.
#[derive(Debug, Default)]
pub(super) struct Families {
    by_name: HashMap<Arc<str>, FamilyState>,
    by_statement: HashMap<i64, Arc<str>>,
    chosen: HashSet<Arc<str>>,
}

impl Families {
    /// Adds a stored family.
    pub(super) fn load(&mut self, row: DatabaseStatementRow) {
        let mut state = FamilyState {
            text: row.statement,
            first_seen_ms: row.first_seen.millis(),
            last_seen_ms: row.last_seen.millis(),
            ..FamilyState::default()
        };
        state.values.parameters = serde_json::from_value(row.parameters).unwrap_or_default();
        let mut plans: Vec<Plan> = serde_json::from_value(row.plans).unwrap_or_default();
        state.slowest = (plans.len() > 1).then(|| plans.pop()).flatten();
        state.newest = plans.pop();
        self.by_name.insert(row.family.into(), state);
    }

    /// Adds the stored sums of a family.
    pub(super) fn load_sums(&mut self, name: &str, sums: StatementCounters) {
        if let Some(state) = self.by_name.get_mut(name) {
            state.sums = sums;
        }
    }

    /// Returns the family of a statement.
    pub(super) fn of(&self, queryid: i64) -> Option<&str> {
        self.by_statement.get(&queryid).map(AsRef::as_ref)
    }

    /// Remembers the family of a statement by its text.
    pub(super) fn learn(&mut self, queryid: i64, text: &str, at_ms: i64, keeps_text: bool) {
        if self.by_statement.len() >= STATEMENTS_MAX {
            // They are asked for again; families keep their sums.
            self.by_statement.clear();
        }
        let name: Arc<str> = family(text).into();
        let state = self.by_name.entry(Arc::clone(&name)).or_insert_with(|| FamilyState {
            first_seen_ms: at_ms,
            last_seen_ms: at_ms,
            changed: true,
            ..FamilyState::default()
        });
        if keeps_text && state.text.is_empty() {
            state.text = normalize(text);
            state.changed = true;
        }
        self.by_statement.insert(queryid, name);
    }

    /// Adds the increases of a span and chooses the families with series.
    pub(super) fn add(&mut self, increases: &HashMap<String, StatementCounters>, seconds: f64, at_ms: i64) {
        let decay = (-seconds / HALF_LIFE_S * std::f64::consts::LN_2).exp();
        self.by_name.values_mut().for_each(|state| state.weight *= decay);
        for (name, increase) in increases {
            let Some((name, state)) = self
                .by_name
                .get_key_value(name.as_str())
                .map(|(name, _)| Arc::clone(name))
                .and_then(|name| Some((Arc::clone(&name), self.by_name.get_mut(&name)?)))
            else {
                continue;
            };
            state.sums.add(increase);
            state.weight += increase.total_ms;
            // The stored time has the precision of an hour, so that a row is written once an hour.
            state.changed |= state.last_seen_ms.div_euclid(HOUR_MS) != at_ms.div_euclid(HOUR_MS);
            state.last_seen_ms = at_ms;
            if self.chosen.len() < CHOSEN_MAX {
                self.chosen.insert(name);
            }
        }
        self.replace_lightest(increases);
        self.bound();
    }

    /// Replaces chosen families by clearly heavier ones.
    fn replace_lightest(&mut self, increases: &HashMap<String, StatementCounters>) {
        if self.chosen.len() < CHOSEN_MAX {
            return;
        }
        let weight = |name: &str| self.by_name.get(name).map_or(0.0, |state| state.weight);
        let mut lightest: Vec<(f64, Arc<str>)> =
            self.chosen.iter().map(|name| (weight(name), Arc::clone(name))).collect();
        lightest.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let others = increases.keys().filter_map(|name| self.by_name.get_key_value(name.as_str()));
        let mut others: Vec<(f64, Arc<str>)> = others
            .filter(|(name, _)| !self.chosen.contains(*name))
            .map(|(name, state)| (state.weight, Arc::clone(name)))
            .collect();
        others.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (heavy, name) in others {
            match lightest.pop() {
                Some((light, old)) if heavy > light * REPLACES_AT => {
                    self.chosen.remove(&old);
                    self.chosen.insert(name);
                }
                _ => return,
            }
        }
    }

    /// Drops the families that were not seen for longest.
    fn bound(&mut self) {
        if self.by_name.len() <= FAMILIES_MAX {
            return;
        }
        let mut seen: Vec<(i64, Arc<str>)> =
            self.by_name.iter().map(|(name, state)| (state.last_seen_ms, Arc::clone(name))).collect();
        seen.sort();
        // A tenth more, so that this is rare.
        let surplus = seen.len() - FAMILIES_MAX + FAMILIES_MAX / 10;
        for (_, name) in seen.into_iter().take(surplus) {
            self.by_name.remove(&name);
            self.chosen.remove(&name);
        }
        let by_name = &self.by_name;
        self.by_statement.retain(|_, name| by_name.contains_key(name));
    }

    /// Whether a family has series of its own.
    pub(super) fn is_chosen(&self, name: &str) -> bool {
        self.chosen.contains(name)
    }

    /// Returns the families with series, by name.
    pub(super) fn chosen(&self) -> Vec<(&str, &FamilyState)> {
        let mut all: Vec<(&str, &FamilyState)> =
            self.chosen.iter().filter_map(|name| Some((name.as_ref(), self.by_name.get(name)?))).collect();
        all.sort_by_key(|(name, _)| *name);
        all
    }

    /// Adds an execution from the server's log. Executions of unknown families are left out.
    pub(super) fn log(&mut self, timed: &Timed, literals: bool) {
        let use_of = timed.statement(literals);
        let Some(state) = self.by_name.get_mut(use_of.family.as_str()) else { return };
        for parameter in &use_of.parameters {
            state.values.add_parameter(parameter);
            state.changed = true;
        }
        if let Some(plan) = timed.plan(literals) {
            let duration = |plan: &Plan| plan.duration_ms.unwrap_or_default();
            if state.slowest.as_ref().is_none_or(|slowest| duration(&plan) > duration(slowest)) {
                state.slowest = Some(plan.clone());
            }
            state.newest = Some(plan);
            state.changed = true;
        }
    }

    /// Returns the rows of the families that changed since the last call.
    pub(super) fn changed(&mut self, database: &str) -> Vec<DatabaseStatementRow> {
        let changed = self.by_name.iter_mut().filter(|(_, state)| state.changed);
        let row = |(name, state): (&Arc<str>, &mut FamilyState)| {
            state.changed = false;
            DatabaseStatementRow {
                database: database.to_owned(),
                family: name.to_string(),
                statement: state.text.clone(),
                first_seen: Timestamp::from_millis(state.first_seen_ms),
                last_seen: Timestamp::from_millis(state.last_seen_ms),
                parameters: serde_json::to_value(&state.values.parameters).unwrap_or_default(),
                plans: serde_json::to_value(
                    state
                        .newest
                        .iter()
                        .chain(state.slowest.iter().filter(|_| state.newest != state.slowest))
                        .collect::<Vec<_>>(),
                )
                .unwrap_or_default(),
            }
        };
        changed.map(row).collect()
    }
}
