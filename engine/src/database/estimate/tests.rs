//! Tests of estimates.

use std::collections::BTreeSet;

use super::{Costs, Design, Estimate, Hypothetical, Seen, estimate};
use crate::database::{
    Index,
    fixture::{application, btree},
    shape::shape,
    statement::parse,
};

fn with(text: &str, added: &[Index]) -> Estimate {
    let catalogue = application();
    let shape = shape(&parse(text).unwrap(), &catalogue);
    let added: Vec<Hypothetical> =
        added.iter().map(|index| Hypothetical { table: "public.tasks".to_owned(), index: index.clone() }).collect();
    let added: Vec<&Hypothetical> = added.iter().collect();
    let dropped = BTreeSet::new();
    let design = Design { catalogue: &catalogue, added: &added, dropped: &dropped };
    estimate(&shape, &design, &Costs::of(&catalogue), Seen { rows: Some(20.0), blocks: None })
}

fn index_of(found: &Estimate) -> Option<&str> {
    found.uses.first().and_then(|used| used.index.as_deref())
}

#[test]
fn an_index_on_the_filter_is_used_and_costs_less() {
    let text = "SELECT title FROM tasks WHERE user_id = $1";
    let (before, after) = (with(text, &[]), with(text, &[btree("x", &["user_id"])]));
    assert_eq!((index_of(&before), index_of(&after)), (None, Some("x")));
    assert!(after.planner < before.planner / 50.0 && after.work < before.work / 50.0, "{before:?} {after:?}");
}

#[test]
fn an_index_of_most_rows_is_not_used() {
    let text = "SELECT title FROM tasks WHERE is_done AND status <> 'x'";
    assert_eq!(index_of(&with(text, &[btree("x", &["is_done"])])), None);
}

#[test]
fn order_and_limit_are_served_in_either_direction_but_not_mixed() {
    let text = "SELECT title FROM tasks WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT 20";
    for keys in [["user_id", "created_at", "id"], ["user_id", "-created_at", "-id"]] {
        let found = with(text, &[btree("user", &["user_id"]), btree("x", &keys)]);
        assert_eq!(index_of(&found), Some("x"), "{keys:?}");
    }
    let found = with(text, &[btree("user", &["user_id"]), btree("x", &["user_id", "created_at", "-id"])]);
    let plain = with(text, &[btree("user", &["user_id"])]);
    assert!(found.work >= plain.work * 0.99, "{found:?} {plain:?}");
}

#[test]
fn a_partial_index_serves_only_statements_that_imply_its_predicate() {
    let partial = Index { predicate: Some("(deleted_at IS NOT NULL)".to_owned()), ..btree("x", &["created_at"]) };
    let serves = with(
        "SELECT id FROM tasks WHERE deleted_at IS NOT NULL ORDER BY created_at LIMIT 20",
        std::slice::from_ref(&partial),
    );
    assert_eq!(index_of(&serves), Some("x"));
    let other = with("SELECT id FROM tasks WHERE user_id = $1 ORDER BY created_at LIMIT 20", &[partial]);
    assert_eq!(index_of(&other), None);
}

#[test]
fn a_join_reads_the_inner_table_by_its_index() {
    let text = "SELECT t.title FROM users u JOIN tasks t ON t.user_id = u.id WHERE u.id = $1";
    let (before, after) = (with(text, &[]), with(text, &[btree("x", &["user_id"])]));
    assert!(after.uses.iter().any(|used| used.index.as_deref() == Some("x")), "{after:?}");
    assert!(after.work < before.work / 20.0);
}

#[test]
fn a_deletion_checks_the_tables_that_refer_to_it() {
    let text = "DELETE FROM users WHERE id = $1";
    let (before, after) = (with(text, &[]), with(text, &[btree("x", &["user_id"])]));
    assert!(after.work < before.work / 20.0, "{before:?} {after:?}");
}

#[test]
fn settings_are_read_with_their_units() {
    let mut catalogue = application();
    catalogue.settings = [("random_page_cost", "1.1"), ("effective_cache_size", "4GB"), ("seq_page_cost", "nonsense")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let costs = Costs::of(&catalogue);
    assert!((costs.random_page - 1.1).abs() < 1e-9 && (costs.seq_page - 1.0).abs() < 1e-9);
    assert!((costs.cache_pages - 524_288.0).abs() < 1e-9);
}
