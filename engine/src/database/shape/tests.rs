//! Tests of shapes.

use super::{Amount, Filter, Key, Operand, Pattern, Role, Shape, Test, Verb, shape};
use crate::database::{fixture::application, statement::parse};

fn of(text: &str) -> Shape {
    shape(&parse(text).unwrap(), &application())
}

fn column(name: &str) -> Key {
    Key::Column(name.to_owned())
}

#[test]
fn filters_order_and_limit_of_one_table() {
    let found = of("SELECT id, title FROM tasks t WHERE t.user_id = $1 AND status IN ($2, $3) AND created_at >= $4 \
                    AND deleted_at IS NULL AND NOT is_done ORDER BY created_at DESC, t.id LIMIT $5 OFFSET 20");
    let block = &found.blocks[0];
    let tests: Vec<(Key, Test)> =
        block.filters.iter().map(|filter| (filter.key.clone(), filter.test.clone())).collect();
    let expected = [
        (column("user_id"), Test::Equal(Operand::Parameter(1))),
        (column("status"), Test::In(Some(2))),
        (column("created_at"), Test::Range { is_upper: false, operand: Operand::Parameter(4) }),
        (column("deleted_at"), Test::IsNull),
        (column("is_done"), Test::Is(false)),
    ];
    assert_eq!(tests, expected);
    assert_eq!(block.relations[0].table.as_deref(), Some("public.tasks"));
    assert!(block.order[0].is_descending && block.order[0].nulls_first && !block.order[1].is_descending);
    assert_eq!((block.limit, block.offset), (Some(Amount::Parameter(5)), Some(Amount::Known(20.0))));
    assert!(block.relations[0].columns.contains("title") && !block.relations[0].columns.contains("tags"));
}

#[test]
fn joins_outer_joins_and_using() {
    let found = of("SELECT t.id, u.email FROM tasks t LEFT JOIN users u ON u.id = t.user_id AND u.team_id = 7 \
                    JOIN users v USING (team_id) WHERE lower(u.email) = lower($1)");
    let block = &found.blocks[0];
    assert_eq!(block.joins[0].left, (1, column("id")));
    assert_eq!(block.joins[0].right, (0, column("user_id")));
    assert_eq!((block.joins[1].left.0, block.joins[1].right.0), (0, 2));
    assert!(block.relations[1].is_optional && !block.relations[0].is_optional);
    let lower =
        Filter { relation: 1, key: Key::Expression("lower(email)".to_owned()), test: Test::Equal(Operand::Computed) };
    assert!(block.filters.contains(&lower), "{:?}", block.filters);
}

#[test]
fn subqueries_are_blocks_with_their_role() {
    let found = of("SELECT u.id, (SELECT count(*) FROM tasks t WHERE t.user_id = u.id) FROM users u \
                    WHERE EXISTS (SELECT 1 FROM tasks x WHERE x.team_id = u.team_id) AND u.id NOT IN (SELECT user_id FROM tasks)");
    let roles: Vec<(Role, bool)> = found.blocks.iter().map(|block| (block.role, block.is_correlated)).collect();
    assert_eq!(roles, [(Role::Main, false), (Role::Scalar, true), (Role::Exists, true), (Role::NotIn, false)]);
    assert!(found.blocks[1].is_aggregate && found.blocks[1].counts_only);
    assert_eq!(found.blocks[1].filters[0].test, Test::Equal(Operand::Outer));
}

#[test]
fn common_table_expressions_and_unknown_tables_are_told_apart() {
    let found = of(
        "WITH recent AS (SELECT id FROM tasks WHERE team_id = 3) SELECT * FROM recent JOIN other.things o ON o.id = recent.id",
    );
    assert_eq!(found.blocks.iter().filter(|block| block.role == Role::Cte).count(), 1);
    assert_eq!(found.unknown.iter().map(String::as_str).collect::<Vec<_>>(), ["other.things"]);
}

#[test]
fn patterns_and_containment() {
    let found = of(
        "SELECT id FROM tasks WHERE title ILIKE '%' || $1 || '%' AND title LIKE 'abc%' AND tags @> $2 AND title NOT LIKE $3",
    );
    let tests: Vec<&Test> = found.blocks[0].filters.iter().map(|filter| &filter.test).collect();
    assert_eq!(tests[0], &Test::Like { is_insensitive: true, pattern: Pattern::Infix });
    assert_eq!(tests[1], &Test::Like { is_insensitive: false, pattern: Pattern::Prefix });
    assert_eq!(tests[2], &Test::Contains("@>".to_owned()));
    assert_eq!(tests[3], &Test::Other);
}

#[test]
fn an_expression_that_depends_on_the_time_zone_is_no_key() {
    let found = of("SELECT id FROM tasks WHERE created_at::date = $1 AND date_trunc('day', created_at) = $2");
    assert!(found.blocks[0].filters.iter().all(|filter| filter.test == Test::Other), "{:?}", found.blocks[0].filters);
}

#[test]
fn writes_name_their_table_and_columns() {
    let found = of("UPDATE tasks SET status = $1, due_at = now() WHERE id = $2");
    assert_eq!((found.verb, found.written.as_deref()), (Verb::Update, Some("public.tasks")));
    assert_eq!(found.assigned.iter().map(String::as_str).collect::<Vec<_>>(), ["due_at", "status"]);
    assert_eq!(of("DELETE FROM users WHERE id = $1").verb, Verb::Delete);
    let insert = of("INSERT INTO tasks (title) SELECT email FROM users WHERE team_id = $1");
    assert_eq!((insert.verb, insert.blocks.len()), (Verb::Insert, 1));
}

#[test]
fn a_row_comparison_bounds_its_first_column() {
    let found = of("SELECT id FROM tasks WHERE (created_at, id) < ($1, $2)");
    let expected = Test::Range { is_upper: true, operand: Operand::Parameter(1) };
    assert_eq!(found.blocks[0].filters, [Filter { relation: 0, key: column("created_at"), test: expected }]);
}
