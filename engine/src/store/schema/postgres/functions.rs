//! Functions of PostgreSQL's catalogue as DuckDB macros: what clients call at their start and when they list tables.

use super::PG_SETTINGS;

/// A function: name, and its parameters with the body, for each number of parameters.
type Function = (&'static str, &'static [(&'static str, &'static str)]);

/// Marks the value of a setting whose name is `a`.
const SETTINGS: &str = "…";

/// The words that PostgreSQL's clients quote.
const KEYWORDS: &str = "TABLE SELECT keyword_name AS word, CASE keyword_category WHEN 'reserved' THEN 'R' WHEN 'unreserved' THEN 'U' \
    WHEN 'column_name' THEN 'C' ELSE 'T' END AS catcode, true AS barelabel, keyword_category AS catdesc, '' AS baredesc FROM \
    duckdb_keywords()";

/// The functions, sorted by name. Bodies see the relations of the schema `postgres`.
///
/// Everything is visible and readable, belongs to one user, and has no constraint, index, partition or size.
pub(in crate::store) const FUNCTIONS: &[Function] = &[
    ("_pg_char_max_length", &[("a, b", "NULL::INTEGER")]),
    (
        "_pg_expandarray",
        &[("items", "unnest(list_transform(range(1, len(items) + 1), lambda i: {'x': items[i], 'n': i}))")],
    ),
    ("age_of_transaction", &[("a", "0::INTEGER")]),
    ("array_lower", &[("items, dimension", "CASE WHEN len(items) > 0 AND dimension = 1 THEN 1 END")]),
    ("array_ndims", &[("items", "CASE WHEN len(items) > 0 THEN 1 END")]),
    ("array_remove", &[("items, a", "list_filter(items, lambda item: item IS DISTINCT FROM a)")]),
    ("array_upper", &[("items, dimension", "CASE WHEN len(items) > 0 AND dimension = 1 THEN len(items) END")]),
    (
        "col_description",
        &[("a, b", "(SELECT max(d.description) FROM postgres.pg_description d WHERE d.objoid = a AND d.objsubid = b)")],
    ),
    ("current_catalog", &[("", "'almanac'")]),
    ("current_role", &[("", "'almanac'")]),
    ("current_schema", &[("", "'public'")]),
    ("current_schemas", &[("a", "CASE WHEN a THEN ['pg_catalog', 'public'] ELSE ['public'] END")]),
    ("current_setting", &[("a", SETTINGS), ("a, b", SETTINGS)]),
    ("current_user", &[("", "'almanac'")]),
    ("format_type", &[("a, b", "(SELECT max(t.display) FROM postgres.almanac_types t WHERE t.oid = a)")]),
    ("getdatabaseencoding", &[("", "'UTF8'")]),
    ("has_any_column_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_column_privilege", &[("a, b, c", "true"), ("a, b, c, d", "true")]),
    ("has_database_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_foreign_data_wrapper_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_function_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_language_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_schema_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_sequence_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_server_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_table_privilege", &[("a, b", "lower(b) = 'select'"), ("a, b, c", "lower(c) = 'select'")]),
    ("has_tablespace_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_type_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("inet_client_addr", &[("", "NULL::VARCHAR")]),
    ("inet_client_port", &[("", "NULL::INTEGER")]),
    ("inet_server_addr", &[("", "NULL::VARCHAR")]),
    ("inet_server_port", &[("", "NULL::INTEGER")]),
    (
        "obj_description",
        &[
            ("a", "(SELECT max(d.description) FROM postgres.pg_description d WHERE d.objoid = a AND d.objsubid = 0)"),
            (
                "a, b",
                "(SELECT max(d.description) FROM postgres.pg_description d WHERE d.objoid = a AND d.objsubid = 0)",
            ),
        ],
    ),
    ("oidvectortypes", &[("a", "''")]),
    (
        "parse_ident",
        &[("a", "string_split(replace(a, '\"', ''), '.')"), ("a, b", "string_split(replace(a, '\"', ''), '.')")],
    ),
    // Pools of asyncpg call it when a connection is given back; no lock can be held.
    ("pg_advisory_unlock_all", &[("", "''")]),
    ("pg_backend_pid", &[("", "1")]),
    ("pg_char_to_encoding", &[("a", "6")]),
    ("pg_client_encoding", &[("", "'UTF8'")]),
    ("pg_collation_is_visible", &[("a", "true")]),
    ("pg_conf_load_time", &[("", "now()")]),
    ("pg_conversion_is_visible", &[("a", "true")]),
    ("pg_database_size", &[("a", "0::BIGINT")]),
    ("pg_encoding_to_char", &[("a", "'UTF8'")]),
    ("pg_function_is_visible", &[("a", "true")]),
    ("pg_get_constraintdef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_get_expr", &[("a, b", "NULL::VARCHAR"), ("a, b, c", "NULL::VARCHAR")]),
    ("pg_get_function_arguments", &[("a", "NULL::VARCHAR")]),
    ("pg_get_function_identity_arguments", &[("a", "NULL::VARCHAR")]),
    ("pg_get_function_result", &[("a", "NULL::VARCHAR")]),
    ("pg_get_function_sqlbody", &[("a", "NULL::VARCHAR")]),
    ("pg_get_functiondef", &[("a", "NULL::VARCHAR")]),
    ("pg_get_indexdef", &[("a", "NULL::VARCHAR"), ("a, b, c", "NULL::VARCHAR")]),
    ("pg_get_keywords", &[("", KEYWORDS)]),
    ("pg_get_partition_constraintdef", &[("a", "NULL::VARCHAR")]),
    ("pg_get_partkeydef", &[("a", "NULL::VARCHAR")]),
    ("pg_get_ruledef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_get_serial_sequence", &[("a, b", "NULL::VARCHAR")]),
    ("pg_get_statisticsobjdef", &[("a", "NULL::VARCHAR")]),
    ("pg_get_statisticsobjdef_columns", &[("a", "NULL::VARCHAR")]),
    ("pg_get_triggerdef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_get_userbyid", &[("a", "'almanac'")]),
    ("pg_get_viewdef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_has_role", &[("a, b", "true"), ("a, b, c", "true")]),
    ("pg_indexes_size", &[("a", "0::BIGINT")]),
    ("pg_is_in_recovery", &[("", "false")]),
    ("pg_is_other_temp_schema", &[("a", "false")]),
    ("pg_jit_available", &[("", "false")]),
    ("pg_my_temp_schema", &[("", "0")]),
    ("pg_opclass_is_visible", &[("a", "true")]),
    ("pg_operator_is_visible", &[("a", "true")]),
    ("pg_opfamily_is_visible", &[("a", "true")]),
    ("pg_postmaster_start_time", &[("", "now()")]),
    ("pg_relation_is_publishable", &[("a", "false")]),
    ("pg_relation_is_updatable", &[("a, b", "0")]),
    ("pg_relation_size", &[("a", "0::BIGINT"), ("a, b", "0::BIGINT")]),
    ("pg_size_pretty", &[("a", "format_bytes(a::BIGINT)")]),
    ("pg_stat_get_numscans", &[("a", "0::BIGINT")]),
    ("pg_statistics_obj_is_visible", &[("a", "true")]),
    ("pg_table_is_visible", &[("a", "true")]),
    ("pg_table_size", &[("a", "0::BIGINT")]),
    ("pg_tablespace_location", &[("a", "''")]),
    ("pg_total_relation_size", &[("a", "0::BIGINT")]),
    ("pg_ts_config_is_visible", &[("a", "true")]),
    ("pg_ts_dict_is_visible", &[("a", "true")]),
    ("pg_ts_parser_is_visible", &[("a", "true")]),
    ("pg_ts_template_is_visible", &[("a", "true")]),
    ("pg_type_is_visible", &[("a", "true")]),
    ("pg_typeof", &[("a", "lower(typeof(a))")]),
    (
        "quote_ident",
        &[(
            "a",
            "CASE WHEN regexp_full_match(a, '[a-z_][a-z0-9_$]*') THEN a ELSE '\"' || replace(a, '\"', '\"\"') || '\"' END",
        )],
    ),
    ("quote_literal", &[("a", "'''' || replace(a::VARCHAR, '''', '''''') || ''''")]),
    (
        "regclass_name",
        &[(
            "a",
            "coalesce((SELECT max(c.relname) FROM postgres.pg_class c WHERE c.oid = try_cast(a AS UINTEGER)), a::VARCHAR)",
        )],
    ),
    (
        "regclass_oid",
        &[(
            "a",
            "coalesce(try_cast(a AS UINTEGER), postgres.to_regclass(a), error('relation \"' || a || '\" does not exist')::UINTEGER)",
        )],
    ),
    (
        "regnamespace_name",
        &[(
            "a",
            "coalesce((SELECT max(n.nspname) FROM postgres.pg_namespace n WHERE n.oid = try_cast(a AS UINTEGER)), a::VARCHAR)",
        )],
    ),
    (
        "regnamespace_oid",
        &[(
            "a",
            "coalesce(try_cast(a AS UINTEGER), postgres.to_regnamespace(a), error('schema \"' || a || '\" does not exist')::UINTEGER)",
        )],
    ),
    (
        "regrole_name",
        &[(
            "a",
            "coalesce((SELECT max(r.rolname) FROM postgres.pg_roles r WHERE r.oid = try_cast(a AS UINTEGER)), a::VARCHAR)",
        )],
    ),
    (
        "regrole_oid",
        &[(
            "a",
            "coalesce(try_cast(a AS UINTEGER), postgres.to_regrole(a), error('role \"' || a || '\" does not exist')::UINTEGER)",
        )],
    ),
    (
        "regtype_name",
        &[(
            "a",
            "coalesce((SELECT max(t.display) FROM postgres.almanac_types t WHERE t.oid = try_cast(a AS UINTEGER)), a::VARCHAR)",
        )],
    ),
    (
        "regtype_oid",
        &[(
            "a",
            "coalesce(try_cast(a AS UINTEGER), postgres.to_regtype(a), error('type \"' || a || '\" does not exist')::UINTEGER)",
        )],
    ),
    ("session_user", &[("", "'almanac'")]),
    ("set_config", &[("a, b, c", "b")]),
    ("shobj_description", &[("a, b", "NULL::VARCHAR")]),
    (
        "to_regclass",
        &[(
            "a",
            "(SELECT max(c.oid) FROM postgres.pg_class c WHERE c.relname = replace(replace(replace(a::VARCHAR, '\"', ''), 'pg_catalog.', ''), 'public.', ''))",
        )],
    ),
    (
        "to_regnamespace",
        &[("a", "(SELECT max(n.oid) FROM postgres.pg_namespace n WHERE n.nspname = replace(a::VARCHAR, '\"', ''))")],
    ),
    (
        "to_regrole",
        &[("a", "(SELECT max(r.oid) FROM postgres.pg_roles r WHERE r.rolname = replace(a::VARCHAR, '\"', ''))")],
    ),
    (
        "to_regtype",
        &[(
            "a",
            "(SELECT max(t.oid) FROM postgres.almanac_types t WHERE replace(a::VARCHAR, 'pg_catalog.', '') IN (t.typname, t.display))",
        )],
    ),
    ("txid_current", &[("", "1::BIGINT")]),
    (
        "version",
        &[(
            "",
            "(SELECT 'PostgreSQL ' || max(s.setting) || ' (Almanac)' FROM postgres.pg_settings s WHERE s.name = 'server_version')",
        )],
    ),
];

/// Returns the statements that create the macros.
pub(super) fn statements() -> String {
    // A constant expression, so that a function in FROM may have it as an argument.
    let settings: String = PG_SETTINGS
        .iter()
        .map(|(name, value)| format!(" WHEN '{}' THEN '{}'", name.to_lowercase(), value.replace('\'', "''")))
        .collect();
    let settings = format!("CASE lower(a){settings} END");
    let one = |(name, forms): &Function| {
        let forms: Vec<String> = forms
            .iter()
            .map(|(parameters, body)| {
                let body = if *body == SETTINGS { settings.as_str() } else { *body };
                format!("({parameters}) AS {body}")
            })
            .collect();
        format!("CREATE OR REPLACE MACRO postgres.\"{name}\" {};\n", forms.join(", "))
    };
    // DuckDB looks the functions of a body up when the macro is created; only `to_…` are called by others.
    let (called, others): (Vec<_>, Vec<_>) = FUNCTIONS.iter().partition(|(name, _)| name.starts_with("to_"));
    called.into_iter().chain(others).map(one).collect()
}

/// Returns whether a function is one of the catalogue, by its name in lower case.
pub(in crate::store) fn is_catalogue_function(name: &str) -> bool {
    FUNCTIONS.binary_search_by(|(known, _)| (*known).cmp(name)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_for_binary_search() {
        assert!(FUNCTIONS.is_sorted_by_key(|(name, _)| *name));
        assert!(is_catalogue_function("pg_get_userbyid") && !is_catalogue_function("read_text"));
    }
}
