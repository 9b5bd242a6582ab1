//! Row types of all tables besides samples: signals, forecasts, anomalies, recommendations, events, metadata.
//!
//! Each row type has the description of its table ([`TableRow::TABLE`]); [`TABLES`] lists them all. All timestamps are
//! UTC milliseconds. Each `put_…` of the store is one committed transaction.

mod advice;
mod all;
mod collected;
mod database;
pub(in crate::store) mod descriptor;
mod event;
pub(in crate::store) mod histogram;
mod kind;
mod learned;
mod notice;
mod table;
mod together;
mod traced;
mod words;

pub use advice::{
    AdviceState, AdviceStatusFilter, AdviceStatusRow, Effect, OutcomeFilter, OutcomeRow, Patch, RecommendationFilter,
    RecommendationRow, State,
};
pub use all::TABLES;
pub use collected::{MetadataFilter, MetadataPut, MetadataRow, MetricType, ScrapeTargetRow, TargetHealth};
pub use database::{
    DatabaseCatalogueRow, DatabaseFilter, DatabaseHourRow, DatabaseIndexUseRow, DatabaseStatementRow,
    DatabaseStatementUseRow, DatabaseTableUseRow, DatabaseUse,
};
pub use descriptor::{Cell, Column, ColumnType, Table, TableRow};
pub use event::{CacheEvent, CacheOp, Deploy, EventBatch, EventFilter, Incident, IncidentVerdict};
pub use kind::Kind;
pub use learned::{
    AnomalyKind, AnomalyRow, ForecastRow, RowFilter, SignalFilter, SignalOrigin, SignalRow, SignalStatus,
};
pub use notice::{DeadLetterRow, NoticeRow, NoticeType, StreamCursorRow, WebhookRow};
pub use together::{CorrelationRow, PeerOutlierRow, SuspectedIncidentRow};
pub use traced::{RequestOrigin, RequestStatementFilter, RequestStatementRow};
pub use words::UnknownWord;
