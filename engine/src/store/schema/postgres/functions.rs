//! Functions of PostgreSQL's catalogue as DuckDB macros: what clients call at their start and when they list tables.

/// A function: name, and its parameters with the body, for each number of parameters.
type Function = (&'static str, &'static [(&'static str, &'static str)]);

/// The functions, sorted by name. Bodies see the relations of the schema `postgres`.
///
/// Everything is visible and readable, belongs to one user, and has no constraint, index, partition or size.
pub(in crate::store) const FUNCTIONS: &[Function] = &[
    ("_pg_char_max_length", &[("a, b", "NULL::INTEGER")]),
    ("array_lower", &[("items, dimension", "CASE WHEN len(items) > 0 AND dimension = 1 THEN 1 END")]),
    ("array_ndims", &[("items", "CASE WHEN len(items) > 0 THEN 1 END")]),
    ("array_upper", &[("items, dimension", "CASE WHEN len(items) > 0 AND dimension = 1 THEN len(items) END")]),
    (
        "col_description",
        &[("a, b", "(SELECT max(d.description) FROM postgres.pg_description d WHERE d.objoid = a AND d.objsubid = b)")],
    ),
    ("current_catalog", &[("", "'almanac'")]),
    ("current_role", &[("", "'almanac'")]),
    ("current_schema", &[("", "'public'")]),
    ("current_schemas", &[("a", "CASE WHEN a THEN ['pg_catalog', 'public'] ELSE ['public'] END")]),
    (
        "current_setting",
        &[
            ("a", "(SELECT max(s.setting) FROM postgres.pg_settings s WHERE lower(s.name) = lower(a))"),
            ("a, b", "(SELECT max(s.setting) FROM postgres.pg_settings s WHERE lower(s.name) = lower(a))"),
        ],
    ),
    ("current_user", &[("", "'almanac'")]),
    ("format_type", &[("a, b", "(SELECT max(t.display) FROM postgres.almanac_types t WHERE t.oid = a)")]),
    ("has_any_column_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_column_privilege", &[("a, b, c", "true"), ("a, b, c, d", "true")]),
    ("has_database_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_function_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_schema_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_sequence_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
    ("has_table_privilege", &[("a, b", "lower(b) = 'select'"), ("a, b, c", "lower(c) = 'select'")]),
    ("has_tablespace_privilege", &[("a, b", "true"), ("a, b, c", "true")]),
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
    ("pg_backend_pid", &[("", "1")]),
    ("pg_char_to_encoding", &[("a", "6")]),
    ("pg_client_encoding", &[("", "'UTF8'")]),
    ("pg_collation_is_visible", &[("a", "true")]),
    ("pg_conf_load_time", &[("", "now()")]),
    ("pg_database_size", &[("a", "0::BIGINT")]),
    ("pg_encoding_to_char", &[("a", "'UTF8'")]),
    ("pg_function_is_visible", &[("a", "true")]),
    ("pg_get_constraintdef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_get_expr", &[("a, b", "NULL::VARCHAR"), ("a, b, c", "NULL::VARCHAR")]),
    ("pg_get_function_arguments", &[("a", "NULL::VARCHAR")]),
    ("pg_get_function_identity_arguments", &[("a", "NULL::VARCHAR")]),
    ("pg_get_function_result", &[("a", "NULL::VARCHAR")]),
    ("pg_get_functiondef", &[("a", "NULL::VARCHAR")]),
    ("pg_get_indexdef", &[("a", "NULL::VARCHAR"), ("a, b, c", "NULL::VARCHAR")]),
    ("pg_get_partition_constraintdef", &[("a", "NULL::VARCHAR")]),
    ("pg_get_partkeydef", &[("a", "NULL::VARCHAR")]),
    ("pg_get_ruledef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_get_serial_sequence", &[("a, b", "NULL::VARCHAR")]),
    ("pg_get_statisticsobjdef_columns", &[("a", "NULL::VARCHAR")]),
    ("pg_get_triggerdef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_get_userbyid", &[("a", "'almanac'")]),
    ("pg_get_viewdef", &[("a", "NULL::VARCHAR"), ("a, b", "NULL::VARCHAR")]),
    ("pg_has_role", &[("a, b", "true"), ("a, b, c", "true")]),
    ("pg_indexes_size", &[("a", "0::BIGINT")]),
    ("pg_is_in_recovery", &[("", "false")]),
    ("pg_is_other_temp_schema", &[("a", "false")]),
    ("pg_my_temp_schema", &[("", "0")]),
    ("pg_opclass_is_visible", &[("a", "true")]),
    ("pg_operator_is_visible", &[("a", "true")]),
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
    let one = |(name, forms): &Function| {
        let forms: Vec<String> = forms.iter().map(|(parameters, body)| format!("({parameters}) AS {body}")).collect();
        format!("CREATE OR REPLACE MACRO postgres.\"{name}\" {};\n", forms.join(", "))
    };
    FUNCTIONS.iter().map(one).collect()
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
