//! The sentence of a request recommendation: the change, its benefit and its cost. Called by `advise`.

use super::{ContainerResource, ContainerSpec, Held, RequestDecision, shape::percent};

/// Hours per month.
const MONTH_HOURS: f64 = 730.0;
const GIBIBYTE: f64 = 1_073_741_824.0;

/// Returns, for example, "Lower the CPU request of api from 500m to 94m: it would idle 56 % instead of 91 %; usage
/// would exceed it 5.5 % of the time".
///
/// `remarks`: notes on the usage for the operator, which follow the sentence.
pub(super) fn describe(spec: &ContainerSpec, decision: &RequestDecision, remarks: &[String]) -> String {
    let RequestDecision { resource, current, request, held, present_held, .. } = decision;
    let written = |amount: f64| resource.quantity(amount).1;
    let (kind, name, to) = (resource.name(), &spec.name, written(*request));
    let sentence = match current.zip(*present_held) {
        Some((current, present)) if *request < current => format!(
            "Lower the {kind} request of {name} from {} to {to}: it would idle {} instead of {}, {} less for each replica{}; {}",
            written(current),
            percent(held.idle_share),
            percent(present.idle_share),
            written(current - request),
            priced(spec, *resource, current - request, "saved"),
            exceeds(held, Some(&present)),
        ),
        Some((current, present)) => format!(
            "Raise the {kind} request of {name} from {} to {to}: {}; it would idle {} instead of {}, {} more for each replica{}",
            written(current),
            exceeds(held, Some(&present)),
            percent(held.idle_share),
            percent(present.idle_share),
            written(request - current),
            priced(spec, *resource, request - current, "more"),
        ),
        None => format!(
            "Set the {kind} request of {name} to {to}: it would idle {}; {}; the present request is unknown",
            percent(held.idle_share),
            exceeds(held, None)
        ),
    };
    std::iter::once(sentence).chain(remarks.iter().cloned()).collect::<Vec<_>>().join("; ")
}

fn exceeds(held: &Held, present: Option<&Held>) -> String {
    let now = held.above_share;
    match present.map(|present| present.above_share) {
        Some(before) if before > 0.0 => {
            format!("usage would exceed it {} of the time instead of {}", percent(now), percent(before))
        }
        _ if now > 0.0 => format!("usage would exceed it {} of the time", percent(now)),
        _ => "usage would not have exceeded it in the last week".to_owned(),
    }
}

fn priced(spec: &ContainerSpec, resource: ContainerResource, amount: f64, saved: &str) -> String {
    let price = match resource {
        ContainerResource::Cpu => spec.cpu_price.map(|price| price * amount),
        ContainerResource::Memory => spec.memory_price.map(|price| price * amount / GIBIBYTE),
    };
    price.map_or_else(String::new, |hourly| format!(" ({:.2} {saved} a month)", hourly * MONTH_HOURS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::{
        kit::DemandHistory,
        rightsizing::{CoveringOptions, decide_request},
    };

    /// Two weeks of five-minute steps at `level`, with a tenth of non-repeating noise.
    fn decided(level: f64, current: Option<f64>) -> RequestDecision {
        let steps: Vec<i64> = (0..14 * 288).collect();
        let noise = |step: i64| f64::from(i32::try_from(step * 7_919 % 104_729 % 1_009).unwrap()) / 1_009.0;
        let values = steps.iter().map(|step| level * (0.95 + 0.1 * noise(*step))).collect();
        let usage = DemandHistory::try_new(steps.iter().map(|step| step * 300_000).collect(), values).unwrap();
        decide_request(&usage, current, &CoveringOptions::new(ContainerResource::Cpu)).unwrap()
    }

    #[test]
    fn a_sentence_names_what_it_brings_and_what_it_costs() {
        let spec = ContainerSpec { cpu_price: Some(0.04), ..ContainerSpec::new("api") };
        let lower = describe(&spec, &decided(0.1, Some(0.5)), &["usage is flat".to_owned()]);
        assert!(lower.starts_with("Lower the CPU request of api from 500m to 1"), "{lower}");
        assert!(lower.contains("instead of 80 %") && lower.ends_with("; usage is flat"), "{lower}");
        assert!(lower.contains("saved a month"), "{lower}");
        let raise = describe(&spec, &decided(0.1, Some(0.02)), &[]);
        assert!(raise.starts_with("Raise the CPU request of api from 20m to 1"), "{raise}");
        assert!(raise.contains("instead of 100 %; it would idle"), "{raise}");
        let first = describe(&ContainerSpec::new("api"), &decided(0.1, None), &[]);
        assert!(first.starts_with("Set the CPU request of api to 1") && !first.contains("month"), "{first}");
    }
}
