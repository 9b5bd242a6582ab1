SELECT schemaname, tablename, attname, inherited, null_frac, n_distinct, avg_width, correlation,
            most_common_freqs AS common_shares, NULL::text[] AS common_values, NULL::text[] AS bounds
        FROM pg_catalog.pg_stats
