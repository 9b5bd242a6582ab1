//! Checks that a copy is a copy, and that the role may change it.

use almanac_engine::advise::database::verify::literal;

use super::{VerifyError, session::Session};
use crate::database::{Address, DatabaseClient};

/// What identifies a database: of the cluster its identifier and the start of its server, of the database its oid.
const IDENTITY: &str = "SELECT pg_catalog.concat_ws(' ', (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
    pg_catalog.pg_postmaster_start_time(), (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))";
/// The same for a role that may not read the control file.
const IDENTITY_WITHOUT: &str = "SELECT pg_catalog.concat_ws(' ', pg_catalog.current_setting('port'), \
    pg_catalog.pg_postmaster_start_time(), (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))";
/// Other sessions of clients on the database.
const SESSIONS: &str = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND \
    backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid() AND application_name <> 'almanac'";

/// What is allowed that is refused otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checks {
    /// Whether the copy may be another database of the original's server.
    pub allow_same_server: bool,
    /// Whether other sessions may be connected to the copy.
    pub allow_other_sessions: bool,
}

/// Checks that `copy` is not `original`, that nobody else uses it, and that it can be written.
///
/// # Errors
/// [`VerifyError`].
pub async fn check(copy: &Address, original: Option<&Address>, checks: Checks) -> Result<(), VerifyError> {
    let session = Session::connect(copy, std::time::Duration::from_secs(30)).await?;
    let refused = |text: String| Err(VerifyError::Refused(text));
    if session.holds("the state of the copy", "SELECT pg_catalog.pg_is_in_recovery()").await? {
        return refused("the copy is a standby, which cannot be changed; promote it, or restore a backup".to_owned());
    }
    if let Some(original) = original {
        let watched = DatabaseClient::connect(original).await?;
        for identity in [IDENTITY, IDENTITY_WITHOUT] {
            let what = "the identity of the database";
            let (Ok(Some(own)), Ok(Some(of_original))) =
                (session.run(what, identity).await, watched.run(what, identity).await)
            else {
                continue;
            };
            if own == of_original {
                return refused(
                    "the copy is the original itself; give the address of a copy, or make one with --make-copy"
                        .to_owned(),
                );
            }
            let server = |text: &str| text.rsplit_once(' ').map(|(server, _)| server.to_owned());
            if server(&own) == server(&of_original) && !checks.allow_same_server {
                return refused(
                    "the copy is on the server of the original, whose sessions would wait for it; give --allow-same-server \
                     to accept that"
                        .to_owned(),
                );
            }
            break;
        }
    }
    let others = session.run("the sessions of the copy", SESSIONS).await?.unwrap_or_default();
    if others != "0" && !checks.allow_other_sessions {
        return refused(format!(
            "{others} other sessions are connected to the copy, which would wait for locks and disturb the times; end them, or \
             give --allow-other-sessions"
        ));
    }
    Ok(())
}

/// Returns why the role cannot measure an index of `table` (`schema.name`), if it cannot.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn refusal(session: &Session, table: &str) -> Result<Option<String>, VerifyError> {
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    let (schema, name) = (literal(schema), literal(name));
    let state = session
        .run(
            "the rights on the copy",
            &format!(
                "SELECT CASE WHEN c.relkind NOT IN ('r', 'm') THEN 'kind' WHEN NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') \
                 THEN 'owner' WHEN NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE') THEN 'schema' ELSE 'fine' END \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = {schema} AND c.relname = {name}"
            ),
        )
        .await?;
    Ok(match state.as_deref() {
        Some("fine") => None,
        Some("owner") => {
            Some(format!("the role does not own {table} in the copy; connect as its owner or as a superuser"))
        }
        Some("schema") => {
            Some(format!("the role may not create indexes in the schema of {table}; GRANT CREATE ON SCHEMA to it"))
        }
        Some(_) => Some(format!("{table} is partitioned or foreign; its indexes cannot be built concurrently")),
        None => Some(format!("the copy has no table {table}")),
    })
}
