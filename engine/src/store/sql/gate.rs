use crate::store::{AnalystLimits, SqlAnswer, SqlError, SqlLimits, SqlParam, shared::Shared};

/// Lets analysts' statements in.
#[derive(Debug)]
pub(in crate::store) struct Gate {
    limits: AnalystLimits,
}

impl Gate {
    pub(in crate::store) fn new(limits: AnalystLimits) -> Self {
        Self { limits }
    }

    pub(in crate::store) fn run(
        &self,
        shared: &Shared,
        sql: &str,
        params: &[SqlParam],
        limits: SqlLimits,
    ) -> Result<SqlAnswer, SqlError> {
        let _ = (shared, sql, params, limits, self.limits);
        Err(SqlError::Closed)
    }
}
