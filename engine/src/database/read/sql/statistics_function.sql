SELECT schemaname, tablename, attname, inherited, null_frac, n_distinct, avg_width, correlation, common_shares,
            common_values, NULL::text[] AS bounds
        FROM almanac.column_statistics()
