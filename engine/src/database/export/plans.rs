//! Reads plans: objects of `EXPLAIN (FORMAT JSON)` or `auto_explain`, an array or lines of them, or a server's log.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    error::{ExportError, text},
    statements::{Lines, not_json},
};
use crate::database::{
    log::{LogFormat, LogReader, Timed},
    plan::Plan,
    workload::StatementUse,
};

/// Content of a file of plans.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlansFile {
    /// Plans by family: the newest, and the slowest if that is another.
    pub plans: Vec<Plan>,
    /// Statements of a log with their values: one row a family.
    pub statements: Vec<StatementUse>,
    /// What was left out, one sentence each.
    pub notes: Vec<String>,
}

/// Newest and slowest plan of each family.
#[derive(Debug, Default)]
struct Kept(BTreeMap<String, (Plan, Option<Plan>)>);

impl Kept {
    fn add(&mut self, plan: Plan) {
        match self.0.get_mut(&plan.family) {
            None => {
                self.0.insert(plan.family.clone(), (plan, None));
            }
            Some((newest, slowest)) => {
                let duration = |plan: &Plan| plan.duration_ms.unwrap_or_default();
                let before = std::mem::replace(newest, plan);
                let slower = match slowest.take() {
                    Some(slowest) if duration(&slowest) >= duration(&before) => slowest,
                    _ => before,
                };
                *slowest = Some(slower).filter(|slower| duration(slower) > duration(newest));
            }
        }
    }

    fn plans(self) -> Vec<Plan> {
        self.0.into_values().flat_map(|(newest, slowest)| std::iter::once(newest).chain(slowest)).collect()
    }
}

/// Reads plans as JSON, or a server's log with them.
///
/// Conditions keep their literals, and statements their values, only if `literals` is true. `file` is the name in
/// messages; its ending `.csv` or `.json` gives the format of a log.
///
/// # Errors
/// [`ExportError`] with the line at fault.
pub fn read_plans(file: &str, bytes: &[u8], literals: bool) -> Result<PlansFile, ExportError> {
    let text = text(file, bytes, "plans of EXPLAIN (FORMAT JSON) or auto_explain, or a server's log")?;
    if text.trim_start().starts_with(['[', '{']) && log_format(text).is_none() {
        read_json(file, text, literals)
    } else {
        read_log(file, text, literals)
    }
}

/// Returns the format of a log by its first line; none if it is no log. A prefix may start with a bracket.
fn log_format(text: &str) -> Option<LogFormat> {
    const SEVERITIES: [&str; 7] =
        ["LOG:  ", "ERROR:  ", "DETAIL:  ", "STATEMENT:  ", "FATAL:  ", "WARNING:  ", "HINT:  "];
    let first = text.trim_start().lines().next()?;
    if first.starts_with('{') {
        return first.contains("\"error_severity\"").then_some(LogFormat::Json);
    }
    SEVERITIES.iter().any(|severity| first.contains(severity)).then_some(LogFormat::Text)
}

fn read_json(file: &str, text: &str, literals: bool) -> Result<PlansFile, ExportError> {
    let (mut kept, mut found, mut unnamed) = (Kept::default(), 0_usize, 0_usize);
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut lines = Lines::new(text);
    let mut before = 0;
    while let Some(value) = values.next() {
        let line = lines.at(before);
        let value = value.map_err(|error| not_json(file, &error))?;
        before = values.byte_offset();
        // `EXPLAIN` prints an array of one object, an aggregate an array of such arrays.
        let mut open = vec![(value, 0)];
        while let Some((value, depth)) = open.pop() {
            match value {
                Value::Array(items) if depth < 3 => open.extend(items.into_iter().rev().map(|item| (item, depth + 1))),
                Value::Object(object) if object.get("Plan").is_some_and(Value::is_object) => {
                    found += 1;
                    let duration = ["duration_ms", "Duration"].iter().find_map(|key| object.get(*key)?.as_f64());
                    let query = ["Query Text", "query", "statement"].iter().find_map(|key| object.get(*key)?.as_str());
                    match Plan::read(&object, query, duration, literals) {
                        Some(plan) => kept.add(plan),
                        None => unnamed += 1,
                    }
                }
                _ => {
                    let message = "an entry is no plan; expected objects with \"Plan\", as auto_explain.log_format = json writes them";
                    return Err(ExportError::new(file, Some(line), message));
                }
            }
        }
    }
    let mut notes = Vec::new();
    if unnamed > 0 {
        notes.push(format!(
            "{unnamed} of {found} plans have no \"Query Text\" and were left out; auto_explain writes it, EXPLAIN alone does not"
        ));
    }
    Ok(PlansFile { plans: kept.plans(), statements: Vec::new(), notes })
}

fn read_log(file: &str, text: &str, literals: bool) -> Result<PlansFile, ExportError> {
    let format = log_format(text).unwrap_or_else(|| LogFormat::of(file));
    let mut reader = LogReader::new(format);
    let mut kept = Kept::default();
    let mut statements: BTreeMap<String, StatementUse> = BTreeMap::new();
    let mut take = |timed: Timed| {
        if let Some(plan) = timed.plan(literals) {
            kept.add(plan);
        }
        let statement = timed.statement(literals);
        match statements.get_mut(&statement.family) {
            Some(known) => known.add(&statement),
            None => drop(statements.insert(statement.family.clone(), statement)),
        }
    };
    reader.push(text.as_bytes()).into_iter().for_each(&mut take);
    reader.finish().into_iter().for_each(&mut take);
    if statements.is_empty() {
        let message = "no plan and no duration of a statement was found; expected JSON of auto_explain \
                       (auto_explain.log_format = json), or a log with log_min_duration_statement in English";
        return Err(ExportError::new(file, None, message));
    }
    let left_out = reader.left_out();
    let notes = if left_out > 0 {
        vec![format!("{left_out} entries of the log are longer than 1 MiB and were left out")]
    } else {
        Vec::new()
    };
    Ok(PlansFile { plans: kept.plans(), statements: statements.into_values().collect(), notes })
}
