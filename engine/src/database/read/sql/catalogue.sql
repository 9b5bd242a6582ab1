-- Tables, columns, indexes, statistics and settings of the current database as one JSON document.
-- Columns that only newer versions have are read through to_jsonb.
WITH relation AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relpages, c.relallvisible, c.reloptions, c.reltoastrelid
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND c.relpersistence <> 't'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\_temp\_%'
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relpages DESC, c.oid
    LIMIT 20000
),
-- The size of a relation that is locked exclusively is not asked for, since that would wait for the lock.
locked AS MATERIALIZED (
    SELECT DISTINCT relation AS oid FROM pg_catalog.pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL
),
statistic AS MATERIALIZED (
    SELECT schemaname, tablename, attname, null_frac, n_distinct, avg_width, correlation, common_shares, common_values, bounds
    FROM (
        SELECT s.*, pg_catalog.row_number() OVER (PARTITION BY schemaname, tablename, attname ORDER BY inherited DESC) AS place
        FROM ({statistics}) s
    ) ranked
    WHERE place = 1
),
column_json AS (
    SELECT a.attrelid, pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', a.attname,
        'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'not_null', a.attnotnull,
        'statistics', CASE WHEN s.attname IS NOT NULL THEN pg_catalog.json_build_object(
            'null_fraction', s.null_frac, 'distinct', s.n_distinct, 'width', s.avg_width, 'correlation', s.correlation,
            'common_shares', coalesce(s.common_shares, '{}'), 'common_values', coalesce(s.common_values, '{}'),
            'bounds', coalesce(s.bounds, '{}')) END
        ) ORDER BY a.attnum) AS columns
    FROM relation r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN statistic s ON s.schemaname = r.nspname AND s.tablename = r.relname AND s.attname = a.attname
    GROUP BY a.attrelid
),
key_json AS (
    SELECT i.indexrelid,
        pg_catalog.json_agg(pg_catalog.json_build_object(
            'column', a.attname,
            'expression', CASE WHEN k.attnum = 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, k.place::integer, false) END,
            'descending', am.amname = 'btree' AND (i.indoption[k.place - 1] & 1) = 1,
            'nulls_first', am.amname = 'btree' AND (i.indoption[k.place - 1] & 2) = 2,
            'operator_class', CASE WHEN NOT oc.opcdefault THEN oc.opcname END
        ) ORDER BY k.place) FILTER (WHERE k.place <= i.indnkeyatts) AS keys,
        pg_catalog.json_agg(a.attname ORDER BY k.place) FILTER (WHERE k.place > i.indnkeyatts) AS include
    FROM pg_catalog.pg_index i
    JOIN relation r ON r.oid = i.indrelid
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
    JOIN pg_catalog.pg_am am ON am.oid = ic.relam
    CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS k(attnum, place)
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum <> 0
    LEFT JOIN pg_catalog.pg_opclass oc ON k.place <= i.indnkeyatts AND oc.oid = i.indclass[k.place - 1]
    GROUP BY i.indexrelid
),
index_json AS (
    SELECT i.indrelid, pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', ic.relname,
        'method', am.amname,
        'keys', coalesce(k.keys, '[]'),
        'include', coalesce(k.include, '[]'),
        'predicate', pg_catalog.pg_get_expr(i.indpred, i.indrelid),
        'unique', i.indisunique,
        'primary', i.indisprimary,
        'valid', i.indisvalid,
        'constraint', (
            SELECT con.conname FROM pg_catalog.pg_constraint con WHERE con.conindid = i.indexrelid
            ORDER BY con.contype = 'f', con.conname LIMIT 1),
        'replica_identity', i.indisreplident,
        'parent', (
            SELECT pn.nspname || '.' || p.relname FROM pg_catalog.pg_inherits h
            JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
            WHERE h.inhrelid = i.indexrelid LIMIT 1),
        'bytes', CASE WHEN l.oid IS NULL AND ic.relkind = 'i' THEN pg_catalog.pg_relation_size(i.indexrelid) END,
        'scans', s.idx_scan,
        'last_scan', pg_catalog.to_jsonb(s) ->> 'last_idx_scan',
        'definition', pg_catalog.pg_get_indexdef(i.indexrelid)
        ) ORDER BY ic.relname) AS indexes
    FROM pg_catalog.pg_index i
    JOIN relation r ON r.oid = i.indrelid
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
    JOIN pg_catalog.pg_am am ON am.oid = ic.relam
    LEFT JOIN key_json k ON k.indexrelid = i.indexrelid
    LEFT JOIN locked l ON l.oid IN (i.indexrelid, i.indrelid)
    LEFT JOIN pg_catalog.pg_stat_all_indexes s ON s.indexrelid = i.indexrelid
    GROUP BY i.indrelid
),
foreign_json AS (
    SELECT con.conrelid, pg_catalog.json_agg(pg_catalog.json_build_object(
        'name', con.conname,
        'columns', (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(con.conkey) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.attnum),
        'references', fn.nspname || '.' || f.relname,
        'referred', (
            SELECT pg_catalog.json_agg(a.attname ORDER BY k.place)
            FROM pg_catalog.unnest(con.confkey) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_catalog.pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.attnum)
        ) ORDER BY con.conname) AS foreign_keys
    FROM pg_catalog.pg_constraint con
    JOIN relation r ON r.oid = con.conrelid
    JOIN pg_catalog.pg_class f ON f.oid = con.confrelid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
    WHERE con.contype = 'f'
    GROUP BY con.conrelid
),
since AS (
    SELECT extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())) AS seconds
    FROM pg_catalog.pg_stat_database d WHERE d.datname = pg_catalog.current_database()
),
table_json AS (
    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'schema', r.nspname,
        'name', r.relname,
        'kind', CASE r.relkind WHEN 'p' THEN 'partitioned' WHEN 'm' THEN 'materialized_view' WHEN 'f' THEN 'foreign'
            WHEN 'v' THEN 'view' ELSE 'table' END,
        'parent', (
            SELECT pn.nspname || '.' || p.relname FROM pg_catalog.pg_inherits h
            JOIN pg_catalog.pg_class p ON p.oid = h.inhparent JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
            WHERE h.inhrelid = r.oid AND p.relkind = 'p' LIMIT 1),
        'rows', CASE WHEN r.reltuples >= 0 AND r.relkind <> 'v' THEN r.reltuples END,
        'pages', CASE WHEN r.relkind IN ('r', 'm') THEN r.relpages END,
        'bytes', CASE WHEN r.relkind IN ('r', 'm') AND l.oid IS NULL THEN pg_catalog.pg_relation_size(r.oid) END,
        'out_of_line_bytes', CASE WHEN r.reltoastrelid <> 0 AND l.oid IS NULL THEN pg_catalog.pg_relation_size(r.reltoastrelid) END,
        'fill_factor', (
            SELECT pg_catalog.split_part(o, '=', 2)::integer FROM pg_catalog.unnest(r.reloptions) o
            WHERE o LIKE 'fillfactor=%' LIMIT 1),
        'options', (
            SELECT coalesce(pg_catalog.json_object_agg(pg_catalog.split_part(o, '=', 1), pg_catalog.split_part(o, '=', 2)), '{}')
            FROM pg_catalog.unnest(r.reloptions) o),
        'all_visible', CASE WHEN r.relkind IN ('r', 'm') AND r.relpages > 0
            THEN least(r.relallvisible::double precision / r.relpages, 1) END,
        'columns', coalesce(a.columns, '[]'),
        'indexes', coalesce(i.indexes, '[]'),
        'foreign_keys', coalesce(f.foreign_keys, '[]'),
        'activity', CASE WHEN s.relid IS NOT NULL THEN pg_catalog.json_build_object(
            'sequential_scans', s.seq_scan, 'sequential_rows', s.seq_tup_read,
            'index_scans', coalesce(s.idx_scan, 0), 'index_rows', coalesce(s.idx_tup_fetch, 0),
            'inserted', s.n_tup_ins, 'updated', s.n_tup_upd, 'updated_hot', s.n_tup_hot_upd,
            'updated_new_page', (pg_catalog.to_jsonb(s) ->> 'n_tup_newpage_upd')::bigint, 'deleted', s.n_tup_del,
            'live', s.n_live_tup, 'dead', s.n_dead_tup, 'changed_since_analyze', s.n_mod_since_analyze,
            'vacuums', s.vacuum_count + s.autovacuum_count, 'analyzes', s.analyze_count + s.autoanalyze_count,
            'seconds', since.seconds) END
        ) ORDER BY r.nspname, r.relname) AS tables
    FROM relation r
    CROSS JOIN since
    LEFT JOIN locked l ON l.oid = r.oid
    LEFT JOIN column_json a ON a.attrelid = r.oid
    LEFT JOIN index_json i ON i.indrelid = r.oid
    LEFT JOIN foreign_json f ON f.conrelid = r.oid
    LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = r.oid AND r.relkind IN ('r', 'm')
)
SELECT pg_catalog.json_build_object(
    'version', pg_catalog.current_setting('server_version_num')::integer,
    'database', pg_catalog.current_database(),
    'overrides', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'role', u.rolname, 'in_database', s.setdatabase <> 0, 'name', pg_catalog.split_part(c, '=', 1),
            'value', pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1)) ORDER BY u.rolname NULLS FIRST, c), '[]')
        FROM pg_catalog.pg_db_role_setting s
        CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c
        LEFT JOIN pg_catalog.pg_roles u ON u.oid = s.setrole
        WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
            -- Settings of extensions may be secrets of an application.
            AND pg_catalog.split_part(c, '=', 1) IN (
                'work_mem', 'hash_mem_multiplier', 'random_page_cost', 'seq_page_cost', 'effective_cache_size', 'track_io_timing')),
    'settings', (
        SELECT coalesce(pg_catalog.json_object_agg(
            -- The session has settings of its own.
            name, CASE WHEN source = 'session' THEN reset_val || coalesce(unit, '') ELSE pg_catalog.current_setting(name) END
            ORDER BY name), '{}')
        FROM pg_catalog.pg_settings
        WHERE (category LIKE 'Query Tuning%' OR category LIKE 'Resource Usage%' OR category LIKE 'Write-Ahead Log%'
                OR category LIKE '%Autovacuum%' OR category LIKE 'Vacuuming%' OR category LIKE 'Statistics%'
                OR category LIKE '%Statement Behavior%' OR category = 'Lock Management'
                OR name IN ('max_connections', 'superuser_reserved_connections', 'block_size', 'log_min_duration_statement')
                OR name LIKE 'pg\_stat\_statements.%' OR name LIKE 'auto\_explain.%')
            AND name !~ '(command|conninfo|pass|librar|_file|directory|search_path|restore|recovery)'),
    'extensions', (
        SELECT coalesce(pg_catalog.json_object_agg(extname, extversion ORDER BY extname), '{}') FROM pg_catalog.pg_extension),
    'tables', (SELECT coalesce(tables, '[]') FROM table_json));
