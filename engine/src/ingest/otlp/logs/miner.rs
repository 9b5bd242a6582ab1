//! Groups messages into templates: a tree of fixed depth by the number of words and the first word, and in each leaf the
//! most similar template.
//!
//! # Reference
//! He, Zhu, Zheng & Lyu (2017), "Drain: An online log parsing approach with fixed depth tree". Deviates: words with digits
//! are replaced before the tree, and the depth is two.

use hashbrown::HashMap;

use super::mask::{VALUE, words};

/// Least share of equal words at which a message belongs to a template.
const MIN_SIMILARITY: f64 = 0.6;

/// Largest number of templates of a service.
const MAX_TEMPLATES: usize = 200;

/// Largest number of templates with the same number of words and the same first word: a message is compared with each.
const MAX_LEAF: usize = 50;

/// Largest number of services.
const MAX_SERVICES: usize = 200;

/// Template of the messages for which there is no place.
pub(super) const OTHER: &str = "(other)";

/// Longest template in characters.
const MAX_TEMPLATE_CHARS: usize = 200;

/// Templates by service.
#[derive(Debug, Default)]
pub(crate) struct Miner(HashMap<String, Templates>);

/// Templates of a service.
#[derive(Debug, Default)]
struct Templates {
    count: usize,
    /// Templates by the number of words and the first word.
    leaves: HashMap<(usize, String), Vec<Vec<String>>>,
}

impl Miner {
    /// Returns the template of a message of a service. Words in which messages of one template differ become `<*>`, so
    /// that the first messages of a kind may have templates that are more specific.
    pub(super) fn template(&mut self, service: &str, message: &str) -> String {
        let words = words(message);
        if !self.0.contains_key(service) && self.0.len() >= MAX_SERVICES {
            return OTHER.to_owned();
        }
        let template = self.0.entry_ref(service).or_default().of(words);
        template.chars().take(MAX_TEMPLATE_CHARS).collect()
    }
}

impl Templates {
    fn of(&mut self, words: Vec<String>) -> String {
        let first = words.first().cloned().unwrap_or_default();
        let leaf = self.leaves.entry((words.len(), first)).or_default();
        let best = leaf.iter_mut().map(|known| (similarity(known, &words), known)).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((similarity, known)) = best
            && similarity >= MIN_SIMILARITY
        {
            for (known, word) in known.iter_mut().zip(&words) {
                if known != word {
                    VALUE.clone_into(known);
                }
            }
            return known.join(" ");
        }
        if self.count >= MAX_TEMPLATES || leaf.len() >= MAX_LEAF {
            return OTHER.to_owned();
        }
        self.count += 1;
        let template = words.join(" ");
        leaf.push(words);
        template
    }
}

/// Returns the share of equal words of a template and a message with the same number of words.
fn similarity(known: &[String], words: &[String]) -> f64 {
    if words.is_empty() {
        return 1.0;
    }
    let equal = known.iter().zip(words).filter(|(known, word)| known == word).count();
    #[expect(clippy::cast_precision_loss, reason = "a message has few words")]
    let share = equal as f64 / words.len() as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_kind_share_a_template() {
        let mut miner = Miner::default();
        let mut of = |message: &str| miner.template("api", message);
        assert_eq!(of("user 17 logged in"), "user <*> logged in");
        assert_eq!(of("user 18 logged in"), "user <*> logged in");
        assert_eq!(of("payment declined by bank alpha for order 1"), "payment declined by bank alpha for order <*>");
        assert_eq!(of("payment declined by bank beta for order 2"), "payment declined by bank <*> for order <*>");
        assert_eq!(of("payment declined by bank gamma for order 3"), "payment declined by bank <*> for order <*>");
        assert_eq!(of("cache miss"), "cache miss");
        assert_eq!(of(""), "");
    }

    #[test]
    fn services_and_templates_are_bounded() {
        let mut miner = Miner::default();
        let letters = |mut number: usize| {
            let mut word = String::new();
            while number > 0 {
                word.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
                number /= 26;
            }
            word
        };
        let found: Vec<String> = (1..=300).map(|idx| miner.template("api", &letters(idx))).collect();
        assert_eq!(found.iter().filter(|template| *template == OTHER).count(), 300 - MAX_TEMPLATES);
        assert_eq!(found[7], miner.template("api", &letters(8)));
        let services = (1..=300).filter(|idx| miner.template(&letters(*idx), "x") == OTHER).count();
        assert_eq!(services, 300 - MAX_SERVICES + 1);
    }
}
