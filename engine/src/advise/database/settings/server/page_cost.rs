//! Decides on `random_page_cost`, where measured plans scan whole tables though an index would serve them, and pages in random
//! order are as cheap as the index plan needs.

use std::collections::BTreeSet;

use almanac_models::Timestamp;
use serde_json::{Value, json};

use crate::{
    advise::{
        Outcome,
        database::{
            DatabaseSpec,
            settings::{
                advisor::STATEMENT_TIME,
                change::{Case, Change, Scope},
                facts::SettingsFacts,
                terms::{FamilyBefore, SettingsTerms},
            },
        },
        kit::Interval,
    },
    database::{
        Plan, PlanNode, StatementUse,
        estimate::{Costs, Design, Estimate, Seen, estimate},
        shape::shape,
        statement::parse,
    },
};

/// Share of blocks found in shared buffers from which the data counts as cached.
const CACHED: f64 = 0.995;
/// Cost of a random page relative to one in order, where both are in memory: PostgreSQL's manual (19.7.2) allows equal costs.
const RATIO_CACHED: f64 = 1.1;
/// Least blocks that the plans read in each order for their times to be compared.
const BLOCKS_MIN: f64 = 1_000.0;
/// Largest measured cost relative to the present one that is proposed.
const LOWER: f64 = 0.6;
/// Least share of the statements' time of a family.
const SHARE_MIN: f64 = 0.01;
/// Most work of the index plan relative to that of the scan.
const WORK_MAX: f64 = 0.5;

/// How pages in random order compare with pages in order.
struct Pages {
    /// Cost of a random page relative to one in order.
    ratio: f64,
    /// What it follows from.
    source: String,
}

/// A family whose measured plan scans a table, and would use an index.
struct Flipped<'a> {
    used: &'a StatementUse,
    index: String,
    /// Part of its time that is saved.
    saved: f64,
}

/// Decides on `random_page_cost`. None: no statement shows that it matters, or the order of pages does.
pub(in super::super) fn decide(
    spec: &DatabaseSpec,
    facts: &SettingsFacts,
    now: Timestamp,
) -> Option<(String, Outcome<SettingsTerms>)> {
    let costs = Costs::of(&facts.database.catalogue);
    let random = facts.number("random_page_cost").unwrap_or(costs.random_page);
    let pages = pages(facts)?;
    // Tenths, rounded up: the planner's cost is no measurement. The small part is the error of 1.1 · 10.
    let value = (pages.ratio.max(RATIO_CACHED) * costs.seq_page * 10.0 - 1e-6).ceil() / 10.0;
    if value > LOWER * random {
        return None;
    }
    let flipped = flipped(facts, &Costs { random_page: random, ..costs }, value);
    if flipped.is_empty() {
        return None;
    }
    let name = facts.database.catalogue.database.as_str();
    let own = facts.database.catalogue.database_setting("random_page_cost").map(str::to_owned);
    let change = Change {
        name: "random_page_cost",
        scope: if name.is_empty() { Scope::Server } else { Scope::Database(name) },
        present: Some(format!("{random}")),
        restore: if name.is_empty() { Some(format!("{random}")) } else { own },
        value: format!("{value}"),
    };
    let outcome = change.propose(case(spec, facts, &pages, &flipped, value), facts, now);
    Some((format!("{}:random_page_cost", spec.name), outcome))
}

