//! Tests of verdicts and their contents.

use almanac_models::Timestamp;

use super::{QueryFacts, decide::verdicts};
use crate::{
    advise::{
        Outcome,
        database::{DatabaseFacts, DatabaseSpec},
    },
    database::{Catalogue, Column, Index, IndexKey, StatementUse, Table, TableKind, Workload, statement::family},
};

fn facts(statements: &[(&str, f64, f64)]) -> QueryFacts {
    let column = |name: &str, type_name: &str| Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        not_null: true,
        statistics: None,
    };
    let key = IndexKey { column: Some("id".to_owned()), ..IndexKey::default() };
    let primary =
        Index { name: "tasks_pkey".to_owned(), keys: vec![key], unique: true, valid: true, ..Index::default() };
    let tasks = Table {
        schema: "public".to_owned(),
        name: "tasks".to_owned(),
        rows: Some(1e6),
        columns: vec![column("id", "bigint"), column("title", "text")],
        indexes: vec![primary],
        ..Table::default()
    };
    let statements = statements
        .iter()
        .map(|(text, calls, total_ms)| StatementUse {
            family: family(text),
            statement: (*text).to_owned(),
            calls: *calls,
            total_ms: *total_ms,
            rows: *calls,
            ..StatementUse::default()
        })
        .collect();
    let database = DatabaseFacts {
        catalogue: Catalogue { tables: vec![tasks], ..Catalogue::default() },
        read_at: Timestamp::from_millis(0),
        workload: Workload { seconds: Some(7_200.0), statements, ..Workload::default() },
    };
    QueryFacts { database, loops: Vec::new() }
}

#[test]
fn each_finding_has_its_own_verdict() {
    let page = "SELECT id FROM tasks ORDER BY id LIMIT $1 OFFSET $2";
    let (search, kept) =
        ("SELECT id FROM tasks WHERE title ILIKE $1", "SELECT id FROM tasks ORDER BY lower(title) LIMIT $1 OFFSET $2");
    let facts = facts(&[
        (page, 600.0, 60_000.0),
        (search, 600.0, 60_000.0),
        (kept, 600.0, 60_000.0),
        ("SELECT $1", 4_000.0, 1.0),
    ]);
    let all = verdicts(&DatabaseSpec::new("app"), &facts, Timestamp::from_millis(0));
    let targets: Vec<String> = all.iter().map(|(target, _)| target.clone()).collect();
    let of = |pattern: &str, text: &str| format!("app:{pattern}/{}", family(text));
    let expected = ["app".to_owned(), of("keyset", page), of("text_search", search), of("keyset", kept)];
    assert_eq!(targets, expected);

    let Outcome::Keep { reason } = &all[0].1 else { panic!("{:?}", all[0]) };
    assert!(reason.contains("2 changes are recommended and 1 are refused"), "{reason}");
    let Outcome::Keep { reason } = &all[3].1 else { panic!("{:?}", all[3]) };
    assert!(reason.contains("its order is computed"), "{reason}");

    let Outcome::Propose(proposal) = &all[1].1 else { panic!("{:?}", all[1]) };
    assert_eq!(proposal.current["statement"], page);
    assert_eq!(proposal.proposed["statement"], "SELECT id FROM tasks WHERE id > $2 ORDER BY id LIMIT $1");
    assert_eq!(proposal.proposed["first_page"]["statement"], "SELECT id FROM tasks ORDER BY id LIMIT $1");
    assert_eq!(proposal.evidence["pattern"], "keyset");
    assert_eq!((proposal.metric.name, proposal.metric.unit), ("statement_time", "s/day"));
    // 60 s in two hours are 720 s a day, of which half is promised.
    assert!((proposal.effect.value - 360.0).abs() < 1e-9, "{:?}", proposal.effect);
    assert!((proposal.terms.families[0].hourly_ms - 30_000.0).abs() < 1e-9);
    assert!((proposal.terms.others_per_hour - 2_600.0).abs() < 1e-9, "{}", proposal.terms.others_per_hour);
    assert_eq!(proposal.patch.format, "text");

    let Outcome::Propose(proposal) = &all[2].1 else { panic!("{:?}", all[2]) };
    assert_eq!(proposal.patch.format, "sql");
    assert_eq!(
        proposal.patch.body,
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE INDEX CONCURRENTLY ON tasks USING gin (title gin_trgm_ops);\n"
    );
    assert!(proposal.terms.after.is_empty());
}

/// Returns the patch of the first finding.
fn patch(facts: &QueryFacts) -> String {
    let all = verdicts(&DatabaseSpec::new("app"), facts, Timestamp::from_millis(0));
    let Outcome::Propose(proposal) = &all[1].1 else { panic!("{:?}", all[1]) };
    proposal.patch.body.clone()
}

#[test]
fn names_in_a_patch_are_quoted() {
    for (schema, name, expected) in [
        ("public", "Tasks", "\"Tasks\""),
        ("public", "x; DROP TABLE y; --", "\"x; DROP TABLE y; --\""),
        ("Sales", "a\"b.c", "\"Sales\".\"a\"\"b.c\""),
    ] {
        let text = format!("SELECT id FROM {expected} WHERE title ILIKE $1");
        let mut facts = facts(&[(text.as_str(), 600.0, 60_000.0)]);
        let table = &mut facts.database.catalogue.tables[0];
        (table.schema, table.name) = (schema.to_owned(), name.to_owned());
        let line = format!("CREATE INDEX CONCURRENTLY ON {expected} USING gin (title gin_trgm_ops);\n");
        assert_eq!(patch(&facts), format!("CREATE EXTENSION IF NOT EXISTS pg_trgm;\n{line}"));
    }
}

#[test]
fn indexes_of_partitions_are_built_before_that_of_their_table() {
    let mut facts = facts(&[("SELECT id FROM tasks WHERE title ILIKE $1", 600.0, 60_000.0)]);
    let tables = &mut facts.database.catalogue.tables;
    let part = Table { name: "tasks_1".to_owned(), parent: Some("public.tasks".to_owned()), ..tables[0].clone() };
    tables.push(part);
    tables[0].kind = TableKind::Partitioned;
    let expected = "CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE INDEX CONCURRENTLY ON tasks_1 USING gin (title \
                    gin_trgm_ops);\nCREATE INDEX ON tasks USING gin (title gin_trgm_ops);\n";
    assert_eq!(patch(&facts), expected);
    // A file may name a table as its own partition.
    facts.database.catalogue.tables[0].parent = Some("public.tasks".to_owned());
    assert!(patch(&facts).lines().count() < 20);
}

#[test]
fn pages_that_take_over_a_count_are_measured_with_it() {
    let (count, page) =
        ("SELECT count(*) FROM tasks WHERE title > $1", "SELECT id FROM tasks WHERE title > $2 ORDER BY id LIMIT $1");
    let facts = facts(&[(count, 600.0, 60_000.0), (page, 600.0, 6_000.0)]);
    let all = verdicts(&DatabaseSpec::new("app"), &facts, Timestamp::from_millis(0));
    let (_, Outcome::Propose(proposal)) = &all[1] else { panic!("{all:?}") };
    assert_eq!(proposal.evidence["pattern"], "count_every_page");
    let families: Vec<&str> = proposal.terms.families.iter().map(|term| term.family.as_str()).collect();
    assert_eq!(families, [family(count), family(page)]);
    // 60 s in two hours are 720 s a day: the time of the pages is not promised.
    assert!((proposal.effect.value - 720.0 * 0.95).abs() < 1e-9, "{:?}", proposal.effect);
}
