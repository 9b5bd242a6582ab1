//! Asks the planner of a copy what it expects of a hypothetical index, by HypoPG.

use almanac_engine::advise::database::verify::{Planner, literal};
use serde_json::Value;

use super::{VerifyError, rounds::Run, session::Session};

/// Returns the planner's costs of the first execution of each statement without and with the index; none without HypoPG, or
/// if it does not know the kind of index. Nothing is left in the copy.
///
/// # Errors
/// [`VerifyError::Statement`]: the transaction cannot be ended.
pub(super) async fn planner(session: &Session, statement: &str, runs: &[Run]) -> Result<Option<Planner>, VerifyError> {
    session.run("a transaction", "BEGIN").await?;
    let found = expected(session, statement, runs).await;
    session.run("a transaction", "ROLLBACK").await?;
    Ok(found.ok())
}

async fn expected(session: &Session, statement: &str, runs: &[Run]) -> Result<Planner, VerifyError> {
    let what = "HypoPG";
    // Installed inside the transaction where it is available, so that it is gone with it.
    session.run(what, "CREATE EXTENSION IF NOT EXISTS hypopg").await?;
    let (cost_before, _) = costs(session, runs).await?;
    let create = literal(&statement.replacen("INDEX CONCURRENTLY", "INDEX", 1));
    session.run(what, &format!("SELECT indexrelid FROM hypopg_create_index({create})")).await?;
    let with = costs(session, runs).await;
    session.run(what, "SELECT hypopg_reset()").await?;
    let (cost_after, uses) = with?;
    Ok(Planner { cost_before, cost_after, uses })
}

/// Returns the sum of the costs, and the number of plans with a hypothetical index.
async fn costs(session: &Session, runs: &[Run]) -> Result<(f64, usize), VerifyError> {
    let (mut cost, mut uses) = (0.0, 0);
    for run in runs {
        let Some(execution) = run.executions.first().and_then(|set| set.first()) else { continue };
        let text = session.run("EXPLAIN", &format!("EXPLAIN (FORMAT JSON) {execution}")).await?.unwrap_or_default();
        let plan: Value = serde_json::from_str(&text).unwrap_or_default();
        cost += plan[0]["Plan"]["Total Cost"].as_f64().unwrap_or(0.0);
        // HypoPG names its indexes <oid>btree_table_columns.
        uses += usize::from(text.contains("\"Index Name\": \"<"));
    }
    Ok((cost, uses))
}
