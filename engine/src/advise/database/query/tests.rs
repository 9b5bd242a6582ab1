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
    let words = "SELECT id FROM tasks WHERE to_tsvector('simple', title) @@ plainto_tsquery('simple', (lower($1))::text) ORDER BY id LIMIT $2";
    assert_eq!(finding.alternative.as_deref(), Some(words));
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
fn wide_columns_of_a_joined_entity_are_reported_also_when_they_are_stored_out_of_line() {
    let mut with = catalogue();
    let picture = ColumnStatistics { width: 18.0, distinct: -1.0, ..ColumnStatistics::default() };
    let users = Table {
        schema: "public".to_owned(),
        name: "users".to_owned(),
        rows: Some(20_000.0),
        out_of_line_bytes: Some(60_000_000.0),
        columns: vec![
            column("id", "bigint", true, 8.0),
            column("name", "text", true, 12.0),
            Column {
                name: "picture".to_owned(),
                type_name: "bytea".to_owned(),
                statistics: Some(picture),
                ..Column::default()
            },
        ],
        indexes: vec![index("users_pkey", &["id"], true)],
        ..Table::default()
    };
    with.tables.push(users);
    let mut list = usage(
        "SELECT t.id, t.title, u_1.id AS id_1, u_1.name, u_1.picture FROM tasks t LEFT JOIN users u_1 ON u_1.id = t.owner_id \
         WHERE t.status = $1 ORDER BY t.id LIMIT $2",
        500.0,
        2_000.0,
        1e4,
    );
    list.blocks_hit = 500.0 * 140.0;
    let narrow = usage("SELECT id, name FROM users WHERE id = ANY($1)", 500.0, 400.0, 1e4);
    let of = |statements: Vec<StatementUse>, catalogue: &Catalogue| {
        findings(&Workload { seconds: Some(3_600.0), statements, ..Workload::default() }, catalogue, &[])
    };
    let all = of(vec![list.clone(), narrow.clone()], &with);
    let [finding] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(finding.pattern, Pattern::SelectStar);
    let Action::Change { what, statement } = &finding.action else { panic!("{:?}", finding.action) };
    assert!(what.contains("leave out users.picture unless"), "{what}");
    let expected = "SELECT t.id, t.title, u_1.id AS id_1, u_1.name FROM tasks t LEFT JOIN users u_1 ON u_1.id = t.owner_id \
                    WHERE t.status = $1 ORDER BY t.id LIMIT $2";
    assert_eq!(statement.as_deref(), Some(expected));
    // 20 pictures of 3,000 bytes: about 3.1 pages each, of 140 pages.
    assert!((0.43..0.46).contains(&finding.saving.share), "{:?}", finding.saving);
    assert_eq!(of(vec![list.clone()], &with), [], "nothing shows that the picture can be left out");
    // Stars of both tables are written out, with their tables' names.
    let mut stars = list.clone();
    stars.statement = "SELECT * FROM tasks t JOIN users u ON u.id = t.owner_id WHERE t.status = $1 LIMIT $2".to_owned();
    let all = of(vec![stars.clone(), narrow.clone()], &with);
    let Action::Change { statement, .. } = &all[0].action else { panic!("{all:?}") };
    let expected = "SELECT t.id, t.owner_id, t.title, t.status, t.created_at, t.payload, u.id, u.name FROM tasks t \
                    JOIN users u ON u.id = t.owner_id WHERE t.status = $1 LIMIT $2";
    assert_eq!(statement.as_deref(), Some(expected));
    // The position of a column would name another one.
    stars.statement =
        "SELECT * FROM tasks t JOIN users u ON u.id = t.owner_id WHERE t.status = $1 ORDER BY 9".to_owned();
    let all = of(vec![stars, narrow.clone()], &with);
    let star = all.iter().find(|finding| finding.pattern == Pattern::SelectStar).unwrap();
    assert!(matches!(&star.action, Action::Change { statement: None, .. }), "{star:?}");
    // Pictures in the row, of unknown size: the pointer alone is not wide.
    with.tables[1].out_of_line_bytes = None;
    assert_eq!(of(vec![list, narrow], &with), []);
}

