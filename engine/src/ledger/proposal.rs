use serde_json::{Value, json};

use super::revert::{ABOVE_COST, BEFORE, RULE, WAY_BACK, is_revert};
use crate::store::rows::{Kind, RecommendationRow, State};

/// Share by which a request must lie from another to be another, as the vertical pod autoscaler's update threshold has it.
pub(crate) const MOVED: f64 = 0.1;

/// What becomes of a proposal, given what the ledger holds on the same target.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It is new.
    Add,
    /// It is new and takes the place of this open one.
    Replace(Box<RecommendationRow>),
    /// This one says the same, or says it well enough: it is kept with newer evidence.
    Refresh(Box<RecommendationRow>),
    /// It was dismissed, and the facts are the same; or it was tried and broke the very promise that it makes again.
    Withhold,
}

/// Weighs `new` against the recommendations on the same target, the newest first.
///
/// An open one gives way only to a proposal whose interval excludes its promise: better by more than its own
/// uncertainty. What was dismissed comes back only when the facts it rested on have changed or it would do more
/// than it promised then, by more than its uncertainty; so does what was tried and broke its promise. A proposal to revert gives
/// way to one that promises something else than the setting before.
pub(super) fn weigh(new: &RecommendationRow, known: &[RecommendationRow]) -> Verdict {
    let mut broken = known.iter().filter(|row| row.state == State::Regressed);
    if broken.any(|broken| same_setting(new, broken) && !promises_more(new, broken)) {
        return Verdict::Withhold;
    }
    let standing = known.iter().find(|row| !matches!(row.state, State::Expired | State::Regressed));
    let Some(old) = standing else { return Verdict::Add };
    if is_revert(old) {
        let gives_way = promises_more(new, old) || moved(new, old);
        return match old.state {
            State::Applied | State::Verified if gives_way => Verdict::Add,
            State::Proposed | State::Accepted if gives_way => Verdict::Replace(Box::new(old.clone())),
            _ => Verdict::Withhold,
        };
    }
    match old.state {
        State::Dismissed => {
            if facts(old) == facts(new) && !promises_more(new, old) && !moved(new, old) {
                Verdict::Withhold
            } else {
                Verdict::Add
            }
        }
        _ if setting(old) == setting(new) => Verdict::Refresh(Box::new(refreshed(old, new))),
        State::Proposed | State::Accepted if differs(new, old) => Verdict::Replace(Box::new(old.clone())),
        State::Applied | State::Verified if differs(new, old) => Verdict::Add,
        _ => Verdict::Refresh(Box::new(compared(old, new))),
    }
}

/// Whether `new` promises more than `old` did, by more than its own uncertainty.
fn promises_more(new: &RecommendationRow, old: &RecommendationRow) -> bool {
    if new.effect.metric != old.effect.metric {
        return true;
    }
    // Of all that is promised more is better of hits alone; shares that fall short and alerts are to be few.
    if new.effect.metric == "hit_ratio" {
        new.effect.lower > old.effect.value
    } else {
        new.effect.upper < old.effect.value
    }
}

/// Whether `new` promises something else than `old` did, by more than its own uncertainty, or the need has moved.
fn differs(new: &RecommendationRow, old: &RecommendationRow) -> bool {
    moved(new, old)
        || new.effect.metric != old.effect.metric
        || !(new.effect.lower..=new.effect.upper).contains(&old.effect.value)
}

/// Whether a request follows a need that has moved: at any size it costs about the same, so that its promise does not tell.
fn moved(new: &RecommendationRow, old: &RecommendationRow) -> bool {
    let request = |row: &RecommendationRow| row.proposed.get("request").and_then(Value::as_f64);
    match (new.kind, request(new), request(old)) {
        (Kind::Rightsizing, Some(new), Some(old)) => (new - old).abs() > MOVED * old,
        _ => false,
    }
}

/// Whether `new` is what `old` was; a request that lies next to another is the same.
fn same_setting(new: &RecommendationRow, old: &RecommendationRow) -> bool {
    match new.kind {
        Kind::Rightsizing => !moved(new, old),
        Kind::Scaling | Kind::Ttl | Kind::Threshold => setting(new) == setting(old),
    }
}

/// The part of a proposal that somebody decides on; numbers that move by the minute are not.
fn setting(row: &RecommendationRow) -> Value {
    match row.kind {
        Kind::Scaling => Value::Null,
        Kind::Ttl | Kind::Rightsizing => row.proposed.clone(),
        // Bounds that move stand in the rules that the expression reads.
        Kind::Threshold => json!([row.proposed, row.evidence.get(RULE)]),
    }
}

/// What a proposal rested on and somebody may have changed since.
fn facts(row: &RecommendationRow) -> Value {
    match row.kind {
        Kind::Scaling => row.current.get("target_utilization").cloned().unwrap_or_default(),
        Kind::Rightsizing | Kind::Ttl | Kind::Threshold => row.current.clone(),
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
        if let (Value::Object(evidence), Value::Object(before)) = (&mut row.evidence, &old.evidence) {
            for name in [RULE, BEFORE, WAY_BACK, ABOVE_COST, "above_share_max"] {
                match before.get(name) {
                    Some(value) => evidence.insert(name.to_owned(), value.clone()),
                    None => evidence.remove(name),
                };
            }
        }
    }
    row
}

/// The old one as it was, with the new one named in its evidence.
fn compared(old: &RecommendationRow, new: &RecommendationRow) -> RecommendationRow {
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
