//! PostgreSQL's catalogue over the views that analysts see, for clients of the PostgreSQL wire. Created in the database of
//! a worker by the first statement that names it.
//!
//! The relations of `pg_catalog` are tables of the schema `postgres`, those of `information_schema` tables of the schema
//! `pg_information`, the functions are macros in `postgres`. [`crate::store::sql`] translates the names. The contents
//! depend on the release alone: object identifiers of views are derived from their names.

mod functions;
mod relations;
mod types;

use std::fmt::Write;

use duckdb::Connection;

pub(in crate::store) use functions::is_catalogue_function;
use relations::{catalogue, information};
pub(in crate::store) use relations::{is_catalogue_relation, is_information_relation};
pub use types::pg_type_oid;

use super::TABLES;
use crate::store::{StoreError, error::failed_to, rows::Table};

/// Version of PostgreSQL that the catalogue follows.
pub const PG_VERSION: &str = "15.0";

/// Settings that clients ask for, with their values. They cannot be changed.
pub const PG_SETTINGS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("DateStyle", "ISO, MDY"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "off"),
    ("lc_collate", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("row_security", "on"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", PG_VERSION),
    ("server_version_num", "150000"),
    ("session_authorization", "almanac"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("TimeZone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// Object identifiers of `pg_catalog`, of `public` and of the one role, as in PostgreSQL.
const CATALOG: u32 = 11;
const PUBLIC: u32 = 2200;
const INFORMATION_SCHEMA: u32 = 13_000;
const ROLE: u32 = 10;

/// The schemas that clients see.
const NAMESPACES: [(u32, &str); 3] =
    [(CATALOG, "pg_catalog"), (PUBLIC, "public"), (INFORMATION_SCHEMA, "information_schema")];

/// First object identifier of views; PostgreSQL gives smaller ones to its own objects.
const FIRST_VIEW: u32 = 16_384;

/// Returns the object identifier of a view: derived from its name (FNV-1a), so that it is the same in every release.
pub(in crate::store) fn view_oid(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    FIRST_VIEW + hash % (1 << 30)
}

/// Creates the catalogue.
pub(in crate::store) fn create_catalogue(connection: &Connection) -> Result<(), StoreError> {
    let mut sql = "BEGIN TRANSACTION;
        CREATE SCHEMA IF NOT EXISTS postgres; CREATE SCHEMA IF NOT EXISTS pg_information;\n"
        .to_owned();
    for (schema, relation) in catalogue()
        .iter()
        .map(|relation| ("postgres", relation))
        .chain(information().iter().map(|relation| ("pg_information", relation)))
    {
        let (name, columns, more) = (relation.name, relation.columns, relation.system_columns());
        let _ = writeln!(sql, "CREATE OR REPLACE TABLE {schema}.{name} ({columns}{more});");
    }
    sql.push_str(&fill());
    sql.push_str(&functions::statements());
    sql.push_str("COMMIT");
    connection.execute_batch(&sql).map_err(|error| {
        // The connection would refuse every later statement.
        let _ = connection.execute_batch("ROLLBACK");
        failed_to("create the catalogue")(error)
    })
}

/// Rows of a relation as an `INSERT`; missing columns are NULL.
fn insert(relation: &str, columns: &str, rows: &[String]) -> String {
    format!("INSERT INTO {relation} ({columns}) VALUES {};\n", rows.join(", "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the statements that fill the relations.
fn fill() -> String {
    let mut sql = insert(
        "postgres.pg_namespace",
        "oid, nspname, nspowner",
        &NAMESPACES.map(|(oid, name)| format!("({oid}, '{name}', {ROLE})")),
    );
    let one_role = "'almanac', false, true, false, false, true, false, false, -1";
    let rights = "rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit";
    for relation in ["pg_roles", "pg_authid"] {
        sql += &insert(&format!("postgres.{relation}"), &format!("oid, {rights}"), &[format!("({ROLE}, {one_role})")]);
    }
    sql += &insert(
        "postgres.pg_user",
        "usename, usesysid, usecreatedb, usesuper, userepl, usebypassrls",
        &[format!("('almanac', {ROLE}, false, false, false, false)")],
    );
    sql += &insert(
        "postgres.pg_database",
        "oid, datname, datdba, encoding, datlocprovider, datistemplate, datallowconn, datconnlimit, datfrozenxid, datminmxid, \
         dattablespace, datcollate, datctype",
        &[format!("({FIRST_VIEW}, 'almanac', {ROLE}, 6, 'c', false, true, -1, 0, 1, 1663, 'C', 'C')")],
    );
    sql += &insert("postgres.pg_tablespace", "oid, spcname, spcowner", &[format!("(1663, 'pg_default', {ROLE})")]);
    sql += &insert(
        "postgres.pg_am",
        "oid, amname, amhandler, amtype",
        &["(2, 'heap', 'heap_tableam_handler', 't')".into()],
    );
    sql += &insert(
        "postgres.pg_collation",
        "oid, collname, collnamespace, collowner, collprovider, collisdeterministic, collencoding, collcollate, collctype",
        &[(100, "default", 'd'), (950, "C", 'c')].map(|(oid, name, provider)| {
            format!("({oid}, '{name}', {CATALOG}, {ROLE}, '{provider}', true, -1, 'C', 'C')")
        }),
    );
    let settings: Vec<String> =
        PG_SETTINGS.iter().map(|(name, value)| format!("('{name}', {}, '{}')", quoted(value), context(name))).collect();
    sql += &insert("postgres.pg_settings", "name, setting, context", &settings);
    sql += &fill_types();
    sql += &fill_relations();
    sql
}

/// Returns who may change a setting: clients are offered the names of those that `SET` accepts.
fn context(setting: &str) -> &'static str {
    let fixed = ["server_", "max_", "in_", "integer_", "is_", "lc_", "session_", "transaction_isolation"];
    if fixed.iter().any(|start| setting.starts_with(start)) { "internal" } else { "user" }
}

fn fill_types() -> String {
    let types: Vec<_> = types::types().collect();
    let rows: Vec<String> = types
        .iter()
        .map(|(row, name, _)| {
            let (oid, size, category, element, array) = (row.oid, row.size, row.category, row.element, row.array);
            let (input, pair) = if element > 0 { ("array", "_") } else { (row.name, if name == "json" || name == "jsonb" { "_" } else { "" }) };
            let collation = if category == 'S' { 100 } else { 0 };
            let subscript = if element > 0 { "array_subscript_handler" } else { "-" };
            format!(
                "({oid}, '{name}', {CATALOG}, {ROLE}, {size}, {}, 'b', '{category}', false, true, ',', 0, '{subscript}', \
                 {element}, {array}, '{input}{pair}in', '{input}{pair}out', '{input}{pair}recv', '{input}{pair}send', '-', '-', '-', \
                 'i', 'p', false, 0, -1, 0, {collation})",
                (1..=8).contains(&size)
            )
        })
        .collect();
    let columns = "oid, typname, typnamespace, typowner, typlen, typbyval, typtype, typcategory, typispreferred, typisdefined, \
                   typdelim, typrelid, typsubscript, typelem, typarray, typinput, typoutput, typreceive, typsend, typmodin, \
                   typmodout, typanalyze, typalign, typstorage, typnotnull, typbasetype, typtypmod, typndims, typcollation";
    let mut sql = insert("postgres.pg_type", columns, &rows);
    sql += "CREATE OR REPLACE TABLE postgres.almanac_types (oid UINTEGER, typname VARCHAR, display VARCHAR);\n";
    let names: Vec<String> =
        types.iter().map(|(row, name, display)| format!("({}, '{name}', {})", row.oid, quoted(display))).collect();
    sql + &insert("postgres.almanac_types", "oid, typname, display", &names)
}

fn fill_relations() -> String {
    let (mut classes, mut attributes, mut comments) = (Vec::new(), Vec::new(), Vec::new());
    let (mut tables, mut columns, mut views, mut pg_views) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let class = |oid: u32, name: &str, namespace: u32, kind: char, columns: usize| {
        format!(
            "({oid}, '{name}', {namespace}, 0, 0, {ROLE}, 0, 0, 0, 0, -1, 0, 0, false, false, 'p', '{kind}', {columns}, 0, {}, false, \
             false, false, false, true, 'n', false, 0, 0, 0)",
            kind == 'v'
        )
    };
    for relation in catalogue() {
        classes.push(class(relation.oid, relation.name, CATALOG, 'r', relation.width()));
    }
    for table in TABLES {
        let (oid, name) = (view_oid(table.name), table.name);
        classes.push(class(oid, name, PUBLIC, 'v', table.columns.len()));
        comments.push(format!("({oid}, 1259, 0, {})", quoted(table.comment)));
        tables.push(format!("('almanac', 'public', '{name}', 'VIEW', 'NO', 'NO')"));
        views.push(format!("('almanac', 'public', '{name}', 'NONE', 'NO', 'NO', 'NO', 'NO', 'NO')"));
        pg_views.push(format!("('public', '{name}', 'almanac')"));
        push_columns(table, oid, &mut attributes, &mut comments, &mut columns);
    }
    let mut sql = insert(
        "postgres.pg_class",
        "oid, relname, relnamespace, reltype, reloftype, relowner, relam, relfilenode, reltablespace, relpages, reltuples, \
         relallvisible, reltoastrelid, relhasindex, relisshared, relpersistence, relkind, relnatts, relchecks, relhasrules, \
         relhastriggers, relhassubclass, relrowsecurity, relforcerowsecurity, relispopulated, relreplident, relispartition, \
         relrewrite, relfrozenxid, relminmxid",
        &classes,
    );
    sql += &insert(
        "postgres.pg_attribute",
        "attrelid, attname, atttypid, attstattarget, attlen, attnum, attndims, attcacheoff, atttypmod, attbyval, attalign, \
         attstorage, attcompression, attnotnull, atthasdef, atthasmissing, attidentity, attgenerated, attisdropped, attislocal, \
         attinhcount, attcollation",
        &attributes,
    );
    sql += &insert("postgres.pg_description", "objoid, classoid, objsubid, description", &comments);
    sql += &insert("postgres.pg_views", "schemaname, viewname, viewowner", &pg_views);
    sql += &insert(
        "pg_information.tables",
        "table_catalog, table_schema, table_name, table_type, is_insertable_into, is_typed",
        &tables,
    );
    sql += &insert(
        "pg_information.views",
        "table_catalog, table_schema, table_name, check_option, is_updatable, is_insertable_into, is_trigger_updatable, \
         is_trigger_deletable, is_trigger_insertable_into",
        &views,
    );
    sql += &insert(
        "pg_information.columns",
        "table_catalog, table_schema, table_name, column_name, ordinal_position, is_nullable, data_type, udt_catalog, udt_schema, \
         udt_name, is_identity, is_generated, is_updatable, datetime_precision",
        &columns,
    );
    sql += &insert(
        "pg_information.schemata",
        "catalog_name, schema_name, schema_owner",
        &["pg_catalog", "public", "information_schema"].map(|name| format!("('almanac', '{name}', 'almanac')")),
    );
    sql +=
        &insert("pg_information.character_sets", "character_set_name, default_collate_name", &["('UTF8', 'C')".into()]);
    sql
}

/// Adds the columns of a view to the relations that list columns.
fn push_columns(
    table: &Table,
    oid: u32,
    attributes: &mut Vec<String>,
    comments: &mut Vec<String>,
    columns: &mut Vec<String>,
) {
    for (column, number) in table.columns.iter().zip(1..) {
        let name = column.name;
        let type_oid = pg_type_oid(column.column_type.sql());
        let found = types::types().find(|(row, ..)| row.oid == type_oid);
        let (size, type_name, display) =
            found.map_or((-1, String::new(), String::new()), |(row, n, d)| (row.size, n, d));
        let is_array = type_name.starts_with('_');
        attributes.push(format!(
            "({oid}, '{name}', {type_oid}, -1, {size}, {number}, {}, -1, -1, {}, 'i', 'p', '', false, false, false, '', '', false, true, \
             0, {})",
            u8::from(is_array),
            (1..=8).contains(&size),
            if type_oid == 25 { 100 } else { 0 },
        ));
        comments.push(format!("({oid}, 1259, {number}, {})", quoted(&column.description())));
        let data_type = if is_array { "ARRAY" } else { &display };
        let precision = if type_oid == 1114 { "6" } else { "NULL" };
        columns.push(format!(
            "('almanac', 'public', '{}', '{name}', {number}, 'YES', '{data_type}', 'almanac', 'pg_catalog', '{type_name}', 'NO', \
             'NEVER', 'NO', {precision})",
            table.name
        ));
    }
}

/// Returns the object identifier of a relation of the catalogue or of a view, by its name in lower case.
pub(in crate::store) fn relation_oid(name: &str) -> Option<u32> {
    let relation = catalogue().iter().find(|relation| relation.name == name).map(|relation| relation.oid);
    relation.or_else(|| TABLES.iter().find(|table| table.name == name).map(|table| view_oid(table.name)))
}

/// Returns the object identifier of a schema.
pub(in crate::store) fn namespace_oid(name: &str) -> Option<u32> {
    NAMESPACES.iter().find(|(_, known)| *known == name).map(|(oid, _)| *oid)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_catalogue_lists_every_view_with_identifiers_that_do_not_change() {
        let connection = Connection::open_in_memory().unwrap();
        create_catalogue(&connection).unwrap();
        // Created again in the same database, as by the next statement.
        create_catalogue(&connection).unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let views = i64::try_from(TABLES.len()).unwrap();
        assert_eq!(count("SELECT count(*) FROM postgres.pg_class WHERE relkind = 'v'"), views);
        assert_eq!(count("SELECT count(DISTINCT table_name) FROM pg_information.columns"), views);
        assert_eq!(count("SELECT count(*) - count(DISTINCT oid) FROM postgres.pg_class"), 0);
        assert_eq!(
            count("SELECT count(*) FROM postgres.pg_attribute a ANTI JOIN postgres.pg_type t ON a.atttypid = t.oid"),
            0
        );
        assert_eq!(count("SELECT postgres.to_regclass('public.samples')"), i64::from(view_oid("samples")));
        assert_eq!(view_oid("samples"), 472_331_196, "clients may remember identifiers");
        let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(text("SELECT postgres.format_type(1114, -1)"), "timestamp without time zone");
        assert_eq!(text("SELECT postgres.quote_ident('a\"B')"), "\"a\"\"B\"");
        assert!(
            text("SELECT postgres.obj_description(oid, 'pg_class') FROM postgres.pg_class WHERE relname = 'series'")
                .contains("series")
        );
    }

    #[test]
    fn identifiers_are_unique() {
        let oids: HashSet<u32> = TABLES.iter().map(|table| view_oid(table.name)).collect();
        assert_eq!(oids.len(), TABLES.len());
    }
}
