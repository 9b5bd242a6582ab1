//! Chooses the recommendations that are printed as cards, where an advisor has many.

use almanac_engine::store::rows::RecommendationRow;

/// Cards of one advisor; the others are listed in a table.
const CARDS: usize = 4;
/// Patterns of statements whose cards come first: a loop in the requests, then statements that are rewritten as a whole.
const PATTERNS: [&str; 4] = ["n_plus_one", "scalar_subqueries", "keyset", "row_by_row_insert"];

/// Metric of an index to drop.
const SIZE: &str = "index_size";

/// Divides the recommendations of one advisor into those that are printed as cards and the others, both by their effect.
///
/// All are cards unless they are more than [`CARDS`]. Else each form has a card before any has a second one: a pattern of
/// statements, and what is promised (an index to create saves time, one to drop frees space).
pub(in crate::cli::demo) fn choose<'a>(
    rows: &[&'a RecommendationRow],
) -> (Vec<&'a RecommendationRow>, Vec<&'a RecommendationRow>) {
    if rows.len() <= CARDS {
        return (rows.to_vec(), Vec::new());
    }
    let by_effect = |a: &&RecommendationRow, b: &&RecommendationRow| {
        b.effect.value.total_cmp(&a.effect.value).then_with(|| a.id.cmp(&b.id))
    };
    let mut rest = rows.to_vec();
    rest.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| by_effect(a, b)));
    let mut chosen: Vec<&RecommendationRow> = Vec::new();
    while chosen.len() < CARDS && !rest.is_empty() {
        let is_new = |row: &&RecommendationRow| chosen.iter().all(|known| form(known) != form(row));
        let next = rest.iter().position(is_new).unwrap_or(0);
        chosen.push(rest.remove(next));
    }
    rest.sort_by(|a, b| is_size(a).cmp(&is_size(b)).then_with(|| by_effect(a, b)));
    (chosen, rest)
}

fn form(row: &RecommendationRow) -> (&str, &str) {
    (&row.effect.metric, row.evidence["pattern"].as_str().unwrap_or_default())
}

fn rank(row: &RecommendationRow) -> usize {
    let pattern = row.evidence["pattern"].as_str();
    let known = pattern.and_then(|pattern| PATTERNS.iter().position(|known| *known == pattern));
    known.unwrap_or(PATTERNS.len() + usize::from(is_size(row)))
}

/// Whether bytes are promised, which are not compared with seconds.
fn is_size(row: &RecommendationRow) -> bool {
    row.effect.metric == SIZE
}

#[cfg(test)]
mod tests {
    use almanac_engine::store::rows::{Effect, Kind, Patch, State};
    use almanac_models::Timestamp;
    use serde_json::json;

    use super::*;

    fn row(id: &str, metric: &str, value: f64, pattern: &str) -> RecommendationRow {
        let at = Timestamp::from_millis(0);
        RecommendationRow {
            id: id.to_owned(),
            kind: Kind::from_static("query"),
            target: id.to_owned(),
            current: json!({}),
            proposed: json!({}),
            valid_from: at,
            valid_until: None,
            effect: Effect {
                metric: metric.to_owned(),
                unit: "s/day".to_owned(),
                value,
                lower: value,
                upper: value,
                level: 0.8,
            },
            confidence: 0.5,
            reason: String::new(),
            evidence: if pattern.is_empty() { json!({}) } else { json!({"pattern": pattern}) },
            patch: Patch { format: "text".to_owned(), body: String::new() },
            state: State::Proposed,
            created_at: at,
            updated_at: at,
            evidence_at: at,
            replaces: None,
        }
    }

    fn chosen(rows: &[RecommendationRow]) -> (Vec<&str>, usize) {
        let rows: Vec<&RecommendationRow> = rows.iter().collect();
        let (chosen, rest) = choose(&rows);
        (chosen.iter().map(|row| row.id.as_str()).collect(), rest.len())
    }

    #[test]
    fn few_recommendations_are_all_cards() {
        let rows = [row("a", "hit_ratio", 0.1, ""), row("b", "hit_ratio", 0.2, "")];
        assert_eq!(chosen(&rows), (vec!["a", "b"], 0));
    }

    #[test]
    fn an_index_to_drop_has_a_card_beside_those_to_create() {
        let time = |id: &str, value: f64| row(id, "statement_time", value, "");
        let rows = [time("a", 1.0), time("b", 5.0), time("c", 3.0), time("d", 4.0), row("drop", SIZE, 1e6, "")];
        assert_eq!(chosen(&rows), (vec!["b", "drop", "d", "c"], 1));
    }

    #[test]
    fn a_loop_comes_first_and_each_pattern_has_one_card() {
        let query = |id: &str, value: f64, pattern: &str| row(id, "statement_time", value, pattern);
        let rows = [
            query("count", 900.0, "count_every_page"),
            query("small loop", 1.0, "n_plus_one"),
            query("loop", 20.0, "n_plus_one"),
            query("pages", 50.0, "keyset"),
            query("search", 800.0, "text_search"),
        ];
        assert_eq!(chosen(&rows), (vec!["loop", "pages", "count", "search"], 1));
    }
}
