//! The database file: validation and opening, schema migrations, views and table functions for analysts, and loading into memory.

mod checkpoint;
mod functions;
mod load;
mod migrate;
mod open;
mod postgres;
mod recent;
mod tables;
mod views;

pub(super) use super::rows::TABLES;
pub(super) use checkpoint::checkpoint;
pub(super) use functions::{TableFunction, table_function};
pub(super) use load::{drop_dead_series, load_layout, load_next_seq, load_registry, measure};
pub(super) use migrate::{SCHEMA_VERSION, check_version, drop_orphans, migrate, migrate_to};
pub(super) use open::{FileClaim, connect, connect_unchecked, lock_settings};
pub use postgres::{PG_SETTINGS, PG_VERSION, pg_type_oid};
pub(super) use postgres::{
    create_catalogue, is_catalogue_function, is_catalogue_relation, is_information_relation, namespace_oid,
    relation_oid,
};
pub(super) use recent::{load_histograms, load_later, load_older, load_opening, load_recent, load_recent_of};
pub(super) use views::{
    SampleRelations, create_sample_views, create_static_views, refresh_sample_view, sample_views, select_of,
};
