use duckdb::Connection;

use crate::store::{
    StoreError,
    error::failed_to,
    segment::{Layout, SegmentKind},
};

/// A view that analysts see: what it is, and each column with its unit.
#[derive(Debug)]
pub(in crate::store) struct TableDoc {
    pub(in crate::store) name: &'static str,
    comment: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const ROLLUP_COLUMNS: &[(&str, &str)] = &[
    ("series_id", "the series"),
    ("timestamp", "begin of the bucket, UTC"),
    ("count", "samples in the bucket"),
    ("sum", "sum of the values, unit of the metric"),
    ("min", "smallest value, unit of the metric"),
    ("max", "largest value, unit of the metric"),
    ("last", "newest value, unit of the metric"),
];

/// Every view, in the order in which the documents list them.
pub(in crate::store) const TABLES: &[TableDoc] = &[
    TableDoc {
        name: "series",
        comment: "The series: one row for each distinct set of labels",
        columns: &[
            ("series_id", "number of the series in this store"),
            ("name", "name of the metric"),
            ("labels", "labels besides the name: labels['job']"),
            ("series", "name and labels in the notation of PromQL"),
        ],
    },
    TableDoc {
        name: "samples",
        comment: "Every sample once: late and repeated ones are resolved, the last write wins; markers of a series' end are hidden",
        columns: &[
            ("series_id", "the series"),
            ("timestamp", "when it was measured, UTC, milliseconds"),
            ("value", "the value, unit of the metric"),
        ],
    },
    TableDoc {
        name: "rollups_5m",
        comment: "Samples by 5 minutes; compaction writes it, so that it lags behind samples by up to two hours",
        columns: ROLLUP_COLUMNS,
    },
    TableDoc {
        name: "rollups_1h",
        comment: "Samples by hour; compaction writes it, so that it lags behind samples by up to two hours",
        columns: ROLLUP_COLUMNS,
    },
    TableDoc {
        name: "signals",
        comment: "What is learned: one row for each signal",
        columns: &[
            ("signal", "name of the signal"),
            ("expr", "its PromQL expression"),
            ("origin", "configured or default"),
            ("step_ms", "distance between its points, ms"),
            ("status", "learning, ready or failed"),
            ("reason", "why it failed or what it lacks"),
            ("seasons_ms", "lengths of its seasons, ms"),
            ("model", "name of the model in force"),
            ("fitted_at", "when the model was fitted, UTC"),
            ("points", "points the fit rests on"),
            ("mase", "mean absolute scaled error on held-out points, 1 = as the seasonal naive forecast"),
            ("coverage_80", "share of held-out points inside the 80 % interval, 0 to 1"),
            ("coverage_95", "share of held-out points inside the 95 % interval, 0 to 1"),
        ],
    },
    TableDoc {
        name: "forecasts",
        comment: "Forecasts, old ones too: one row for each signal, time of making and instant",
        columns: &[
            ("signal", "the signal"),
            ("made_at", "when the forecast was made, UTC"),
            ("timestamp", "the instant it speaks of, UTC"),
            ("yhat", "expected value, unit of the signal"),
            ("yhat_lower_80", "lower end of the 80 % interval, unit of the signal"),
            ("yhat_upper_80", "upper end of the 80 % interval, unit of the signal"),
            ("yhat_lower_95", "lower end of the 95 % interval, unit of the signal"),
            ("yhat_upper_95", "upper end of the 95 % interval, unit of the signal"),
            ("model", "name of the model"),
        ],
    },
    TableDoc {
        name: "anomalies",
        comment: "Anomaly scores: one row for each signal and instant scored",
        columns: &[
            ("signal", "the signal"),
            ("timestamp", "the instant, UTC"),
            ("value", "measured value, unit of the signal"),
            ("yhat", "expected value, unit of the signal"),
            ("yhat_lower", "lower end of the band, unit of the signal"),
            ("yhat_upper", "upper end of the band, unit of the signal"),
            ("score", "0 = as expected, above 1 = an anomaly"),
            ("kind", "what departs: value, level, drift or flat_line; NULL for scores of releases that did not tell"),
        ],
    },
    TableDoc {
        name: "suspected_incidents",
        comment: "Anomalies that belong together, of one or several signals, as found by the service itself",
        columns: &[
            ("started_at", "first departure, UTC"),
            ("ended_at", "last anomaly so far, UTC"),
            ("first_mover", "the signal that most likely departed first"),
            ("confidence", "how likely it is that signal, 0 to 1"),
            ("signals", "every signal concerned, by time of departure"),
            ("peak", "largest anomaly score"),
        ],
    },
    TableDoc {
        name: "peer_outliers",
        comment: "Instances that were not like their peers",
        columns: &[
            ("expr", "PromQL expression that gives the peers"),
            ("series", "the one that differs"),
            ("started_at", "since when, UTC"),
            ("ended_at", "until when, UTC; the last instant looked at while it lasts"),
            ("peak", "largest distance from the peers that agree, in widths; above 1 is outside"),
            ("peers", "peers compared, itself included"),
        ],
    },
    TableDoc {
        name: "recommendations",
        comment: "What was recommended, with its evidence and where it is on its way",
        columns: &[
            ("id", "the recommendation"),
            ("kind", "scaling, rightsizing, ttl or threshold"),
            ("target", "the workload, cache or alert"),
            ("current", "present setting, JSON"),
            ("proposed", "proposed setting, JSON"),
            ("valid_from", "from when it holds, UTC"),
            ("valid_until", "until when it holds, UTC; NULL = until it is replaced"),
            ("effect_metric", "what is predicted to change"),
            ("effect_unit", "unit of the effect"),
            ("effect_value", "predicted effect, in effect_unit"),
            ("effect_lower", "lower end of its interval, in effect_unit"),
            ("effect_upper", "upper end of its interval, in effect_unit"),
            ("effect_level", "level of the interval, 0 to 1"),
            ("confidence", "how sure the advisor is, 0 to 1"),
            ("reason", "why, in one sentence"),
            ("evidence", "replay figures and span of the data, JSON"),
            ("patch_format", "what patch_body is"),
            ("patch_body", "what a machine can apply"),
            ("state", "proposed, accepted, dismissed, applied, verified, regressed or expired"),
            ("created_at", "when it was first said, UTC"),
            ("updated_at", "when it last changed, UTC"),
            ("replaces", "the recommendation that it replaces"),
        ],
    },
    TableDoc {
        name: "outcomes",
        comment: "Changes of state of recommendations, and what came of them: promised against realised",
        columns: &[
            ("recommendation", "the recommendation"),
            ("timestamp", "when it changed, UTC"),
            ("from_state", "state before; NULL when it was first said"),
            ("to_state", "state after"),
            ("actor", "who changed it"),
            ("note", "what they said about it"),
            ("predicted", "promised effect, unit of the recommendation's effect"),
            ("predicted_lower", "lower end of the promise, same unit"),
            ("predicted_upper", "upper end of the promise, same unit"),
            ("realised", "measured effect, same unit"),
            ("realised_lower", "lower end of the measurement, same unit"),
            ("realised_upper", "upper end of the measurement, same unit"),
        ],
    },
    TableDoc {
        name: "incidents",
        comment: "Labelled incidents",
        columns: &[
            ("started_at", "first moment, UTC"),
            ("ended_at", "last moment, UTC; NULL while it lasts"),
            ("title", "what happened"),
            ("target", "the service, workload or signal concerned"),
            ("source", "who says so"),
        ],
    },
    TableDoc {
        name: "deploys",
        comment: "New versions that went out",
        columns: &[("timestamp", "when, UTC"), ("service", "the service"), ("version", "the version")],
    },
    TableDoc {
        name: "cache_events",
        comment: "Reads, writes and deletes of cached keys",
        columns: &[
            ("timestamp", "when, UTC"),
            ("cache", "the cache"),
            ("key", "the key"),
            ("op", "get, write (the value changed at its origin) or delete (the cached copy was dropped)"),
            ("bytes", "size of the value, bytes"),
            ("miss_cost_ms", "what a miss costs, ms"),
        ],
    },
];

const SERIES_SELECT: &str = r#"SELECT series_id, coalesce(labels['__name__'], '') AS name,
    map_from_entries(list_filter(map_entries(labels), lambda e: e.key <> '__name__')) AS labels,
    coalesce(labels['__name__'], '') || CASE WHEN cardinality(labels) > (labels['__name__'] IS NOT NULL)::INTEGER OR cardinality(labels) = 0
        THEN '{' || array_to_string(list_transform(list_filter(map_entries(labels), lambda e: e.key <> '__name__'),
            lambda e: e.key || '="' || replace(replace(replace(e.value, '\', '\\'), '"', '\"'), chr(10), '\n') || '"'), ',') || '}'
        ELSE '' END AS series
FROM store.series"#;

impl TableDoc {
    /// What the view selects; the samples' depends on the segments.
    fn select(&self) -> Option<String> {
        match self.name {
            "samples" => None,
            "series" => Some(SERIES_SELECT.to_owned()),
            name => {
                let table = match name {
                    "rollups_5m" => "rollup_5m",
                    "rollups_1h" => "rollup_1h",
                    same => same,
                };
                let columns: Vec<String> = self.columns.iter().map(|(column, _)| format!("\"{column}\"")).collect();
                Some(format!("SELECT {} FROM store.{table}", columns.join(", ")))
            }
        }
    }

    fn create(&self, select: &str) -> String {
        let mut sql = format!("CREATE OR REPLACE VIEW main.{} AS {select};\n", self.name);
        sql.push_str(&format!("COMMENT ON VIEW main.{} IS '{}';\n", self.name, self.comment.replace('\'', "''")));
        for (column, comment) in self.columns {
            sql.push_str(&format!(
                "COMMENT ON COLUMN main.{}.\"{column}\" IS '{}';\n",
                self.name,
                comment.replace('\'', "''")
            ));
        }
        sql
    }
}

/// The clock as the tables' own type of instants. DuckDB's functions of these names answer instants with a time zone, which
/// cannot be compared with `timestamp`.
const CLOCKS: &str = "
    CREATE OR REPLACE MACRO main.now() AS transaction_timestamp()::TIMESTAMP;
    CREATE OR REPLACE MACRO main.get_current_timestamp() AS transaction_timestamp()::TIMESTAMP;
    CREATE OR REPLACE MACRO main.to_timestamp(seconds) AS make_timestamp((seconds * 1000000)::BIGINT);";

/// Makes the views that do not depend on segments. They belong to the release, not to the file, so that every opening makes them anew.
pub(in crate::store) fn create_static_views(connection: &Connection) -> Result<(), StoreError> {
    let statements: Vec<String> =
        TABLES.iter().filter_map(|table| table.select().map(|select| table.create(&select))).collect();
    connection
        .execute_batch(&format!("BEGIN TRANSACTION; {}{CLOCKS} COMMIT", statements.concat()))
        .map_err(failed_to("make the views"))
}

/// Makes the view of samples anew, over the segments there are; within the caller's transaction.
pub(in crate::store) fn create_sample_views(connection: &Connection, layout: &Layout) -> Result<(), StoreError> {
    let select = samples_select(layout);
    let sql: String =
        TABLES.iter().filter(|table| table.name == "samples").map(|table| table.create(&select)).collect();
    connection.execute_batch(&sql).map_err(failed_to("make the view of samples"))
}

/// The same in a transaction of its own.
pub(in crate::store) fn refresh_sample_view(connection: &Connection, layout: &Layout) -> Result<(), StoreError> {
    let failed = failed_to("make the view of samples");
    connection.execute_batch("BEGIN TRANSACTION").map_err(&failed)?;
    let made = create_sample_views(connection, layout);
    connection.execute_batch(if made.is_ok() { "COMMIT" } else { "ROLLBACK" }).map_err(&failed)?;
    made
}

fn samples_select(layout: &Layout) -> String {
    let base: Vec<String> = layout
        .of(SegmentKind::Cold)
        .chain(layout.of(SegmentKind::Hot))
        .map(|segment| format!("SELECT series_id, timestamp, value FROM {}", segment.table()))
        .collect();
    let late: Vec<String> = layout
        .of(SegmentKind::Late)
        .map(|segment| format!("SELECT series_id, timestamp, value, seq FROM {}", segment.table()))
        .collect();
    format!(
        "WITH base AS NOT MATERIALIZED ({}), late AS NOT MATERIALIZED (SELECT series_id, timestamp, value FROM ({})
            QUALIFY row_number() OVER (PARTITION BY series_id, timestamp ORDER BY seq DESC) = 1)
        SELECT series_id, timestamp, value FROM (
            FROM base ANTI JOIN late USING (series_id, timestamp) UNION ALL FROM late) WHERE value IS NOT NULL",
        base.join(" UNION ALL "),
        late.join(" UNION ALL "),
    )
}
