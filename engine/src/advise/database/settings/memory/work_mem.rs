//! Decides on `work_mem`: for the database, or for one statement whose need is far above that of the others.

use almanac_models::Timestamp;
use serde_json::{Value, json};

use super::families::{Need, Spilling, spilling};
use crate::{
    advise::{
        Outcome,
        database::{
            DatabaseSpec,
            settings::{
                advisor::TEMPORARY_BYTES,
                change::{Case, Change, Scope},
                facts::SettingsFacts,
                terms::{FamilyBefore, SettingsTerms},
            },
        },
        kit::Interval,
    },
    database::memory::{about, text},
};

const MIB: f64 = 1_048_576.0;
/// Default of PostgreSQL.
const DEFAULT: f64 = 4.0 * MIB;
/// Temporary bytes a day below which memory is not changed.
const BYTES_A_DAY_MIN: f64 = 256.0 * MIB;
/// Share of the temporary bytes, of families whose need is known, that a value has to cover.
const COVERED: f64 = 0.9;
/// How much larger the need of one family must be than what covers the others to be set for its statement alone.
const APART: f64 = 4.0;
/// Largest value that is set for the database where only one statement needs it.
const ALONE_MAX: f64 = 64.0 * MIB;
/// Share of the memory that executions of these families may have at one time.
const BUDGET: f64 = 0.25;
/// Memory relative to `shared_buffers`, where it is not configured: PostgreSQL's manual (19.4.1) recommends a quarter.
const MEMORY_OF_BUFFERS: f64 = 4.0;
/// Values in MiB that are proposed, before each is doubled as often as needed.
const STEPS: [f64; 4] = [1.0, 1.25, 1.5, 1.75];
/// Safety of a need: the computed one was down to 0.94 of the least that was found in steps of 5 %.
const SAFETY: f64 = 1.06;
/// Families in the evidence.
const LISTED: usize = 10;

