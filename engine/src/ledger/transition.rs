//! Defines the legal changes of a recommendation's state. Pure; the ledger calls it before each reported change.

use crate::store::rows::State;

/// Effect of a requested change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    /// The state changes.
    Change,
    /// The same change was reported before. Nothing changes.
    Repeated,
    /// The present state does not allow the change.
    Illegal,
}

/// Classifies the change from `from` to `to`.
///
/// Legal: proposed → accepted | dismissed | applied | expired; accepted → applied | dismissed | expired; applied →
/// verified | regressed | expired. A recommendation may be applied without being accepted first.
pub(super) fn transition(from: State, to: State) -> Transition {
    use State::{Accepted, Applied, Dismissed, Expired, Proposed, Regressed, Verified};
    match (from, to) {
        (Proposed, Accepted | Dismissed | Applied | Expired)
        | (Accepted, Applied | Dismissed | Expired)
        | (Applied, Verified | Regressed | Expired) => Transition::Change,
        (Accepted, Accepted) | (Dismissed, Dismissed) | (Applied | Verified | Regressed, Applied) => {
            Transition::Repeated
        }
        _ => Transition::Illegal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_legal_changes_happen() {
        use State::{Accepted, Applied, Dismissed, Expired, Proposed, Regressed, Verified};
        let legal = [
            (Proposed, Accepted),
            (Proposed, Dismissed),
            (Proposed, Applied),
            (Proposed, Expired),
            (Accepted, Applied),
            (Accepted, Dismissed),
            (Accepted, Expired),
            (Applied, Verified),
            (Applied, Regressed),
            (Applied, Expired),
        ];
        let repeated = [
            (Accepted, Accepted),
            (Dismissed, Dismissed),
            (Applied, Applied),
            (Verified, Applied),
            (Regressed, Applied),
        ];
        for &from in State::ALL {
            for &to in State::ALL {
                let expected = if legal.contains(&(from, to)) {
                    Transition::Change
                } else if repeated.contains(&(from, to)) {
                    Transition::Repeated
                } else {
                    Transition::Illegal
                };
                assert_eq!(transition(from, to), expected, "{from} to {to}");
            }
        }
    }
}
