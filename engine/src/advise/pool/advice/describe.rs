//! The sentences of a pool's advice: a proposal, or why the present setting is kept. Called by `decide` and `proposal`.

use super::{
    Study,
    choose::Choice,
    timeouts::{self, TimeLimit},
};
use crate::advise::{
    Need,
    kit::percent,
    pool::model::{ASSUMED_VARIATION, Prediction},
};

/// Least share of their transactions' time in which sessions wait for the application that is worth a word.
const HELD_MIN: f64 = 0.5;
/// Halvings of the search for the hold time that would suffice.
const HALVINGS: usize = 7;

/// Returns the reason of a proposal.
pub(super) fn describe(
    study: &Study<'_>,
    choice: &Choice,
    now: &Prediction,
    then: &Prediction,
    limits: [Option<&TimeLimit>; 2],
) -> String {
    let Study { spec, facts, .. } = study;
    let (present, name) = (facts.connections(), &spec.name);
    let is_larger = choice.connections > present;
    let from_to = format!(
        "from {} to {}{}",
        written(facts.size, facts.overflow),
        written(choice.size, choice.overflow),
        each(facts.foreseen.instances)
    );
    let before = study.calibration.measured.map_or_else(
        || format!("{} predicted for the present setting", wait(now.busiest.value)),
        |measured| format!("{} measured", between(measured.busiest.lower, measured.busiest.upper)),
    );
    let busy = format!("in the busiest times, {:.0} % of the checkouts", 100.0 * study.busiest_share());
    let mut parts = if is_larger {
        vec![
            format!("Raise the pool {name} {from_to}"),
            format!(
                "{busy}, 95 % of them would wait at most {} instead of {before}; the limit is {}",
                at_most(then.busiest.upper),
                wait(spec.wait_max())
            ),
        ]
    } else {
        let saved = f64::from(present - choice.connections) * facts.foreseen.instances;
        vec![
            format!("Lower the pool {name} {from_to}, {saved:.0} connections less"),
            format!(
                "at most {} of an instance were in use at a time, {:.2} on average; {busy}, 95 % of them would wait at most {} of \
                 {} allowed",
                study.most_in_use(),
                study.little.in_use,
                at_most(then.busiest.upper),
                wait(spec.wait_max())
            ),
        ]
    };
    if choice.is_step {
        parts.push(format!(
            "the limit needs more, but hold times of more than {} connections at once were never measured, so that this is a first step",
            choice.connections
        ));
    }
    parts.push(connections_of_limit(study, choice.connections));
    parts.extend(assumptions(study));
    parts.extend(limits.into_iter().flatten().map(|limit| limit.text.clone()));
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

/// Returns the reason to keep a setting that is good.
pub(super) fn kept(study: &mut Study<'_>, least: u32) -> String {
    let present = study.facts.connections();
    let prediction = study.predict(present).clone();
    let (spec, facts) = (study.spec, study.facts);
    let measured = study.calibration.measured.map_or_else(String::new, |measured| {
        format!(" ({} measured)", between(measured.busiest.lower, measured.busiest.upper))
    });
    let mut parts = vec![format!(
        "{} are kept: in the busiest times 95 % of the checkouts wait at most {}{measured}, the limit is {}; at most {} of an instance \
         were in use at a time, {:.2} on average",
        written(facts.size, facts.overflow),
        at_most(prediction.busiest.upper),
        wait(spec.wait_max()),
        study.most_in_use(),
        study.little.in_use,
    )];
    if least < present {
        parts.push(format!("{least} would suffice, which saves too few connections for a change"));
    }
    if let Some(allowed) = study.allowed().filter(|allowed| *allowed < present) {
        parts.push(format!(
            "the database allows only {allowed} for each of {:.0} instances ({}), and no smaller pool keeps the limit of the wait",
            facts.foreseen.instances,
            facts.limit.as_ref().map_or("", |limit| limit.source.as_str())
        ));
    }
    let advised = [timeouts::timeout(study, prediction.p999), timeouts::recycle(study)];
    parts.extend(advised.into_iter().flatten().map(|limit| limit.text));
    parts.join("; ")
}

/// Returns the reason to keep a setting that the database's limit does not let grow. `needed`: the connections of an
/// instance that would suffice, if they are known.
pub(super) fn bound(study: &mut Study<'_>, needed: Option<u32>) -> String {
    let present = study.facts.connections();
    let allowed = study.allowed().unwrap_or(present);
    let usable = allowed.max(1);
    let most = study.spec.wait_max();
    let at_usable = study.predict(usable).busiest;
    // The longest hold times with which the allowed connections suffice.
    let (mut low, mut high) = (0.02, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if study.predict_stretched(usable, middle).busiest.upper <= most { low = middle } else { high = middle }
    }
    let hold = study.load.hold;
    let remedy = if low > 0.02 {
        format!(
            "hold times of {} on average instead of {} would keep the limit with {usable}",
            wait(low * hold),
            wait(hold)
        )
    } else {
        "no hold time keeps the limit with them".to_owned()
    };
    let needed = needed.map_or_else(
        || "more connections than the database allows".to_owned(),
        |needed| format!("{needed} connections of each of {:.0} instances", study.facts.foreseen.instances),
    );
    let source = study.facts.limit.as_ref().map_or("", |limit| limit.source.as_str());
    format!(
        "{} are kept: a wait of at most {} needs {needed}, but it allows {allowed} ({source}); with {usable}, 95 % of the checkouts wait {} \
         in the busiest times; {remedy}{}",
        written(study.facts.size, study.facts.overflow),
        wait(most),
        wait(at_usable.value),
        held(study).map(|held| format!("; {held}")).unwrap_or_default(),
    )
}

/// Returns the reason to keep a setting when far more connections do not shorten the waits.
pub(super) fn unreachable(study: &mut Study<'_>, farthest: u32) -> String {
    let present = study.facts.connections();
    let (now, then) = (study.predict(present).busiest, study.predict(farthest).busiest);
    let rise = study
        .load
        .rise
        .map_or_else(String::new, |rise| format!("; hold times rise by {} with each connection in use", wait(rise)));
    format!(
        "{} are kept: with {farthest}, 95 % of the checkouts would still wait {} in the busiest times instead of {}, the limit is {}{rise}; \
         shorten the statements, or spread the load over more instances or databases",
        written(study.facts.size, study.facts.overflow),
        wait(then.value),
        wait(now.value),
        wait(study.spec.wait_max()),
    )
}

/// Returns what is missing when measured waits are far longer than any that the pool explains.
pub(super) fn contradiction(study: &Study<'_>) -> Need {
    let measured = study.calibration.measured.map_or(0.0, |measured| measured.mean);
    Need {
        missing: format!(
            "checkouts wait {} on average, but arrivals and hold times explain {} with {} connections, even in batches of {:.0}",
            wait(measured),
            wait(study.calibration.present.tally.mean()),
            study.facts.connections(),
            study.calibration.batch
        ),
        remedy: "check that size, overflow and wait are those of this pool; a wait that contains the opening of connections or a busy \
                 event loop is not shortened by a larger pool"
            .to_owned(),
    }
}

/// Returns the use of the database's limit.
fn connections_of_limit(study: &Study<'_>, connections: u32) -> String {
    let facts = study.facts;
    let all = f64::from(connections) * facts.foreseen.instances;
    match &facts.limit {
        Some(limit) => {
            format!("all instances may then open {all:.0} of {:.0} connections: {}", limit.free.max(0.0), limit.source)
        }
        None => "no limit of the database is known without database or connections_max".to_owned(),
    }
}

/// Returns what the prediction assumes and what its figures show besides.
fn assumptions(study: &Study<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    if !study.load.is_measured {
        parts.push(format!(
            "only the mean hold time of {} is known: a log-normal shape with a variation of {ASSUMED_VARIATION} is assumed; the histogram's \
             name as hold gives the real one",
            wait(study.load.hold)
        ));
    }
    if study.calibration.batch >= 1.5 {
        let from = if study.calibration.measured.is_some_and(|measured| measured.mean > 1e-3) {
            "waits"
        } else {
            "connections in use"
        };
        parts.push(format!("checkouts come in batches of {:.1} on average, by the {from}", study.calibration.batch));
    }
    let ratio = study.little.ratio();
    if !(0.8..=1.25).contains(&ratio) {
        parts.push(format!(
            "connections in use are {:.0} % of arrivals × hold time, so that one of the three is inexact",
            percent(ratio)
        ));
    }
    parts.extend(held(study));
    if study.load.rise.is_some() {
        parts.push("hold times rise with the load, which is considered".to_owned());
    }
    parts
}

/// Returns that connections are held while nothing runs in them, where this is most of the time.
fn held(study: &Study<'_>) -> Option<String> {
    let share = study.facts.idle_in_transaction.filter(|share| *share >= HELD_MIN)?;
    let database = study.spec.database.as_deref()?;
    Some(format!(
        "all sessions of the database {database} together are idle in a transaction for {:.0} % of the time that they have one: connections are \
         held while the application does something else, such as a call; a transaction that ends before it needs fewer",
        percent(share)
    ))
}

impl Study<'_> {
    /// Returns the share of the checkouts in the busiest blocks.
    fn busiest_share(&self) -> f64 {
        self.busiest_arrivals() / self.little.arrivals.max(1.0)
    }
}

