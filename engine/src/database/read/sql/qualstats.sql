-- Constants of predicates, from pg_qualstats: statement, table, column, operator, constant, executions.
SELECT pg_catalog.json_agg(pg_catalog.json_build_array(q.queryid, n.nspname, c.relname, a.attname, o.oprname, q.constvalue, q.seen))
FROM (
    SELECT queryid, lrelid, lattnum, opno, constvalue, pg_catalog.sum(occurences) AS seen
    FROM {schema}.pg_qualstats
    WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND lrelid IS NOT NULL AND constvalue IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC LIMIT 5000) AS q
JOIN pg_catalog.pg_class c ON c.oid = q.lrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = q.lattnum
JOIN pg_catalog.pg_operator o ON o.oid = q.opno
