//! Reconciles a new proposal with what the ledger holds on the same target.

use serde_json::{Value, json};

use super::{
    rollback::is_rollback,
    rules::{Difference, Direction, KindRules},
};
use crate::store::rows::{Kind, RecommendationRow, State};

/// What becomes of a proposal, given what the ledger holds on the same target.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reconciled {
    /// It is new.
    Add,
    /// It is new and takes the place of this open one.
    Replace(Box<RecommendationRow>),
    /// This one proposes the same, or does as well: it is kept with newer evidence.
    Refresh(Box<RecommendationRow>),
    /// It was dismissed, and the facts are the same; or it was tried and broke the very promise that it makes again.
    Suppress,
}

/// Reconciles `new` with the recommendations on the same target, the newest first.
///
/// An open one gives way only to a proposal whose interval excludes its promise: better by more than its own
/// uncertainty. What was dismissed comes back only when its basis has changed or it would do more
/// than it promised then, by more than its uncertainty; so does what was tried and broke its promise. A proposal to go back gives
/// way to one that promises something else than the setting before.
pub(super) fn reconcile(new: &RecommendationRow, known: &[RecommendationRow], rules: &dyn KindRules) -> Reconciled {
    let difference = |old: &RecommendationRow| rules.difference(new, old);
    let is_same = |old: &RecommendationRow| matches!(difference(old), Difference::None | Difference::Negligible);
    let has_moved = |old: &RecommendationRow| difference(old) == Difference::Moved;
    let promises_more = |old: &RecommendationRow| promises_more(new, old, rules);
    let mut broken = known.iter().filter(|row| row.state == State::Regressed);
    if broken.any(|broken| is_same(broken) && !promises_more(broken)) {
        return Reconciled::Suppress;
    }
    let latest = known.iter().find(|row| !matches!(row.state, State::Expired | State::Regressed));
    let Some(old) = latest else { return Reconciled::Add };
    if is_rollback(old) {
        let gives_way = promises_more(old) || has_moved(old);
        return match old.state {
            State::Applied | State::Verified if gives_way => Reconciled::Add,
            State::Proposed | State::Accepted if gives_way => Reconciled::Replace(Box::new(old.clone())),
            _ => Reconciled::Suppress,
        };
    }
    let differs = has_moved(old)
        || new.effect.metric != old.effect.metric
        || !(new.effect.lower..=new.effect.upper).contains(&old.effect.value);
    match old.state {
        State::Dismissed => {
            if rules.basis(old) == rules.basis(new) && !promises_more(old) && !has_moved(old) {
                Reconciled::Suppress
            } else {
                Reconciled::Add
            }
        }
        _ if difference(old) == Difference::None => Reconciled::Refresh(Box::new(refreshed(old, new))),
        State::Proposed | State::Accepted if differs => Reconciled::Replace(Box::new(old.clone())),
        State::Applied | State::Verified if differs => Reconciled::Add,
        _ => Reconciled::Refresh(Box::new(annotated(old, new))),
    }
}

/// Whether `new` promises more than `old` did, by more than its own uncertainty.
fn promises_more(new: &RecommendationRow, old: &RecommendationRow, rules: &dyn KindRules) -> bool {
    if new.effect.metric != old.effect.metric {
        return true;
    }
    match rules.direction(new.kind, &new.effect.metric) {
        Some(Direction::Higher) => new.effect.lower > old.effect.value,
        Some(Direction::Lower) => new.effect.upper < old.effect.value,
        // Nobody knows which way is better, so nothing is.
        None => false,
    }
}

/// The old one with all that is newer; once applied, its promise stays as it was given.
fn refreshed(old: &RecommendationRow, new: &RecommendationRow) -> RecommendationRow {
    let mut row = RecommendationRow {
        id: old.id.clone(),
        state: old.state,
        created_at: old.created_at,
        valid_from: old.valid_from,
        replaces: old.replaces.clone(),
        ..new.clone()
    };
    if matches!(old.state, State::Applied | State::Verified) {
        row.effect = old.effect.clone();
        if old.evidence.get("terms").is_none() {
            // A row of an older release keeps its terms among the other figures.
            row.evidence = old.evidence.clone();
        } else if let (Value::Object(evidence), Value::Object(before)) = (&mut row.evidence, &old.evidence) {
            for name in ["before", "way_back", "terms", "terms_before"] {
                evidence.insert(name.to_owned(), before.get(name).cloned().unwrap_or(Value::Null));
            }
        }
    }
    row
}

/// The old one as it was, with the new one named in its evidence.
fn annotated(old: &RecommendationRow, new: &RecommendationRow) -> RecommendationRow {
    let mut row = old.clone();
    row.updated_at = new.updated_at;
    row.valid_until = new.valid_until;
    if let Value::Object(evidence) = &mut row.evidence {
        let also = json!({"proposed": new.proposed, "effect": new.effect, "at": new.updated_at});
        evidence.insert("also_considered".to_owned(), also);
    }
    row
}

/// `{kind}-{target}-{n}` with the smallest n that no id of `taken` has; what an address would escape becomes a hyphen.
pub(super) fn fresh_id(kind: Kind, target: &str, taken: impl Fn(&str) -> bool) -> String {
    let plain: String =
        target.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(80).collect();
    let mut n = 1_u64;
    loop {
        let id = format!("{kind}-{plain}-{n}");
        if !taken(&id) {
            return id;
        }
        n += 1;
    }
}
