//! Statements that create and drop indexes.

use super::naming::name_in;
use crate::database::{Catalogue, Index, IndexKey, Table, TableKind, statement::quote};

/// Returns `CREATE INDEX CONCURRENTLY` for an index of a table.
#[must_use]
pub fn index_statement(table: &Table, index: &Index) -> String {
    let keys: Vec<String> = index.keys.iter().map(key).collect();
    let name = quote(&index.name);
    let mut text = if table.kind == TableKind::Partitioned {
        format!("CREATE INDEX {name} ON ONLY {}", table.qualified())
    } else {
        format!("CREATE INDEX CONCURRENTLY {name} ON {}", table.qualified())
    };
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

/// Returns all statements that create an index of a table, one a line.
///
/// A partitioned table has no index that is built without blocking writes: the index is created on the table alone, on each
/// partition concurrently, and attached (PostgreSQL's manual, 5.12.2.2).
#[must_use]
pub fn index_script(catalogue: &Catalogue, table: &Table, index: &Index) -> String {
    let statement = index_statement(table, index);
    if table.kind != TableKind::Partitioned {
        return format!("{statement};\n");
    }
    let mut script = format!("{statement};\n");
    let partitions = catalogue.tables.iter().filter(|part| part.parent.as_deref() == Some(&table.key()));
    for partition in partitions {
        let own = Index { name: name_in(catalogue, &partition.key(), index), ..index.clone() };
        script.push_str(&format!("{};\n", index_statement(partition, &own)));
        script.push_str(&format!(
            "ALTER INDEX {} ATTACH PARTITION {};\n",
            qualified(table, &index.name),
            qualified(partition, &own.name)
        ));
    }
    script
}

fn qualified(table: &Table, index: &str) -> String {
    if table.schema == "public" || table.schema.is_empty() {
        quote(index)
    } else {
        format!("{}.{}", quote(&table.schema), quote(index))
    }
}

/// Returns `DROP INDEX CONCURRENTLY` for an index of a table.
#[must_use]
pub fn drop_statement(table: &Table, index: &Index) -> String {
    // PostgreSQL drops the index of a partitioned table with those of its partitions, and not concurrently.
    let concurrently = if table.kind == TableKind::Partitioned { "" } else { "CONCURRENTLY " };
    format!("DROP INDEX {concurrently}{}", qualified(table, &index.name))
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
