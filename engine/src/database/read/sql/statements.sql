-- Counters of statements without their texts: the heaviest, and the sum of all.
WITH statement AS MATERIALIZED (
    SELECT queryid, pg_catalog.sum(calls)::double precision AS calls, pg_catalog.sum(total_exec_time) AS total_ms,
        pg_catalog.sum(calls * (stddev_exec_time * stddev_exec_time + mean_exec_time * mean_exec_time)) AS squares,
        pg_catalog.max(max_exec_time) AS longest_ms, pg_catalog.sum(total_plan_time) AS planning_ms,
        pg_catalog.sum(rows)::double precision AS rows, pg_catalog.sum(shared_blks_hit)::double precision AS hit,
        pg_catalog.sum(shared_blks_read)::double precision AS read,
        pg_catalog.sum(temp_blks_read + temp_blks_written)::double precision AS temporary,
        pg_catalog.sum(wal_bytes)::double precision AS wal
    FROM {schema}.pg_stat_statements(false)
    WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    GROUP BY queryid
),
heaviest AS MATERIALIZED (
    SELECT * FROM statement WHERE queryid IS NOT NULL ORDER BY total_ms DESC LIMIT 5000
)
SELECT pg_catalog.json_build_object(
    'statements', (
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            queryid, calls, total_ms, squares, longest_ms, planning_ms, rows, hit, read, temporary, wal)) FROM heaviest),
    'total', (
        SELECT pg_catalog.json_build_array(
            0, pg_catalog.sum(calls), pg_catalog.sum(total_ms), pg_catalog.sum(squares), pg_catalog.max(longest_ms),
            pg_catalog.sum(planning_ms), pg_catalog.sum(rows), pg_catalog.sum(hit), pg_catalog.sum(read),
            pg_catalog.sum(temporary), pg_catalog.sum(wal)) FROM statement),
    'count', (SELECT pg_catalog.count(*) FROM statement),
    'hidden', (SELECT pg_catalog.count(*) FROM statement WHERE queryid IS NULL),
    'info', {info})
