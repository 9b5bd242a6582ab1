//! Finds functions whose effects a rollback does not take back. Statements that call them are not run on a copy.

use almanac_engine::{advise::database::verify::literal, database::statement::quote};

use super::{VerifyError, session::Session};

/// Functions of the server with such effects: sequences, large objects in files, other sessions, the server itself.
const LASTING: &str = "nextval|setval|lo_import|lo_export|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|\
    pg_promote|pg_switch_wal|pg_create_\\w+|pg_drop_\\w+|pg_replication_\\w+|pg_logical_\\w+|pg_stat_reset\\w*";
/// Text of a function in SQL or PL/pgSQL that may reach another server.
const OUTSIDE: &str = "dblink\\w*|http_(get|post|put|patch|delete)|copy\\M.*\\mprogram";

/// Returns the names of functions with lasting effects among `called` and the trigger functions of `tables` (`schema.name`);
/// none: there is no such function. A function in C or of an untrusted language counts, unless it is stable or the server's own.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn lasting(
    session: &Session,
    called: &[String],
    tables: &[String],
) -> Result<Option<String>, VerifyError> {
    if called.is_empty() && tables.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = called.iter().map(|name| literal(name)).collect();
    let keys: Vec<String> = tables
        .iter()
        .map(|key| {
            let (schema, name) = key.split_once('.').unwrap_or(("public", key));
            literal(&format!("{}.{}", quote(schema), quote(name)))
        })
        .collect();
    let sql = format!(
        "SELECT pg_catalog.string_agg(DISTINCT p.proname::text, ', ') FROM pg_catalog.pg_proc p \
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
         WHERE p.provolatile = 'v' AND (p.proname = ANY (ARRAY[{}]::text[]) OR p.oid IN (SELECT t.tgfoid FROM pg_catalog.pg_trigger t \
         WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgrelid = ANY (ARRAY[{}]::regclass[]))) \
         AND CASE WHEN n.nspname = 'pg_catalog' THEN p.proname ~ {} ELSE NOT l.lanpltrusted OR p.prosrc ~* {} END",
        names.join(", "),
        keys.join(", "),
        literal(&format!("^({LASTING})$")),
        literal(&format!("\\m({LASTING}|{OUTSIDE})"))
    );
    session.run("the functions of the statement", &sql).await
}
