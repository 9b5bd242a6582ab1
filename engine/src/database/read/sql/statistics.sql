SELECT schemaname, tablename, attname, inherited, null_frac, n_distinct, avg_width, correlation,
            most_common_freqs AS common_shares,
            -- Which of true and false is rare decides partial indexes; the values of other types stay.
            CASE WHEN most_common_vals::text IN ('{t,f}', '{f,t}', '{t}', '{f}') AND EXISTS (
                SELECT FROM pg_catalog.pg_attribute b
                JOIN pg_catalog.pg_class bc ON bc.oid = b.attrelid
                JOIN pg_catalog.pg_namespace bn ON bn.oid = bc.relnamespace
                WHERE bn.nspname = schemaname AND bc.relname = tablename AND b.attname = pg_stats.attname
                    AND b.atttypid = 'pg_catalog.bool'::pg_catalog.regtype)
            THEN most_common_vals::text::text[] END AS common_values, NULL::text[] AS bounds
        FROM pg_catalog.pg_stats
