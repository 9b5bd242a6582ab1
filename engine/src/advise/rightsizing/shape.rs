//! Checks the shape of usage before anything is decided on it: wrong units, counters, limits that cut usage off, start-up bursts.

use std::cmp::Ordering;

use super::{ContainerResource, RightsizingError};
use crate::advise::kit::DemandHistory;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const MEBIBYTE: f64 = 1_048_576.0;

/// Cores beyond which usage is taken to be in another unit unless the present request is of the same order. The largest
/// machines of the public clouds have 448 cores for one container at most.
const CORES_MOST: f64 = 64.0;
const CORES_USUAL: f64 = 16.0;
const MACHINE_CORES: f64 = 448.0;
/// Whole numbers up to here are possible by chance.
const WHOLE_FROM: f64 = 8.0;
/// CPU usage may exceed a request many times over, because a request limits nothing; so often hardly all the time.
const TIMES_REQUEST: f64 = 20.0;
/// Bytes below which no container runs, and beyond which no machine goes.
const BYTES_LEAST: f64 = MEBIBYTE;
const BYTES_MOST: f64 = 7e13;
/// Of the changes of a counter so few go down: where it starts again, or where the busiest of several ends.
const COUNTER_FALLS: f64 = 0.02;
/// Values that a counter of processor seconds passes within hours and usage in cores hardly ever.
const COUNTER_LEAST: f64 = 32.0;

/// Refuses usage, or a present request, that is not in cores or bytes.
///
/// CPU that only rises is a counter given without `rate()`. Units are told by range, by the present request where it is known,
/// and by whole numbers, which rates of processor time are not.
///
/// # Errors
/// [`RightsizingError::Counter`], [`RightsizingError::Unit`]: they name what would be right.
pub fn check_usage(
    usage: &DemandHistory,
    resource: ContainerResource,
    current: Option<f64>,
) -> Result<(), RightsizingError> {
    let values = known(usage);
    if let Some(current) = current {
        check_request(resource, current)?;
    }
    let Some(range) = Range::of(&values) else { return Ok(()) };
    match resource {
        ContainerResource::Cpu if only_rises(&values) && range.most > COUNTER_LEAST => {
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
            refuse(&format!("if it is in millicores, write `/ 1000` ({} cores)", short(current / 1e3)))
        }
        ContainerResource::Memory if current < BYTES_LEAST => {
            refuse(&format!("if it is in MiB, write `* 1048576` ({:.0} bytes)", current * MEBIBYTE))
        }
        _ => Ok(()),
    }
}

fn check_cores(values: &[f64], range: Range, current: Option<f64>) -> Result<(), RightsizingError> {
    // A present request of the same order shows that usage is in cores.
    if current.is_some_and(|current| current >= 1.0 && range.median <= 8.0 * current && range.most <= 64.0 * current) {
        return Ok(());
    }
    let whole = range.most >= WHOLE_FROM && values.iter().all(|value| value.fract().abs() < 1e-9);
    let far_above = current.is_some_and(|current| range.median > (TIMES_REQUEST * current).max(1.5));
    if range.most <= CORES_MOST && range.median <= CORES_USUAL && !whole && !far_above {
        return Ok(());
    }
    let mut units = vec![
        (1e3, "millicores", "`/ 1000`"),
        (1e2, "percent of a core", "`/ 100`"),
        (1e6, "microcores", "`/ 1e6`"),
        (1e9, "nanocores", "`/ 1e9`"),
    ];
    units.retain(|(unit, ..)| range.most / unit <= CORES_MOST && range.median / unit >= 1e-4);
    if let Some(current) = current {
        // The unit that brings usage nearest to the present request comes first.
        let distance = |unit: f64| (range.median.max(f64::MIN_POSITIVE) / unit / current).ln().abs();
        units.sort_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
    } else if !whole && units.len() >= 2 && units[1].0 < units[0].0 {
        // Percents have fractions more often than millicores do.
        units.swap(0, 1);
    }
    let of = |(unit, name, write): &(f64, &str, &str)| {
        format!("if it is in {name}, write {write} ({} cores)", short(range.median / unit))
    };
    let mut right: Vec<String> = units.iter().take(2).map(of).collect();
    right.push("if it is in cores, state the present request in cores as well".to_owned());
    let found = format!("CPU usage of {}", range.words());
    Err(RightsizingError::Unit { resource: ContainerResource::Cpu, found, right: right.join("; ") })
}