/// Formats a pool's connections: `20 connections and 30 of overflow`.
fn written(size: u32, overflow: Option<u32>) -> String {
    let plural = if size == 1 { "" } else { "s" };
    match overflow {
        Some(overflow) if overflow > 0 => format!("{size} connection{plural} and {overflow} of overflow"),
        _ => format!("{size} connection{plural}"),
    }
}

fn each(instances: f64) -> String {
    if instances > 1.0 { format!(" on each of {instances:.0} instances") } else { String::new() }
}

/// Formats an upper bound of a wait, which is at least the smallest time that is written.
fn at_most(bound: f64) -> String {
    wait(bound.max(1e-5))
}

/// Formats a wait.
fn wait(wait: f64) -> String {
    match wait {
        wait if wait < 1e-3 => format!("{:.2} ms", 1e3 * wait),
        wait if wait < 0.1 => format!("{:.1} ms", 1e3 * wait),
        wait if wait < 1.0 => format!("{:.0} ms", 1e3 * wait),
        wait => format!("{wait:.1} s"),
    }
}

/// Formats the bounds of a bucket.
fn between(lower: f64, upper: f64) -> String {
    if upper.is_finite() { format!("{} to {}", wait(lower), wait(upper)) } else { format!("more than {}", wait(lower)) }
}

#[cfg(test)]
mod tests {
    use super::{at_most, wait};

    #[test]
    fn a_wait_of_none_is_at_most_the_smallest_time() {
        assert_eq!([0.0, 1e-5, 0.000_23].map(at_most), ["0.01 ms", "0.01 ms", "0.23 ms"]);
        assert_eq!([0.012, 0.25, 1.5].map(wait), ["12.0 ms", "250 ms", "1.5 s"]);
    }
}
