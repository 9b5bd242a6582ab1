//! Runs analysts' statements within this process, for commands that own their store.

use std::{sync::Arc, time::Instant};

use duckdb::Connection;

use super::{
    EvaluatePromql, SqlAnswer, SqlDialect, SqlError, SqlLimits, SqlParam, Statement, calls, evaluate, execute_until,
    install, permits::Permits,
};
use crate::store::{AnalystLimits, StoreError, shared::Shared};

/// Entry point of analysts' statements; limits how many run at once.
#[derive(Debug)]
pub(in crate::store) struct Gate {
    limits: AnalystLimits,
    permits: Permits,
}

impl Gate {
    pub(in crate::store) fn new(limits: AnalystLimits) -> Self {
        Self { limits, permits: Permits::new(limits.concurrent) }
    }

    /// Checks a statement, runs it within its limits and returns the rows.
    pub(in crate::store) fn run(
        &self,
        shared: &Shared,
        sql: &str,
        params: &[SqlParam],
        limits: SqlLimits,
        promql: Option<&Arc<dyn EvaluatePromql>>,
    ) -> Result<SqlAnswer, SqlError> {
        let end = Instant::now() + limits.deadline;
        let late = SqlError::Deadline { deadline: limits.deadline };
        let _permit = self.permits.acquire(end, &late)?;
        let connection = shared.readers.connect().map_err(from_store)?;
        let statement = self.parse(shared, &connection, sql, params, &SqlDialect::DuckDb)?;
        if !statement.calls_promql() {
            return execute_until(&connection, &statement, params, limits, end);
        }
        let calls = calls(&connection, &statement, params, limits, end)?;
        let results = evaluate(promql, &calls, end, &|| false)?;
        // The tables are of this connection alone, and end with it.
        let reading = install(&connection, &statement, results)?;
        execute_until(&connection, &reading, params, limits, end)
    }

    /// Checks a statement as [`Self::run`] does, without running it.
    pub(in crate::store) fn check(
        &self,
        shared: &Shared,
        sql: &str,
        params: &[SqlParam],
        dialect: &SqlDialect,
    ) -> Result<(), SqlError> {
        let connection = shared.readers.connect().map_err(from_store)?;
        self.parse(shared, &connection, sql, params, dialect).map(drop)
    }

    fn parse(
        &self,
        shared: &Shared,
        connection: &Connection,
        sql: &str,
        params: &[SqlParam],
        dialect: &SqlDialect,
    ) -> Result<Statement, SqlError> {
        let statement = Statement::new(connection, sql, params, &self.limits, dialect)?;
        statement.check_scans(shared.layout.read().cold().len() as u64)?;
        Ok(statement)
    }
}

fn from_store(error: StoreError) -> SqlError {
    match error {
        StoreError::Database { action, source } => SqlError::Store { action: action.into(), source },
        _ => SqlError::Closed,
    }
}
