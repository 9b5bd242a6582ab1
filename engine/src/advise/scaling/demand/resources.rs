//! Combines the demand for several resources into one series, in replicas' worth of each. Called by `decide`, `measure`
//! and `current`.

use serde::Deserialize;

use super::{DemandHistory, ScalingError, WorkloadHistory, WorkloadSpec};

/// Name of the workload's own demand among its resources.
pub const FIRST_RESOURCE: &str = "demand";

/// A further resource that replicas share, such as memory, connections or messages in flight.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// Name, other than [`FIRST_RESOURCE`].
    pub name: String,
    /// PromQL of the demand over all replicas, in any unit.
    pub demand: String,
    /// Demand that one replica serves, in the same unit; positive.
    pub capacity_per_replica: f64,
}

/// Use of one resource compared with the others.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceUse {
    /// Name of the resource.
    pub name: String,
    /// Demand that one replica serves, in the resource's unit.
    pub capacity: f64,
    /// Number of steps with known demand.
    pub known: usize,
    /// Number of steps at which it needed the most replicas; the first of equals counts.
    pub largest: usize,
    /// Replicas that the last step needs, as a fraction, if known.
    pub now: Option<f64>,
}

/// Returns the demand that decides at every step, in units of the workload's demand of which a replica serves
/// `capacity`, and the use of each resource.
///
/// The deciding demand is the maximum over resources of demand ÷ capacity. A resource that is missing at a step is
/// skipped; the step is missing if all are. Without further resources the result is the workload's own demand.
///
/// # Errors
/// [`ScalingError::Capacity`] for a resource with an invalid capacity.
pub fn largest_demand(
    history: &WorkloadHistory,
    spec: &WorkloadSpec,
    capacity: f64,
) -> Result<(DemandHistory, Vec<ResourceUse>), ScalingError> {
    if spec.resources.is_empty() {
        return Ok((history.demand.clone(), Vec::new()));
    }
    let own = &history.demand;
    let mut values: Vec<f64> =
        own.values().iter().zip(own.observed()).map(|(&value, &known)| if known { value } else { f64::NAN }).collect();
    let mut uses = vec![ResourceUse::new(FIRST_RESOURCE, capacity, &values)];
    let mut winners: Vec<usize> = vec![0; values.len()];
    for (idx, (resource, demand)) in spec.resources.iter().zip(&history.resources).enumerate() {
        let served = resource.capacity_per_replica;
        if !(served > 0.0 && served.is_finite()) {
            return Err(ScalingError::Capacity { capacity: served });
        }
        for ((largest, winner), demand) in values.iter_mut().zip(&mut winners).zip(demand) {
            // The division comes first, so that a whole number of replicas stays one.
            let demand = in_workload_units(*demand, served, capacity);
            if demand > *largest || (largest.is_nan() && !demand.is_nan()) {
                (*largest, *winner) = (demand, idx + 1);
            }
        }
        uses.push(ResourceUse::new(&resource.name, served, demand));
    }
    for (&winner, _) in winners.iter().zip(&values).filter(|(_, value)| !value.is_nan()) {
        uses[winner].largest += 1;
    }
    Ok((DemandHistory::try_new(own.timestamps().to_vec(), values)?, uses))
}

/// Converts the demand for a resource, of which a replica serves `served`, to units of the workload's demand, of which
/// it serves `capacity`.
pub(in crate::advise::scaling) fn in_workload_units(demand: f64, served: f64, capacity: f64) -> f64 {
    (demand / served) * capacity
}

impl ResourceUse {
    fn new(name: &str, capacity: f64, demand: &[f64]) -> Self {
        let known = demand.iter().filter(|value| !value.is_nan()).count();
        let now = demand.last().filter(|value| !value.is_nan()).map(|value| value / capacity);
        Self { name: name.to_owned(), capacity, known, largest: 0, now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(own: &[f64], others: &[&[f64]]) -> WorkloadHistory {
        let timestamps = (0..own.len()).map(|i| i64::try_from(i).unwrap() * 60_000).collect();
        WorkloadHistory {
            demand: DemandHistory::try_new(timestamps, own.to_vec()).unwrap(),
            resources: others.iter().map(|values| values.to_vec()).collect(),
            replicas: None,
            cpu: None,
            latency: None,
        }
    }

    fn spec(resources: &[(&str, f64)]) -> WorkloadSpec {
        let resources = resources
            .iter()
            .map(|&(name, capacity_per_replica)| ResourceSpec {
                name: name.to_owned(),
                demand: name.to_owned(),
                capacity_per_replica,
            })
            .collect();
        WorkloadSpec { resources, ..WorkloadSpec::new("api", "demand") }
    }

    #[test]
    fn the_largest_wins_at_each_step() {
        const NONE: f64 = f64::NAN;
        let history =
            history(&[10.0, 50.0, NONE, NONE, 20.0], &[&[6.0, 6.0, 9.0, NONE, NONE], &[0.1, NONE, 0.2, NONE, 0.9]]);
        let (demand, uses) = largest_demand(&history, &spec(&[("memory", 3.0), ("slots", 0.1)]), 10.0).unwrap();
        // Replicas needed: 1, 5, –, –, 2 for demand; 2, 2, 3, –, – for memory; 1, –, 2, –, 9 for slots.
        assert_eq!(demand.values(), [20.0, 50.0, 30.0, 30.0, 90.0]);
        assert_eq!(demand.observed(), [true, true, true, false, true]);
        let steps: Vec<_> = uses.iter().map(|one| (&*one.name, one.known, one.largest)).collect();
        assert_eq!(steps, [("demand", 3, 1), ("memory", 3, 2), ("slots", 3, 1)]);
        assert_eq!([uses[0].now, uses[1].now], [Some(2.0), None]);
    }

    #[test]
    fn a_whole_number_of_replicas_stays_one() {
        // 0.3 ÷ 0.1 is not 3 in binary; times 0.7 it must not exceed the capacity of three replicas.
        for (demand, served, needed) in [(0.3, 0.1, 3), (300.0, 100.0, 3), (7.0, 7.0, 1), (0.7, 0.1, 7)] {
            let (largest, _) =
                largest_demand(&history(&[0.0; 3], &[&[demand; 3]]), &spec(&[("b", served)]), 0.7).unwrap();
            assert_eq!(spec(&[]).pool_rules(0.7).needed(largest.values()[0]), needed, "{demand} / {served}");
        }
    }

    #[test]
    fn a_resource_without_capacity_is_refused() {
        let refused = largest_demand(&history(&[1.0; 3], &[&[1.0; 3]]), &spec(&[("b", 0.0)]), 1.0);
        assert!(matches!(refused, Err(ScalingError::Capacity { .. })));
    }
}
