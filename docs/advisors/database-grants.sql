-- Gives a role the rights that Almanac needs to read a database, and no more. Run it as a superuser in each database
-- that is watched; it can be run again.
--     psql -X -d DATABASE -v role=almanac -f database-grants.sql
-- The role sees counters, normalised texts of statements, names and statistics; it cannot read a row of a table.
\set ON_ERROR_STOP on
\if :{?role}
\else
    \set role almanac
\endif
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'role') AS is_new \gset
\if :is_new
    -- Set a password with \password, or let pg_hba.conf authenticate it.
    CREATE ROLE :"role" LOGIN CONNECTION LIMIT 4;
    ALTER ROLE :"role" SET default_transaction_read_only = on;
\else
    -- An existing role may be an application's, which a limit would stop.
    \echo 'The role exists; its settings are kept and it gets the rights.'
\endif

-- Sessions, locks and statements of other roles.
GRANT pg_read_all_stats TO :"role";
-- Settings that are hidden otherwise, such as shared_preload_libraries.
GRANT pg_read_all_settings TO :"role";

-- pg_stats shows the statistics of a table only to roles that may read the table. This function shows those of all
-- tables without the values in them; only of Boolean columns it says which value is how frequent. A view would not do,
-- since pg_stats checks the role that asks.
CREATE SCHEMA IF NOT EXISTS almanac;
-- An older form has other columns.
DROP FUNCTION IF EXISTS almanac.column_statistics();
CREATE FUNCTION almanac.column_statistics()
RETURNS TABLE (
    schemaname name, tablename name, attname name, inherited boolean, null_frac real, n_distinct real, avg_width integer,
    correlation real, common_shares real[], common_values text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.schemaname, s.tablename, s.attname, s.inherited, s.null_frac, s.n_distinct, s.avg_width, s.correlation,
        s.most_common_freqs,
        CASE WHEN s.most_common_vals::text IN ('{t,f}', '{f,t}', '{t}', '{f}') AND EXISTS (
            SELECT FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = s.schemaname AND c.relname = s.tablename AND a.attname = s.attname AND a.atttypid = 'bool'::regtype)
        THEN s.most_common_vals::text::text[] END
    FROM pg_stats s
    WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema')
$$;
REVOKE ALL ON FUNCTION almanac.column_statistics() FROM PUBLIC;
GRANT USAGE ON SCHEMA almanac TO :"role";
GRANT EXECUTE ON FUNCTION almanac.column_statistics() TO :"role";

-- Statements are counted once pg_stat_statements is in shared_preload_libraries (a restart) and created here.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
