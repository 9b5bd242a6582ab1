SELECT schemaname, tablename, attname, inherited, null_frac, n_distinct, avg_width, correlation,
            most_common_freqs AS common_shares, most_common_vals::text::text[] AS common_values,
            histogram_bounds::text::text[] AS bounds
        FROM pg_catalog.pg_stats
