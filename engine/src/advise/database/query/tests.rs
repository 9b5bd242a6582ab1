//! Tests of findings without a database. Equal results are tested on PostgreSQL, in `tests/tests/peers/rewrites`.

use super::{Action, Finding, Loop, Need, Parameter, Pattern, Rewrite, findings};
use crate::database::{
    Catalogue, Column, ColumnStatistics, Index, IndexKey, ParameterValues, StatementUse, Table, Workload,
    statement::family,
};

fn column(name: &str, type_name: &str, not_null: bool, width: f64) -> Column {
    let statistics = ColumnStatistics { width, distinct: -0.5, ..ColumnStatistics::default() };
    Column { name: name.to_owned(), type_name: type_name.to_owned(), not_null, statistics: Some(statistics) }
}

fn index(name: &str, keys: &[&str], unique: bool) -> Index {
    let keys = keys.iter().map(|key| IndexKey { column: Some((*key).to_owned()), ..IndexKey::default() });
    Index {
        name: name.to_owned(),
        method: "btree".to_owned(),
        keys: keys.collect(),
        unique,
        valid: true,
        ..Index::default()
    }
}

fn catalogue() -> Catalogue {
    let tasks = Table {
        schema: "public".to_owned(),
        name: "tasks".to_owned(),
        rows: Some(500_000.0),
        columns: vec![
            column("id", "bigint", true, 8.0),
            column("owner_id", "bigint", true, 8.0),
            column("title", "text", true, 30.0),
            column("status", "text", true, 5.0),
            column("created_at", "timestamp with time zone", true, 8.0),
            column("payload", "jsonb", true, 900.0),
        ],
        indexes: vec![index("tasks_pkey", &["id"], true), index("tasks_owner", &["owner_id"], false)],
        ..Table::default()
    };
    Catalogue { version: 150_000, tables: vec![tasks], ..Catalogue::default() }
}

/// A family with calls, total milliseconds and rows.
fn usage(statement: &str, calls: f64, total_ms: f64, rows: f64) -> StatementUse {
    StatementUse {
        family: family(statement),
        statement: statement.to_owned(),
        calls,
        total_ms,
        rows,
        ..StatementUse::default()
    }
}

fn found(statements: Vec<StatementUse>) -> Vec<Finding> {
    findings(&Workload { seconds: Some(3_600.0), statements, ..Workload::default() }, &catalogue(), &[])
}

