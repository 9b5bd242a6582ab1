//! Chooses the rows of a statement.

use almanac_models::{Timestamp, stats::CostLine};
use serde_json::{Value, json};

use super::{
    BatchSpec,
    advisor::TIME_PER_ROW,
    fetch::BatchFacts,
    fit::{BatchFit, FitRefusal, fit, per_row},
    limits::{Limit, limits, seconds},
    terms::BatchTerms,
};
use crate::{
    advise::{
        Outcome, Proposal, Rollback,
        kit::{Interval, duration_text},
    },
    store::rows::Patch,
};

/// Part of the fixed cost in the time of a row that is left at the chosen size: with nine times the rows that cost as much as
/// the fixed part, throughput is 90 % of the most that is possible.
const ROWS_OF_FIXED_COST: f64 = 9.0;
/// Change of the time of a row below which the present size is kept.
const WORTH: f64 = 0.1;
/// Excess of a limit that counts as one.
const EXCESS: f64 = 1.05;
/// Span for which a proposal is valid without being renewed, in milliseconds.
const VALID_MS: i64 = 86_400_000;
/// Powers of ten of the curve's sizes.
const DECADES: i32 = 7;
/// Doubt of a promise beyond that of the line: the load of the server differs from day to day.
const DOUBT: f64 = 0.1;

/// Decides on the rows of a statement.
pub(super) fn decide(spec: &BatchSpec, facts: &BatchFacts, now: Timestamp) -> Outcome<BatchTerms> {
    let found = match fit(&facts.pairs) {
        Ok(found) => found,
        Err(refusal) => return refused(spec, &refusal),
    };
    let statements: f64 = facts.pairs.iter().map(|pair| pair.statements).sum();
    let rows: f64 = facts.pairs.iter().map(|pair| pair.rows * pair.statements).sum();
    let present = spec.size.unwrap_or(rows / statements.max(1.0)).max(1.0);
    let limits = limits(spec, facts, &found);
    let wanted = if found.line.slope > 0.0 {
        (ROWS_OF_FIXED_COST * found.line.intercept / found.line.slope).max(1.0)
    } else {
        f64::INFINITY
    };
    let Some(tightest) = limits.first() else { return Outcome::keep("no limit is known") };
    if tightest.rows < 1.0 {
        return Outcome::keep(format!(
            "no size keeps the limits: one row takes {} in the 95th percentile, and {}.",
            ms(found.p95(1.0)),
            tightest.reason
        ));
    }
    let chosen = round_size(wanted, tightest.rows);
    let choice = Choice { spec, facts, found: &found, limits: &limits, present, chosen, wanted };
    let is_slow = broken_limit(&choice).is_some();
    let gain = 1.0 - found.per_row(chosen) / found.per_row(present);
    if !is_slow && gain <= WORTH || (chosen / present - 1.0).abs() < 0.05 {
        return Outcome::keep(format!(
            "statements of {present:.0} rows take {} for each row, {:.0} % of it the fixed cost of {}; {chosen:.0} rows would take {} ({}).",
            ms(found.per_row(present)),
            100.0 * found.line.intercept / found.line.at(present),
            ms(found.line.intercept),
            ms(found.per_row(chosen)),
            bounded_by(&choice)
        ));
    }
    Outcome::Propose(Box::new(choice.proposal(now)))
}

fn refused(spec: &BatchSpec, refusal: &FitRefusal) -> Outcome<BatchTerms> {
    match refusal {
        FitRefusal::Few { pairs, needed } => Outcome::lacks(
            format!(
                "rows and times of {pairs} steps of {} are known; {needed} are needed",
                duration_text(spec.step_ms)
            ),
            "check that both histograms are ingested, and wait",
        ),
        FitRefusal::Alike { small, large, ratio } => Outcome::lacks(
            format!(
                "statements have {small:.0} to {large:.0} rows, too alike to tell the fixed cost from that of the rows"
            ),
            format!(
                "write with other sizes for some hours: the large ones at least {ratio:.0} times the small ones, such as {:.0} and {:.0} rows",
                small.max(1.0),
                (10.0 * small).max(10.0)
            ),
        ),
        FitRefusal::Scattered { deviation } => Outcome::keep(format!(
            "rows explain the time of a statement too poorly: it is {:.0} % off in the median, so that no size is recommended.",
            100.0 * deviation
        )),
        FitRefusal::Bent { ratios: [small, middle, large] } => Outcome::keep(format!(
            "the time of a statement does not grow in proportion to its rows: small, middle and large ones take {small:.2}, {middle:.2} and \
             {large:.2} of what a line gives, so that no size is recommended."
        )),
    }
}