fn check_bytes(range: Range, current: Option<f64>) -> Result<(), RightsizingError> {
    let resource = ContainerResource::Memory;
    let found = format!("memory usage of {}", range.words());
    if range.most > BYTES_MOST {
        let right = "no machine has so many bytes; write an expression in bytes".to_owned();
        return Err(RightsizingError::Unit { resource, found, right });
    }
    // Nothing at all is an idle container. A small request shows that so few bytes are meant.
    let as_small = current.is_some_and(|current| 200.0 * range.most > current);
    if range.most >= BYTES_LEAST || range.most <= 0.0 || as_small {
        return Ok(());
    }
    let mut units = vec![
        (MEBIBYTE, "MiB", "`* 1048576`"),
        (1024.0 * MEBIBYTE, "GiB", "`* 1073741824`"),
        (1024.0, "KiB", "`* 1024`"),
    ];
    units.retain(|(unit, ..)| (BYTES_LEAST..1024.0 * 1024.0 * MEBIBYTE).contains(&(range.most * unit)));
    if let Some(current) = current {
        let distance = |unit: f64| (range.most * unit / current).ln().abs();
        units.sort_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
    }
    let mut right: Vec<String> =
        units.iter().take(2).map(|(_, name, write)| format!("if it is in {name}, write {write}")).collect();
    right.push("if it is in bytes, state the present request in bytes as well".to_owned());
    Err(RightsizingError::Unit { resource, found, right: right.join("; ") })
}

/// Least, median and most of the usage.
#[derive(Debug, Clone, Copy)]
struct Range {
    least: f64,
    median: f64,
    most: f64,
}

impl Range {
    fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self { least: *sorted.first()?, median: *sorted.get(sorted.len() / 2)?, most: *sorted.last()? })
    }

    fn words(self) -> String {
        let Self { least, median, most } = self;
        format!("{} to {} (median {})", short(least), short(most), short(median))
    }
}

fn known(usage: &DemandHistory) -> Vec<f64> {
    let known = usage.values().iter().zip(usage.observed()).filter(|(_, observed)| **observed);
    known.map(|(value, _)| *value).collect()
}

/// Whether values go up and hardly ever down, as a counter's do. What rests most of the time is none.
fn only_rises(values: &[f64]) -> bool {
    let of = |order: Ordering| values.windows(2).filter(|pair| pair[1].total_cmp(&pair[0]) == order).count();
    let (rises, falls) = (count(of(Ordering::Greater)), count(of(Ordering::Less)));
    rises >= 20.0 && rises >= 0.05 * count(values.len()) && falls <= COUNTER_FALLS * rises
}

/// What an operator should know of the usage beside the request: usage cut off at a limit, start-up bursts, memory that only rises.
///
/// `starts`: epoch milliseconds at which the container was deployed or started; stops that show as gaps are found in the usage.
#[must_use]
pub fn remarks(
    usage: &DemandHistory,
    resource: ContainerResource,
    current: Option<f64>,
    starts: &[i64],
) -> Vec<String> {
    let leak = match resource {
        ContainerResource::Memory if only_rises(&known(usage)) => {
            Some("memory hardly ever falls: it leaks, or a counter was given".to_owned())
        }
        _ => None,
    };
    cut_off(usage, resource, current).into_iter().chain(start_bursts(usage, resource, starts)).chain(leak).collect()
}

/// Part of the highest usage within which usage counts as being at it, and how many times as much of the time must be spent there as
/// in the five such parts below. Usage that ends by itself thins out towards its highest value.
const AT_LIMIT: f64 = 0.01;
const BELOW_LIMIT: f64 = 5.0;
const TIMES_BELOW: f64 = 2.0;
/// Share of the time at the limit, and steps in a row, from which it is reported.
const LIMIT_SHARE: f64 = 0.01;
const LIMIT_RUN: usize = 3;

