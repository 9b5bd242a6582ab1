SELECT schemaname, tablename, attname, inherited, null_frac, n_distinct, avg_width, correlation,
            most_common_freqs AS common_shares, most_common_vals::text::text[] AS common_values,
            histogram_bounds::text::text[] AS bounds
        FROM pg_catalog.pg_stats
        UNION ALL
        SELECT f.schemaname, f.tablename, f.attname, f.inherited, f.null_frac, f.n_distinct, f.avg_width, f.correlation, f.common_shares,
            f.common_values, NULL::text[] AS bounds
        FROM almanac.column_statistics() f
        WHERE NOT EXISTS (
            SELECT FROM pg_catalog.pg_stats own
            WHERE own.schemaname = f.schemaname AND own.tablename = f.tablename AND own.attname = f.attname)