struct Choice<'a> {
    spec: &'a BatchSpec,
    facts: &'a BatchFacts,
    found: &'a BatchFit,
    limits: &'a [Limit],
    present: f64,
    chosen: f64,
    wanted: f64,
}

/// Returns the limit that the present size breaks: one of time.
fn broken_limit<'a>(choice: &Choice<'a>) -> Option<&'a Limit> {
    let is_time = |limit: &&Limit| limit.name == "latency" || limit.name == "lock";
    choice.limits.iter().filter(is_time).find(|limit| choice.present > EXCESS * limit.rows)
}

/// Returns what the chosen size follows from.
fn bounded_by(choice: &Choice<'_>) -> String {
    match choice.limits.first() {
        Some(limit) if limit.rows < choice.wanted => limit.reason.clone(),
        _ => "the fixed cost is a tenth of its time".to_owned(),
    }
}

impl Choice<'_> {
    fn proposal(&self, now: Timestamp) -> Proposal<BatchTerms> {
        let Self { spec, facts, found, present, chosen, .. } = *self;
        let (value, before) = (found.per_row(chosen), found.per_row(present));
        let effect = Interval {
            value,
            lower: found.per_row_quantile(chosen, 0.1).min(value) * (1.0 - DOUBT),
            upper: found.per_row_quantile(chosen, 0.9).max(value) * (1.0 + DOUBT),
        };
        let broken = broken_limit(self);
        let is_better = |line: &&CostLine| match broken {
            Some(_) => true,
            None => per_row(line, chosen) < 0.95 * per_row(line, present),
        };
        #[expect(clippy::cast_precision_loss, reason = "a thousand resamples")]
        let sure = found.resampled.iter().filter(is_better).count() as f64 / found.resampled.len().max(1) as f64;
        let beyond = if chosen > found.largest { 0.8 } else { 1.0 };
        let tail = if found.is_tail_known { 1.0 } else { 0.9 };
        Proposal {
            current: json!({"rows": present.round()}),
            proposed: json!({"rows": chosen}),
            valid_until: Some(now.plus_millis(VALID_MS)),
            metric: TIME_PER_ROW,
            effect,
            confidence: (0.9 * sure * (1.0 - found.deviation) * beyond * tail).clamp(0.0, 0.9),
            reason: self.reason(broken, value, before),
            evidence: self.evidence(),
            terms: BatchTerms { sources: facts.sources.clone(), latency_max: seconds(spec.latency_max_ms) },
            rollback: Some(Rollback { baseline: before, patch: self.patch(present.round()), terms: None }),
            patch: self.patch(chosen),
        }
    }

    fn reason(&self, broken: Option<&Limit>, value: f64, before: f64) -> String {
        let Self { found, present, chosen, .. } = *self;
        let cost = format!("a statement takes {} and {} for each row", ms(found.line.intercept), ms(found.line.slope));
        let (bound, p95) = (bounded_by(self), ms(found.p95(chosen)));
        match broken {
            Some(limit) => format!(
                "Write {chosen:.0} rows with a statement instead of {present:.0}: {present:.0} take {} in the 95th percentile, {chosen:.0} \
                 take {p95} ({}); {cost}.",
                ms(found.p95(present)),
                limit.reason
            ),
            None => format!(
                "Write {chosen:.0} rows with a statement instead of {present:.0}: {} instead of {} for each row, since {cost}; the 95th \
                 percentile of a statement is then {p95} ({bound}).",
                ms(value),
                ms(before)
            ),
        }
    }

    fn evidence(&self) -> Value {
        let Self { found, facts, chosen, .. } = *self;
        let bounds: Vec<Value> = self
            .limits
            .iter()
            .map(|limit| json!({"limit": limit.name, "rows": limit.rows.is_finite().then_some(limit.rows.floor()), "reason": limit.reason}))
            .collect();
        let interval = |of: fn(&CostLine) -> f64| {
            let values: Vec<f64> = found.resampled.iter().map(of).collect();
            let at = |share: f64| almanac_models::stats::quantile(&values, share);
            json!([at(0.1), at(0.9)])
        };
        let curve: Vec<Value> = self
            .sizes()
            .into_iter()
            .map(|rows| {
                let value = found.per_row(rows);
                json!({"rows": rows, "seconds_per_row": value, "lower": found.per_row_quantile(rows, 0.1).min(value),
                    "upper": found.per_row_quantile(rows, 0.9).max(value), "p95_seconds": found.p95(rows)})
            })
            .collect();
        let wait = if facts.rows_per_second > 0.0 { Some(chosen / facts.rows_per_second) } else { None };
        json!({
            "basis": "measured",
            "pairs": found.pairs,
            "sizes": [found.sizes.0, found.sizes.1],
            "largest_size": found.largest,
            "fixed_seconds": found.line.intercept,
            "fixed_seconds_interval": interval(|line| line.intercept),
            "row_seconds": found.line.slope,
            "row_seconds_interval": interval(|line| line.slope),
            "deviation": found.deviation,
            "p95_over_mean": found.is_tail_known.then_some(found.tail),
            "rows_per_second": facts.rows_per_second,
            "seconds_to_fill": wait,
            "limits": bounds,
            "curve": curve,
        })
    }

    /// Returns the sizes of the curve, ascending: 1, 2 and 5 times powers of ten, the present and the chosen size.
    fn sizes(&self) -> Vec<f64> {
        let most = (2.0 * self.found.largest).max(self.chosen);
        let powers = (0..DECADES).map(|power| 10_f64.powi(power));
        let round = powers.flat_map(|power| [power, 2.0 * power, 5.0 * power]).filter(|size| *size <= most);
        let mut all: Vec<f64> = round.chain([self.present.round(), self.chosen]).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    }

    fn patch(&self, rows: f64) -> Patch {
        let body = json!({"batch": self.spec.name, "rows": rows});
        Patch { format: "almanac/batch+json".to_owned(), body: body.to_string() }
    }
}

