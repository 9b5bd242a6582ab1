use serde::Deserialize;

use super::{DemandHistory, ScalingError, WorkloadHistory, WorkloadSpec};

/// Name under which the workload's own demand stands beside its further resources.
pub const FIRST_RESOURCE: &str = "demand";

/// Something else that replicas share, such as memory, connections or messages in flight.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// Name, other than [`FIRST_RESOURCE`].
    pub name: String,
    /// PromQL for the demand, over all replicas, in a unit of its own.
    pub demand: String,
    /// What one replica serves of it, in the same unit; positive.
    pub capacity_per_replica: f64,
}

/// How one resource did beside the others.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceUse {
    /// Its name.
    pub name: String,
    /// What one replica serves of it, in its own unit.
    pub capacity: f64,
    /// Steps at which its demand was known.
    pub known: usize,
    /// Steps at which it asked for the most; of equals the first counts.
    pub largest: usize,
    /// Replicas' worth of it at the last step, where that is known.
    pub now: Option<f64>,
}

/// The demand that decides at every step, in units of the workload's own demand, of which a replica serves `capacity`:
/// the largest over the resources of demand ÷ what a replica serves. A resource that is missing at a step leaves it to
/// the others; the step is missing where all are. Without further resources it is the workload's own demand.
///
/// # Errors
/// [`ScalingError::Capacity`] for a resource of which a replica serves nothing.
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
            // Divided first: a whole number of replicas stays one.
            let demand = in_own_units(*demand, served, capacity);
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

/// Demand for a resource of which a replica serves `served`, where it serves `capacity` of the workload's own demand.
pub(in crate::advise::scaling) fn in_own_units(demand: f64, served: f64, capacity: f64) -> f64 {
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
        // Replicas' worth: 1, 5, –, –, 2 beside 2, 2, 3, –, – and 1, –, 2, –, 9.
        assert_eq!(demand.values(), [20.0, 50.0, 30.0, 30.0, 90.0]);
        assert_eq!(demand.observed(), [true, true, true, false, true]);
        let told: Vec<_> = uses.iter().map(|one| (&*one.name, one.known, one.largest)).collect();
        assert_eq!(told, [("demand", 3, 1), ("memory", 3, 2), ("slots", 3, 1)]);
        assert_eq!([uses[0].now, uses[1].now], [Some(2.0), None]);
    }

    #[test]
    fn a_whole_number_of_replicas_stays_one() {
        // 0.3 ÷ 0.1 is not 3 in binary, and times 0.7 it must not exceed what three replicas serve.
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
