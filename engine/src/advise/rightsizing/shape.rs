//! Checks usage before a decision: wrong units and counters are errors; throttling, start-up bursts and leaks are
//! remarks. Called by `advise`.

use std::cmp::Ordering;

use super::{ContainerResource, RightsizingError};
use crate::advise::kit::DemandHistory;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const MEBIBYTE: f64 = 1_048_576.0;

/// Maximum and median cores of plausible usage, unless the present request is of the same order, and cores of the
/// largest public cloud machines.
const MAX_CORES: f64 = 64.0;
const MAX_MEDIAN_CORES: f64 = 16.0;
const MACHINE_CORES: f64 = 448.0;
/// Whole numbers up to this value may occur by chance.
const MIN_WHOLE: f64 = 8.0;
/// Median usage above this many times the request indicates another unit. Peaks may exceed a request by more.
const MAX_TIMES_REQUEST: f64 = 20.0;
/// Minimum bytes of a running container, and maximum bytes of a machine.
const MIN_BYTES: f64 = MEBIBYTE;
const MAX_BYTES: f64 = 7e13;
/// Maximum share of decreases among the changes of a counter, which decreases when it or the busiest of several
/// restarts.
const MAX_COUNTER_FALLS: f64 = 0.02;
/// Minimum highest value of a counter: CPU seconds exceed it within hours, usage in cores almost never.
const MIN_COUNTER: f64 = 32.0;

/// Rejects usage, or a present request, that is not in cores or bytes.
///
/// CPU usage that only rises is a counter without `rate()`. Units are inferred from the range, from the present request
/// if known, and from whole numbers, which rates of CPU time are not.
///
/// # Errors
/// [`RightsizingError::Counter`], [`RightsizingError::Unit`]: both name the correction.
pub fn check_usage(
    usage: &DemandHistory,
    resource: ContainerResource,
    current: Option<f64>,
) -> Result<(), RightsizingError> {
    let values = known(usage);
    if let Some(current) = current {
        check_request(resource, current)?;
    }
    let Some(range) = UsageRange::of(&values) else { return Ok(()) };
    match resource {
        ContainerResource::Cpu if only_rises(&values) && range.most > MIN_COUNTER => {
            let seconds = i64_to_f64(usage.timestamps()[usage.len() - 1] - usage.timestamps()[0]) / 1e3;
            let cores = (range.most - range.least) / seconds.max(1.0);
            Err(RightsizingError::Counter { least: range.least, most: range.most, cores })
        }
        ContainerResource::Cpu => check_cores(&values, range, current),
        ContainerResource::Memory => check_bytes(range, current),
    }
}

fn check_request(resource: ContainerResource, current: f64) -> Result<(), RightsizingError> {
    let refuse = |right: &str| {
        let found = format!("the present {resource} request is {current}");
        Err(RightsizingError::Unit { resource, found, right: right.to_owned() })
    };
    match resource {
        ContainerResource::Cpu if current > MACHINE_CORES => {
            refuse(&format!("if it is in millicores, write `/ 1000` ({} cores)", three_digits(current / 1e3)))
        }
        ContainerResource::Memory if current < MIN_BYTES => {
            refuse(&format!("if it is in MiB, write `* 1048576` ({:.0} bytes)", current * MEBIBYTE))
        }
        _ => Ok(()),
    }
}

fn check_cores(values: &[f64], range: UsageRange, current: Option<f64>) -> Result<(), RightsizingError> {
    // A present request of the same order shows that usage is in cores.
    if current.is_some_and(|current| current >= 1.0 && range.median <= 8.0 * current && range.most <= 64.0 * current) {
        return Ok(());
    }
    let whole = range.most >= MIN_WHOLE && values.iter().all(|value| value.fract().abs() < 1e-9);
    let far_above = current.is_some_and(|current| range.median > (MAX_TIMES_REQUEST * current).max(1.5));
    if range.most <= MAX_CORES && range.median <= MAX_MEDIAN_CORES && !whole && !far_above {
        return Ok(());
    }
    let mut units = vec![
        (1e3, "millicores", "`/ 1000`"),
        (1e2, "percent of a core", "`/ 100`"),
        (1e6, "microcores", "`/ 1e6`"),
        (1e9, "nanocores", "`/ 1e9`"),
    ];
    units.retain(|(unit, ..)| range.most / unit <= MAX_CORES && range.median / unit >= 1e-4);
    if let Some(current) = current {
        // The unit that brings usage nearest to the present request is named first.
        let distance = |unit: f64| (range.median.max(f64::MIN_POSITIVE) / unit / current).ln().abs();
        units.sort_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
    } else if !whole && units.len() >= 2 && units[1].0 < units[0].0 {
        // Fractions are more common in percent than in millicores.
        units.swap(0, 1);
    }
    let of = |(unit, name, write): &(f64, &str, &str)| {
        format!("if it is in {name}, write {write} ({} cores)", three_digits(range.median / unit))
    };
    let mut right: Vec<String> = units.iter().take(2).map(of).collect();
    right.push("if it is in cores, state the present request in cores as well".to_owned());
    let found = format!("CPU usage of {}", range.describe());
    Err(RightsizingError::Unit { resource: ContainerResource::Cpu, found, right: right.join("; ") })
}

