//! Checks that a copy is a copy, and that the role may change it.

use std::time::Duration;

use almanac_engine::advise::database::verify::literal;

use super::{VerifyError, session::Session};
use crate::database::{Address, DatabaseClient};

/// What identifies a database: of the cluster its identifier and the start of its server, of the database its oid. The time is
/// a number, since its text depends on settings of the role.
const IDENTITY: &str = "SELECT pg_catalog.concat_ws(' ', (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
    (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))";
/// The same for a role that may not read the control file.
const IDENTITY_WITHOUT: &str = "SELECT pg_catalog.concat_ws(' ', pg_catalog.current_setting('port'), \
    (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))";
/// Other sessions of clients on the database. A role without pg_read_all_stats sees no type of a session of another role, but
/// its user, which autovacuum does not have.
const SESSIONS: &str = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND \
    (backend_type = 'client backend' OR backend_type IS NULL AND usesysid IS NOT NULL) AND pid <> pg_catalog.pg_backend_pid() AND \
    application_name IS DISTINCT FROM 'almanac'";
/// Standbys and other receivers of changes of the server.
const RECEIVERS: &str = "SELECT count(*) FROM pg_catalog.pg_stat_replication";

/// How often the sessions of the copy are counted again.
const SESSION_TRIES: u32 = 10;
/// Time between two counts of the sessions of the copy.
const SESSION_WAIT: Duration = Duration::from_millis(200);

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
        match relation(&session, &watched).await? {
            Relation::SameDatabase => {
                return refused(
                    "the copy is the original itself; give the address of a copy, or make one with --make-copy"
                        .to_owned(),
                );
            }
            Relation::SameServer if !checks.allow_same_server => return refused(SAME_SERVER.to_owned()),
            Relation::SameCluster if !checks.allow_same_server => {
                let is_standby =
                    watched.run("the state of the original", "SELECT pg_catalog.pg_is_in_recovery()").await?;
                if is_standby.as_deref() == Some("t") {
                    return refused(
                        "the original is a standby, and the copy may be its primary; if it is not, give --allow-same-server"
                            .to_owned(),
                    );
                }
            }
            _ => {}
        }
    }
    let receivers = session.run("the standbys of the copy", RECEIVERS).await?.unwrap_or_default();
    if receivers != "0" && !checks.allow_other_sessions {
        return refused(format!(
            "{receivers} standbys or other receivers are connected to the server of the copy, as to one in production; give \
             --allow-other-sessions to accept that"
        ));
    }
    // A session that ends, or a probe that connects for a moment, is waited for.
    let mut others = session.run("the sessions of the copy", SESSIONS).await?.unwrap_or_default();
    for _ in 0..SESSION_TRIES {
        if others == "0" || checks.allow_other_sessions {
            break;
        }
        tokio::time::sleep(SESSION_WAIT).await;
        others = session.run("the sessions of the copy", SESSIONS).await?.unwrap_or_default();
    }
    if others != "0" && !checks.allow_other_sessions {
        return refused(format!(
            "{others} other sessions are connected to the copy, which would wait for locks and disturb the times; end them, or \
             give --allow-other-sessions"
        ));
    }
    Ok(())
}

/// Text for a copy on the server of the original.
pub(super) const SAME_SERVER: &str = "the copy is on the server of the original, whose sessions would wait for it; give \
    --allow-same-server to accept that";

/// How two databases are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// They are one database.
    SameDatabase,
    /// They are on one server.
    SameServer,
    /// Their servers began as one, such as a primary and its standby, or a server and one restored from its backup.
    SameCluster,
    /// Nothing of that is known.
    Other,
}

/// Finds how the database of a session is related to a watched one.
///
/// # Errors
/// [`VerifyError::Refused`]: it cannot be found out.
pub(super) async fn relation(session: &Session, watched: &DatabaseClient) -> Result<Relation, VerifyError> {
    let what = "the identity of the database";
    for (identity, has_cluster) in [(IDENTITY, true), (IDENTITY_WITHOUT, false)] {
        let (Ok(Some(own)), Ok(Some(original))) =
            (session.run(what, identity).await, watched.run(what, identity).await)
        else {
            continue;
        };
        let server = |text: &str| text.rsplit_once(' ').map(|(server, _)| server.to_owned());
        return Ok(if own == original {
            Relation::SameDatabase
        } else if server(&own) == server(&original) {
            Relation::SameServer
        } else if has_cluster && own.split(' ').next() == original.split(' ').next() {
            Relation::SameCluster
        } else {
            Relation::Other
        });
    }
    Err(VerifyError::Refused("it cannot be read whether the copy is the original; nothing is run".to_owned()))
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
                "SELECT CASE WHEN c.relkind NOT IN ('r', 'm', 'p') THEN 'kind' WHEN NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') \
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
        Some(_) => Some(format!("{table} is a view or foreign in the copy; it has no indexes")),
        None => Some(format!("the copy has no table {table}")),
    })
}