/// Decides on `work_mem`. Empty when nothing is known of it; a verdict for the setting, and one for a statement apart.
pub(in super::super) fn decide(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    now: Timestamp,
) -> Vec<(String, Outcome<SettingsTerms>)> {
    let present = facts.bytes("work_mem", 1024.0).unwrap_or(DEFAULT);
    let found = spilling(facts, present);
    let target = format!("{}:work_mem", spec.name);
    let a_day: f64 = found.iter().map(|family| family.bytes_a_day).sum();
    if a_day < BYTES_A_DAY_MIN {
        return Vec::new();
    }
    // A need that the present value covers is of a plan from before, or of a larger input that came since.
    let known: Vec<(&Spilling<'_>, &Need)> = found
        .iter()
        .filter_map(|family| Some((family, family.need.as_ref()?)))
        .filter(|(_, need)| step(need.bytes) > present)
        .collect();
    let sized: f64 = known.iter().map(|(family, _)| family.bytes_a_day).sum();
    if known.is_empty() || sized < 0.1 * a_day {
        return vec![(target, unknown(facts, &found, a_day, present))];
    }
    let covering = Covering { spec, facts, now, present, a_day };
    let (common, apart) = split(&known, present);
    let mut all = Vec::new();
    if !common.is_empty() {
        all.push((target, covering.database(&common)));
    }
    if let Some(one) = apart {
        all.push((format!("{}:work_mem/{}", spec.name, one.0.used.family), covering.statement(one)));
    }
    all
}

/// Returns what is missing, or why nothing can be said.
fn unknown(facts: &SettingsFacts, found: &[Spilling<'_>], a_day: f64, present: f64) -> Outcome<SettingsTerms> {
    let is_planned = found.iter().any(|family| family.need.is_some());
    let (volume, present) = (about(a_day), text(present));
    let moving = match found.len() {
        1 => "1 statement moves".to_owned(),
        count => format!("{count} statements move"),
    };
    if is_planned {
        return Outcome::keep(format!(
            "{moving} {volume} through temporary files a day, and the plans that are known need no more than the present \
             {present}: they are from before a change, or the files are not of sorts and hash tables."
        ));
    }
    let log = facts.database.catalogue.settings.contains_key("auto_explain.log_analyze");
    let remedy = if log {
        "let auto_explain log their plans: auto_explain.log_min_duration below their time, log_analyze, log_buffers and log_format = json, \
         and set log in [[database]]"
    } else {
        "load auto_explain with log_analyze, log_buffers and log_format = json, and set log in [[database]] (docs/databases.md)"
    };
    Outcome::lacks(
        format!(
            "{moving} {volume} through temporary files a day at work_mem = {present}, and no plan shows how much memory \
             they need"
        ),
        remedy,
    )
}

/// Families with their needs.
type Known<'a> = Vec<(&'a Spilling<'a>, &'a Need)>;

/// Returns the families that one value covers, and one whose need is far above it.
fn split<'a>(
    known: &[(&'a Spilling<'a>, &'a Need)],
    present: f64,
) -> (Known<'a>, Option<(&'a Spilling<'a>, &'a Need)>) {
    let largest = known.iter().enumerate().max_by(|a, b| a.1.1.bytes.total_cmp(&b.1.1.bytes));
    let Some((at, largest)) = largest else { return (Vec::new(), None) };
    if known.len() == 1 && step(largest.1.bytes) <= ALONE_MAX {
        return (known.to_vec(), None);
    }
    let others: Known<'a> = known.iter().enumerate().filter(|(idx, _)| *idx != at).map(|(_, one)| *one).collect();
    let value = covering_value(&others).map_or(present, step).max(present);
    if step(largest.1.bytes) >= APART * value { (others, Some(*largest)) } else { (known.to_vec(), None) }
}

/// Returns the least need that covers 90 % of the temporary bytes.
fn covering_value(known: &[(&Spilling<'_>, &Need)]) -> Option<f64> {
    let all: f64 = known.iter().map(|(family, _)| family.bytes_a_day).sum();
    let mut by_need: Vec<(f64, f64)> = known.iter().map(|(family, need)| (need.bytes, family.bytes_a_day)).collect();
    by_need.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut sum = 0.0;
    by_need.into_iter().find_map(|(need, bytes)| {
        sum += bytes;
        (sum >= COVERED * all).then_some(need)
    })
}

/// Returns the least proposed value that holds a need.
fn step(need: f64) -> f64 {
    let mib = (need * SAFETY / MIB).max(1.0);
    let doubled = mib.log2().floor().exp2();
    let factor = STEPS.iter().find(|factor| **factor * doubled >= mib).copied().unwrap_or(2.0);
    // Below 4 MiB whole kibibytes matter: 1.25 MiB is 1280kB.
    factor * doubled * MIB
}

/// What is the same for both scopes.
struct Covering<'a> {
    spec: &'a DatabaseSpec,
    facts: &'a SettingsFacts,
    now: Timestamp,
    present: f64,
    a_day: f64,
}

/// Memory that may be used, and where the figure comes from.
struct Budget {
    bytes: f64,
    source: String,
    is_configured: bool,
}

impl Covering<'_> {
    fn budget(&self) -> Option<Budget> {
        if let Some(memory) = self.facts.memory {
            let source = format!("a quarter of the {} that the configuration states", about(memory));
            return Some(Budget { bytes: BUDGET * memory, source, is_configured: true });
        }
        let buffers = self.facts.bytes("shared_buffers", 8_192.0)?;
        let source = format!(
            "a quarter of the memory, which is assumed to be four times shared_buffers ({}); state memory in [[database]]",
            about(buffers)
        );
        Some(Budget { bytes: BUDGET * MEMORY_OF_BUFFERS * buffers, source, is_configured: false })
    }

    /// Decides on the setting of the database.
    fn database(&self, known: &[(&Spilling<'_>, &Need)]) -> Outcome<SettingsTerms> {
        let Some(budget) = self.budget() else {
            return Outcome::lacks("the memory of the server is not known", "state memory in [[database]]");
        };
        let mut needs: Vec<f64> = known.iter().map(|(_, need)| need.bytes).collect();
        needs.sort_by(f64::total_cmp);
        let wanted = covering_value(known).unwrap_or(0.0);
        // The largest value whose executions fit, at most the one that covers enough.
        let fitting = needs.iter().rev().filter(|need| **need <= wanted).find_map(|need| {
            let covered: Vec<(&Spilling<'_>, &Need)> =
                known.iter().filter(|(_, own)| own.bytes <= *need).copied().collect();
            let used = memory(&covered, step(*need));
            (used <= budget.bytes).then_some((step(*need), covered, used))
        });
        let Some((value, covered, used)) = fitting else {
            let least = needs.first().copied().unwrap_or(0.0);
            return Outcome::keep(format!(
                "{} of temporary files a day could be kept in memory from work_mem = {} on, but the executions that run at one time would \
                 need {}, more than {} ({}).",
                about(self.a_day),
                text(step(least)),
                about(memory(known, step(least))),
                about(budget.bytes),
                budget.source
            ));
        };
        let name = self.facts.database.catalogue.database.as_str();
        let own = self.facts.database.catalogue.database_setting("work_mem");
        let scope = if name.is_empty() { Scope::Server } else { Scope::Database(name) };
        let restore = if name.is_empty() { Some(text(self.present)) } else { own.map(str::to_owned) };
        let change = Change { name: "work_mem", scope, present: Some(text(self.present)), restore, value: text(value) };
        change.propose(self.case(&covered, value, used, &budget), self.facts, self.now)
    }

    /// Decides on one statement.
    fn statement(&self, one: (&Spilling<'_>, &Need)) -> Outcome<SettingsTerms> {
        let Some(budget) = self.budget() else {
            return Outcome::lacks("the memory of the server is not known", "state memory in [[database]]");
        };
        let value = step(one.1.bytes);
        let used = memory(&[one], value);
        if used > budget.bytes {
            return Outcome::keep(format!(
                "A statement writes {} of temporary files a day and needs work_mem = {} to write none; its executions at one time would \
                 need {}, more than {} ({}).",
                about(one.0.bytes_a_day),
                text(value),
                about(used),
                about(budget.bytes),
                budget.source
            ));
        }
        let change = Change {
            name: "work_mem",
            scope: Scope::Statement(&one.0.used.statement),
            present: Some(text(self.present)),
            restore: None,
            value: text(value),
        };
        let mut case = self.case(&[one], value, used, &budget);
        case.notes.push(
            "No other statement needs nearly as much, so that it is set in the transaction of this one alone."
                .to_owned(),
        );
        change.propose(case, self.facts, self.now)
    }

    fn case(&self, covered: &[(&Spilling<'_>, &Need)], value: f64, used: f64, budget: &Budget) -> Case {
        let bytes: f64 = covered.iter().map(|(family, _)| family.bytes_a_day).sum();
        let is_planned = covered.iter().all(|(_, need)| need.is_planned);
        let confidence = if budget.is_configured { 0.85 } else { 0.7 } * if is_planned { 1.0 } else { 0.8 };
        let listed: Vec<Value> = covered
            .iter()
            .take(LISTED)
            .map(|(family, need)| {
                json!({"family": family.used.family, "statement": family.used.statement, "calls": family.used.calls,
                    "mean_ms": family.used.mean_ms(), "temporary_bytes_per_call": family.bytes_a_call(),
                    "temporary_bytes_per_day": family.bytes_a_day, "needs_bytes": need.bytes, "nodes": need.nodes,
                    "basis": if need.is_planned { "plan" } else { "counters" }, "concurrency_busiest_hour": family.concurrency})
            })
            .collect();
        let count = covered.len();
        let (writes, are) = if count == 1 { ("statement moves", "it is") } else { ("statements move", "they are") };
        let mut notes = vec![
            "Only executions that write temporary files at present take more memory; the planner may choose more hash tables."
                .to_owned(),
        ];
        if !is_planned {
            notes.push("The need of a statement without a plan follows from its counters and rows.".to_owned());
        }
        Case {
            metric: TEMPORARY_BYTES,
            effect: Interval { value: 0.95 * bytes, lower: 0.7 * bytes, upper: bytes },
            baseline: 0.0,
            confidence,
            reason: format!(
                "{count} {writes} {} through temporary files a day at work_mem = {}; with {} {are} expected to need none, \
                 and at most {} of memory at one time.",
                about(bytes),
                text(self.present),
                text(value),
                about(used)
            ),
            evidence: json!({
                "statements": listed,
                "temporary_bytes_per_day": self.a_day,
                "memory_at_one_time_bytes": used,
                "memory_limit_bytes": budget.bytes,
                "memory_limit_source": budget.source,
                "active_sessions_p99": self.facts.sessions.map(|sessions| sessions.active),
                "hash_mem_multiplier": self.facts.number("hash_mem_multiplier"),
            }),
            notes,
            terms: SettingsTerms::TemporaryBytes {
                database: self.spec.name.clone(),
                families: covered
                    .iter()
                    .map(|(family, _)| FamilyBefore {
                        family: family.used.family.clone(),
                        before: family.bytes_a_call(),
                    })
                    .collect(),
            },
            terms_before: None,
        }
    }
}

/// Returns the memory of all executions at one time, in bytes: as many as at most one in a thousand instants of the busiest
/// hour has (Poisson, as of independent arrivals), each with the most that a family takes.
fn memory(known: &[(&Spilling<'_>, &Need)], value: f64) -> f64 {
    let mean: f64 = known.iter().map(|(family, _)| family.concurrency).sum();
    let each = known
        .iter()
        .map(|(_, need)| need.all.max(need.bytes).min(value * need.all / need.bytes.max(1.0)))
        .fold(0.0, f64::max);
    at_one_time(mean) * each
}

/// Returns the 99.9 % quantile of the Poisson distribution, at least 1.
fn at_one_time(mean: f64) -> f64 {
    if mean > 100.0 {
        return (mean + 3.09 * mean.sqrt()).ceil();
    }
    let (mut term, mut sum, mut count) = ((-mean).exp(), (-mean).exp(), 0.0);
    while sum < 0.999 && count < 1_000.0 {
        count += 1.0;
        term *= mean / count;
        sum += term;
    }
    f64::max(count, 1.0)
}
