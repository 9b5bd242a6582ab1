-- Counters of tables, indexes, the database and the server, and what the sessions do now.
WITH session AS MATERIALIZED (
    SELECT state, wait_event_type, wait_event, xact_start, state_change, query_start
    FROM pg_catalog.pg_stat_activity
    WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend'
),
lock AS MATERIALIZED (
    SELECT pid, mode, {waitstart} AS since FROM pg_catalog.pg_locks
    WHERE NOT granted
        AND (database IS NULL OR database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
)
SELECT pg_catalog.json_build_object(
    'started', extract(epoch FROM pg_catalog.pg_postmaster_start_time()),
    'tables', (
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            schemaname, relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_hot_upd,
            {n_tup_newpage_upd}, n_tup_del, n_live_tup, n_dead_tup, n_mod_since_analyze, vacuum_count + autovacuum_count,
            analyze_count + autoanalyze_count))
        -- Temporary tables come and go with each session.
        FROM pg_catalog.pg_stat_user_tables WHERE schemaname NOT LIKE 'pg\_temp\_%'),
    'indexes', (
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
            schemaname, relname, indexrelname, idx_scan, idx_tup_read, idx_tup_fetch))
        FROM pg_catalog.pg_stat_user_indexes WHERE schemaname NOT LIKE 'pg\_temp\_%'),
    'database', (
        SELECT pg_catalog.json_build_object(
            'commits', xact_commit, 'rollbacks', xact_rollback, 'blocks_read', blks_read, 'blocks_hit', blks_hit,
            'rows_returned', tup_returned, 'rows_fetched', tup_fetched, 'temporary_files', temp_files,
            'temporary_bytes', temp_bytes, 'deadlocks', deadlocks, 'conflicts', conflicts,
            'read_milliseconds', blk_read_time, 'write_milliseconds', blk_write_time)
        FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()),
    'server', (SELECT pg_catalog.json_build_object({server})),
    'connections', (
        SELECT pg_catalog.json_object_agg(state, n)
        FROM (SELECT coalesce(state, 'hidden') AS state, pg_catalog.count(*) AS n FROM session GROUP BY 1) AS s),
    'all_connections', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE coalesce(backend_type, 'client backend') = 'client backend'),
    'waits', (
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(wait_event_type, wait_event, n))
        FROM (
            SELECT wait_event_type, wait_event, pg_catalog.count(*) AS n FROM session
            WHERE state = 'active' AND wait_event_type IS NOT NULL
            GROUP BY 1, 2) AS w),
    'oldest_transaction', (SELECT pg_catalog.max(extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)) FROM session),
    'idle_in_transaction', (
        SELECT pg_catalog.max(extract(epoch FROM pg_catalog.clock_timestamp() - state_change)) FROM session
        WHERE state LIKE 'idle in transaction%'),
    'locks_waiting', (SELECT pg_catalog.json_object_agg(mode, n) FROM (SELECT mode, pg_catalog.count(*) AS n FROM lock GROUP BY 1) AS l),
    'longest_lock_wait', (SELECT pg_catalog.max(extract(epoch FROM pg_catalog.clock_timestamp() - since)) FROM lock))
