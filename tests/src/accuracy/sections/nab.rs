//! Measures anomaly detection on the Numenta Anomaly Benchmark.

use std::{collections::BTreeMap, error::Error};

use almanac_datasets::loaders::{NabProfile, NabWindow, PublicSet};

use super::{
    anomalies::{self, Labelled, Outcome},
    kpi::published,
};
use crate::accuracy::{
    published::NAB,
    scorers::nab::{Corpus, NabScore, Weights},
};
use crate::document::{Settings, Table, number};

/// Number of series in the table of most false alarms.
const SHOWN: usize = 8;
const PROFILES: [&str; 3] = ["standard", "reward_low_FP_rate", "reward_low_FN_rate"];

/// Measures both detectors on the Numenta Anomaly Benchmark.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let data = settings.data()?;
    let series = settings.subset(data.series(PublicSet::Nab)?);
    let windows = data.nab_windows()?;
    let names: Vec<String> = series.iter().map(|one| one.name.clone()).collect();
    let labelled: Vec<Labelled> = series
        .into_iter()
        .map(|one| Labelled {
            scored_from: 0,
            labels: one.incident.unwrap_or_default(),
            timestamps: one.timestamps,
            values: one.values,
        })
        .collect();
    let outcomes = anomalies::detect("nab", &labelled, settings.threads);
    let profiles = data.nab_profiles()?;
    let scores = outcomes.iter().map(|outcome| corpora(outcome, &names, &labelled, &windows, &profiles));
    let scores = scores.collect::<Result<Vec<_>, _>>()?;
    Ok(format!(
        "## Anomalies: Numenta Anomaly Benchmark\n\n\
         {} series. The benchmark's own score: 0 is a detector that never calls, 100 one that calls the first row of each window.\n\
         Ours is given at the fixed threshold of 1, as shipped, and at the threshold that is best for the whole corpus under each\n\
         profile, which is the protocol of every published row: one for all series, so that a series whose ordinary rows score beyond\n\
         all others leaves none that is better than to call nothing. The offline rows know the future, so they stand beside no\n\
         published one.\n\n{}\n{}\n\
         Source: results of github.com/numenta/NAB. VUS-PR and events over whole series, windows as incidents (they begin before\n\
         what is odd, so delays from their first rows are no delays of detection):\n\n{}\n{}\n\
         Source: TSB-AD benchmark results (Liu & Paparrizos 2024), mean over its own choice of 23 series.\n",
        names.len(),
        score_table(&outcomes, &scores),
        dearest(&outcomes, &names, &labelled),
        anomalies::table(&outcomes),
        published(settings, "NAB")?,
    ))
}

/// Returns the corpus with the scores of a detector, under each profile.
fn corpora(
    outcome: &Outcome,
    names: &[String],
    series: &[Labelled],
    windows: &BTreeMap<String, Vec<NabWindow>>,
    profiles: &BTreeMap<String, NabProfile>,
) -> Result<Vec<Corpus>, String> {
    let corpus = |profile: &&str| {
        let profile = profiles.get(*profile).ok_or_else(|| format!("NAB has no profile {profile}"))?;
        let mut corpus = Corpus::new(Weights {
            found: profile.tp_weight,
            missed: profile.fn_weight,
            false_alarm: profile.fp_weight,
        });
        for ((name, one), scores) in names.iter().zip(series).zip(&outcome.scores) {
            let spans: Vec<(i64, i64)> =
                windows.get(name).into_iter().flatten().map(|window| (window.start_ms, window.end_ms)).collect();
            corpus.push(&one.timestamps, scores, &spans);
        }
        Ok(corpus)
    };
    PROFILES.iter().map(corpus).collect()
}

/// Formats a threshold; it is infinite where flagging nothing scores best.
fn threshold(value: f64) -> String {
    if value.is_finite() { number(value, 2) } else { "call nothing".to_owned() }
}

fn score_table(outcomes: &[Outcome], scores: &[Vec<Corpus>]) -> Table {
    let mut table = Table::new(&["", "standard", "low false positives", "low false negatives", "thresholds"]);
    for (outcome, corpora) in outcomes.iter().zip(scores) {
        // A score above 1 is an anomaly, 1 itself is not.
        let fixed: Vec<NabScore> = corpora.iter().map(|corpus| corpus.score_at(1.0_f64.next_up())).collect();
        let best: Vec<NabScore> = corpora.iter().map(Corpus::best).collect();
        let mut row = |name: String, scores: &[NabScore], thresholds: String| {
            let cells = scores.iter().map(|score| number(score.score, 1));
            table.row([name].into_iter().chain(cells).chain([thresholds]));
        };
        row(format!("{}, threshold 1", outcome.name), &fixed, "1".to_owned());
        let thresholds: Vec<String> = best.iter().map(|score| threshold(score.threshold)).collect();
        row(format!("{}, optimised", outcome.name), &best, thresholds.join(", "));
    }
    for method in NAB {
        let cells = method.figures.iter().map(|figure| number(*figure, 1));
        table.row([format!("{} (published, optimised)", method.method)].into_iter().chain(cells));
    }
    table
}

/// Returns the series with the most false alarms of the causal default at threshold 1.
fn dearest(outcomes: &[Outcome], names: &[String], series: &[Labelled]) -> Table {
    let mut table = Table::new(&[
        "most false alarms, causal, threshold 1",
        "false alarms",
        "alarms",
        "rows above 1",
        "highest score",
    ]);
    let Some(outcome) = outcomes.first() else { return table };
    let mut rows: Vec<(usize, [String; 5])> = Vec::new();
    for ((name, one), scores) in names.iter().zip(series).zip(&outcome.scores) {
        let events = one.events(scores);
        let false_alarms = events.alarms - events.true_alarms;
        let called = scores.iter().filter(|score| **score > 1.0).count();
        let highest = scores.iter().copied().fold(0.0, f64::max);
        let (alarms, called) = (events.alarms.to_string(), called.to_string());
        rows.push((false_alarms, [name.clone(), false_alarms.to_string(), alarms, called, number(highest, 1)]));
    }
    rows.sort_by_key(|(false_alarms, _)| std::cmp::Reverse(*false_alarms));
    rows.into_iter().take(SHOWN).for_each(|(_, cells)| table.row(cells));
    table
}
