//! Selects the indexes that save most time, net of writes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    candidates::candidates,
    describe::{drop_statement, index_script, index_statement},
    gain::Read,
    naming::name_in,
    types::{FamilyEffect, Limits, NewIndex},
};
use crate::{
    advise::kit::Interval,
    database::{
        Index, Table,
        estimate::{Estimate, Hypothetical, hypothetical_bytes, partial_share, same_predicate},
    },
};

/// Least part of a family's time that one of the served families must save.
const LEAST_PART: f64 = 0.5;
/// Least time that the most improved family saves in one execution, in milliseconds.
const LEAST_SAVED_MS: f64 = 0.05;
/// Factor by which the time saved must exceed what writes lose.
const LEAST_MARGIN: f64 = 1.5;
/// Two candidates whose gains differ by less are equal; the smaller one wins.
const TIE: f64 = 0.03;
/// Part of what one candidate leaves of the time below which another one leaves far less.
const FAR: f64 = 0.6;
/// Least part of the gain that included columns must add.
const INCLUDED_LEAST: f64 = 0.05;
/// Share of the gain of other indexes that an index must add to stay.
const LEAST_ADDED: f64 = 0.05;
/// Factor by which an expected time may be wrong, for the interval.
const DOUBT: f64 = 2.0;
/// Parts of the saving that the interval has at least: measured on copies of the example application, savings were 0.84 to 1.25
/// of the predicted ones (docs/measured/databases.md).
const SAVED_LEAST: f64 = 0.8;
const SAVED_MOST: f64 = 1.2;

/// Selects indexes for a workload, the most valuable first.
pub(super) fn select(read: &Read<'_>, limits: &Limits) -> Vec<NewIndex> {
    let mut pool: Vec<Candidate> = candidates(read)
        .into_iter()
        .filter(|(candidate, _)| !exists(read, candidate))
        .map(|(index, served)| Candidate { index, served, gain: None })
        .collect();
    let least = read.total_ms * limits.least_share;
    let heap: f64 = read.catalogue.tables.iter().filter_map(|table| table.bytes).sum();
    let budget = limits.bytes.unwrap_or((heap * 0.5).max(64.0 * 1024.0 * 1024.0));
    let mut search = Search {
        read,
        times: read.families.iter().map(|family| family.used.mean_ms()).collect(),
        chosen: Vec::new(),
        spent: 0.0,
    };
    search.evaluate(&mut pool, None);
    while search.chosen.len() < limits.indexes {
        let Some(at) = search.next(&pool, least, budget) else { break };
        let chosen = pool.swap_remove(at);
        let improved = search.add(chosen);
        search.evaluate(&mut pool, Some(&improved));
    }
    search.prune(least);
    search.report()
}

fn exists(read: &Read<'_>, candidate: &Hypothetical) -> bool {
    let table = read.catalogue.tables.iter().find(|table| table.key() == candidate.table);
    let same = |index: &Index| {
        index.valid
            && index.method == candidate.index.method
            && same_predicate(index.predicate.as_deref(), candidate.index.predicate.as_deref())
            && index.keys.starts_with(&candidate.index.keys)
            && candidate.index.include.iter().all(|column| {
                index.include.contains(column) || index.keys.iter().any(|key| key.column.as_ref() == Some(column))
            })
    };
    table.is_none_or(|table| table.indexes.iter().any(same))
}

/// State of the greedy search.
struct Search<'a> {
    read: &'a Read<'a>,
    /// Expected mean time of each family with the chosen indexes, in milliseconds.
    times: Vec<f64>,
    chosen: Vec<(Hypothetical, BTreeSet<usize>)>,
    /// Bytes of the chosen indexes.
    spent: f64,
}

/// A candidate with the families that it may serve, by position, and what it would add to the chosen ones.
struct Candidate {
    index: Hypothetical,
    served: BTreeSet<usize>,
    gain: Option<Gain>,
}

