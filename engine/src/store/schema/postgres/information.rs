//! Names and columns of the relations of PostgreSQL 15's `information_schema` that clients ask for.

/// The relations, sorted by name: name, and columns as in a `CREATE TABLE`. Those that Almanac does not fill have no rows.
pub(in crate::store) const INFORMATION: &[(&str, &str)] = &[
    ("applicable_roles", "grantee VARCHAR, role_name VARCHAR, is_grantable VARCHAR"),
    (
        "character_sets",
        "character_set_catalog VARCHAR, character_set_schema VARCHAR, character_set_name VARCHAR, \
         character_repertoire VARCHAR, form_of_use VARCHAR, default_collate_catalog VARCHAR, default_collate_schema \
         VARCHAR, default_collate_name VARCHAR",
    ),
    (
        "check_constraints",
        "constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, check_clause VARCHAR",
    ),
    (
        "collations",
        "collation_catalog VARCHAR, collation_schema VARCHAR, collation_name VARCHAR, pad_attribute VARCHAR",
    ),
    (
        "column_privileges",
        "grantor VARCHAR, grantee VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, \
         column_name VARCHAR, privilege_type VARCHAR, is_grantable VARCHAR",
    ),
    (
        "column_udt_usage",
        "udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, \
         table_name VARCHAR, column_name VARCHAR",
    ),
    (
        "columns",
        "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, ordinal_position \
         INTEGER, column_default VARCHAR, is_nullable VARCHAR, data_type VARCHAR, character_maximum_length INTEGER, \
         character_octet_length INTEGER, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale \
         INTEGER, datetime_precision INTEGER, interval_type VARCHAR, interval_precision INTEGER, \
         character_set_catalog VARCHAR, character_set_schema VARCHAR, character_set_name VARCHAR, collation_catalog \
         VARCHAR, collation_schema VARCHAR, collation_name VARCHAR, domain_catalog VARCHAR, domain_schema VARCHAR, \
         domain_name VARCHAR, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, scope_catalog VARCHAR, \
         scope_schema VARCHAR, scope_name VARCHAR, maximum_cardinality INTEGER, dtd_identifier VARCHAR, \
         is_self_referencing VARCHAR, is_identity VARCHAR, identity_generation VARCHAR, identity_start VARCHAR, \
         identity_increment VARCHAR, identity_maximum VARCHAR, identity_minimum VARCHAR, identity_cycle VARCHAR, \
         is_generated VARCHAR, generation_expression VARCHAR, is_updatable VARCHAR",
    ),
    (
        "constraint_column_usage",
        "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, constraint_catalog \
         VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR",
    ),
    (
        "constraint_table_usage",
        "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, constraint_catalog VARCHAR, \
         constraint_schema VARCHAR, constraint_name VARCHAR",
    ),
    (
        "domains",
        "domain_catalog VARCHAR, domain_schema VARCHAR, domain_name VARCHAR, data_type VARCHAR, \
         character_maximum_length INTEGER, character_octet_length INTEGER, character_set_catalog VARCHAR, \
         character_set_schema VARCHAR, character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema \
         VARCHAR, collation_name VARCHAR, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale \
         INTEGER, datetime_precision INTEGER, interval_type VARCHAR, interval_precision INTEGER, domain_default \
         VARCHAR, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, scope_catalog VARCHAR, scope_schema \
         VARCHAR, scope_name VARCHAR, maximum_cardinality INTEGER, dtd_identifier VARCHAR",
    ),
    (
        "element_types",
        "object_catalog VARCHAR, object_schema VARCHAR, object_name VARCHAR, object_type VARCHAR, \
         collection_type_identifier VARCHAR, data_type VARCHAR, character_maximum_length INTEGER, \
         character_octet_length INTEGER, character_set_catalog VARCHAR, character_set_schema VARCHAR, \
         character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema VARCHAR, collation_name VARCHAR, \
         numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER, datetime_precision \
         INTEGER, interval_type VARCHAR, interval_precision INTEGER, domain_default VARCHAR, udt_catalog VARCHAR, \
         udt_schema VARCHAR, udt_name VARCHAR, scope_catalog VARCHAR, scope_schema VARCHAR, scope_name VARCHAR, \
         maximum_cardinality INTEGER, dtd_identifier VARCHAR",
    ),
    ("enabled_roles", "role_name VARCHAR"),
    (
        "key_column_usage",
        "constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, \
         table_schema VARCHAR, table_name VARCHAR, column_name VARCHAR, ordinal_position INTEGER, \
         position_in_unique_constraint INTEGER",
    ),
    (
        "parameters",
        "specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR, ordinal_position INTEGER, \
         parameter_mode VARCHAR, is_result VARCHAR, as_locator VARCHAR, parameter_name VARCHAR, data_type VARCHAR, \
         character_maximum_length INTEGER, character_octet_length INTEGER, character_set_catalog VARCHAR, \
         character_set_schema VARCHAR, character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema \
         VARCHAR, collation_name VARCHAR, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale \
         INTEGER, datetime_precision INTEGER, interval_type VARCHAR, interval_precision INTEGER, udt_catalog VARCHAR, \
         udt_schema VARCHAR, udt_name VARCHAR, scope_catalog VARCHAR, scope_schema VARCHAR, scope_name VARCHAR, \
         maximum_cardinality INTEGER, dtd_identifier VARCHAR, parameter_default VARCHAR",
    ),
    (
        "referential_constraints",
        "constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, unique_constraint_catalog \
         VARCHAR, unique_constraint_schema VARCHAR, unique_constraint_name VARCHAR, match_option VARCHAR, update_rule \
         VARCHAR, delete_rule VARCHAR",
    ),
    (
        "role_table_grants",
        "grantor VARCHAR, grantee VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, \
         privilege_type VARCHAR, is_grantable VARCHAR, with_hierarchy VARCHAR",
    ),
    (
        "routines",
        "specific_catalog VARCHAR, specific_schema VARCHAR, specific_name VARCHAR, routine_catalog VARCHAR, \
         routine_schema VARCHAR, routine_name VARCHAR, routine_type VARCHAR, module_catalog VARCHAR, module_schema \
         VARCHAR, module_name VARCHAR, udt_catalog VARCHAR, udt_schema VARCHAR, udt_name VARCHAR, data_type VARCHAR, \
         character_maximum_length INTEGER, character_octet_length INTEGER, character_set_catalog VARCHAR, \
         character_set_schema VARCHAR, character_set_name VARCHAR, collation_catalog VARCHAR, collation_schema \
         VARCHAR, collation_name VARCHAR, numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale \
         INTEGER, datetime_precision INTEGER, interval_type VARCHAR, interval_precision INTEGER, type_udt_catalog \
         VARCHAR, type_udt_schema VARCHAR, type_udt_name VARCHAR, scope_catalog VARCHAR, scope_schema VARCHAR, \
         scope_name VARCHAR, maximum_cardinality INTEGER, dtd_identifier VARCHAR, routine_body VARCHAR, \
         routine_definition VARCHAR, external_name VARCHAR, external_language VARCHAR, parameter_style VARCHAR, \
         is_deterministic VARCHAR, sql_data_access VARCHAR, is_null_call VARCHAR, sql_path VARCHAR, \
         schema_level_routine VARCHAR, max_dynamic_result_sets INTEGER, is_user_defined_cast VARCHAR, \
         is_implicitly_invocable VARCHAR, security_type VARCHAR, to_sql_specific_catalog VARCHAR, \
         to_sql_specific_schema VARCHAR, to_sql_specific_name VARCHAR, as_locator VARCHAR, created TIMESTAMP, \
         last_altered TIMESTAMP, new_savepoint_level VARCHAR, is_udt_dependent VARCHAR, result_cast_from_data_type \
         VARCHAR, result_cast_as_locator VARCHAR, result_cast_char_max_length INTEGER, result_cast_char_octet_length \
         INTEGER, result_cast_char_set_catalog VARCHAR, result_cast_char_set_schema VARCHAR, \
         result_cast_char_set_name VARCHAR, result_cast_collation_catalog VARCHAR, result_cast_collation_schema \
         VARCHAR, result_cast_collation_name VARCHAR, result_cast_numeric_precision INTEGER, \
         result_cast_numeric_precision_radix INTEGER, result_cast_numeric_scale INTEGER, \
         result_cast_datetime_precision INTEGER, result_cast_interval_type VARCHAR, result_cast_interval_precision \
         INTEGER, result_cast_type_udt_catalog VARCHAR, result_cast_type_udt_schema VARCHAR, \
         result_cast_type_udt_name VARCHAR, result_cast_scope_catalog VARCHAR, result_cast_scope_schema VARCHAR, \
         result_cast_scope_name VARCHAR, result_cast_maximum_cardinality INTEGER, result_cast_dtd_identifier VARCHAR",
    ),
    (
        "schemata",
        "catalog_name VARCHAR, schema_name VARCHAR, schema_owner VARCHAR, default_character_set_catalog VARCHAR, \
         default_character_set_schema VARCHAR, default_character_set_name VARCHAR, sql_path VARCHAR",
    ),
    (
        "sequences",
        "sequence_catalog VARCHAR, sequence_schema VARCHAR, sequence_name VARCHAR, data_type VARCHAR, \
         numeric_precision INTEGER, numeric_precision_radix INTEGER, numeric_scale INTEGER, start_value VARCHAR, \
         minimum_value VARCHAR, maximum_value VARCHAR, increment VARCHAR, cycle_option VARCHAR",
    ),
    (
        "table_constraints",
        "constraint_catalog VARCHAR, constraint_schema VARCHAR, constraint_name VARCHAR, table_catalog VARCHAR, \
         table_schema VARCHAR, table_name VARCHAR, constraint_type VARCHAR, is_deferrable VARCHAR, initially_deferred \
         VARCHAR, enforced VARCHAR, nulls_distinct VARCHAR",
    ),
    (
        "table_privileges",
        "grantor VARCHAR, grantee VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, \
         privilege_type VARCHAR, is_grantable VARCHAR, with_hierarchy VARCHAR",
    ),
    (
        "tables",
        "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, table_type VARCHAR, \
         self_referencing_column_name VARCHAR, reference_generation VARCHAR, user_defined_type_catalog VARCHAR, \
         user_defined_type_schema VARCHAR, user_defined_type_name VARCHAR, is_insertable_into VARCHAR, is_typed \
         VARCHAR, commit_action VARCHAR",
    ),
    (
        "triggers",
        "trigger_catalog VARCHAR, trigger_schema VARCHAR, trigger_name VARCHAR, event_manipulation VARCHAR, \
         event_object_catalog VARCHAR, event_object_schema VARCHAR, event_object_table VARCHAR, action_order INTEGER, \
         action_condition VARCHAR, action_statement VARCHAR, action_orientation VARCHAR, action_timing VARCHAR, \
         action_reference_old_table VARCHAR, action_reference_new_table VARCHAR, action_reference_old_row VARCHAR, \
         action_reference_new_row VARCHAR, created TIMESTAMP",
    ),
    (
        "view_column_usage",
        "view_catalog VARCHAR, view_schema VARCHAR, view_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, \
         table_name VARCHAR, column_name VARCHAR",
    ),
    (
        "view_table_usage",
        "view_catalog VARCHAR, view_schema VARCHAR, view_name VARCHAR, table_catalog VARCHAR, table_schema VARCHAR, \
         table_name VARCHAR",
    ),
    (
        "views",
        "table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR, view_definition VARCHAR, check_option \
         VARCHAR, is_updatable VARCHAR, is_insertable_into VARCHAR, is_trigger_updatable VARCHAR, \
         is_trigger_deletable VARCHAR, is_trigger_insertable_into VARCHAR",
    ),
];