fn check_bytes(range: UsageRange, current: Option<f64>) -> Result<(), RightsizingError> {
    let resource = ContainerResource::Memory;
    let found = format!("memory usage of {}", range.describe());
    if range.most > MAX_BYTES {
        let right = "no machine has so many bytes; write an expression in bytes".to_owned();
        return Err(RightsizingError::Unit { resource, found, right });
    }
    // Zero usage is an idle container. A small request confirms that so few bytes are meant.
    let as_small = current.is_some_and(|current| 200.0 * range.most > current);
    if range.most >= MIN_BYTES || range.most <= 0.0 || as_small {
        return Ok(());
    }
    let mut units = vec![
        (MEBIBYTE, "MiB", "`* 1048576`"),
        (1024.0 * MEBIBYTE, "GiB", "`* 1073741824`"),
        (1024.0, "KiB", "`* 1024`"),
    ];
    units.retain(|(unit, ..)| (MIN_BYTES..1024.0 * 1024.0 * MEBIBYTE).contains(&(range.most * unit)));
    if let Some(current) = current {
        let distance = |unit: f64| (range.most * unit / current).ln().abs();
        units.sort_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
    }
    let mut right: Vec<String> =
        units.iter().take(2).map(|(_, name, write)| format!("if it is in {name}, write {write}")).collect();
    right.push("if it is in bytes, state the present request in bytes as well".to_owned());
    Err(RightsizingError::Unit { resource, found, right: right.join("; ") })
}

/// Minimum, median and maximum of the usage.
#[derive(Debug, Clone, Copy)]
struct UsageRange {
    least: f64,
    median: f64,
    most: f64,
}

impl UsageRange {
    fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self { least: *sorted.first()?, median: *sorted.get(sorted.len() / 2)?, most: *sorted.last()? })
    }

    fn describe(self) -> String {
        let Self { least, median, most } = self;
        format!("{} to {} (median {})", three_digits(least), three_digits(most), three_digits(median))
    }
}

fn known(usage: &DemandHistory) -> Vec<f64> {
    let known = usage.values().iter().zip(usage.observed()).filter(|(_, observed)| **observed);
    known.map(|(value, _)| *value).collect()
}

/// Returns whether values rise and almost never fall, as a counter's do. Values that are constant most of the time do
/// not count.
fn only_rises(values: &[f64]) -> bool {
    let of = |order: Ordering| values.windows(2).filter(|pair| pair[1].total_cmp(&pair[0]) == order).count();
    let (rises, falls) = (count(of(Ordering::Greater)), count(of(Ordering::Less)));
    rises >= 20.0 && rises >= 0.05 * count(values.len()) && falls <= MAX_COUNTER_FALLS * rises
}

/// Returns remarks on the usage for the operator: throttling at a limit, start-up bursts, memory that only rises.
///
/// `starts`: deployment or start times of the container, epoch milliseconds. Restarts that show as gaps are found in
/// the usage.
#[must_use]
pub fn remarks(
    usage: &DemandHistory,
    resource: ContainerResource,
    current: Option<f64>,
    starts: &[i64],
) -> Vec<String> {
    let leak = match resource {
        ContainerResource::Memory if only_rises(&known(usage)) => {
            Some("memory usage almost never falls: it leaks, or the expression is a counter".to_owned())
        }
        _ => None,
    };
    limit_remark(usage, resource, current)
        .into_iter()
        .chain(burst_remark(usage, resource, starts))
        .chain(leak)
        .collect()
}

