//! Measures time-to-live advice on the simulator's caches and on the CloudPhysics trace.

use std::error::Error;

use almanac_datasets::simulator::{OptionsError, SimulatorOptions, cache_models, simulate};
use almanac_engine::{
    advise::ttl::{
        CacheAccess, CacheReplay, EarlyRefresh, Figure, Gains, Invalidation, TtlFigures, TtlOptions, default_grid,
        replay_caches,
    },
    store::rows::CacheEvent,
};
use almanac_models::{Level, ttl::OnWrite};

use crate::document::{Settings, Table, each, number};

/// Limit on the share of stale hits.
const LIMIT: f64 = 0.01;
/// Seeds of the simulator, with [`HOURS`] of cache events each.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const HOURS: f64 = 48.0;

/// Measures times-to-live on the simulator's caches and on the CloudPhysics trace.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let seeds: Vec<u64> = SEEDS.into_iter().take(if settings.quick { 1 } else { SEEDS.len() }).collect();
    let simulated = each("ttl, simulator", &seeds, settings.threads, |seed| {
        let options = SimulatorOptions {
            seed: *seed,
            weeks: 1,
            incidents: false,
            cache_hours: HOURS,
            ..SimulatorOptions::default()
        };
        Ok::<_, OptionsError>(simulate(&options)?.cache_events)
    });
    let mut rows = Table::new(&[
        "cache",
        "events",
        "hit ratio: largest error",
        "largest relative error above 0.1",
        "stale share: largest error",
        "inside 80 %",
        "recommended, s",
        "its stale share",
        "hit ratio",
        "best allowed",
        "present, s",
        "its stale share",
        "hit ratio",
    ]);
    let mut worst = Worst::default();
    let mut replayed: Vec<CacheReplay> = Vec::new();
    for (seed, events) in seeds.iter().zip(simulated.results) {
        for replay in replays(&events?, OnWrite::Keep, true)? {
            rows.row(row(format!("{} (seed {seed})", replay.cache), &replay));
            worst.take(&replay);
            replayed.push(replay);
        }
    }
    let trace = settings.data()?.cache_trace()?;
    for replay in replays(&trace, OnWrite::Drop, false)? {
        rows.row(row("CloudPhysics, invalidated".to_owned(), &replay));
        worst.take(&replay);
        replayed.push(replay);
    }
    Ok(format!(
        "## Time-to-live\n\n\
         Learned on the first half of the events and replayed key by key on the second, at every time-to-live of the grid from 1 s to\n\
         1 d: the simulator's caches ({HOURS:.0} hours per seed, no invalidation) and the CloudPhysics trace (two hours of a disk,\n\
         each write drops the copy). Errors are predicted minus replayed values, the relative error where the replayed hit ratio is above\n\
         0.1. Inside: share of predictions (hit ratio and stale share) whose 80 % interval contains the replayed value. The limit on stale hits\n\
         is {limit} %; best allowed is the largest hit ratio of the grid within the limit in the replay.\n\n\
         {rows}\n\
         By time-to-live, over the simulator's caches and seeds: the long-run stale share by the caches' rates, the root\n\
         mean square of predicted minus replayed, and the standard deviation of the replayed share between seeds. That deviation comes from\n\
         the random times of future writes and is a lower bound for the error of any prediction.\n\n\
         {by_ttl}\n\
         Gains of other changes in addition to the recommended time-to-live, replayed, mean over the seeds: dropping the copy at\n\
         each write (at the longest useful time-to-live; with the largest error of the predicted hit ratio), and\n\
         refreshing early (XFetch, β = 1, a fetch takes the cost of a miss): share of reads that wait for the origin and fetches per\n\
         read, without → with. Hours: replays with times-to-live by the hour of the day; the simulator's rates are constant.\n\n\
         {gains}\n\
         Over all {n} caches: largest error of the hit ratio {hit}, relative {relative} %; of the stale share {stale}. {kept} of\n\
         {recommended} recommendations keep the limit; the largest loss of hit ratio against the best allowed is {lost}.\n",
        by_ttl = by_ttl(&replayed),
        gains = gains(&replayed),
        limit = 100.0 * LIMIT,
        n = replayed.len(),
        hit = number(worst.hit, 4),
        relative = number(100.0 * worst.relative, 1),
        stale = number(worst.stale, 4),
        kept = worst.kept,
        recommended = worst.recommended,
        lost = number(worst.lost, 4),
    ))
}

