//! Builds a catalogue from statements of DDL, as `pg_dump --schema-only` and migrations have them.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, ColumnOption, CreateTable, CreateTableOptions,
    DataType, ForeignKeyConstraint, Ident, IndexColumn, ObjectType, ReplicaIdentity, SqlOption, Statement,
    TableConstraint,
};

use super::index::{created, name, of_constraint, qualified};
use crate::database::{
    catalogue::{Catalogue, Column, ForeignKey, Index, Table, TableKind},
    statement::parse,
};

/// Statements whose text is quoted in a note.
const EXAMPLES: usize = 3;

/// Name of an object, with its schema if it is written.
const NAME: &str = r#"((?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))?)"#;

/// `ATTACH PARTITION` of a table or an index, which the parser does not know.
static ATTACH: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"(?is)^ALTER\s+(TABLE|INDEX)\s+(?:ONLY\s+)?{NAME}\s+ATTACH\s+PARTITION\s+{NAME}"))
});

/// Head of a view; its query is not read.
static VIEW: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?is)^CREATE\s+(?:OR\s+REPLACE\s+)?(?:RECURSIVE\s+)?(MATERIALIZED\s+)?VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}"
    ))
});

/// Forms of `ALTER TABLE` that change nothing that is read here and that the parser does not know.
static WITHOUT_EFFECT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?is)^ALTER\s+TABLE\s.*\s(ADD\s+GENERATED|SET\s+(DEFAULT|STATISTICS|STORAGE|COMPRESSION|LOGGED|UNLOGGED)|DROP\s+(DEFAULT|IDENTITY|EXPRESSION)|CLUSTER\s+ON|REPLICA\s+IDENTITY|(ENABLE|DISABLE|FORCE)\s+(ROW|TRIGGER|RULE)|VALIDATE\s+CONSTRAINT)\b",
    )
});

#[expect(clippy::expect_used, reason = "the expressions are constant, and tests use them")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the expression is valid")
}

/// A catalogue under construction.
#[derive(Debug, Default)]
pub(super) struct Builder {
    catalogue: Catalogue,
    /// Position of each table by schema and name.
    tables: HashMap<(String, String), usize>,
    /// Statements about tables and indexes that were not understood: number, and the first ones.
    unknown: (usize, Vec<String>),
    /// Other statements.
    others: usize,
}

