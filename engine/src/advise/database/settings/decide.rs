//! Collects the verdicts on all settings.

use almanac_models::Timestamp;

use super::{
    facts::SettingsFacts,
    memory::{shared_buffers, work_mem},
    server::{connections, page_cost},
    tables::{fill_factor, vacuum, visibility},
    terms::SettingsTerms,
};
use crate::{
    advise::{Need, Outcome, database::DatabaseSpec},
    database::memory::about,
};

/// Bytes of a block.
const BLOCK: f64 = 8_192.0;

/// A verdict on a target.
type Decided = (String, Outcome<SettingsTerms>);

/// Decides on the database itself and on each setting that measurements show to matter.
pub(super) fn verdicts(spec: &DatabaseSpec, facts: &SettingsFacts, now: Timestamp) -> Vec<Decided> {
    let mut each: Vec<Decided> = work_mem(spec, facts, now);
    each.extend(shared_buffers(spec, facts, now));
    each.extend(connections(spec, facts, now));
    each.extend(page_cost(spec, facts, now));
    for table in &facts.database.catalogue.tables {
        each.extend(vacuum(spec, facts, table, now));
        each.extend(visibility(spec, facts, table, now));
        each.extend(fill_factor(spec, facts, table, now));
    }
    let mut each = one_lack(spec, each);
    if each.iter().all(|(_, outcome)| !matches!(outcome, Outcome::Lacks { .. })) {
        each.insert(0, (spec.name.clone(), Outcome::keep(summary(facts, &each))));
    }
    each
}

/// Joins what is missing to one verdict on the database.
fn one_lack(spec: &DatabaseSpec, each: Vec<Decided>) -> Vec<Decided> {
    let mut needs: Vec<Need> = Vec::new();
    let mut others = Vec::new();
    for (target, outcome) in each {
        match outcome {
            Outcome::Lacks { needs: found } => {
                needs.extend(found.into_iter().filter(|need| !needs.contains(need)).collect::<Vec<_>>());
            }
            outcome => others.push((target, outcome)),
        }
    }
    if !needs.is_empty() {
        others.insert(0, (spec.name.clone(), Outcome::Lacks { needs }));
    }
    others
}

fn summary(facts: &SettingsFacts, each: &[Decided]) -> String {
    let proposed = each.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Propose(_))).count();
    let workload = &facts.database.workload;
    let temporary: f64 = workload.statements.iter().map(|used| used.blocks_temporary).sum::<f64>() * BLOCK;
    let mut parts = vec![format!("statements move {} through temporary files a day", about(temporary / facts.days()))];
    if let Some(reads) = facts.reads {
        let asked = reads.hit + reads.read;
        parts.push(format!("{:.1} % of blocks are found in shared buffers", 100.0 * reads.hit / asked.max(1.0)));
    }
    if let (Some(sessions), Some(limit)) = (facts.sessions, facts.number("max_connections")) {
        parts.push(format!("at most {:.0} of {limit:.0} connections are used", sessions.peak));
    }
    let advice = match proposed {
        0 => "nothing shows that another value of a setting is better".to_owned(),
        1 => "1 change is recommended, with its own verdict".to_owned(),
        count => format!("{count} changes are recommended, each with its own verdict"),
    };
    let text = parts.join(", ");
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter();
    format!("{}: {advice}.", first.chain(letters).collect::<String>())
}
