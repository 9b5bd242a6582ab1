//! Builds the index of a recommendation in a copy.

use std::time::Instant;

use almanac_engine::{
    advise::database::verify::{Action, Build, Subject, literal},
    database::statement::quote,
};

use super::{VerifyError, cleanup::Made, session::Session};

/// Longest time to build an index.
const BUILD_TIMEOUT: &str = "SET statement_timeout = '30min'";

/// Returns the index as SQL names it.
pub(super) fn name(subject: &Subject) -> String {
    let schema = subject.table.split_once('.').map_or("public", |(schema, _)| schema);
    format!("{}.{}", quote(schema), quote(&subject.index))
}

/// Returns the statement that drops the index.
pub(super) fn drop_statement(subject: &Subject) -> String {
    let concurrently = if subject.is_partitioned { "" } else { "CONCURRENTLY " };
    format!("DROP INDEX {concurrently}{}", name(subject))
}

/// Whether the index exists and is valid; none: it does not exist.
///
/// # Errors
/// [`VerifyError::Refused`] when the index is on another table; [`VerifyError::Statement`].
pub(super) async fn state(session: &Session, subject: &Subject) -> Result<Option<bool>, VerifyError> {
    let schema = subject.table.split_once('.').map_or("public", |(schema, _)| schema);
    let sql = format!(
        "SELECT CASE WHEN i.indrelid <> {}::pg_catalog.regclass THEN 'other' ELSE i.indisvalid::text END FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {} AND c.relname = {}",
        literal(&table(subject)),
        literal(schema),
        literal(&subject.index)
    );
    match session.run("the index", &sql).await?.as_deref() {
        Some("other") => {
            Err(VerifyError::Refused(format!("the index {} is on another table than {}", name(subject), subject.table)))
        }
        valid => Ok(valid.map(|valid| valid == "true")),
    }
}

/// Installs the extension and builds the index, each noted first so that it can be removed. An index that exists is left as
/// it is; one that a stopped build left invalid is built again.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn build(session: &Session, subject: &Subject, made: &Made) -> Result<Build, VerifyError> {
    let Some((statement, extension)) = subject.built() else {
        return Err(VerifyError::Refused("the recommendation builds no index".to_owned()));
    };
    // A statement of a recommendation on a query does not know whether its table is partitioned.
    let statement = if subject.is_partitioned {
        statement.replacen("INDEX CONCURRENTLY", "INDEX", 1)
    } else {
        statement.to_owned()
    };
    // An expression has statistics once its table is analysed.
    let has_expression = !matches!(&subject.action, Action::Create { has_expression: false, .. });
    session.run("the session", BUILD_TIMEOUT).await?;
    let mut installed = None;
    if let Some(extension) = extension {
        let known = format!("SELECT true FROM pg_catalog.pg_extension WHERE extname = {}", literal(extension));
        if !session.holds("the extensions", &known).await? {
            made.note(format!("the extension {extension}"), format!("DROP EXTENSION IF EXISTS {}", quote(extension)));
            let sql = format!("CREATE EXTENSION IF NOT EXISTS {}", quote(extension));
            session.run(&format!("installing the extension {extension}"), &sql).await?;
            installed = Some(extension.to_owned());
        }
    }
    let full = name(subject);
    let concurrently = if subject.is_partitioned { "" } else { "CONCURRENTLY " };
    let drop = format!("DROP INDEX {concurrently}IF EXISTS {full}");
    let mut known = state(session, subject).await?;
    if known == Some(false) {
        session.run("dropping the invalid index", &drop).await?;
        known = None;
    }
    let mut seconds = None;
    if known.is_none() {
        made.note(format!("the index {full}"), drop);
        // A table without a schema in the statement is that of the recommendation, whatever the role's search path.
        let schema = subject.table.split_once('.').map_or("public", |(schema, _)| schema);
        let path = format!(
            "SELECT pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', {}, \
             NULLIF(pg_catalog.current_setting('search_path'), '')), false)",
            literal(&quote(schema))
        );
        session.run("the session", &path).await?;
        let started = Instant::now();
        session.run("building the index", &statement).await?;
        seconds = Some(started.elapsed().as_secs_f64());
        session.run("the session", "RESET search_path").await?;
    }
    if has_expression {
        session.run("ANALYZE", &format!("ANALYZE {}", table(subject))).await?;
    }
    // The index of a partitioned table has its bytes in those of the partitions.
    let size = format!(
        "SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(relid)), pg_catalog.pg_relation_size({0}::pg_catalog.regclass)) \
         FROM pg_catalog.pg_partition_tree({0}::pg_catalog.regclass)",
        literal(&full)
    );
    let bytes = session.run("the size of the index", &size).await?.and_then(|text| text.parse().ok()).unwrap_or(0.0);
    Ok(Build { seconds, bytes, extension: installed })
}

/// Returns whether the table is partitioned, so that nothing is done concurrently.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn is_partitioned(session: &Session, subject: &Subject) -> Result<bool, VerifyError> {
    let sql = format!(
        "SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({})",
        literal(&table(subject))
    );
    session.holds("the table", &sql).await
}

/// Gives a table that was restored without statistics, or without a visibility map, both of them.
///
/// # Errors
/// [`VerifyError::Statement`].
pub(super) async fn settle(session: &Session, subject: &Subject) -> Result<bool, VerifyError> {
    let fresh = format!(
        "SELECT reltuples < 0 OR (relallvisible = 0 AND relpages > 8) FROM pg_catalog.pg_class WHERE oid = {}::pg_catalog.regclass",
        literal(&table(subject))
    );
    let is_fresh = session.holds("the statistics of the table", &fresh).await?;
    if is_fresh {
        session.run("the session", BUILD_TIMEOUT).await?;
        session.run("VACUUM", &format!("VACUUM (ANALYZE) {}", table(subject))).await?;
    }
    Ok(is_fresh)
}

/// Returns the table as SQL names it.
pub(super) fn table(subject: &Subject) -> String {
    let (schema, name) = subject.table.split_once('.').unwrap_or(("public", &subject.table));
    format!("{}.{}", quote(schema), quote(name))
}
