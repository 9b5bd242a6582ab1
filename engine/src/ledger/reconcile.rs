//! Reconciles a new proposal with the recommendations of the same target. Called by `Ledger::propose`; writes nothing.

use serde_json::{Value, json};

use super::{
    copies,
    rollback::is_rollback,
    rules::{Difference, Direction, KindRules},
};
use crate::store::rows::{Kind, RecommendationRow, State};

/// Decision on a proposal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reconciled {
    /// Add it.
    Add,
    /// Add it and expire this open one.
    Replace(Box<RecommendationRow>),
    /// Keep this one with newer evidence: it proposes the same, or its predicted effect is as good.
    Refresh(Box<RecommendationRow>),
    /// Reject it: an equal one was dismissed on the same basis, or regressed.
    Suppress,
}

/// Reconciles `new` with the recommendations of the same target.
///
/// - An open recommendation is replaced only if its predicted value is outside the interval of `new`, or the need has
///   moved.
/// - A dismissed one is proposed again only if its basis has changed, or if `new` predicts more by more than its
///   uncertainty.
/// - A regressed one is proposed again only if `new` predicts more by more than its uncertainty.
/// - A rollback is replaced only by a proposal that predicts more, or whose need has moved.
///
/// `known`: the recommendations of the same kind and target, the newest first.
pub(super) fn reconcile(new: &RecommendationRow, known: &[RecommendationRow], rules: &dyn KindRules) -> Reconciled {
    let difference = |old: &RecommendationRow| rules.difference(new, old);
    let is_same = |old: &RecommendationRow| matches!(difference(old), Difference::None | Difference::Negligible);
    let has_moved = |old: &RecommendationRow| difference(old) == Difference::Moved;
    let promises_more = |old: &RecommendationRow| promises_more(new, old, rules);
    // Regressed recommendations are checked first and all of them, because newer rows must not hide a regression.
    let mut broken = known.iter().filter(|row| row.state == State::Regressed);
    if broken.any(|broken| is_same(broken) && !promises_more(broken)) {
        return Reconciled::Suppress;
    }
    // Expired and regressed recommendations no longer occupy the target.
    let latest = known.iter().find(|row| !matches!(row.state, State::Expired | State::Regressed));
    let Some(old) = latest else { return Reconciled::Add };
    if is_rollback(old) {
        let is_outdated = promises_more(old) || has_moved(old);
        return match old.state {
            State::Applied | State::Verified if is_outdated => Reconciled::Add,
            State::Proposed | State::Accepted if is_outdated => Reconciled::Replace(Box::new(old.clone())),
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

/// Whether `new` predicts a better effect than `old` by more than its own uncertainty. Different metrics are not
/// comparable and count as better.
fn promises_more(new: &RecommendationRow, old: &RecommendationRow, rules: &dyn KindRules) -> bool {
    if new.effect.metric != old.effect.metric {
        return true;
    }
    match rules.direction(new.kind, &new.effect.metric) {
        Some(Direction::Higher) => new.effect.lower > old.effect.value,
        Some(Direction::Lower) => new.effect.upper < old.effect.value,
        // The direction of an unknown metric is undefined.
        None => false,
    }
}

/// Returns the old row with all newer fields. Once applied, its prediction and promise stay unchanged.
fn refreshed(old: &RecommendationRow, new: &RecommendationRow) -> RecommendationRow {
    let mut row = RecommendationRow {
        id: old.id.clone(),
        state: old.state,
        created_at: old.created_at,
        valid_from: old.valid_from,
        replaces: old.replaces.clone(),
        ..new.clone()
    };
    copies::carry(old, &mut row);
    if matches!(old.state, State::Applied | State::Verified) {
        row.effect = old.effect.clone();
        if old.evidence.get("terms").is_none() {
            // In a row of an older release the terms are fields of the evidence itself.
            row.evidence = old.evidence.clone();
        } else if let (Value::Object(evidence), Value::Object(before)) = (&mut row.evidence, &old.evidence) {
            for name in ["before", "way_back", "terms", "terms_before"] {
                evidence.insert(name.to_owned(), before.get(name).cloned().unwrap_or(Value::Null));
            }
        }
    }
    row
}

/// Returns the old row with the new proposal as `also_considered` in its evidence.
fn annotated(old: &RecommendationRow, new: &RecommendationRow) -> RecommendationRow {
    let mut row = old.clone();
    row.evidence_at = new.evidence_at;
    row.valid_until = new.valid_until;
    if let Value::Object(evidence) = &mut row.evidence {
        let also = json!({"proposed": new.proposed, "effect": new.effect, "at": new.evidence_at});
        evidence.insert("also_considered".to_owned(), also);
    }
    row
}

/// Returns `{kind}-{target}-{n}` with the smallest unused `n` from 1. Characters that a URL would escape become
/// hyphens.
pub(super) fn fresh_id(kind: Kind, target: &str, taken: impl Fn(&str) -> bool) -> String {
    let slug: String =
        target.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(80).collect();
    let mut n = 1_u64;
    loop {
        let id = format!("{kind}-{slug}-{n}");
        if !taken(&id) {
            return id;
        }
        n += 1;
    }
}