/// What a candidate would add.
struct Gain {
    net: f64,
    bytes: f64,
    width: usize,
    /// Included columns.
    included: usize,
    /// Families that it improves, with their expected mean times in milliseconds.
    improved: BTreeMap<usize, f64>,
}

impl Search<'_> {
    /// Computes the gains of candidates: of all, or after a choice of those that serve a family which the choice improves.
    ///
    /// A candidate keeps only the families that it improves: further indexes can only take from what it saves.
    fn evaluate(&self, pool: &mut Vec<Candidate>, changed: Option<&BTreeSet<usize>>) {
        for candidate in pool.iter_mut() {
            if changed.is_none_or(|changed| !candidate.served.is_disjoint(changed)) {
                candidate.gain = self.gain(&candidate.index, &candidate.served);
                candidate.served = candidate.gain.iter().flat_map(|gain| gain.improved.keys().copied()).collect();
            }
        }
        pool.retain(|candidate| candidate.gain.is_some());
    }

    /// Returns the position of the best candidate.
    fn next(&self, pool: &[Candidate], least: f64, budget: f64) -> Option<usize> {
        let mut best: Option<(usize, &Gain)> = None;
        for (at, candidate) in pool.iter().enumerate() {
            let Some(gain) = &candidate.gain else { continue };
            if !(gain.net >= least) || !(self.spent + gain.bytes <= budget) {
                continue;
            }
            let is_better = best.is_none_or(|(_, best)| {
                let close = (gain.net - best.net).abs() <= TIE * best.net.max(gain.net);
                if close { self.is_preferred(gain, best) } else { gain.net > best.net }
            });
            if is_better {
                best = Some((at, gain));
            }
        }
        best.map(|(at, _)| at)
    }

    /// Returns whether `new` is preferred to `old`, which saves about as much. What remains decides when it differs by far:
    /// a composite index leaves a fraction of what its first column alone leaves. Else the smaller one is preferred.
    fn is_preferred(&self, new: &Gain, old: &Gain) -> bool {
        let families: BTreeSet<usize> = new.improved.keys().chain(old.improved.keys()).copied().collect();
        let left = |gain: &Gain| {
            let of = |nth: &usize| {
                let time = gain.improved.get(nth).or_else(|| self.times.get(*nth)).copied().unwrap_or(0.0);
                time * self.read.families.get(*nth).map_or(0.0, |family| family.used.calls)
            };
            families.iter().map(of).sum::<f64>()
        };
        let (new_left, old_left) = (left(new), left(old));
        // Columns that only spare the table must save something worth their size; keys that decide more rows cost little.
        let is_worth =
            |more: &Gain, less: &Gain, saved: f64| more.included <= less.included || saved >= INCLUDED_LEAST * less.net;
        if new_left < FAR * old_left && is_worth(new, old, old_left - new_left) {
            true
        } else if old_left < FAR * new_left && is_worth(old, new, new_left - old_left) {
            false
        } else {
            (new.width, new.bytes) < (old.width, old.bytes)
        }
    }

    fn gain(&self, candidate: &Hypothetical, served: &BTreeSet<usize>) -> Option<Gain> {
        let (mut saved, mut is_worth) = (0.0, false);
        let mut improved = BTreeMap::new();
        for &nth in served {
            let (family, now) = (self.read.families.get(nth)?, *self.times.get(nth)?);
            let after = self.time_with(nth, candidate);
            if after < now {
                saved += (now - after) * family.used.calls;
                improved.insert(nth, after);
                is_worth |= now - after >= LEAST_SAVED_MS && (now - after) >= LEAST_PART * now;
            }
        }
        let (bytes, share) = size(self.read, candidate);
        let lost = self.read.write_ms(candidate, share);
        let width = candidate.index.keys.len() + candidate.index.include.len();
        (is_worth && saved >= LEAST_MARGIN * lost).then_some(Gain {
            net: saved - lost,
            bytes,
            width,
            included: candidate.index.include.len(),
            improved,
        })
    }

    /// Returns the expected time of a family with the chosen indexes and one more.
    fn time_with(&self, nth: usize, candidate: &Hypothetical) -> f64 {
        let Some(family) = self.read.families.get(nth) else { return 0.0 };
        let mut added: Vec<&Hypothetical> = self.chosen.iter().map(|(chosen, _)| chosen).collect();
        added.push(candidate);
        added.retain(|added| family.tables.contains(&added.table));
        let after = self.read.with(family, &added);
        let is_used = uses(&after, &candidate.index.name);
        let now = self.times.get(nth).copied().unwrap_or(0.0);
        if is_used { self.read.expected_ms(family, &after).min(now) } else { now }
    }

    /// Chooses a candidate and returns the families that it improves.
    fn add(&mut self, chosen: Candidate) -> BTreeSet<usize> {
        let improved = chosen.gain.map(|gain| gain.improved).unwrap_or_default();
        for (nth, time) in &improved {
            if let Some(entry) = self.times.get_mut(*nth) {
                *entry = *time;
            }
        }
        self.spent += size(self.read, &chosen.index).0;
        self.chosen.push((chosen.index, chosen.served));
        improved.into_keys().collect()
    }

    /// Removes indexes that later ones have made superfluous.
    fn prune(&mut self, least: f64) {
        let mut at = 0;
        while at < self.chosen.len() {
            let without: Vec<&Hypothetical> =
                self.chosen.iter().enumerate().filter(|(nth, _)| *nth != at).map(|(_, (chosen, _))| chosen).collect();
            let Some((candidate, served)) = self.chosen.get(at) else { break };
            let mut added = 0.0;
            let mut total = 0.0;
            let mut times = Vec::new();
            for &nth in served {
                let (Some(family), Some(now)) = (self.read.families.get(nth), self.times.get(nth)) else { continue };
                let own: Vec<&Hypothetical> =
                    without.iter().filter(|added| family.tables.contains(&added.table)).copied().collect();
                let time = self.read.expected_ms(family, &self.read.with(family, &own)).min(family.used.mean_ms());
                added += (time - now).max(0.0) * family.used.calls;
                total += (family.used.mean_ms() - now).max(0.0) * family.used.calls;
                times.push((nth, time.max(*now)));
            }
            let lost = self.read.write_ms(candidate, size(self.read, candidate).1);
            if added - lost < least || added < LEAST_ADDED * total {
                self.chosen.remove(at);
                for (nth, time) in times {
                    if let Some(entry) = self.times.get_mut(nth) {
                        *entry = time;
                    }
                }
            } else {
                at += 1;
            }
        }
    }

    fn report(&self) -> Vec<NewIndex> {
        let all: Vec<&Hypothetical> = self.chosen.iter().map(|(chosen, _)| chosen).collect();
        let mut found: Vec<NewIndex> =
            self.chosen.iter().filter_map(|(chosen, served)| self.new_index(chosen, served, &all)).collect();
        found.sort_by(|a, b| b.net_ms.value.total_cmp(&a.net_ms.value).then_with(|| a.statement.cmp(&b.statement)));
        found
    }

    fn new_index(&self, chosen: &Hypothetical, served: &BTreeSet<usize>, all: &[&Hypothetical]) -> Option<NewIndex> {
        let table = self.read.catalogue.tables.iter().find(|table| table.key() == chosen.table)?;
        let mut index = chosen.index.clone();
        index.name = name_in(self.read.catalogue, &chosen.table, &chosen.index);
        let mut families = Vec::new();
        let (mut saved, mut least, mut most, mut whole) = (0.0, 0.0, 0.0, 0.0);
        for &nth in served {
            let family = self.read.families.get(nth)?;
            let own: Vec<&Hypothetical> =
                all.iter().filter(|added| family.tables.contains(&added.table)).copied().collect();
            let after = self.read.with(family, &own);
            if !uses(&after, &chosen.index.name) {
                continue;
            }
            let (before_ms, after_ms) = (family.used.mean_ms(), self.times.get(nth).copied()?);
            if !(after_ms < before_ms) {
                continue;
            }
            // Where several new indexes serve one statement, each has an equal part.
            let sharing = all.iter().filter(|other| uses(&after, &other.index.name));
            #[expect(clippy::cast_precision_loss, reason = "a statement uses few indexes")]
            let calls = family.used.calls / (sharing.count() as f64).max(1.0);
            whole += before_ms * calls;
            saved += (before_ms - after_ms) * calls;
            least += (before_ms - (after_ms * DOUBT).min(before_ms)) * calls;
            most += (before_ms - after_ms / DOUBT) * calls;
            let present: BTreeSet<String> = family
                .present
                .iter()
                .flat_map(|present| &present.uses)
                .filter(|used| self.table_of(nth, used.block, used.relation) == Some(chosen.table.as_str()))
                .map(|used| used.index.clone().unwrap_or_else(|| "sequential scan".to_owned()))
                .collect();
            families.push(FamilyEffect {
                family: family.used.family.clone(),
                statement: family.used.statement.clone(),
                calls: family.used.calls,
                before_ms,
                after_ms,
                present: present.into_iter().collect::<Vec<_>>().join(", "),
            });
        }
        families
            .sort_by(|a, b| ((b.before_ms - b.after_ms) * b.calls).total_cmp(&((a.before_ms - a.after_ms) * a.calls)));
        let (bytes, share) = size(self.read, chosen);
        let lost_ms = self.read.write_ms(chosen, share);
        // A small rest after a large saving may be wrong by a multiple without the saving being wrong; the load is not.
        let (least, most) = (least.min(saved * SAVED_LEAST), most.max((saved * SAVED_MOST).min(whole)));
        let net_ms = Interval { value: saved - lost_ms, lower: least - lost_ms * DOUBT, upper: most - lost_ms / DOUBT };
        let class = |class: &str| index.keys.iter().any(|key| key.operator_class.as_deref() == Some(class));
        Some(NewIndex {
            table: chosen.table.clone(),
            statement: index_statement(table, &index),
            script: index_script(self.read.catalogue, table, &index),
            undo: drop_statement(table, &index),
            extension: class("gin_trgm_ops").then(|| "pg_trgm".to_owned()),
            bytes,
            saved_ms: saved,
            lost_ms,
            net_ms,
            families,
            supersedes: superseded(table, &index),
            index,
        })
    }

    fn table_of(&self, nth: usize, block: usize, relation: usize) -> Option<&str> {
        let family = self.read.families.get(nth)?;
        family.shape.blocks.get(block)?.relations.get(relation)?.table.as_deref()
    }
}

/// Returns whether any scenario's plan uses an index.
fn uses(plans: &[Estimate], name: &str) -> bool {
    plans.iter().any(|plan| plan.uses.iter().any(|used| used.index.as_deref() == Some(name)))
}

/// Returns the expected bytes of a candidate, and the share of the rows that it has.
fn size(read: &Read<'_>, candidate: &Hypothetical) -> (f64, f64) {
    let Some(table) = read.catalogue.tables.iter().find(|table| table.key() == candidate.table) else {
        return (0.0, 1.0);
    };
    let share = partial_share(table, &candidate.index);
    (hypothetical_bytes(table, &candidate.index, share), share)
}

/// Returns the present indexes whose keys are the first keys of a new one.
fn superseded(table: &Table, new: &Index) -> Vec<String> {
    let covered = |index: &&Index| super::surplus::is_prefix(index, new) && !super::surplus::is_needed(index);
    table.indexes.iter().filter(covered).map(|index| format!("{}.{}", table.schema, index.name)).collect()
}