#[test]
fn a_list_that_is_read_rarely_may_have_wide_columns() {
    let list = usage("SELECT * FROM tasks WHERE owner_id = $1 ORDER BY id LIMIT $2", 20.0, 4.0, 60.0);
    let narrow = usage("SELECT id, title FROM tasks WHERE owner_id = $1 LIMIT $2", 20.0, 4.0, 60.0);
    let workload = Workload { seconds: Some(86_400.0), statements: vec![list, narrow], ..Workload::default() };
    assert_eq!(findings(&workload, &catalogue(), &[]), [], "54 kB a day");
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
    for condition in ["EXTRACT($3 FROM created_at) = $4", "address = inet $3", "status = char $3"] {
        let text = format!("SELECT id FROM tasks WHERE {condition} ORDER BY id LIMIT $1 OFFSET $2");
        assert_eq!(found(vec![usage(&text, 500.0, 90_000.0, 1e4)]), [], "{condition}");
    }
    let text = "SELECT id FROM tasks WHERE created_at > now() - interval $3 ORDER BY id LIMIT $1 OFFSET $2";
    let finding = only(vec![usage(text, 500.0, 90_000.0, 1e4)]);
    assert!(rewrite(&finding).statement.contains("now() - $2::INTERVAL AND id > $3"), "{:?}", finding.action);
}

#[test]
fn placeholders_of_typed_constants_keep_their_values() {
    for (condition, expected) in [
        ("created_at > date $1", "created_at > $1::DATE"),
        ("created_at > timestamptz $1", "created_at > $1::TIMESTAMPTZ"),
        ("title = text $1", "title = $1::TEXT"),
        ("title NOT LIKE $1 ESCAPE $4", "title NOT LIKE $1 ESCAPE $3"),
    ] {
        let text = format!("SELECT id FROM tasks WHERE {condition} ORDER BY id LIMIT $2 OFFSET $3");
        let finding = only(vec![usage(&text, 500.0, 90_000.0, 1e4)]);
        let last = if condition.contains("$4") { "$4" } else { "$3" };
        let statement = format!("SELECT id FROM tasks WHERE {expected} AND id > {last} ORDER BY id LIMIT $2");
        assert_eq!(rewrite(&finding).statement, statement, "{condition}");
    }
}

#[test]
fn pages_of_the_standard_form_are_pages() {
    let text = "SELECT id FROM tasks ORDER BY id OFFSET $1 ROWS FETCH NEXT $2 ROWS ONLY";
    let finding = only(vec![usage(text, 500.0, 90_000.0, 1e4)]);
    assert_eq!(rewrite(&finding).statement, "SELECT id FROM tasks WHERE id > $2 ORDER BY id LIMIT $1");
}

#[test]
fn an_index_with_nulls_at_the_other_end_does_not_serve_pages() {
    let text = "SELECT id, title FROM tasks ORDER BY title NULLS FIRST, id LIMIT $1 OFFSET $2";
    let workload =
        Workload { seconds: Some(3_600.0), statements: vec![usage(text, 500.0, 90_000.0, 1e4)], ..Workload::default() };
    let needs = |nulls_first: bool| {
        let mut with = catalogue();
        with.tables[0].columns[2].not_null = false;
        let mut own = index("tasks_title", &["title", "id"], false);
        own.keys[0].nulls_first = nulls_first;
        with.tables[0].indexes.push(own);
        findings(&workload, &with, &[])[0].needs.len()
    };
    assert_eq!((needs(true), needs(false)), (0, 1));
}

#[test]
fn an_or_over_a_column_of_few_values_needs_no_index() {
    let text = "SELECT id FROM tasks WHERE status = $1 OR title = $2";
    let workload = |text: &str| Workload { statements: vec![usage(text, 500.0, 90_000.0, 1e4)], ..Workload::default() };
    assert_eq!(findings(&workload(text), &catalogue(), &[])[0].pattern, Pattern::OrColumns);
    let mut few = catalogue();
    few.tables[0].columns[3].statistics =
        Some(ColumnStatistics { width: 5.0, distinct: 4.0, ..ColumnStatistics::default() });
    assert_eq!(findings(&workload(text), &few, &[]), []);
}

