//! Compares the engine's results with the simulator's ground truth: seasons, incidents, times-to-live, thresholds.

use std::collections::HashSet;

use almanac_datasets::simulator::{IncidentKind, Simulation, SimulatorOptions, alerts, replay_rules_yaml, simulate};
use almanac_engine::advise::{
    threshold::{RuleFile, SignalHistory, ThresholdOptions, replay_rules},
    ttl::{CacheAccess, TtlOptions, replay_caches},
};
use almanac_models::{
    Level, Step,
    anomaly::{DetectorOptions, OnlineDetector},
    seasons::SeasonDetector,
    ttl::OnWrite,
};

const DAY_MS: i64 = 86_400_000;

/// Returns means over `minutes` of a signal at one-minute steps.
fn coarse(values: &[f64], minutes: usize) -> Vec<f64> {
    values.chunks_exact(minutes).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect()
}

fn four_weeks(cache_hours: f64) -> Simulation {
    simulate(&SimulatorOptions { cache_hours, ..SimulatorOptions::default() }).unwrap()
}

/// Returns the same four weeks with another seed.
fn drawn(seed: u64) -> Simulation {
    simulate(&SimulatorOptions { seed, cache_hours: 0.0, ..SimulatorOptions::default() }).unwrap()
}

#[test]
fn seasons_found_are_the_true_ones() {
    for seed in [1, 2] {
        let run = drawn(seed);
        for (signal, truth) in run.signals.iter().zip(&run.truth.signals) {
            for minutes in [5, 15] {
                let step = Step::from_millis(i64::try_from(minutes).unwrap() * 60_000).unwrap();
                let found: Vec<i64> = SeasonDetector::default()
                    .with_step(step)
                    .detect(&coarse(&signal.values, minutes))
                    .iter()
                    .map(|season| i64::try_from(season.period).unwrap() * step.millis())
                    .collect();
                assert_eq!(found, truth.seasons_ms, "{} at {minutes} minutes, seed {seed}", signal.name);
            }
        }
        for seasons in [vec![], vec![DAY_MS], vec![DAY_MS, 7 * DAY_MS]] {
            assert!(run.truth.signals.iter().any(|signal| signal.seasons_ms == seasons), "{seasons:?}");
        }
    }
}

/// Returns for each minute whether a detector flags one of the signals that alerts watch. Each signal has its own
/// causal detector on five-minute means.
fn alarms(run: &Simulation) -> Vec<bool> {
    let names = ["api_p95_seconds", "query_p95_seconds", "error_ratio", "memory_ratio", "queue_depth", "cpu_ratio"];
    let mut alarms = vec![false; run.timestamps.len()];
    for name in names {
        let step = Step::from_millis(300_000).ok();
        let mut detector =
            OnlineDetector::new(DetectorOptions { seasons: Some(vec![288, 2016]), step, ..Default::default() });
        for (block, value) in coarse(&run.signal(name).unwrap().values, 5).into_iter().enumerate() {
            if detector.push(value).score > 1.0 {
                alarms[block * 5..block * 5 + 5].fill(true);
            }
        }
    }
    alarms
}

#[test]
fn injected_incidents_are_found() {
    for seed in [1, 2, 3] {
        let run = drawn(seed);
        let alarms = alarms(&run);
        let from = run.timestamps.len() / 2;
        let mut inside = vec![false; run.timestamps.len()];
        let mut kinds = HashSet::new();
        for incident in &run.truth.incidents {
            let touched = |at: &i64| (incident.started_at_ms..=incident.ended_at_ms).contains(at);
            let steps: Vec<usize> = (from..run.timestamps.len()).filter(|t| touched(&run.timestamps[*t])).collect();
            if steps.is_empty() {
                continue;
            }
            kinds.insert(incident.kind);
            let found = steps.iter().any(|t| alarms[*t]);
            assert!(found, "{:?} at {} is missed, seed {seed}", incident.kind, incident.started_at_ms);
            // The half hour after an incident counts as part of it.
            steps.iter().for_each(|t| inside[*t..(*t + 30).min(run.timestamps.len())].fill(true));
        }
        assert_eq!(kinds.len(), IncidentKind::ALL.len());
        let outside = (from..alarms.len()).filter(|t| !inside[*t]).count();
        let false_alarms = (from..alarms.len()).filter(|t| alarms[*t] && !inside[*t]).count();
        assert!(
            (false_alarms as f64) < 0.005 * outside as f64,
            "{false_alarms} of {outside} quiet minutes are called anomalous, seed {seed}"
        );
    }
}

