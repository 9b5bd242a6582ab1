//! Selects series by matchers without holding the registry's lock while patterns are matched.

use std::sync::Arc;

use hashbrown::HashSet;
use parking_lot::RwLock;

use super::registry::{Accepted, Registry};
use crate::series::{MatchOp, Matcher};

/// Returns the numbers of all series that satisfy every matcher, ascending; no matcher: all.
///
/// A pattern is compared with every value of its label, which takes seconds for a slow pattern and many values. The lock
/// is released meanwhile, so that new series can be registered.
pub(in crate::store) fn select(registry: &RwLock<Registry>, matchers: &[Matcher]) -> Vec<u32> {
    let accepted: Vec<Accepted> = matchers.iter().map(|matcher| accepted_values(registry, matcher)).collect();
    registry.read().select(matchers, &accepted)
}

fn accepted_values(registry: &RwLock<Registry>, matcher: &Matcher) -> Accepted {
    if !matches!(matcher.op(), MatchOp::Regex | MatchOp::NotRegex) {
        return None;
    }
    let values: Vec<(u32, Arc<str>)> = registry.read().values(matcher.name());
    let accepted: HashSet<u32> =
        values.iter().filter(|(_, text)| matcher.matches_value(text)).map(|(symbol, _)| *symbol).collect();
    Some(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Labels, SeriesId};

    fn registry() -> Registry {
        let mut registry = Registry::new(100, 1 << 20);
        let mut register = |pairs: &[(&str, &str)]| {
            registry.register(&Labels::from_pairs(pairs.iter().copied()).unwrap()).unwrap();
        };
        for (job, instance) in [("api", "a"), ("api", "b"), ("worker", "a"), ("worker", "")] {
            register(&[("__name__", "up"), ("job", job), ("instance", instance)]);
        }
        register(&[("__name__", "down")]);
        registry
    }

    #[test]
    fn matchers_agree_with_checking_each_series() {
        let registry = RwLock::new(registry());
        let values = ["", "api", "a", "up", "api|", "a|b", ".*", ".+", "work.*", "nothing"];
        let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
        let mut all = Vec::new();
        for name in ["__name__", "job", "instance", "absent"] {
            for op in ops {
                for value in values {
                    all.push(Matcher::new(name, op, value).unwrap());
                }
            }
        }
        for first in &all {
            for second in all.iter().step_by(7) {
                let matchers = [first.clone(), second.clone()];
                let expected: Vec<u32> = (0..registry.read().end())
                    .filter(|&id| {
                        let labels = registry.read().labels(SeriesId::new(id)).unwrap();
                        matchers.iter().all(|m| m.matches(&labels))
                    })
                    .collect();
                assert_eq!(select(&registry, &matchers), expected, "{matchers:?}");
            }
        }
    }
}
