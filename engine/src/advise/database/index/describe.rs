//! Statements that create and drop indexes.

use crate::database::{Index, IndexKey, Table, statement::quote};

/// Returns `CREATE INDEX CONCURRENTLY` for an index of a table.
#[must_use]
pub fn index_statement(table: &Table, index: &Index) -> String {
    let keys: Vec<String> = index.keys.iter().map(key).collect();
    let mut text = format!("CREATE INDEX CONCURRENTLY {} ON {}", quote(&index.name), table.qualified());
    if index.method != "btree" {
        text.push_str(&format!(" USING {}", index.method));
    }
    text.push_str(&format!(" ({})", keys.join(", ")));
    if !index.include.is_empty() {
        let include: Vec<String> = index.include.iter().map(|column| quote(column)).collect();
        text.push_str(&format!(" INCLUDE ({})", include.join(", ")));
    }
    if let Some(predicate) = &index.predicate {
        text.push_str(&format!(" WHERE {predicate}"));
    }
    text
}

/// Returns `DROP INDEX CONCURRENTLY` for an index of a table.
#[must_use]
pub fn drop_statement(table: &Table, index: &Index) -> String {
    if table.schema == "public" || table.schema.is_empty() {
        format!("DROP INDEX CONCURRENTLY {}", quote(&index.name))
    } else {
        format!("DROP INDEX CONCURRENTLY {}.{}", quote(&table.schema), quote(&index.name))
    }
}

fn key(key: &IndexKey) -> String {
    let mut text = match (&key.column, &key.expression) {
        (Some(column), _) => quote(column),
        (None, Some(expression)) => format!("({expression})"),
        (None, None) => String::new(),
    };
    if let Some(class) = &key.operator_class {
        text.push_str(&format!(" {class}"));
    }
    if key.descending {
        text.push_str(" DESC");
    }
    if key.nulls_first != key.descending {
        text.push_str(if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
    }
    text
}