#[test]
fn recommended_times_to_live_keep_the_stale_share() {
    let run = four_weeks(24.0);
    let mut options = TtlOptions::new(Level::try_new(0.9).unwrap());
    options.on_write = OnWrite::Keep;
    for cache in &run.truth.caches {
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
        options.current_ms.insert(cache.model.cache.clone(), (cache.model.ttl_seconds * 1000.0) as i64);
    }
    let replays = replay_caches(run.cache_events.iter().map(CacheAccess::from), &options).unwrap();
    assert_eq!(replays.len(), run.truth.caches.len());
    for (replay, cache) in replays
        .iter()
        .map(|replay| (replay, run.truth.caches.iter().find(|cache| cache.model.cache == replay.cache).unwrap()))
    {
        assert!(replay.identifiable, "{}", replay.cache);
        let ttl_ms = replay.recommended_ttl_ms.unwrap_or_else(|| panic!("{}: {:?}", replay.cache, replay.reason));
        let truth = cache.model.at_ttl(ttl_ms as f64 / 1000.0);
        assert!(
            truth.stale_share <= 0.012,
            "{}: {ttl_ms} ms gives a stale share of {}",
            replay.cache,
            truth.stale_share
        );
        let replayed = replay.at(ttl_ms).unwrap();
        assert!(replayed.stale_share.replayed.unwrap() <= 0.013, "{}: {:?}", replay.cache, replayed.stale_share);
        // The replayed ratios agree with the analytic ones.
        for row in &replay.ttls {
            let truth = cache.model.at_ttl(row.ttl_ms as f64 / 1000.0);
            let (hit, stale) = (row.hit_ratio.replayed.unwrap(), row.stale_share.replayed.unwrap_or(0.0));
            if row.ttl_ms <= 1_800_000 {
                assert!((hit - truth.hit_ratio).abs() < 0.02, "{} {}: {hit} {truth:?}", replay.cache, row.ttl_ms);
                assert!((stale - truth.stale_share).abs() < 0.03, "{} {}: {stale} {truth:?}", replay.cache, row.ttl_ms);
            }
        }
    }
}

#[test]
fn recommended_thresholds_catch_every_incident_with_fewer_false_alerts() {
    let run = four_weeks(0.0);
    let rules = RuleFile::parse("replay-rules.yml", &replay_rules_yaml()).unwrap();
    let watched: Vec<&str> = alerts().iter().map(|alert| alert.signal).collect();
    let series: Vec<SignalHistory> = run
        .signals
        .iter()
        .filter(|signal| watched.contains(&signal.name.as_str()))
        .map(|signal| SignalHistory {
            name: signal.name.clone(),
            timestamps: run.timestamps.clone(),
            values: signal.values.clone(),
            incident: Some(signal.incident.clone()),
        })
        .collect();
    let replay = replay_rules("replay-rules.yml", &rules, &series, &ThresholdOptions::default()).unwrap();
    assert!(replay.kept.is_empty(), "{:?}", replay.kept);
    let (mut present_false, mut recommended_false) = (0, 0);
    for rule in &replay.rules {
        let (present, recommended) = (&rule.present.score, &rule.recommended.score);
        assert_eq!(recommended.incidents_caught, recommended.incidents, "{}: {}", rule.alert, rule.reason);
        present_false += present.false_alerts;
        recommended_false += recommended.false_alerts;
    }
    assert!(recommended_false < present_false, "{recommended_false} false alerts instead of {present_false}");
}

#[test]
fn every_signal_objective_and_alert_can_be_expressed() {
    use almanac_datasets::simulator::{objectives, rules_yaml};
    use almanac_engine::signal;
    let run = simulate(&SimulatorOptions { weeks: 1, cache_hours: 0.0, ..SimulatorOptions::default() }).unwrap();
    let source = Source(&run);
    let at = 5_000;
    for simulated in &run.signals {
        let query = signal::parse(&simulated.expr).unwrap_or_else(|error| panic!("{}: {error}", simulated.name));
        let limits = signal::EvalLimits::default();
        let value = signal::instant(&source, &query, run.timestamps[at], &limits).unwrap();
        let signal::Value::Vector(samples) = value else { panic!("{}: {value:?}", simulated.name) };
        assert_eq!(samples.len(), 1, "{}: {}", simulated.name, simulated.expr);
        if simulated.exact {
            let (found, truth) = (samples[0].value, simulated.values[at]);
            assert!((found - truth).abs() <= 1e-9 * truth.abs().max(1.0), "{}: {found} {truth}", simulated.name);
        }
    }
    let (rules, kept) = RuleFile::parse("rules.yml", &rules_yaml(&run)).unwrap().alerts("rules.yml");
    assert_eq!((rules.len(), kept.len()), (alerts().len(), 0), "{kept:?}");
    for objective in objectives() {
        let expr = format!("{} {}", run.signal(objective.signal).unwrap().expr, objective.bound.comparison());
        assert!(signal::parse(&expr).is_ok(), "{}: {expr}", objective.objective);
    }
}

/// Simulation as a source of samples for the evaluator.
struct Source<'a>(&'a Simulation);

impl almanac_engine::series::SampleSource for Source<'_> {
    fn select(
        &self,
        matchers: &[almanac_engine::series::Matcher],
        start_ms: i64,
        end_ms: i64,
        _limit: usize,
    ) -> Result<Vec<almanac_engine::series::SeriesSamples>, almanac_engine::series::SourceError> {
        let times = &self.0.timestamps;
        let span = times.partition_point(|at| *at < start_ms)..times.partition_point(|at| *at <= end_ms);
        let wanted =
            self.0.series.iter().filter(|series| matchers.iter().all(|matcher| matcher.matches(&series.labels)));
        let mut found: Vec<_> = wanted
            .filter(|_| !span.is_empty())
            .map(|series| almanac_engine::series::SeriesSamples {
                labels: series.labels.clone(),
                timestamps: times[span.clone()].to_vec(),
                values: series.values[span.clone()].to_vec(),
            })
            .collect();
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }
}
