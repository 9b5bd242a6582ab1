//! Facts of the advisor on queries.

use std::collections::BTreeSet;

use almanac_models::Timestamp;

use crate::{
    advise::{
        FetchError, Sources,
        database::{DatabaseFacts, DatabaseSpec, query::Loop},
    },
    database::traces::{LoopFinding, LoopForm, Window, WindowFilter, loops},
};

/// Span of the requests that advice rests on, in milliseconds: a week, as of the statements.
const SPAN_MS: i64 = 7 * 86_400_000;

/// Facts of a watched database with the loops that traces show.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryFacts {
    /// Catalogue and workload.
    pub database: DatabaseFacts,
    /// Loops of statements in requests.
    pub loops: Vec<Loop>,
}

impl QueryFacts {
    /// Reads what the collector stored, and the loops that spans show of its statements. Without spans there is none.
    ///
    /// # Errors
    /// As [`DatabaseFacts::fetch`].
    pub fn fetch(from: &Sources<'_>, spec: &DatabaseSpec, now: Timestamp) -> Result<Self, FetchError> {
        let database = DatabaseFacts::fetch(from, spec, now)?;
        let filter =
            WindowFilter { since: Some(now.plus_millis(-SPAN_MS)), until: Some(now), ..WindowFilter::default() };
        let window = Window::read(from.store, &filter)?;
        // Spans may name the database otherwise, or not at all: a loop is of the database whose statements have its family.
        let known: BTreeSet<&str> =
            database.workload.statements.iter().map(|statement| statement.family.as_str()).collect();
        let found = loops(&window);
        let own = found.iter().filter(|found| known.contains(found.statement.family.as_str()));
        let loops = own.map(loop_of).collect();
        Ok(Self { database, loops })
    }
}

fn loop_of(found: &LoopFinding) -> Loop {
    let form = match found.form {
        LoopForm::Serial => "serial",
        LoopForm::Parallel => "parallel",
        LoopForm::Interleaved => "interleaved",
        LoopForm::WarmCache => "warm_cache",
    };
    Loop {
        route: Some(found.route.route.clone()),
        family: found.statement.family.clone(),
        statement: found.statement.text.clone(),
        calls: found.calls.median,
        loop_ms: Some(found.seconds.median * 1000.0),
        form: form.to_owned(),
    }
}