impl Builder {
    /// Applies a statement that starts on this line.
    pub(super) fn apply(&mut self, line: u64, text: &str) {
        if let Some(found) = ATTACH.captures(text) {
            let part = |idx: usize| found.get(idx).map_or("", |part| part.as_str());
            self.attach(part(1).eq_ignore_ascii_case("index"), split_name(part(2)), split_name(part(3)));
            return;
        }
        if let Some(found) = VIEW.captures(text) {
            let kind = if found.get(1).is_some() { TableKind::MaterializedView } else { TableKind::View };
            let (schema, own) = split_name(found.get(2).map_or("", |part| part.as_str()));
            self.insert(Table { schema, name: own, kind, ..Table::default() });
            return;
        }
        if !is_relevant(text) {
            self.others += 1;
            return;
        }
        let applied = match parse(text) {
            Err(_) if WITHOUT_EFFECT.is_match(text) => {
                self.others += 1;
                return;
            }
            Ok(statement) => self.apply_parsed(statement, text),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = applied {
            self.unknown.0 += 1;
            if self.unknown.1.len() < EXAMPLES {
                let head: String =
                    text.split_whitespace().take(8).collect::<Vec<_>>().join(" ").chars().take(80).collect();
                self.unknown.1.push(format!("line {line}, {head} …: {reason}"));
            }
        }
    }

    fn apply_parsed(&mut self, statement: Statement, text: &str) -> Result<(), String> {
        match statement {
            Statement::CreateTable(table) => self.create_table(table),
            Statement::CreateIndex(index) => {
                let on = qualified(&index.table_name);
                let index = created(&index, &on.1, text);
                self.table(&on).map(|table| table.indexes.push(index))
            }
            Statement::AlterTable(alter) => self.alter_table(&alter),
            Statement::CreateExtension(extension) => {
                let version = extension.version.map(|version| version.value).unwrap_or_default();
                self.catalogue.extensions.insert(name(&extension.name), version);
                Ok(())
            }
            Statement::Drop { object_type, names, .. } => {
                for (schema, own) in names.iter().map(qualified) {
                    match object_type {
                        ObjectType::Index => self
                            .catalogue
                            .tables
                            .iter_mut()
                            .filter(|table| table.schema == schema)
                            .for_each(|table| table.indexes.retain(|index| index.name != own)),
                        _ => self.drop_table(&schema, &own),
                    }
                }
                Ok(())
            }
            _ => {
                self.others += 1;
                Ok(())
            }
        }
    }

    /// Returns the catalogue, and what was left out.
    pub(super) fn finish(mut self) -> (Catalogue, Vec<String>) {
        self.link_foreign_keys();
        let mut notes = Vec::new();
        if self.unknown.0 > 0 {
            notes.push(format!(
                "{} statements about tables or indexes were not understood and left out: {}",
                self.unknown.0,
                self.unknown.1.join("; ")
            ));
        }
        if self.others > 0 {
            notes.push(format!("{} other statements were skipped", self.others));
        }
        (self.catalogue, notes)
    }

    fn table(&mut self, key: &(String, String)) -> Result<&mut Table, String> {
        let idx = self.tables.get(key).copied();
        idx.and_then(|idx| self.catalogue.tables.get_mut(idx))
            .ok_or_else(|| format!("the table {}.{} is not defined above", key.0, key.1))
    }

    fn insert(&mut self, table: Table) {
        let key = (table.schema.clone(), table.name.clone());
        match self.tables.get(&key).and_then(|idx| self.catalogue.tables.get_mut(*idx)) {
            Some(known) => *known = table,
            None => {
                self.tables.insert(key, self.catalogue.tables.len());
                self.catalogue.tables.push(table);
            }
        }
    }

    fn drop_table(&mut self, schema: &str, own: &str) {
        self.catalogue.tables.retain(|table| !(table.schema == schema && table.name == own));
        let tables = self.catalogue.tables.iter().enumerate();
        self.tables = tables.map(|(idx, table)| ((table.schema.clone(), table.name.clone()), idx)).collect();
    }

    fn create_table(&mut self, created: CreateTable) -> Result<(), String> {
        let key = qualified(&created.name);
        if created.if_not_exists && self.tables.contains_key(&key) {
            return Ok(());
        }
        let mut table = Table { schema: key.0.clone(), name: key.1.clone(), ..Table::default() };
        if created.partition_by.is_some() {
            table.kind = TableKind::Partitioned;
        }
        if let Some(parent) = &created.partition_of {
            let parent = qualified(parent);
            table.parent = Some(format!("{}.{}", parent.0, parent.1));
            // A partition has the columns of its parent.
            table.columns.clone_from(&self.table(&parent)?.columns);
        }
        if let CreateTableOptions::With(options) = &created.table_options {
            table.fill_factor = options.iter().find_map(fill_factor);
        }
        for column in &created.columns {
            add_column(&mut table, column);
        }
        for constraint in &created.constraints {
            add_constraint(&mut table, constraint)?;
        }
        self.insert(table);
        Ok(())
    }

    fn alter_table(&mut self, alter: &AlterTable) -> Result<(), String> {
        let key = qualified(&alter.name);
        // `OWNER TO` follows each sequence and function too.
        let is_relevant =
            alter.operations.iter().any(|operation| !matches!(operation, AlterTableOperation::OwnerTo { .. }));
        if !is_relevant {
            self.others += 1;
            return Ok(());
        }
        let table = self.table(&key)?;
        for operation in &alter.operations {
            match operation {
                AlterTableOperation::AddConstraint { constraint, .. } => add_constraint(table, constraint)?,
                AlterTableOperation::AddColumn { column_def, .. } => add_column(table, column_def),
                AlterTableOperation::DropColumn { column_names, .. } => {
                    let dropped: Vec<String> = column_names.iter().map(name).collect();
                    table.columns.retain(|column| !dropped.contains(&column.name));
                    // PostgreSQL drops the indexes of a dropped column.
                    let uses = |index: &Index| {
                        index.keys.iter().filter_map(|key| key.column.as_ref()).any(|key| dropped.contains(key))
                    };
                    table.indexes.retain(|index| !uses(index));
                }
                AlterTableOperation::DropConstraint { name: dropped, .. } => {
                    let dropped = name(dropped);
                    table.indexes.retain(|index| index.constraint.as_deref() != Some(&dropped));
                    table.foreign_keys.retain(|key| key.name != dropped);
                }
                AlterTableOperation::AlterColumn { column_name, op } => {
                    let altered = name(column_name);
                    if let Some(column) = table.columns.iter_mut().find(|column| column.name == altered) {
                        match op {
                            AlterColumnOperation::SetNotNull => column.not_null = true,
                            AlterColumnOperation::DropNotNull => column.not_null = false,
                            AlterColumnOperation::SetDataType { data_type, .. } => {
                                column.type_name = type_name(data_type)
                            }
                            _ => {}
                        }
                    }
                }
                AlterTableOperation::ReplicaIdentity { identity: ReplicaIdentity::Index(index) } => {
                    let named = name(index);
                    table.indexes.iter_mut().for_each(|index| index.replica_identity = index.name == named);
                }
                // Under the old name a recommendation would be wrong.
                AlterTableOperation::RenameTable { .. } | AlterTableOperation::RenameColumn { .. } => {
                    return Err("renamed tables and columns are not read; export the schema with pg_dump".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn attach(&mut self, is_index: bool, parent: (String, String), part: (String, String)) {
        let parent_key = format!("{}.{}", parent.0, parent.1);
        if is_index {
            let tables = self.catalogue.tables.iter_mut().filter(|table| table.schema == part.0);
            if let Some(index) = tables.flat_map(|table| &mut table.indexes).find(|index| index.name == part.1) {
                index.parent = Some(parent_key);
            }
        } else if let Ok(table) = self.table(&part) {
            table.parent = Some(parent_key);
        }
    }

    /// Marks unique indexes that a foreign key rests on, and completes references without columns.
    fn link_foreign_keys(&mut self) {
        let mut found: Vec<(usize, usize, String)> = Vec::new();
        for (idx, table) in self.catalogue.tables.iter().enumerate() {
            for (position, key) in table.foreign_keys.iter().enumerate() {
                found.push((idx, position, key.references.clone()));
            }
        }
        for (idx, position, references) in found {
            let Some((schema, own)) = references.split_once('.') else { continue };
            let Some(target) = self.tables.get(&(schema.to_owned(), own.to_owned())).copied() else { continue };
            let key = |table: &Table| table.foreign_keys.get(position).cloned();
            let Some(mut foreign) = self.catalogue.tables.get(idx).and_then(key) else { continue };
            let Some(target) = self.catalogue.tables.get_mut(target) else { continue };
            let columns = |index: &Index| index.keys.iter().filter_map(|key| key.column.clone()).collect::<Vec<_>>();
            if foreign.referred.is_empty() {
                foreign.referred = target.indexes.iter().find(|index| index.primary).map(columns).unwrap_or_default();
            }
            let mut wanted = foreign.referred.clone();
            wanted.sort();
            let rests = |index: &&mut Index| {
                let mut own = columns(index);
                own.sort();
                index.unique && index.predicate.is_none() && own == wanted
            };
            let supporting: Vec<&mut Index> = target.indexes.iter_mut().filter(rests).collect();
            if supporting.iter().all(|index| index.constraint.is_none())
                && let Some(index) = supporting.into_iter().next()
            {
                index.constraint = Some(foreign.name.clone());
            }
            if let Some(own) = self.catalogue.tables.get_mut(idx).and_then(|table| table.foreign_keys.get_mut(position))
            {
                *own = foreign;
            }
        }
    }
}

/// Whether a statement is about tables, indexes or extensions.
fn is_relevant(text: &str) -> bool {
    const MODIFIERS: [&str; 7] = ["unlogged", "foreign", "or", "replace", "unique", "materialized", "recursive"];
    let mut words = text.split_whitespace().take(6).map(str::to_ascii_lowercase);
    let first = words.next().unwrap_or_default();
    let object = words.find(|word| !MODIFIERS.contains(&word.as_str())).unwrap_or_default();
    match first.as_str() {
        "create" => ["table", "index", "extension"].contains(&object.as_str()),
        "alter" => object == "table",
        "drop" => ["table", "index", "view"].contains(&object.as_str()),
        _ => false,
    }
}

fn split_name(text: &str) -> (String, String) {
    let plain = |part: &str| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => part.to_lowercase(),
    };
    // A dot inside quotes belongs to the name.
    let dot = text.char_indices().scan(false, |quoted, (idx, c)| {
        *quoted ^= c == '"';
        Some((idx, c == '.' && !*quoted))
    });
    match dot.into_iter().find(|(_, is_dot)| *is_dot) {
        Some((at, _)) => {
            let (schema, own) = text.split_at(at);
            (plain(schema), plain(own.trim_start_matches('.')))
        }
        None => ("public".to_owned(), plain(text)),
    }
}

fn fill_factor(option: &SqlOption) -> Option<u32> {
    let SqlOption::KeyValue { key, value } = option else { return None };
    let is_fill_factor = key.value.eq_ignore_ascii_case("fillfactor");
    is_fill_factor.then(|| value.to_string().trim_matches('\'').parse().ok()).flatten()
}

fn add_column(table: &mut Table, column: &ColumnDef) {
    let own = name(&column.name);
    let key = vec![IndexColumn::from(Ident::with_quote('"', own.clone()))];
    let place = (table.schema.clone(), table.name.clone());
    let place = (place.0.as_str(), place.1.as_str());
    let mut not_null = is_serial(&column.data_type);
    for option in &column.options {
        match &option.option {
            ColumnOption::NotNull | ColumnOption::Identity(_) => not_null = true,
            ColumnOption::PrimaryKey(_) => {
                not_null = true;
                table.indexes.push(of_constraint(option.name.as_ref(), &key, true, place));
            }
            ColumnOption::Unique(_) => table.indexes.push(of_constraint(option.name.as_ref(), &key, false, place)),
            ColumnOption::ForeignKey(foreign) => {
                let columns = vec![own.clone()];
                table.foreign_keys.push(foreign_key(place.1, option.name.as_ref(), foreign, columns));
            }
            _ => {}
        }
    }
    table.columns.retain(|column| column.name != own);
    table.columns.push(Column { name: own, type_name: type_name(&column.data_type), not_null, statistics: None });
}

fn add_constraint(table: &mut Table, constraint: &TableConstraint) -> Result<(), String> {
    let place = (table.schema.clone(), table.name.clone());
    let place = (place.0.as_str(), place.1.as_str());
    match constraint {
        TableConstraint::PrimaryKey(key) => {
            let index = of_constraint(key.name.as_ref(), &key.columns, true, place);
            for column in index.keys.iter().filter_map(|key| key.column.as_ref()) {
                if let Some(column) = table.columns.iter_mut().find(|known| known.name == *column) {
                    column.not_null = true;
                }
            }
            table.indexes.push(index);
        }
        TableConstraint::Unique(unique) => {
            table.indexes.push(of_constraint(unique.name.as_ref(), &unique.columns, false, place));
        }
        TableConstraint::ForeignKey(foreign) => {
            let columns = foreign.columns.iter().map(name).collect();
            table.foreign_keys.push(foreign_key(place.1, foreign.name.as_ref(), foreign, columns));
        }
        TableConstraint::Check(_) => {}
        // `ADD CONSTRAINT … USING INDEX` turns an index into a constraint's.
        TableConstraint::PrimaryKeyUsingIndex(using) | TableConstraint::UniqueUsingIndex(using) => {
            let named = name(&using.index_name);
            let index = table.indexes.iter_mut().find(|index| index.name == named);
            let index = index.ok_or_else(|| format!("the index {named} is not defined above"))?;
            index.primary = matches!(constraint, TableConstraint::PrimaryKeyUsingIndex(_));
            index.constraint = Some(using.name.as_ref().map_or(named, name));
        }
        _ => {}
    }
    Ok(())
}

fn foreign_key(table: &str, own: Option<&Ident>, foreign: &ForeignKeyConstraint, columns: Vec<String>) -> ForeignKey {
    let (schema, referred) = qualified(&foreign.foreign_table);
    ForeignKey {
        name: own.map_or_else(|| format!("{table}_{}_fkey", columns.join("_")), name),
        columns,
        references: format!("{schema}.{referred}"),
        referred: foreign.referred_columns.iter().map(name).collect(),
    }
}

fn is_serial(data_type: &DataType) -> bool {
    data_type.to_string().to_lowercase().contains("serial")
}

/// Returns the name of a type as `format_type` prints it.
fn type_name(data_type: &DataType) -> String {
    let text = data_type.to_string();
    // Quoted names keep their case.
    let text = if text.contains('"') { text } else { text.to_lowercase() };
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (base, rest) = text.split_at(end);
    let base = match base {
        "int" | "int4" | "serial" | "serial4" => "integer",
        "int8" | "bigserial" | "serial8" => "bigint",
        "int2" | "smallserial" | "serial2" => "smallint",
        "float8" | "float" => "double precision",
        "float4" => "real",
        "bool" => "boolean",
        "varchar" => "character varying",
        "char" | "bpchar" => "character",
        "decimal" | "dec" => "numeric",
        "timestamptz" => return format!("timestamp{rest} with time zone"),
        "timetz" => return format!("time{rest} with time zone"),
        "timestamp" if !rest.contains("zone") => return format!("timestamp{rest} without time zone"),
        "time" if !rest.contains("zone") => return format!("time{rest} without time zone"),
        other => other,
    };
    format!("{base}{rest}")
}