fn only(statements: Vec<StatementUse>) -> Finding {
    let mut all = found(statements);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

fn rewrite(finding: &Finding) -> &Rewrite {
    match &finding.action {
        Action::Rewrite(rewrite) => rewrite,
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_by_offset_become_keyset_pages_with_their_index() {
    let text = "SELECT id, title FROM tasks WHERE status = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3";
    let finding = only(vec![usage(text, 500.0, 40_000.0, 10_000.0)]);
    let rewrite = rewrite(&finding);
    assert_eq!(
        rewrite.statement,
        "SELECT id, title, created_at FROM tasks WHERE status = $1 AND (created_at, id) < ($3, $4) ORDER BY \
         created_at DESC, id DESC LIMIT $2"
    );
    let last = |name: &str| Parameter::Last(name.to_owned());
    assert_eq!(rewrite.parameters, [Parameter::Same(1), Parameter::Same(2), last("created_at"), last("id")]);
    let Some(Need::Index(index)) = finding.needs.first() else { panic!("{:?}", finding.needs) };
    assert_eq!(index.definition(), "public.tasks USING btree (status, created_at DESC, id DESC)");
    assert_eq!(finding.saving.seconds_a_day, Some(480.0));
}

#[test]
fn pages_that_are_opened_at_random_stay() {
    let text = "SELECT id FROM tasks ORDER BY id LIMIT $1 OFFSET $2";
    let mut statement = usage(text, 500.0, 40_000.0, 10_000.0);
    let values = |number: usize, values: &[&str]| ParameterValues {
        number,
        seen: values.len() as f64,
        values: values.iter().map(|value| ((*value).to_owned(), 1.0)).collect(),
    };
    let far = ["0", "9000", "400", "7400", "2200", "60", "5000", "1000"];
    statement.parameters = vec![values(1, &["20"]), values(2, &far)];
    let finding = only(vec![statement.clone()]);
    assert!(matches!(&finding.action, Action::Keep { reason } if reason.contains("at random")), "{:?}", finding.action);
    statement.parameters = vec![values(1, &["20"]), values(2, &["0", "20", "40", "60", "80", "100", "0", "20"])];
    assert!(matches!(only(vec![statement.clone()]).action, Action::Rewrite(_)));
    // First pages alone skip nothing.
    statement.parameters = vec![values(1, &["20"]), values(2, &["0"])];
    assert_eq!(found(vec![statement]), []);
}

#[test]
fn a_healthy_workload_has_no_finding() {
    let statements = vec![
        usage(
            "SELECT id, title FROM tasks WHERE status = $1 AND (created_at, id) < ($3, $4) ORDER BY created_at DESC, id DESC LIMIT $2",
            5e4,
            3e5,
            1e6,
        ),
        usage("SELECT id, title, status FROM tasks WHERE id = ANY($1)", 5e4, 1e5, 1e6),
        usage("SELECT * FROM tasks WHERE id = $1", 1e5, 2e5, 1e5),
        usage("SELECT count(*) FROM tasks WHERE owner_id = $1", 200.0, 1e5, 200.0),
        usage("SELECT status, count(*) FROM tasks GROUP BY status", 50.0, 1e5, 150.0),
        usage(
            "SELECT count(*) FILTER (WHERE status = $2), max(created_at) FROM tasks WHERE owner_id = $1",
            1e4,
            1e5,
            1e4,
        ),
        usage("INSERT INTO tasks (owner_id, title) SELECT * FROM unnest($1::bigint[], $2::text[])", 1e3, 1e5, 5e5),
        usage("INSERT INTO tasks (owner_id, title) VALUES ($1, $2)", 2e3, 1e4, 2e3),
        usage("SELECT id FROM tasks WHERE title LIKE $1 AND owner_id = $2 LIMIT $3", 1e4, 1e5, 1e5),
        usage("SELECT DISTINCT status FROM tasks", 100.0, 1e5, 300.0),
        usage(
            "SELECT id FROM tasks WHERE NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.owner_id = tasks.id) LIMIT $1",
            1e3,
            1e5,
            1e4,
        ),
        usage("COPY tasks TO STDOUT", 3.0, 1e5, 1.5e6),
        usage("SELECT broken FROM WHERE", 1e3, 1e5, 1.0),
    ];
    assert_eq!(found(statements), []);
}

#[test]
fn what_takes_little_time_is_not_reported() {
    let text = "SELECT id FROM tasks ORDER BY id LIMIT $1 OFFSET $2";
    let large = usage("SELECT id FROM tasks WHERE id = $1", 1e6, 1e7, 1e6);
    assert_eq!(found(vec![usage(text, 500.0, 40_000.0, 1e4), large]), [], "less than 1 % of the time");
    assert_eq!(found(vec![usage(text, 500.0, 400.0, 1e4)]), [], "less than 1 ms in the mean");
    assert_eq!(found(vec![usage(text, 5.0, 30.0, 100.0)]), [], "less than 1 s a day");
}

#[test]
fn a_loop_of_traces_is_rewritten_however_short_its_statements_are() {
    let text = "SELECT title FROM tasks WHERE id = $1";
    let workload = Workload { statements: vec![usage(text, 10_000.0, 400.0, 1e4)], ..Workload::default() };
    let seen = Loop {
        route: Some("GET /tasks".to_owned()),
        family: family("SELECT title FROM tasks WHERE id = %s"),
        calls: 20.0,
        form: "warm_cache".to_owned(),
        ..Loop::default()
    };
    let all = findings(&workload, &catalogue(), std::slice::from_ref(&seen));
    let [finding] = all.as_slice() else { panic!("{all:#?}") };
    assert_eq!((finding.pattern.name(), finding.route.as_deref()), ("n_plus_one", Some("GET /tasks")));
    assert_eq!(rewrite(finding).statement, "SELECT title, id FROM tasks WHERE id = ANY($1)");
    assert_eq!(findings(&workload, &catalogue(), &[Loop { calls: 4.0, ..seen }]), []);
}

#[test]
fn a_count_beside_each_page_is_reported_and_a_count_alone_is_not() {
    let count = usage("SELECT count(*) AS count_1 FROM tasks WHERE tasks.status = $1", 500.0, 90_000.0, 500.0);
    let page =
        usage("SELECT tasks.id FROM tasks WHERE tasks.status = $2 ORDER BY tasks.id LIMIT $1", 520.0, 400.0, 1e4);
    let finding = only(vec![count.clone(), page]);
    assert_eq!(finding.pattern, Pattern::CountEveryPage);
    let Action::Change { statement, .. } = &finding.action else { panic!("{:?}", finding.action) };
    assert_eq!(
        statement.as_deref(),
        Some("SELECT tasks.id FROM tasks WHERE tasks.status = $2 ORDER BY tasks.id LIMIT $1 + 1")
    );
    let other =
        usage("SELECT tasks.id FROM tasks WHERE tasks.owner_id = $1 ORDER BY tasks.id LIMIT $2", 520.0, 400.0, 1e4);
    assert_eq!(found(vec![count, other]), []);
}

#[test]
fn a_search_needs_trigrams_unless_it_has_them() {
    let text = "SELECT id FROM tasks WHERE lower(title) LIKE lower($1) ORDER BY id LIMIT $2";
    let finding = only(vec![usage(text, 500.0, 90_000.0, 1e4)]);
    assert_eq!((finding.pattern, &finding.action), (Pattern::TextSearch, &Action::Support));
    let [Need::Extension(extension), Need::Index(index)] = finding.needs.as_slice() else {
        panic!("{:?}", finding.needs)
    };
    assert_eq!(
        (extension.as_str(), index.definition().as_str()),
        ("pg_trgm", "public.tasks USING gin (lower(title) gin_trgm_ops)")
    );
    let workload = Workload { statements: vec![usage(text, 500.0, 90_000.0, 1e4)], ..Workload::default() };
    let mut with = catalogue();
    let definition = "CREATE INDEX tasks_title ON public.tasks USING gin (lower(title) gin_trgm_ops)".to_owned();
    with.tables[0].indexes.push(Index { definition, valid: true, ..Index::default() });
    assert_eq!(findings(&workload, &with, &[]), []);
    with.tables[0].indexes.pop();
    with.tables[0].rows = Some(300.0);
    let small = findings(&workload, &with, &[]);
    assert!(matches!(&small[0].action, Action::Keep { reason } if reason.contains("300 rows")), "{small:?}");
}

#[test]
fn wide_columns_of_a_list_are_reported_when_other_lists_do_without() {
    let list = usage("SELECT * FROM tasks WHERE owner_id = $1 ORDER BY id LIMIT $2", 500.0, 400.0, 1e4);
    let narrow = usage("SELECT id, title FROM tasks WHERE owner_id = $1 LIMIT $2", 500.0, 400.0, 1e4);
    let finding = only(vec![list.clone(), narrow]);
    assert_eq!(finding.pattern, Pattern::SelectStar);
    let Action::Change { statement, .. } = &finding.action else { panic!("{:?}", finding.action) };
    let expected = "SELECT id, owner_id, title, status, created_at FROM tasks WHERE owner_id = $1 ORDER BY id LIMIT $2";
    assert_eq!(statement.as_deref(), Some(expected));
    assert_eq!(found(vec![list]), [], "nothing shows that the columns can be left out");
}

#[test]
fn a_long_list_without_limit_is_reported() {
    let finding = only(vec![usage("SELECT id FROM tasks WHERE status = $1 ORDER BY id", 500.0, 90_000.0, 5e6)]);
    assert_eq!(finding.pattern, Pattern::MissingLimit);
    assert_eq!(found(vec![usage("SELECT id FROM tasks WHERE id IN ($1, $2)", 500.0, 90_000.0, 5e6)]), []);
    assert_eq!(found(vec![usage("SELECT id FROM tasks", 2.0, 90_000.0, 1e6)]), [], "an export");
}

#[test]
fn parts_that_the_parser_replaces_are_never_rewritten() {
    for condition in ["EXTRACT($3 FROM created_at) = $4", "address = inet $3"] {
        let text = format!("SELECT id FROM tasks WHERE {condition} ORDER BY id LIMIT $1 OFFSET $2");
        assert_eq!(found(vec![usage(&text, 500.0, 90_000.0, 1e4)]), [], "{condition}");
    }
    let text = "SELECT id FROM tasks WHERE created_at > now() - interval $3 ORDER BY id LIMIT $1 OFFSET $2";
    let finding = only(vec![usage(text, 500.0, 90_000.0, 1e4)]);
    assert!(rewrite(&finding).statement.contains("now() - $2::INTERVAL AND id > $3"), "{:?}", finding.action);
}
