//! Analysts' SQL on the handle: statements that run in this process.

use std::sync::Arc;

use super::Store;
use crate::store::{
    EvaluatePromql, SqlAnswer, SqlDialect, SqlError, SqlLimits, SqlParam, StoreError, error::is_damage,
};

impl Store {
    /// Runs an analyst's read-only statement within limits, in this process: for a command that owns its store. A
    /// service uses [`SqlWorkers`](crate::store::SqlWorkers), since some statements end the process that runs them.
    ///
    /// # Errors
    /// [`SqlError`], each with a stable code.
    pub fn analyst_sql(&self, sql: &str, params: &[SqlParam], limits: SqlLimits) -> Result<SqlAnswer, SqlError> {
        self.analyst_sql_with(sql, params, limits, None)
    }

    /// Runs a statement like [`Store::analyst_sql`], in which `promql` asks this evaluator.
    ///
    /// # Errors
    /// [`SqlError`], each with a stable code.
    pub fn analyst_sql_with(
        &self,
        sql: &str,
        params: &[SqlParam],
        limits: SqlLimits,
        promql: Option<&Arc<dyn EvaluatePromql>>,
    ) -> Result<SqlAnswer, SqlError> {
        let answer = self.0.analysts.run(&self.0.shared, sql, params, limits, promql);
        if let Err(SqlError::Invalid { message, .. }) = &answer
            && is_damage(message)
        {
            self.0.shared.readers.note_damage::<()>(&Err(StoreError::DamagedBlock { detail: message.clone() }));
        }
        answer
    }

    /// Checks an analyst's statement without running it.
    ///
    /// # Errors
    /// [`SqlError`] when the statement is not one that may run.
    pub fn check_sql(&self, sql: &str, params: &[SqlParam], dialect: &SqlDialect) -> Result<(), SqlError> {
        self.0.analysts.check(&self.0.shared, sql, params, dialect)
    }
}