fn case(spec: &DatabaseSpec, facts: &SettingsFacts, pages: &Pages, flipped: &[Flipped<'_>], value: f64) -> Case {
    let a_day = |one: &Flipped<'_>| one.used.total_ms * one.saved / 1_000.0 / facts.days();
    let saved: f64 = flipped.iter().map(a_day).sum();
    let listed: Vec<Value> = flipped
        .iter()
        .map(|one| {
            json!({"family": one.used.family, "statement": one.used.statement, "calls": one.used.calls,
                "mean_ms": one.used.mean_ms(), "expected_ms": one.used.mean_ms() * (1.0 - one.saved), "index": one.index})
        })
        .collect();
    let count = flipped.len();
    let statements = if count == 1 { "statement scans a table" } else { "statements scan tables" };
    Case {
        metric: STATEMENT_TIME,
        effect: Interval { value: saved, lower: 0.3 * saved, upper: 1.2 * saved },
        baseline: 0.0,
        confidence: 0.6,
        reason: format!(
            "{count} {statements} that an index serves; with random_page_cost = {value} the planner is expected to use it, which saves {} s \
             a day. {}.",
            if saved >= 10.0 { format!("{saved:.0}") } else { format!("{saved:.1}") },
            pages.source
        ),
        evidence: json!({
            "basis": "estimated",
            "statements": listed,
            "random_to_sequential": pages.ratio,
            "rests_on": pages.source,
        }),
        notes: vec!["Plans of other statements may change as well; the rollback restores them.".to_owned()],
        terms: SettingsTerms::StatementTime {
            database: spec.name.clone(),
            families: flipped
                .iter()
                .map(|one| FamilyBefore { family: one.used.family.clone(), before: one.used.mean_ms() })
                .collect(),
        },
        terms_before: None,
    }
}

/// Compares pages in random order with pages in order: by the times of reading them in plans, else as equal if nearly all are
/// in shared buffers. None: neither is known.
fn pages(facts: &SettingsFacts) -> Option<Pages> {
    let (mut ordered, mut random) = ((0.0, 0.0), (0.0, 0.0));
    for node in facts.database.workload.plans.iter().flat_map(|plan| plan.root.all()) {
        let (Some(ms), Some(blocks)) = (node.read_ms, node.blocks_read) else { continue };
        let of = match node.node.as_str() {
            "Seq Scan" => &mut ordered,
            "Index Scan" => &mut random,
            _ => continue,
        };
        *of = (of.0 + blocks, of.1 + ms);
    }
    if ordered.0 >= BLOCKS_MIN && random.0 >= BLOCKS_MIN && ordered.1 > 0.0 && random.1 > 0.0 {
        let (ordered, random) = (ordered.1 / ordered.0, random.1 / random.0);
        let source = format!(
            "A page takes {:.0} µs in index scans and {:.0} µs in scans of whole tables, as their plans measured",
            1_000.0 * random,
            1_000.0 * ordered
        );
        return Some(Pages { ratio: random / ordered, source });
    }
    let reads = facts.reads?;
    let hit = reads.hit / (reads.hit + reads.read).max(1.0);
    (hit >= CACHED && reads.hit > 0.0).then(|| Pages {
        ratio: RATIO_CACHED,
        source: format!("{:.1} % of blocks are found in shared buffers, where their order costs nothing", 100.0 * hit),
    })
}

/// Returns the families whose measured plan scans a table, and whose estimate uses an index of it at the new cost.
fn flipped<'a>(facts: &'a SettingsFacts, costs: &Costs, value: f64) -> Vec<Flipped<'a>> {
    let workload = &facts.database.workload;
    let total: f64 = workload.statements.iter().map(|used| used.total_ms).sum::<f64>() + workload.other_ms;
    let heavy = workload.statements.iter().filter(|used| used.calls > 0.0 && used.total_ms >= SHARE_MIN * total);
    heavy
        .filter_map(|used| {
            let plan = workload.plans.iter().find(|plan| plan.family == used.family)?;
            flip(facts, used, plan, costs, value)
        })
        .collect()
}

fn flip<'a>(
    facts: &'a SettingsFacts,
    used: &'a StatementUse,
    plan: &Plan,
    costs: &Costs,
    value: f64,
) -> Option<Flipped<'a>> {
    let catalogue = &facts.database.catalogue;
    let shape = shape(&parse(&used.statement).ok()?, catalogue);
    let nothing = BTreeSet::new();
    let design = Design { catalogue, added: &[], dropped: &nothing };
    let seen = Seen { rows: Some(used.rows / used.calls), blocks: None };
    let with = |random_page: f64| estimate(&shape, &design, &Costs { random_page, ..*costs }, seen);
    let (before, after): (Estimate, Estimate) = (with(costs.random_page), with(value));
    if !(after.work < WORK_MAX * before.work) {
        return None;
    }
    let scanned: Vec<&str> = plan.root.all().into_iter().filter_map(scanned).collect();
    let pairs = before.uses.iter().zip(&after.uses);
    let index = pairs.filter(|(was, is)| was.index.is_none() && is.index.is_some()).find_map(|(was, is)| {
        let relation = shape.blocks.get(was.block)?.relations.get(was.relation)?;
        let table = relation.table.as_deref()?;
        let name = table.rsplit('.').next()?;
        scanned.iter().any(|own| *own == table || *own == name).then(|| is.index.clone())?
    })?;
    Some(Flipped { used, index, saved: 1.0 - after.work / before.work.max(f64::MIN_POSITIVE) })
}

fn scanned(node: &PlanNode) -> Option<&str> {
    (node.node == "Seq Scan" && node.actual_rows.is_some()).then_some(node.relation.as_deref()?)
}