fn replays(events: &[CacheEvent], on_write: OnWrite, present: bool) -> Result<Vec<CacheReplay>, Box<dyn Error>> {
    let mut options = TtlOptions { on_write, stale_share_max: LIMIT, ..TtlOptions::new(Level::try_new(0.8)?) };
    if present {
        #[expect(clippy::cast_possible_truncation, reason = "hours")]
        let ttl = |seconds: f64| (seconds * 1e3) as i64;
        options.current_ms = cache_models().into_iter().map(|model| (model.cache, ttl(model.ttl_seconds))).collect();
    }
    Ok(replay_caches(events.iter().map(CacheAccess::from), &options)?)
}

/// Returns the errors of the stale share by time-to-live, beside its deviation between seeds.
fn by_ttl(replays: &[CacheReplay]) -> Table {
    let mut table = Table::new(&[
        "time-to-live, s",
        "long-run stale share",
        "predicted - replayed",
        "largest",
        "spread of the replayed",
        "inside 80 %",
    ]);
    let models = cache_models();
    for ttl_ms in default_grid() {
        let (mut truth, mut errors, mut spread, mut held) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for model in &models {
            let figures = replays.iter().filter(|replay| replay.cache == model.cache).filter_map(|r| r.at(ttl_ms));
            let figures: Vec<Figure> = figures.map(|figures| figures.stale_share).collect();
            let shares: Vec<f64> = figures.iter().filter_map(|figure| figure.replayed).collect();
            let mean = shares.iter().sum::<f64>() / shares.len() as f64;
            // Unbiased variance over the seeds.
            let degrees = shares.len() as f64 / (shares.len() as f64 - 1.0);
            truth.push(model.at_ttl(ttl_ms as f64 / 1e3).stale_share);
            spread.extend(shares.iter().map(|share| (share - mean).powi(2) * degrees));
            errors.extend(figures.iter().filter_map(error).map(|(error, _)| error));
            held.extend(figures.iter().filter_map(within));
        }
        let root_mean = |squares: &[f64]| (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
        table.row([
            number(ttl_ms as f64 / 1e3, 0),
            number(truth.iter().sum::<f64>() / truth.len() as f64, 4),
            number(root_mean(&errors.iter().map(|error| error * error).collect::<Vec<f64>>()), 4),
            number(errors.iter().copied().fold(0.0, f64::max), 4),
            number(root_mean(&spread), 4),
            number(100.0 * held.iter().filter(|held| **held).count() as f64 / held.len() as f64, 0),
        ]);
    }
    table
}

/// Returns the gains of each other change by cache.
fn gains(replays: &[CacheReplay]) -> Table {
    let mut table = Table::new(&[
        "cache",
        "hit ratio",
        "invalidated",
        "gained",
        "stale avoided",
        "at, s",
        "largest error",
        "waiting",
        "fetches",
        "hours",
        "findings",
    ]);
    let mut names: Vec<&str> = replays.iter().map(|replay| replay.cache.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let of: Vec<(&CacheReplay, &Gains)> = replays
            .iter()
            .filter(|replay| replay.cache == name)
            .filter_map(|replay| Some((replay, replay.gains.as_ref()?)))
            .collect();
        let mean = |value: &dyn Fn(&CacheReplay, &Gains) -> Option<f64>| {
            let values: Vec<f64> = of.iter().filter_map(|(replay, gains)| value(replay, gains)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let invalidated = |value: &dyn Fn(&Invalidation) -> Option<f64>| {
            mean(&|_, gains| gains.invalidate_on_write.as_ref().and_then(value))
        };
        let largest = of
            .iter()
            .filter_map(|(_, gains)| Some(error(&gains.invalidate_on_write?.figures.hit_ratio)?.0))
            .reduce(f64::max);
        let pair = |value: fn(&EarlyRefresh) -> (Figure, Figure)| {
            let side = |first: bool| {
                mean(&|_, gains| {
                    let (before, after) = value(gains.refresh_early.as_ref()?);
                    if first { before.replayed } else { after.replayed }
                })
            };
            format!("{} → {}", number(side(true), 4), number(side(false), 4))
        };
        let mut findings: Vec<&str> =
            of.iter().flat_map(|(replay, _)| &replay.findings).map(|finding| finding.kind.as_str()).collect();
        findings.dedup();
        table.row([
            name.to_owned(),
            number(mean(&|replay, gains| replay.at(gains.ttl_ms)?.hit_ratio.replayed), 3),
            number(invalidated(&|gain| gain.figures.hit_ratio.replayed), 3),
            number(invalidated(&|gain| Some(gain.hit_ratio_gained)), 3),
            number(invalidated(&|gain| Some(gain.stale_share_avoided)), 4),
            number(invalidated(&|gain| Some(gain.figures.ttl_ms as f64 / 1e3)), 0),
            number(largest, 4),
            pair(|early| early.waiting_share),
            pair(|early| early.fetches_per_read),
            of.iter().filter(|(replay, _)| replay.hours.is_some()).count().to_string(),
            if findings.is_empty() { "–".to_owned() } else { findings.join(", ") },
        ]);
    }
    table
}

/// Largest errors and counts over all caches.
#[derive(Default)]
struct Worst {
    hit: f64,
    relative: f64,
    stale: f64,
    lost: f64,
    kept: usize,
    recommended: usize,
}

impl Worst {
    fn take(&mut self, replay: &CacheReplay) {
        let [hit, relative, stale] = errors(replay);
        self.hit = self.hit.max(hit);
        self.relative = self.relative.max(relative);
        self.stale = self.stale.max(stale);
        if let Some(chosen) = replay.recommended_ttl_ms.and_then(|ttl_ms| replay.at(ttl_ms)) {
            self.recommended += 1;
            self.kept += usize::from(chosen.stale_share.replayed.is_some_and(|share| share <= LIMIT));
            let lost = best_allowed(replay).zip(chosen.hit_ratio.replayed).map_or(0.0, |(best, hit)| best - hit);
            self.lost = self.lost.max(lost);
        }
    }
}

fn error(figure: &Figure) -> Option<(f64, f64)> {
    let (predicted, replayed) = (figure.predicted.value?, figure.replayed?);
    Some(((predicted - replayed).abs(), replayed))
}

/// Returns the largest errors of the hit ratio, of the relative hit ratio where it is above 0.1, and of the stale
/// share.
fn errors(replay: &CacheReplay) -> [f64; 3] {
    let mut worst = [0.0_f64; 3];
    for row in &replay.ttls {
        if let Some((error, hit)) = error(&row.hit_ratio) {
            worst[0] = worst[0].max(error);
            if hit > 0.1 {
                worst[1] = worst[1].max(error / hit);
            }
        }
        if let Some((error, _)) = error(&row.stale_share) {
            worst[2] = worst[2].max(error);
        }
    }
    worst
}

fn best_allowed(replay: &CacheReplay) -> Option<f64> {
    let allowed = replay.ttls.iter().filter(|row| row.stale_share.replayed.is_some_and(|share| share <= LIMIT));
    allowed.filter_map(|row| row.hit_ratio.replayed).reduce(f64::max)
}

/// Returns whether the interval of a prediction contains the replayed value.
fn within(figure: &Figure) -> Option<bool> {
    let replayed = figure.replayed?;
    Some(figure.predicted.lower - 1e-9 <= replayed && replayed <= figure.predicted.upper + 1e-9)
}

/// Returns the share of predictions whose interval contains the replayed value.
fn inside(replay: &CacheReplay) -> f64 {
    let figures = replay.ttls.iter().flat_map(|row| [row.hit_ratio, row.stale_share]);
    let held: Vec<bool> = figures.filter_map(|figure| within(&figure)).collect();
    held.iter().filter(|held| **held).count() as f64 / held.len().max(1) as f64
}

fn row(name: String, replay: &CacheReplay) -> [String; 13] {
    let [hit, relative, stale] = errors(replay);
    let at = |ttl_ms: Option<i64>| ttl_ms.and_then(|ttl_ms| replay.at(ttl_ms));
    let seconds = |row: Option<&TtlFigures>| number(row.map(|row| row.ttl_ms as f64 / 1e3), 0);
    let (chosen, present) = (at(replay.recommended_ttl_ms), at(replay.current_ttl_ms));
    let staleness = |row: Option<&TtlFigures>| number(row.and_then(|row| row.stale_share.replayed), 4);
    let hits = |row: Option<&TtlFigures>| number(row.and_then(|row| row.hit_ratio.replayed), 3);
    [
        name,
        replay.events.to_string(),
        number(hit, 4),
        format!("{} %", number(100.0 * relative, 1)),
        number(stale, 4),
        number(100.0 * inside(replay), 0),
        seconds(chosen),
        staleness(chosen),
        hits(chosen),
        number(best_allowed(replay), 3),
        seconds(present),
        staleness(present),
        hits(present),
    ]
}
