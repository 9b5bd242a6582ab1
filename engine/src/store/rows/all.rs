//! The list of all tables and views, in the order of `docs/tables.md`, and the views that no row type describes.

use super::{
    AdviceStatusRow, AnomalyRow, CacheEvent, Column, ColumnType, CorrelationRow, DatabaseCatalogueRow, DatabaseHourRow,
    DatabaseIndexUseRow, DatabaseStatementRow, DatabaseStatementUseRow, DatabaseTableUseRow, DeadLetterRow, Deploy,
    ForecastRow, Incident, MetadataRow, NoticeRow, OutcomeRow, PeerOutlierRow, RecommendationRow, RequestStatementRow,
    ScrapeTargetRow, SignalRow, StreamCursorRow, SuspectedIncidentRow, Table, TableRow, WebhookRow, descriptor::Source,
    histogram,
};

/// A column of a view that no row type describes.
const fn column(name: &'static str, column_type: ColumnType, comment: &'static str, unit: &'static str) -> Column {
    Column { name, column_type, nullable: false, comment, unit, flat: name, added: 0, default: "", computed: "" }
}

const fn view(name: &'static str, comment: &'static str, source: Source, columns: &'static [Column]) -> Table {
    Table { name, comment, columns, source, hidden: &[], since: 1 }
}

/// Joins series with the metadata of their metric: that of the name itself, else that of the family by the name's
/// suffix.
const SERIES_SELECT: &str = r#"SELECT s.series_id, s.name, s.labels, s.series,
    coalesce(own.type, family.type) AS type, coalesce(own.unit, family.unit) AS unit, coalesce(own.help, family.help) AS help
FROM (SELECT series_id, coalesce(labels['__name__'], '') AS name,
    map_from_entries(list_filter(map_entries(labels), lambda e: e.key <> '__name__')) AS labels,
    coalesce(labels['__name__'], '') || CASE WHEN cardinality(labels) > (labels['__name__'] IS NOT NULL)::INTEGER OR cardinality(labels) = 0
        THEN '{' || array_to_string(list_transform(list_filter(map_entries(labels), lambda e: e.key <> '__name__'),
            lambda e: e.key || '="' || replace(replace(replace(e.value, '\', '\\'), '"', '\"'), chr(10), '\n') || '"'), ',') || '}'
        ELSE '' END AS series
    FROM store.series) AS s
LEFT JOIN store.metadata AS own ON own.metric = s.name
LEFT JOIN store.metadata AS family ON family.metric = regexp_extract(s.name, '^(.+)_(bucket|sum|count|gcount|gsum|total|created|info)$', 1)
    AND list_contains(CASE family.type
        WHEN 'histogram' THEN ['bucket', 'sum', 'count', 'created']
        WHEN 'gaugehistogram' THEN ['bucket', 'gsum', 'gcount']
        WHEN 'summary' THEN ['sum', 'count', 'created']
        WHEN 'counter' THEN ['total', 'created']
        WHEN 'info' THEN ['info']
        ELSE [] END, regexp_extract(s.name, '_([a-z]+)$', 1))"#;

const SERIES: Table = view(
    "series",
    "The series: one row for each distinct set of labels",
    Source::Select(SERIES_SELECT),
    &[
        column("series_id", ColumnType::Small, "number of the series in this store", ""),
        column("name", ColumnType::Text, "name of the metric", ""),
        column("labels", ColumnType::Map, "labels besides the name: labels['job']", ""),
        column("series", ColumnType::Text, "name and labels in PromQL notation", ""),
        column("type", ColumnType::Text, "type of the metric, such as counter; NULL if no sender declares it", ""),
        column("unit", ColumnType::Text, "unit of the metric, such as seconds; NULL or empty if unknown", ""),
        column("help", ColumnType::Text, "description of the metric; NULL or empty if unknown", ""),
    ],
);

const SAMPLES: Table = view(
    "samples",
    "Every sample once: of repeated samples the last write wins; stale markers are hidden",
    Source::Segments,
    &[
        column("series_id", ColumnType::Small, "the series", ""),
        column("timestamp", ColumnType::Time, "when it was measured", "UTC, milliseconds"),
        column("value", ColumnType::Float, "the value", "unit of the metric"),
    ],
);

const HISTOGRAMS: Table = view(
    "histograms",
    "Every native histogram once: of repeated ones the last write wins",
    Source::Select(histogram::VIEW),
    &[
        column("series_id", ColumnType::Small, "the series", ""),
        column("timestamp", ColumnType::Time, "when it was measured", "UTC, milliseconds"),
        column("count", ColumnType::Float, "number of observations", ""),
        column("sum", ColumnType::Float, "sum of the observations", "unit of the metric"),
        column(
            "buckets",
            ColumnType::Buckets,
            "buckets that are not empty, from the lowest to the highest value: buckets[1].upper",
            "bounds in the unit of the metric",
        ),
    ],
);

const ROLLUP_COLUMNS: &[Column] = &[
    column("series_id", ColumnType::Small, "the series", ""),
    column("timestamp", ColumnType::Time, "start of the bucket", "UTC"),
    column("count", ColumnType::Count, "samples in the bucket", ""),
    column("sum", ColumnType::Float, "sum of the values", "unit of the metric"),
    column("min", ColumnType::Float, "smallest value", "unit of the metric"),
    column("max", ColumnType::Float, "largest value", "unit of the metric"),
    column("last", ColumnType::Float, "newest value", "unit of the metric"),
];

const ROLLUPS_5M: Table = view(
    "rollups_5m",
    "Samples aggregated by 5 minutes, as of the last compaction; lags behind samples by up to two hours",
    Source::FineBuckets,
    ROLLUP_COLUMNS,
);

const ROLLUPS_1H: Table = view(
    "rollups_1h",
    "Samples aggregated by hour, written by compaction; lags behind samples by up to two hours",
    Source::Table("rollup_1h"),
    ROLLUP_COLUMNS,
);

/// All tables and views that analysts see.
pub const TABLES: &[&Table] = &[
    &SERIES,
    &SAMPLES,
    &HISTOGRAMS,
    &ROLLUPS_5M,
    &ROLLUPS_1H,
    MetadataRow::TABLE,
    ScrapeTargetRow::TABLE,
    SignalRow::TABLE,
    ForecastRow::TABLE,
    AnomalyRow::TABLE,
    SuspectedIncidentRow::TABLE,
    PeerOutlierRow::TABLE,
    CorrelationRow::TABLE,
    AdviceStatusRow::TABLE,
    RecommendationRow::TABLE,
    OutcomeRow::TABLE,
    Incident::TABLE,
    Deploy::TABLE,
    CacheEvent::TABLE,
    NoticeRow::TABLE,
    WebhookRow::TABLE,
    DeadLetterRow::TABLE,
    StreamCursorRow::TABLE,
    RequestStatementRow::TABLE,
    DatabaseStatementRow::TABLE,
    DatabaseStatementUseRow::TABLE,
    DatabaseTableUseRow::TABLE,
    DatabaseIndexUseRow::TABLE,
    DatabaseHourRow::TABLE,
    DatabaseCatalogueRow::TABLE,
];