/// Relative width of the band below the highest usage that counts as the limit, number of such bands below it, and
/// minimum ratio of time in the limit's band to time in those. Usage without a limit becomes rarer towards its highest
/// value.
const AT_LIMIT: f64 = 0.01;
const BELOW_LIMIT: f64 = 5.0;
const TIMES_BELOW: f64 = 2.0;
/// Minimum share of time at the limit, and minimum run of steps there, for a remark.
const LIMIT_SHARE: f64 = 0.01;
const LIMIT_RUN: usize = 3;

fn limit_remark(usage: &DemandHistory, resource: ContainerResource, current: Option<f64>) -> Option<String> {
    let values = known(usage);
    let range = UsageRange::of(&values)?;
    let floor = range.most * (1.0 - AT_LIMIT);
    let share = |from: f64, to: f64| {
        count(values.iter().filter(|&&value| value >= from && value < to).count()) / count(values.len())
    };
    let at = share(floor, f64::INFINITY);
    let below = share(floor - BELOW_LIMIT * AT_LIMIT * range.most, floor);
    let run = values.split(|value| *value < floor).map(<[f64]>::len).max().unwrap_or(0);
    if !(range.most > 0.0 && at >= LIMIT_SHARE && run >= LIMIT_RUN) {
        return None;
    }
    // Usage with little variance is near its highest value anyway. It counts as limited only at the request, which is
    // the limit of a guaranteed container.
    let steady = range.median >= 0.95 * range.most;
    let at_request = current.is_some_and(|current| (range.most / current - 1.0).abs() <= 0.02);
    if at < TIMES_BELOW * below || (steady && !at_request) {
        return None;
    }
    let (written, share) = (resource.quantity(range.most).1, percent(at));
    Some(match resource {
        ContainerResource::Cpu => format!(
            "CPU usage is flat at {written} {share} of the time: a limit throttles it (or its threads use no more), so its demand beyond \
             that is unknown"
        ),
        ContainerResource::Memory => format!(
            "memory usage is flat at {written} {share} of the time: a limit cuts it off, so its demand beyond that is unknown"
        ),
    })
}

/// Length of a start, and the hours after it that give the usual usage.
const START_MS: i64 = 15 * MINUTE_MS;
const SETTLED_MS: (i64, i64) = (HOUR_MS, 7 * HOUR_MS);
/// Minimum ratio of a burst to the usage afterwards.
const BURST: f64 = 2.0;

fn burst_remark(usage: &DemandHistory, resource: ContainerResource, starts: &[i64]) -> Option<String> {
    let rows: Vec<(i64, f64)> = usage
        // Gaps in the usage are restarts without a reported deployment.
        .timestamps()
        .iter()
        .zip(usage.values())
        .zip(usage.observed())
        .filter(|(_, observed)| **observed)
        .map(|((at_ms, value), _)| (*at_ms, *value))
        .collect();
    let least_gap = (3 * usage.step_ms()).max(10 * MINUTE_MS);
    let gaps = rows.windows(2).filter(|pair| pair[1].0 - pair[0].0 > least_gap).map(|pair| pair[1].0);
    let mut all: Vec<i64> = starts.iter().copied().chain(gaps).collect();
    all.sort_unstable();
    all.dedup_by_key(|at_ms| *at_ms / HOUR_MS);
    let between = |from: i64, to: i64| {
        let at = |ms: i64| rows.partition_point(|row| row.0 < ms);
        rows[at(from)..at(to).max(at(from))].iter().map(|row| row.1).collect::<Vec<f64>>()
    };
    // At least one step belongs to the start.
    let length = START_MS.max(usage.step_ms());
    let ratio = |at_ms: i64| {
        let burst = between(at_ms, at_ms + length).into_iter().reduce(f64::max)?;
        let settled = between(at_ms + SETTLED_MS.0.max(length), at_ms + SETTLED_MS.1.max(8 * length));
        let median = UsageRange::of(&settled).filter(|_| settled.len() >= 3)?.median;
        (median > 0.0).then(|| burst / median)
    };
    let mut ratios: Vec<f64> = all.iter().filter_map(|&at_ms| ratio(at_ms)).collect();
    ratios.sort_by(f64::total_cmp);
    let bursts = ratios.iter().filter(|ratio| **ratio >= BURST).count();
    if bursts == 0 || 2 * bursts < ratios.len() {
        return None;
    }
    let middle = *ratios.get(ratios.len() - 1 - bursts / 2)?;
    let minutes = length / MINUTE_MS;
    Some(format!(
        "{} of {} starts begin with a burst: within {minutes} minutes {} usage is {middle:.1} times what it is afterwards; \
         a request for the burst would idle the rest of the time",
        bursts,
        ratios.len(),
        resource.name()
    ))
}