/// Returns the size to propose: one, two or five times a power of ten that is at least `wanted`, at most `most`. A limit is
/// rounded down to two digits.
fn round_size(wanted: f64, most: f64) -> f64 {
    let power = wanted.max(1.0).log10().floor();
    let base = 10_f64.powf(power);
    let up = [1.0, 2.0, 5.0, 10.0].iter().map(|factor| factor * base).find(|size| *size >= wanted * 0.999);
    match up.filter(|size| size.is_finite() && *size <= most) {
        Some(size) => size,
        None => {
            let bounded = most.min(wanted.max(1.0) * 5.0);
            let digits = 10_f64.powf((bounded.log10().floor() - 1.0).max(0.0));
            ((bounded / digits).floor() * digits).max(1.0)
        }
    }
}

/// Writes seconds in milliseconds or microseconds.
fn ms(seconds: f64) -> String {
    let ms = 1_000.0 * seconds;
    if ms >= 100.0 {
        format!("{ms:.0} ms")
    } else if ms >= 1.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.0} µs", 1_000.0 * ms)
    }
}

#[cfg(test)]
mod tests {
    use super::round_size;

    #[test]
    fn sizes_are_round_and_within_the_limit() {
        for (wanted, most, expected) in [
            (87.0, 1e6, 100.0),
            (130.0, 1e6, 200.0),
            (1_000.0, 1e6, 1_000.0),
            (900.0, 950.0, 950.0),
            (900.0, 437.0, 430.0),
            (f64::INFINITY, 1_234.0, 1_200.0),
            (1.0, 1.5, 1.0),
        ] {
            assert_eq!(round_size(wanted, most).to_bits(), f64::to_bits(expected), "{wanted} {most}");
        }
    }
}
