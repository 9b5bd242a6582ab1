//! Table functions for analysts: macros over the views, which every SQL door has.

/// A table function.
#[derive(Debug)]
pub(in crate::store) struct TableFunction {
    /// Name in SQL.
    pub(in crate::store) name: &'static str,
    /// Views that it reads.
    pub(in crate::store) views: &'static [&'static str],
    /// Columns that are not those of the views, with their types.
    pub(in crate::store) columns: &'static [(&'static str, &'static str)],
    /// Parameters and query.
    definition: &'static str,
}

/// The table functions, in the order of `docs/analysts.md`.
pub(in crate::store) const FUNCTIONS: &[TableFunction] = &[
    // Its result comes from outside: a statement that runs reads it from temporary tables (`sql/promql.rs`), one that is
    // described reads this.
    TableFunction {
        name: "promql",
        views: &[],
        columns: &[
            ("timestamp", "TIMESTAMP_MS"),
            ("series", "VARCHAR"),
            ("labels", "MAP(VARCHAR, VARCHAR)"),
            ("value", "DOUBLE"),
        ],
        definition: "(expr, from_time, until_time, step) AS TABLE
            SELECT NULL::TIMESTAMP_MS AS timestamp, NULL::VARCHAR AS series, NULL::MAP(VARCHAR, VARCHAR) AS labels,
                NULL::DOUBLE AS value
            WHERE false AND expr::VARCHAR IS NOT NULL AND from_time::TIMESTAMP IS NOT NULL
                AND until_time::TIMESTAMP IS NOT NULL AND step::VARCHAR IS NOT NULL",
    },
    TableFunction {
        name: "time_bucket_gapfill",
        views: &[],
        columns: &[("bucket", "TIMESTAMP"), ("bucket_end", "TIMESTAMP")],
        definition: "(width, from_time, until_time) AS TABLE
            SELECT bucket, bucket + width::INTERVAL AS bucket_end
            FROM generate_series(time_bucket(width::INTERVAL, from_time::TIMESTAMP), until_time::TIMESTAMP, width::INTERVAL)
                AS buckets(bucket)
            WHERE bucket < until_time::TIMESTAMP",
    },
    TableFunction {
        name: "forecast",
        views: &["forecasts"],
        columns: &[],
        definition: "(signal_name) AS TABLE
            SELECT * FROM main.forecasts
            WHERE signal = signal_name::VARCHAR
                AND made_at = (SELECT max(made_at) FROM main.forecasts WHERE signal = signal_name::VARCHAR)
            ORDER BY timestamp",
    },
    TableFunction {
        name: "anomalies_between",
        views: &["anomalies"],
        columns: &[],
        definition: "(from_time, until_time) AS TABLE
            SELECT * FROM main.anomalies
            WHERE is_anomaly AND timestamp BETWEEN from_time::TIMESTAMP AND until_time::TIMESTAMP
            ORDER BY timestamp, signal",
    },
    TableFunction {
        name: "recommendation",
        views: &["recommendations", "outcomes"],
        columns: &[],
        definition: "(identifier) AS TABLE
            SELECT r.*, o.realised, o.realised_lower, o.realised_upper
            FROM main.recommendations AS r
            LEFT JOIN (SELECT * FROM main.outcomes WHERE recommendation = identifier::VARCHAR AND realised IS NOT NULL
                ORDER BY timestamp DESC LIMIT 1) AS o ON true
            WHERE r.id = identifier::VARCHAR",
    },
];

/// Returns the function of a name in any case.
pub(in crate::store) fn table_function(name: &str) -> Option<&'static TableFunction> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

/// Returns the statements that create the functions.
pub(super) fn create_functions() -> String {
    let create =
        |function: &TableFunction| format!("CREATE OR REPLACE MACRO main.{}{};\n", function.name, function.definition);
    FUNCTIONS.iter().map(create).collect()
}
