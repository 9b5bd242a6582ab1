//! The task `traces`: stores the statements of the requests whose traces are complete.

use std::time::Duration;

use super::Task;
use crate::config::Config;

/// Longest time between two runs.
const LONGEST: Duration = Duration::from_secs(60);

/// Builds the task; none when statements in spans are not examined.
pub(super) fn task(config: &Config) -> Option<Task> {
    let every = config.otlp.trace_wait.duration().min(LONGEST);
    config.otlp.statements.then(|| Task {
        name: "traces",
        first: every,
        every,
        work: Box::new(|state, now| Ok(state.otlp.store_traces(now, false)?)),
    })
}
