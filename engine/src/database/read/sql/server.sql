-- Version, extensions and rights, which decide what else is read.
SELECT pg_catalog.json_build_object(
    'version', pg_catalog.current_setting('server_version_num')::integer,
    'database', pg_catalog.current_database(),
    'role', current_user,
    'in_recovery', pg_catalog.pg_is_in_recovery(),
    'reads_all_stats', pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
    -- The parameter exists only where the library is loaded; without it the view is an error.
    'statements_not_loaded', NOT EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'pg_stat_statements.max'),
    'extensions', (
        SELECT pg_catalog.json_object_agg(e.extname, pg_catalog.json_build_array(n.nspname, e.extversion))
        FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace),
    'statistics_function', coalesce((
        SELECT pg_catalog.bool_or(pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'))
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'almanac' AND p.proname = 'column_statistics' AND p.pronargs = 0), false),
    'tables', (
        SELECT pg_catalog.json_build_array(
            pg_catalog.count(*),
            pg_catalog.count(*) FILTER (WHERE pg_catalog.has_table_privilege(c.oid, 'SELECT')))
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%'
            AND n.nspname NOT LIKE 'pg\_temp\_%'))