fn cut_off(usage: &DemandHistory, resource: ContainerResource, current: Option<f64>) -> Option<String> {
    let values = known(usage);
    let range = Range::of(&values)?;
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
    // Usage that hardly varies lies near its highest value by itself; it is cut off only where that is the request, as the limit
    // of a guaranteed container is.
    let steady = range.median >= 0.95 * range.most;
    let at_request = current.is_some_and(|current| (range.most / current - 1.0).abs() <= 0.02);
    if at < TIMES_BELOW * below || (steady && !at_request) {
        return None;
    }
    let (written, share) = (resource.quantity(range.most).1, percent(at));
    Some(match resource {
        ContainerResource::Cpu => format!(
            "CPU usage is flat at {written} {share} of the time: a limit throttles it (or its threads use no more), and what it would use \
             beyond is not known"
        ),
        ContainerResource::Memory => format!(
            "memory usage is flat at {written} {share} of the time: a limit cuts it off, and what it would use beyond is not known"
        ),
    })
}

/// A start lasts so long; how it runs afterwards is taken from these hours.
const START_MS: i64 = 15 * MINUTE_MS;
const SETTLED_MS: (i64, i64) = (HOUR_MS, 7 * HOUR_MS);
/// How many times the usage afterwards makes a burst.
const BURST: f64 = 2.0;

fn start_bursts(usage: &DemandHistory, resource: ContainerResource, starts: &[i64]) -> Option<String> {
    let rows: Vec<(i64, f64)> = usage
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
        let median = Range::of(&settled).filter(|_| settled.len() >= 3)?.median;
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

/// A share as a person reads it.
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

/// About three digits.
fn short(value: f64) -> String {
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

    /// A week of five-minute steps; `noise` repeats nowhere and lies between 0 and 1.
    fn week(value: impl Fn(usize, f64) -> f64) -> DemandHistory {
        let noise = |step: usize| count(step * 7_919 % 104_729 % 1_009) / 1_009.0;
        let n = 7 * 288;
        let timestamps = (0..n).map(|step| i64::try_from(step).unwrap() * STEP_MS).collect();
        DemandHistory::try_new(timestamps, (0..n).map(|step| value(step, noise(step))).collect()).unwrap()
    }

    /// By day a core and by night a fifth, with noise.
    fn cores(step: usize, noise: f64) -> f64 {
        (if (96..192).contains(&(step % 288)) { 1.0 } else { 0.2 }) * (0.6 + 0.8 * noise)
    }

    #[test]
    fn counters_are_refused_whatever_they_start_with() {
        for (first, every) in [(0.0, usize::MAX), (1e6, usize::MAX), (0.0, 500), (1e7, 700)] {
            let mut sum = first;
            let counter: Vec<f64> = (0..7 * 288)
                .map(|step| {
                    // It starts again where the container does.
                    sum =
                        if step % every == every - 1 { 0.0 } else { sum + 300.0 * cores(step, count(step % 7) / 7.0) };
                    sum
                })
                .collect();
            let usage = week(|step, _| counter[step]);
            let refused = check_usage(&usage, Cpu, Some(1.0)).unwrap_err().to_string();
            assert!(refused.contains("rate(x[5m])"), "{first} {every}: {refused}");
        }
        // A load that grows without noise is no counter.
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
        // Cores, few and many, with a request too small and much too large.
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
            let said = remarks(&throttled(limit), Cpu, None, &[]);
            let written = Cpu.quantity(limit).1;
            assert!(said.len() == 1 && said[0].contains(&format!("flat at {written}")), "{limit}: {said:?}");
        }
        // A limit that nothing reaches, usage that hardly varies, and nothing at all.
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
        let said = remarks(&week(burst), Cpu, None, &deploys);
        assert!(said.len() == 1 && said[0].starts_with("3 of 3 starts begin with a burst"), "{said:?}");
        assert_eq!(remarks(&week(|_, noise| 0.4 + 0.3 * noise), Cpu, None, &deploys), Vec::<String>::new());
        // Stops that show as gaps.
        let usage = week(|step, noise| {
            let stopped = [300, 900, 1_500].iter().any(|start| (*start - 6..*start).contains(&step));
            if stopped { f64::NAN } else { burst(step, noise) }
        });
        let said = remarks(&usage, Cpu, None, &[]);
        assert!(said.len() == 1 && said[0].contains("3 of 3 starts"), "{said:?}");
    }
}
