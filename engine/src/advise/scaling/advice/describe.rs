//! The sentence of a scaling recommendation: the change, its benefit and its cost. Called by `recommend`.

use crate::advise::scaling::{Decision, ResourceUse, Rule, ScalingError, WorkloadSpec};

const DAY_MS: i64 = 86_400_000;
const MONTH_HOURS: f64 = 730.0;

/// Returns, for example, "Scale api by its forecast, 7 replicas now instead of 5: over its own history demand would
/// have exceeded the ready replicas 0.2 % of the time instead of 1.6 % under the reactive rule, for 6 % more
/// replica-hours".
pub(super) fn describe(spec: &WorkloadSpec, decision: &Decision, no_schedule: Option<&ScalingError>) -> String {
    let Decision { comparison, current, replicas, .. } = decision;
    let named = binding(decision).map_or_else(String::new, |resource| format!(" for {}", resource.name));
    let present = current.map_or_else(String::new, |current| match current == *replicas {
        true => ", as at present".to_owned(),
        false => format!(" instead of {current}"),
    });
    let (ours, theirs) = (&comparison.predictive, &comparison.reactive);
    let mut clauses = vec![format!(
        "Scale {} by its forecast, {replicas} replicas now{named}{present}: over its own history demand would have exceeded the ready \
         replicas {} of the time instead of {} under the reactive rule{}, for {}",
        spec.name,
        percent(ours.under_provisioned_share),
        percent(theirs.under_provisioned_share),
        minutes(spec, ours.under_provisioned_share, theirs.under_provisioned_share),
        cost(spec, decision),
    )];
    if decision.rule == Rule::Reactive {
        clauses.push(format!(
            "the reactive rule is in use now, because the forecast's bound held {:.0} % of the time instead of the promised {:.0} %",
            100.0 * decision.coverage.measured,
            100.0 * decision.coverage.promised
        ));
    }
    clauses.extend(no_schedule.map(ToString::to_string));
    clauses.extend(decision.history.left_out().notes());
    clauses.join("; ")
}

/// Returns the resource that needs the most replicas now, if there are several.
fn binding(decision: &Decision) -> Option<&ResourceUse> {
    let most = |resource: &&ResourceUse| resource.now.unwrap_or(f64::NEG_INFINITY);
    // The first of equals is taken, as in the history.
    decision.resources.iter().rev().max_by(|a, b| most(a).total_cmp(&most(b)))
}

/// Formats shares of the time as minutes per day. Empty for days of another length than 24 hours.
fn minutes(spec: &WorkloadSpec, ours: f64, theirs: f64) -> String {
    if spec.day_ms != DAY_MS {
        return String::new();
    }
    format!(" ({:.1} minutes a day instead of {:.1})", 1_440.0 * ours, 1_440.0 * theirs)
}

/// Formats replica-hours relative to the reactive rule's: mean replicas, and money per month if a replica has a price.
fn cost(spec: &WorkloadSpec, decision: &Decision) -> String {
    let (ours, theirs) = (decision.comparison.predictive.replica_hours, decision.comparison.reactive.replica_hours);
    let more = ours / theirs.max(f64::MIN_POSITIVE) - 1.0;
    if more.abs() < 0.005 {
        return "as many replica-hours".to_owned();
    }
    let what = if more > 0.0 { "more" } else { "fewer" };
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    let scored_hours = (decision.at_ms - decision.comparison.scored_from_ms).max(1) as f64 / 3.6e6;
    let replicas = (ours - theirs).abs() / scored_hours;
    let price = spec.replica_price.map_or_else(String::new, |price| {
        let monthly = price * replicas * MONTH_HOURS;
        format!("{monthly:.2} {} a month", if more > 0.0 { "more" } else { "less" })
    });
    // A difference that rounds to nothing is left out.
    let mean = if replicas < 0.05 { String::new() } else { format!("{replicas:.1} replicas on average") };
    let hours = format!("{:.0} % {what} replica-hours", 100.0 * more.abs());
    let details: Vec<String> = [mean, price].into_iter().filter(|detail| !detail.is_empty()).collect();
    if details.is_empty() { hours } else { format!("{hours} ({})", details.join(", ")) }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}
