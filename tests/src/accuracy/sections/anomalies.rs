//! Shared by the sections on anomalies: both detectors, events and their table.

use std::time::Duration;

use almanac_engine::{
    calendar::Calendar,
    learn::{Training, infer_step, score_rows},
};
use almanac_models::stats::mean;

use crate::accuracy::scorers::{events::EventCounts, vus};
use crate::document::{Done, Table, each, number, percent};

/// Flagged rows less than this far apart, or less than two steps where these are longer, form one alarm.
const JOIN_MS: i64 = 600_000;

/// Labelled series with the first scored row.
pub(super) struct Labelled {
    pub timestamps: Vec<i64>,
    pub values: Vec<f64>,
    pub labels: Vec<bool>,
    pub scored_from: usize,
}

/// Mode of detection of `almanac detect`.
#[derive(Clone, Copy)]
pub(super) struct Detector {
    pub name: &'static str,
    training: Training,
}

pub(super) const DETECTORS: [Detector; 2] = [
    Detector { name: "causal (default)", training: Training::Online },
    Detector { name: "offline", training: Training::Offline },
];

/// Results of a detector on all series.
pub(super) struct Outcome {
    pub name: &'static str,
    /// Scores of all rows of each series.
    pub scores: Vec<Vec<f64>>,
    /// VUS-PR of each series over the scored rows.
    pub volumes: Vec<Option<f64>>,
    pub events: EventCounts,
    pub samples_per_second: f64,
}

/// Scores every series with each detector and computes VUS-PR and events.
pub(super) fn detect(what: &str, series: &[Labelled], threads: usize) -> Vec<Outcome> {
    let windows = each(&format!("{what}, windows"), series, threads, |one| vus::sliding_window(&one.finite())).results;
    DETECTORS
        .iter()
        .map(|detector| {
            let done: Done<Vec<f64>> = each(&format!("{what}, {}", detector.name), series, threads, |one| {
                let scored = score_rows(&one.timestamps, &one.values, detector.training, &Calendar::default());
                scored.iter().map(|row| row.score).collect()
            });
            let all: Vec<(&Labelled, &Vec<f64>, usize)> = series
                .iter()
                .zip(&done.results)
                .zip(&windows)
                .map(|((one, scores), window)| (one, scores, *window))
                .collect();
            let volumes = each(&format!("{what}, VUS-PR"), &all, threads, |(one, scores, window)| {
                vus::vus_pr(&one.labels[one.scored_from..], &scores[one.scored_from..], *window)
            });
            let mut events = EventCounts::default();
            all.iter().for_each(|(one, scores, _)| events.add(&one.events(scores)));
            let rows: usize = series.iter().map(|one| one.values.len()).sum();
            Outcome {
                name: detector.name,
                samples_per_second: rate(rows, done.cpu),
                volumes: volumes.results,
                events,
                scores: done.results,
            }
        })
        .collect()
}

fn rate(rows: usize, cpu: Duration) -> f64 {
    rows as f64 / cpu.as_secs_f64().max(1e-9)
}

impl Labelled {
    fn finite(&self) -> Vec<f64> {
        self.values.iter().copied().filter(|value| value.is_finite()).collect()
    }

    /// Returns the events of the scored rows; a score above 1 flags a row.
    pub(super) fn events(&self, scores: &[f64]) -> EventCounts {
        let join_ms = infer_step(&self.timestamps).map_or(JOIN_MS, |step| JOIN_MS.max(2 * step.millis()));
        let called: Vec<bool> = scores.iter().map(|score| *score > 1.0).collect();
        let from = self.scored_from;
        EventCounts::of(&self.timestamps[from..], &self.labels[from..], &called[from..], join_ms)
    }
}

impl Outcome {
    /// Returns the mean over the series with incidents.
    pub(super) fn vus_pr(&self) -> Option<f64> {
        mean(&self.volumes.iter().copied().flatten().collect::<Vec<_>>())
    }
}

/// Returns the table of VUS-PR and events by detector.
pub(super) fn table(outcomes: &[Outcome]) -> Table {
    let header = [
        "",
        "VUS-PR",
        "incidents",
        "alarms",
        "precision",
        "recall",
        "F1",
        "false alarms a week",
        "delay, minutes",
        "samples/s a core",
    ];
    let mut table = Table::new(&header);
    for outcome in outcomes {
        let events = &outcome.events;
        table.row([
            outcome.name.to_owned(),
            number(outcome.vus_pr(), 4),
            events.incidents.to_string(),
            events.alarms.to_string(),
            percent(events.precision()),
            percent(events.recall()),
            number(events.f1(), 3),
            number(events.false_alarms_a_week(), 2),
            number(events.median_delay_ms().map(|delay| delay / 60_000.0), 1),
            number(outcome.samples_per_second, 0),
        ]);
    }
    table
}