#[test]
fn an_index_on_another_text_does_not_serve_a_search() {
    let workload = Workload {
        statements: vec![usage("SELECT id FROM tasks WHERE title ILIKE $1", 500.0, 90_000.0, 1e4)],
        ..Workload::default()
    };
    for (key, is_served) in [("title", true), ("lower(title)", false), ("subtitle", false), ("\"title\"", true)] {
        let mut with = catalogue();
        let definition = format!("CREATE INDEX tasks_title ON public.tasks USING gin ({key} gin_trgm_ops)");
        with.tables[0].indexes.push(Index { definition, valid: true, ..Index::default() });
        assert_eq!(findings(&workload, &with, &[]).is_empty(), is_served, "{key}");
    }
}

#[test]
fn a_value_that_a_query_computes_is_not_inserted_for_all_rows() {
    let text = "INSERT INTO tasks (title, owner_id) VALUES ($1, (SELECT max(owner_id) FROM tasks))";
    let workload = Workload { statements: vec![usage(text, 10_000.0, 400.0, 1e4)], ..Workload::default() };
    let seen = Loop { family: family(text), calls: 20.0, ..Loop::default() };
    let all = findings(&workload, &catalogue(), &[seen]);
    assert!(matches!(&all[0].action, Action::Keep { reason } if reason.contains("query")), "{all:?}");
}

#[test]
fn one_pass_is_refused_where_the_list_reads_few_of_the_values() {
    let text = "SELECT t.id, (SELECT count(*) FROM tasks AS s WHERE s.owner_id = t.id) AS n FROM tasks AS t WHERE t.status = $1";
    let action = |rows: f64| {
        let workload = Workload { statements: vec![usage(text, 500.0, 90_000.0, 500.0 * rows)], ..Workload::default() };
        let found = findings(&workload, &catalogue(), &[]);
        found.into_iter().find(|finding| finding.pattern == Pattern::CorrelatedSubquery).map(|finding| finding.action)
    };
    assert!(matches!(action(150.0), Some(Action::Keep { reason }) if reason.contains("few of the values")));
    assert!(matches!(action(200_000.0), Some(Action::Rewrite(_))));
}

#[test]
fn a_loop_whose_driver_casts_its_values_is_rewritten() {
    let of = |text: &str| {
        let workload = Workload { statements: vec![usage(text, 10_000.0, 400.0, 1e4)], ..Workload::default() };
        let seen = Loop { family: family(text), calls: 20.0, ..Loop::default() };
        findings(&workload, &catalogue(), &[seen]).remove(0).action
    };
    for (before, after) in [
        (
            "UPDATE tasks SET status = $1::VARCHAR WHERE tasks.id = $2::BIGINT",
            "UPDATE tasks SET status = changed.value_1 FROM UNNEST($2::BIGINT[], $1::TEXT[]) AS changed (key, value_1) WHERE \
             tasks.id = changed.key",
        ),
        ("DELETE FROM tasks WHERE tasks.id = $1::BIGINT", "DELETE FROM tasks WHERE id = ANY($1)"),
        (
            "INSERT INTO tasks (owner_id, title) VALUES ($1::BIGINT, $2::VARCHAR)",
            "INSERT INTO tasks (owner_id, title) SELECT added.value_1, added.value_2 FROM UNNEST($1::BIGINT[], $2::TEXT[]) AS \
             added (value_1, value_2)",
        ),
    ] {
        let Action::Rewrite(rewrite) = of(before) else { panic!("{before}: {:?}", of(before)) };
        assert_eq!(rewrite.statement, after);
    }
    // A cast that may change a value is not left out.
    for text in [
        "UPDATE tasks SET status = $1::VARCHAR(3) WHERE id = $2",
        "UPDATE tasks SET status = $1 WHERE id = $2::NUMERIC",
        "INSERT INTO tasks (owner_id, created_at) VALUES ($1, $2::TIMESTAMP WITHOUT TIME ZONE)",
    ] {
        assert!(matches!(of(text), Action::Keep { .. }), "{text}: {:?}", of(text));
    }
}
