//! A small catalogue for tests: an application with tasks, users and notifications.

use super::{
    Catalogue, Column, ColumnStatistics, ForeignKey, Index, IndexKey, Table, TableActivity,
    statement::{family, normalize},
};
use super::{StatementUse, TableWrites, Workload};

/// Returns a column with its statistics: share of NULLs, `n_distinct`, width, correlation.
pub(crate) fn column(name: &str, type_name: &str, null: f64, distinct: f64, width: f64, correlation: f64) -> Column {
    let statistics = ColumnStatistics {
        null_fraction: null,
        distinct,
        width,
        correlation: Some(correlation),
        ..ColumnStatistics::default()
    };
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        not_null: null <= 0.0,
        statistics: Some(statistics),
    }
}

/// Returns a table of 80 rows a page, with a primary key on `id`.
pub(crate) fn table(name: &str, rows: f64, columns: Vec<Column>) -> Table {
    let mut columns = columns;
    columns.insert(0, column("id", "bigint", 0.0, -1.0, 8.0, 1.0));
    let key = Index {
        primary: true,
        unique: true,
        constraint: Some(format!("{name}_pkey")),
        ..btree(&format!("{name}_pkey"), &["id"])
    };
    Table {
        schema: "public".to_owned(),
        name: name.to_owned(),
        rows: Some(rows),
        pages: Some(rows / 80.0),
        bytes: Some(rows / 80.0 * 8192.0),
        all_visible: Some(0.98),
        columns,
        indexes: vec![key],
        activity: Some(TableActivity { seconds: Some(86_400.0 * 40.0), ..TableActivity::default() }),
        ..Table::default()
    }
}

/// Returns a B-tree index of columns; `-name` is descending.
pub(crate) fn btree(name: &str, columns: &[&str]) -> Index {
    let key = |column: &&str| {
        let descending = column.starts_with('-');
        IndexKey {
            column: Some(column.trim_start_matches('-').to_owned()),
            descending,
            nulls_first: descending,
            ..IndexKey::default()
        }
    };
    Index {
        name: name.to_owned(),
        method: "btree".to_owned(),
        keys: columns.iter().map(key).collect(),
        valid: true,
        bytes: Some(10e6),
        scans: Some(100.0),
        ..Index::default()
    }
}

/// Returns the application's catalogue.
pub(crate) fn application() -> Catalogue {
    let mut tasks = table(
        "tasks",
        1_000_000.0,
        vec![
            column("user_id", "bigint", 0.0, 20_000.0, 8.0, 0.01),
            column("team_id", "bigint", 0.0, 400.0, 8.0, 0.01),
            column("status", "text", 0.0, 4.0, 5.0, 0.4),
            column("title", "text", 0.0, -0.9, 40.0, 0.0),
            column("due_at", "timestamp with time zone", 0.2, -0.5, 8.0, 0.1),
            column("created_at", "timestamp with time zone", 0.0, -1.0, 8.0, 0.999),
            column("deleted_at", "timestamp with time zone", 0.995, 1000.0, 8.0, 0.5),
            column("is_done", "boolean", 0.0, 2.0, 1.0, 0.4),
            column("tags", "text[]", 0.0, -0.1, 60.0, 0.0),
        ],
    );
    if let Some(statistics) =
        tasks.columns.iter_mut().find(|column| column.name == "is_done").and_then(|column| column.statistics.as_mut())
    {
        statistics.common_values = vec!["t".to_owned(), "f".to_owned()];
        statistics.common_shares = vec![0.98, 0.02];
    }
    tasks.foreign_keys = vec![ForeignKey {
        name: "tasks_user".to_owned(),
        columns: vec!["user_id".to_owned()],
        references: "public.users".to_owned(),
        referred: vec!["id".to_owned()],
    }];
    let users = table(
        "users",
        100_000.0,
        vec![column("email", "text", 0.0, -1.0, 25.0, 0.0), column("team_id", "bigint", 0.0, 400.0, 8.0, 0.0)],
    );
    Catalogue { version: 150_018, tables: vec![tasks, users], ..Catalogue::default() }
}

/// Returns the use of a statement: executions, mean time in milliseconds, rows of one execution.
pub(crate) fn used(statement: &str, calls: f64, mean_ms: f64, rows: f64) -> StatementUse {
    StatementUse {
        family: family(statement),
        statement: normalize(statement),
        calls,
        total_ms: calls * mean_ms,
        rows: calls * rows,
        ..StatementUse::default()
    }
}

/// Returns a workload of a day with few writes.
pub(crate) fn workload(statements: Vec<StatementUse>) -> Workload {
    let writes = TableWrites { inserted: 1000.0, updated: 1000.0, updated_hot: 900.0, deleted: 0.0 };
    Workload {
        seconds: Some(86_400.0),
        statements,
        writes: [("public.tasks".to_owned(), writes), ("public.users".to_owned(), writes)].into(),
        ..Workload::default()
    }
}
