//! Texts of the statements, by version and rights.

use super::server::{Access, Server};
use crate::database::statement::quote;

/// Statement that reads version, extensions and rights.
pub const SERVER: &str = include_str!("sql/server.sql");

/// Settings of the session: it changes nothing, waits for no lock, and a statement that takes long is cancelled.
pub const SESSION: &str = "SET default_transaction_read_only = on; SET statement_timeout = '5s'; SET lock_timeout = '100ms'; \
    SET idle_in_transaction_session_timeout = '10s'; SET jit = off; SET max_parallel_workers_per_gather = 0; SET search_path = pg_catalog";

/// First version (`server_version_num`) with `pg_locks.waitstart` and `pg_stat_wal`.
const VERSION_14: u32 = 140_000;
/// First version with `last_idx_scan`, `n_tup_newpage_upd` and `pg_stat_io`.
const VERSION_16: u32 = 160_000;
/// First version with `pg_stat_checkpointer`.
const VERSION_17: u32 = 170_000;
/// First version whose `pg_stat_io` counts bytes.
const VERSION_18: u32 = 180_000;

/// Counters of the server by version: those that a version lacks are left out.
const BGWRITER_13: &str = "'checkpoints_timed', b.checkpoints_timed, 'checkpoints_requested', b.checkpoints_req, \
    'checkpoint_write_milliseconds', b.checkpoint_write_time, 'checkpoint_blocks', b.buffers_checkpoint, \
    'background_blocks', b.buffers_clean, 'backend_blocks', b.buffers_backend";
const BGWRITER_17: &str = "'checkpoints_timed', c.num_timed, 'checkpoints_requested', c.num_requested, \
    'checkpoint_write_milliseconds', c.write_time, 'checkpoint_blocks', c.buffers_written, 'background_blocks', b.buffers_clean";
const WAL_14: &str = ", 'wal_records', w.wal_records, 'wal_full_page_images', w.wal_fpi, 'wal_bytes', w.wal_bytes, \
    'wal_buffers_full', w.wal_buffers_full";
const IO_16: &str =
    ", 'client_blocks_read', i.reads, 'client_blocks_written', i.writes, 'client_blocks_extended', i.extends";

fn server_counters(version: u32) -> String {
    let mut columns = if version >= VERSION_17 { BGWRITER_17 } else { BGWRITER_13 }.to_owned();
    let mut from = " FROM pg_catalog.pg_stat_bgwriter b".to_owned();
    if version >= VERSION_17 {
        from.push_str(" CROSS JOIN pg_catalog.pg_stat_checkpointer c");
    }
    if version >= VERSION_14 {
        columns.push_str(WAL_14);
        from.push_str(" CROSS JOIN pg_catalog.pg_stat_wal w");
    }
    if version >= VERSION_16 {
        columns.push_str(IO_16);
        // `op_bytes` is gone in version 18; the operations are blocks in all.
        from.push_str(
            " CROSS JOIN (SELECT pg_catalog.sum(reads) AS reads, pg_catalog.sum(writes) AS writes, pg_catalog.sum(extends) AS extends \
             FROM pg_catalog.pg_stat_io WHERE backend_type = 'client backend') i",
        );
    }
    if version >= VERSION_18 {
        columns.push_str(", 'client_bytes_read', i18.bytes");
        from.push_str(
            " CROSS JOIN (SELECT pg_catalog.sum(read_bytes) AS bytes FROM pg_catalog.pg_stat_io WHERE backend_type = 'client backend') i18",
        );
    }
    format!("{columns}){from}")
}

/// Returns the statement that reads the counters and what the sessions do.
#[must_use]
pub fn counters(server: &Server) -> String {
    include_str!("sql/counters.sql")
        .replace("{server})", &server_counters(server.version))
        .replace("{n_tup_newpage_upd}", if server.version >= VERSION_16 { "n_tup_newpage_upd" } else { "NULL" })
        .replace("{waitstart}", if server.version >= VERSION_14 { "waitstart" } else { "NULL::timestamptz" })
}

/// Returns the statement that reads the counters of statements; none if they cannot be read.
#[must_use]
pub fn statements(server: &Server) -> Option<String> {
    let schema = server.statements_schema()?;
    let info = if server.has_statements_info() {
        format!(
            "(SELECT pg_catalog.json_build_array(extract(epoch FROM stats_reset), dealloc) FROM {}.pg_stat_statements_info)",
            quote(schema)
        )
    } else {
        "NULL".to_owned()
    };
    Some(include_str!("sql/statements.sql").replace("{schema}", &quote(schema)).replace("{info}", &info))
}

/// Returns the statement that reads the texts of statements; none if they cannot be read.
#[must_use]
pub fn statement_texts(server: &Server, queryids: &[i64]) -> Option<String> {
    let schema = server.statements_schema()?;
    let ids: Vec<String> = queryids.iter().map(ToString::to_string).collect();
    let text = include_str!("sql/texts.sql").replace("{schema}", &quote(schema));
    Some(text.replace("{queryids}", &format!("'{{{}}}'::bigint[]", ids.join(","))))
}

/// Returns the statement that reads the catalogue; `literals`: with the values in the statistics.
#[must_use]
pub fn catalogue(server: &Server, literals: bool) -> String {
    let statistics = match (server.access(), literals) {
        (Access::Function, false) => include_str!("sql/statistics_function.sql"),
        // Values of the tables that the role may read, and the statistics of the others without values.
        (Access::Function, true) => include_str!("sql/statistics_function_with_values.sql"),
        (Access::View, true) => include_str!("sql/statistics_with_values.sql"),
        (Access::View, false) => include_str!("sql/statistics.sql"),
    };
    include_str!("sql/catalogue.sql").replace("{statistics}", statistics.trim())
}