/// Formats a share in percent.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent <= 0.0 {
        "0 %".to_owned()
    } else if percent < 0.095 {
        "under 0.1 %".to_owned()
    } else if percent < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Formats a number with about three digits.
fn three_digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e7 {
        format!("{value:.2e}")
    } else if !(1e-12..100.0).contains(&magnitude) {
        format!("{value:.0}")
    } else if magnitude >= 1.0 {
        format!("{value:.1}")
    } else if magnitude >= 0.01 {
        format!("{value:.3}")
    } else {
        format!("{value:.1e}")
    }
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
fn i64_to_f64(millis: i64) -> f64 {
    millis as f64
}

#[cfg(test)]
mod tests {
    use super::{
        ContainerResource::{Cpu, Memory},
        *,
    };

    const STEP_MS: i64 = 5 * MINUTE_MS;

    /// A week of five-minute steps with non-repeating `noise` in [0, 1].
    fn week(value: impl Fn(usize, f64) -> f64) -> DemandHistory {
        let noise = |step: usize| count(step * 7_919 % 104_729 % 1_009) / 1_009.0;
        let n = 7 * 288;
        let timestamps = (0..n).map(|step| i64::try_from(step).unwrap() * STEP_MS).collect();
        DemandHistory::try_new(timestamps, (0..n).map(|step| value(step, noise(step))).collect()).unwrap()
    }

    /// One core by day and a fifth by night, with noise.
    fn cores(step: usize, noise: f64) -> f64 {
        (if (96..192).contains(&(step % 288)) { 1.0 } else { 0.2 }) * (0.6 + 0.8 * noise)
    }

    #[test]
    fn counters_are_refused_whatever_they_start_with() {
        for (first, every) in [(0.0, usize::MAX), (1e6, usize::MAX), (0.0, 500), (1e7, 700)] {
            let mut sum = first;
            let counter: Vec<f64> = (0..7 * 288)
                .map(|step| {
                    // The counter restarts with the container.
                    sum =
                        if step % every == every - 1 { 0.0 } else { sum + 300.0 * cores(step, count(step % 7) / 7.0) };
                    sum
                })
                .collect();
            let usage = week(|step, _| counter[step]);
            let refused = check_usage(&usage, Cpu, Some(1.0)).unwrap_err().to_string();
            assert!(refused.contains("rate(x[5m])"), "{first} {every}: {refused}");
        }
        // A load that grows without noise is not a counter.
        assert!(check_usage(&week(|step, _| 0.1 + count(step) / 4_000.0), Cpu, None).is_ok());
    }

    #[test]
    fn other_units_of_cpu_are_asked_about() {
        for (unit, current, right) in [
            (1e3, None, "`/ 1000`"),
            (1e3, Some(0.5), "`/ 1000`"),
            (1e3, Some(4.0), "`/ 1000`"),
            (100.0, None, "`/ 100`"),
            (100.0, Some(0.5), "`/ 100`"),
            (1e9, None, "`/ 1e9`"),
        ] {
            let refused = check_usage(&week(|step, noise| unit * cores(step, noise)), Cpu, current).unwrap_err();
            assert!(refused.to_string().contains(right), "{unit} {current:?}: {refused}");
        }
        let whole = check_usage(&week(|step, noise| (20.0 * cores(step, noise)).round()), Cpu, None).unwrap_err();
        assert!(whole.to_string().contains("`/ 1000`"), "{whole}");
        // Plausible cores, with requests much too small and much too large.
        for (times, current) in
            [(1.0, None), (1.0, Some(0.1)), (1.0, Some(16.0)), (0.01, Some(4.0)), (50.0, Some(32.0)), (8.0, None)]
        {
            assert!(
                check_usage(&week(|step, noise| times * cores(step, noise)), Cpu, current).is_ok(),
                "{times} {current:?}"
            );
        }
        let request = check_usage(&week(cores), Cpu, Some(500.0)).unwrap_err().to_string();
        assert!(request.contains("request is 500") && request.contains("`/ 1000`"), "{request}");
    }

