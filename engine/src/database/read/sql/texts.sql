-- Texts of the statements that were not seen before.
SELECT pg_catalog.json_agg(pg_catalog.json_build_array(queryid, query)) FROM (
    SELECT queryid, pg_catalog.left(pg_catalog.min(query), 100000) AS query
    FROM {schema}.pg_stat_statements(true)
    WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND queryid = ANY ({queryids}) AND query IS NOT NULL
    GROUP BY queryid) AS statement