    #[test]
    fn other_units_of_memory_are_asked_about() {
        let bytes = |step: usize, noise: f64| 150e6 * (1.0 + 0.1 * noise) + count(step % 288) * 1e4;
        for (unit, current, right) in [
            (MEBIBYTE, None, "`* 1048576`"),
            (MEBIBYTE, Some(1e9), "`* 1048576`"),
            (1024.0 * MEBIBYTE, Some(1e9), "`* 1073741824`"),
            (1024.0, Some(1e9), "`* 1024`"),
        ] {
            let refused = check_usage(&week(|step, noise| bytes(step, noise) / unit), Memory, current).unwrap_err();
            assert!(refused.to_string().contains(right), "{unit} {current:?}: {refused}");
        }
        for (times, current) in
            [(1.0, None), (1.0, Some(1e9)), (0.003, Some(16.0 * MEBIBYTE)), (0.0, None), (1e3, None)]
        {
            assert!(check_usage(&week(|step, noise| times * bytes(step, noise)), Memory, current).is_ok(), "{times}");
        }
        let request = check_usage(&week(bytes), Memory, Some(512.0)).unwrap_err().to_string();
        assert!(request.contains("`* 1048576`"), "{request}");
    }

    #[test]
    fn usage_cut_off_at_a_limit_is_reported() {
        let throttled = |limit: f64| week(move |step, noise| cores(step, noise).min(limit));
        for limit in [0.9, 1.1, 1.25] {
            let remarks_found = remarks(&throttled(limit), Cpu, None, &[]);
            let written = Cpu.quantity(limit).1;
            assert!(
                remarks_found.len() == 1 && remarks_found[0].contains(&format!("flat at {written}")),
                "{limit}: {remarks_found:?}"
            );
        }
        // A limit above all usage, usage with little variance, and no usage.
        for usage in [throttled(9.0), week(|_, noise| 1.0 + 0.001 * noise), week(|_, _| 0.0), week(|_, _| 1.0)] {
            assert_eq!(remarks(&usage, Cpu, Some(2.0), &[]), Vec::<String>::new());
        }
        let guaranteed = remarks(&week(|_, noise| 1.0 - 0.001 * noise), Cpu, Some(1.0), &[]);
        assert!(guaranteed.len() == 1 && guaranteed[0].contains("limit"), "{guaranteed:?}");
        let memory = remarks(
            &week(|step, noise| (1e9 * (0.7 + noise * count(step % 288) / 288.0)).min(1.2e9)),
            Memory,
            None,
            &[],
        );
        assert!(memory.len() == 1 && memory[0].contains("a limit cuts it off"), "{memory:?}");
    }

    #[test]
    fn bursts_at_the_start_are_reported() {
        let deploys: Vec<i64> = [300, 900, 1_500].map(|step: i64| step * STEP_MS).to_vec();
        let burst = |step: usize, noise: f64| {
            let starting = [300, 900, 1_500].iter().any(|start| (*start..*start + 3).contains(&step));
            if starting { 3.0 } else { 0.4 + 0.3 * noise }
        };
        let remarks_found = remarks(&week(burst), Cpu, None, &deploys);
        assert!(
            remarks_found.len() == 1 && remarks_found[0].starts_with("3 of 3 starts begin with a burst"),
            "{remarks_found:?}"
        );
        assert_eq!(remarks(&week(|_, noise| 0.4 + 0.3 * noise), Cpu, None, &deploys), Vec::<String>::new());
        // Restarts that show as gaps.
        let usage = week(|step, noise| {
            let stopped = [300, 900, 1_500].iter().any(|start| (*start - 6..*start).contains(&step));
            if stopped { f64::NAN } else { burst(step, noise) }
        });
        let remarks_found = remarks(&usage, Cpu, None, &[]);
        assert!(remarks_found.len() == 1 && remarks_found[0].contains("3 of 3 starts"), "{remarks_found:?}");
    }
}
