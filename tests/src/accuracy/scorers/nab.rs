//! Computes the score of the Numenta Anomaly Benchmark.

/// Share of the first rows of a series that are not scored.
const PROBATION: f64 = 0.15;
/// Number of rows above which the probation no longer grows.
const PROBATION_OF: f64 = 5_000.0;

/// Weights of a scoring profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Weight of a window detected at its first row.
    pub found: f64,
    /// Weight of a missed window.
    pub missed: f64,
    /// Weight of a false alarm far from any window.
    pub false_alarm: f64,
}

/// Row with its anomaly score and the benchmark's reward for flagging it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    score: f64,
    worth: f64,
    /// Window of the row, if it lies in one.
    window: Option<usize>,
}

/// Rows of all series under one profile. The reward of a window is that of the best of its flagged rows.
///
/// # Reference
/// Lavin & Ahmad (2015), Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark; `sweeper.py`
/// in its code.
#[derive(Debug, Clone)]
pub struct Corpus {
    weights: Weights,
    rows: Vec<Row>,
    n_windows: usize,
}

/// Threshold with its score: 0 is a detector that flags nothing, 100 one that flags only the first row of each window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NabScore {
    /// Rows with a score at or above it are flagged.
    pub threshold: f64,
    /// Score of the benchmark.
    pub score: f64,
}

impl Corpus {
    /// Returns a corpus without series.
    #[must_use]
    pub fn new(weights: Weights) -> Self {
        Self { weights, rows: Vec::new(), n_windows: 0 }
    }

    /// Adds a series: `scores` of the rows at `timestamps` (ascending), and anomaly `windows` sorted by time, both ends
    /// inclusive.
    pub fn push(&mut self, timestamps: &[i64], scores: &[f64], windows: &[(i64, i64)]) {
        let spans: Vec<(usize, usize)> = windows.iter().filter_map(|window| span(timestamps, *window)).collect();
        let start = probation(timestamps.len());
        let mut next = 0;
        for (row, &score) in scores.iter().enumerate() {
            while spans.get(next).is_some_and(|span| span.1 < row) {
                next += 1;
            }
            let inside = spans.get(next).filter(|span| span.0 <= row);
            let worth = match inside {
                Some(&span) => self.weights.found * earliness(span, row),
                None => self.weights.false_alarm * lateness(next.checked_sub(1).map(|before| spans[before]), row),
            };
            if row >= start {
                self.rows.push(Row { score, worth, window: inside.map(|_| self.n_windows + next) });
            }
        }
        self.n_windows += windows.len();
    }

    /// Returns the score when rows at or above `threshold` are flagged.
    #[must_use]
    pub fn score_at(&self, threshold: f64) -> NabScore {
        let mut best = self.nothing();
        let mut alarms = 0.0;
        for row in self.rows.iter().filter(|row| row.score >= threshold) {
            match row.window {
                Some(window) => best[window] = best[window].max(row.worth),
                None => alarms += row.worth,
            }
        }
        NabScore { threshold, score: self.normalised(alarms + best.iter().sum::<f64>()) }
    }

    /// Returns the threshold with the best score over the corpus, as in the protocol of the benchmark.
    #[must_use]
    pub fn best(&self) -> NabScore {
        let mut rows = self.rows.clone();
        rows.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut windows = self.nothing();
        let mut raw: f64 = windows.iter().sum();
        let mut best = (f64::INFINITY, raw);
        for (idx, row) in rows.iter().enumerate() {
            match row.window {
                Some(window) if row.worth > windows[window] => {
                    raw += row.worth - windows[window];
                    windows[window] = row.worth;
                }
                Some(_) => {}
                None => raw += row.worth,
            }
            // Rows of equal score are flagged together.
            let is_last_of_score = rows.get(idx + 1).is_none_or(|next| next.score < row.score);
            if is_last_of_score && raw > best.1 {
                best = (row.score, raw);
            }
        }
        NabScore { threshold: best.0, score: self.normalised(best.1) }
    }

    /// Returns the reward of each window when nothing is flagged; it is 0 for windows inside the probation.
    fn nothing(&self) -> Vec<f64> {
        let mut windows = vec![0.0; self.n_windows];
        for window in self.rows.iter().filter_map(|row| row.window) {
            windows[window] = -self.weights.missed;
        }
        windows
    }

    fn normalised(&self, raw: f64) -> f64 {
        let null: f64 = self.nothing().iter().sum();
        let perfect = self.weights.found * self.n_windows as f64;
        100.0 * (raw - null) / (perfect - null)
    }
}

/// Returns the number of first rows that are not scored.
fn probation(n_rows: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the rows, at most 750")]
    let rows = (PROBATION * n_rows as f64).floor().min(PROBATION * PROBATION_OF) as usize;
    rows
}

/// Returns the rows of a window, both ends inclusive. The last row is the first one of the last instant, as in the
/// source where timestamps repeat.
fn span(timestamps: &[i64], (start, end): (i64, i64)) -> Option<(usize, usize)> {
    let first = timestamps.partition_point(|t| *t < start);
    let at_end = timestamps.partition_point(|t| *t < end);
    let last = if timestamps.get(at_end) == Some(&end) { at_end } else { at_end.checked_sub(1)? };
    (first <= last).then_some((first, last))
}

fn sigmoid(x: f64) -> f64 {
    2.0 / (1.0 + (5.0 * x).exp()) - 1.0
}

/// Returns the reward of a row in a window: from 1 at the first row to nearly 0 at the last.
fn earliness((first, last): (usize, usize), row: usize) -> f64 {
    let width = (last - first + 1) as f64;
    sigmoid(-((last - row + 1) as f64) / width) / sigmoid(-1.0)
}

/// Returns the penalty of a row after a window, from 0 right after it to -1 far from it, in widths of the window
/// before.
fn lateness(before: Option<(usize, usize)>, row: usize) -> f64 {
    let Some((first, last)) = before else { return -1.0 };
    let position = (row - last) as f64 / ((last - first).max(1)) as f64;
    if position > 3.0 { -1.0 } else { sigmoid(position) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILES: [Weights; 3] = [
        Weights { found: 1.0, missed: 1.0, false_alarm: 0.11 },
        Weights { found: 1.0, missed: 1.0, false_alarm: 0.22 },
        Weights { found: 1.0, missed: 2.0, false_alarm: 0.11 },
    ];
    /// Number of rows, seed of the scores, and windows.
    type Series = (usize, usize, &'static [(usize, usize)]);

    const SERIES: [Series; 4] = [
        (400, 0, &[(100, 139), (300, 319)]),
        (200, 5, &[(60, 79)]),
        (200, 11, &[]),
        (6_000, 17, &[(1_000, 1_199), (1_300, 1_349), (5_900, 5_999)]),
    ];

    fn corpus(weights: Weights, score: impl Fn(usize, usize) -> f64) -> Corpus {
        let mut corpus = Corpus::new(weights);
        for (idx, (n, _, windows)) in SERIES.iter().enumerate() {
            let at = |row: usize| i64::try_from(row).unwrap() * 300_000;
            let timestamps: Vec<i64> = (0..*n).map(at).collect();
            let scores: Vec<f64> = (0..*n).map(|row| score(idx, row)).collect();
            let windows: Vec<(i64, i64)> = windows.iter().map(|(first, last)| (at(*first), at(*last))).collect();
            corpus.push(&timestamps, &scores, &windows);
        }
        corpus
    }

    fn mixed(idx: usize, row: usize) -> f64 {
        let (_, seed, windows) = SERIES[idx];
        let mut score = ((row * 7_919 + row * row * 31 + seed) % 1_009) as f64 / 1_009.0;
        for &(first, last) in windows {
            let from = first + (last - first) / 4;
            if (from..=last).contains(&row) && (row - from).is_multiple_of(3) {
                score = (score + 0.5).min(1.0);
            }
            if row == first + 7 {
                score = 0.999;
            }
        }
        score.powi(8)
    }

    /// Expected values: `calcSweepScore` and `calcScoreByThreshold` of NAB's `sweeper.py` at commit ea702d7, Python
    /// 3.11, normalised to 0 for no flagged row and 100 for a perfect detector as in its `runner.py`.
    #[test]
    fn as_numenta() {
        let expected = [
            (96.119_642_204_430_93, 35.437_106_211_871_004, -179.219_337_647_497_7, -4_866.947_157_698_037),
            (96.119_642_204_430_93, -27.811_722_094_100_073, -457.852_670_742_106_3, -9_833.894_315_396_074),
            (97.413_094_802_953_95, 56.958_070_807_914_005, -86.146_225_098_331_8, -3_211.298_105_132_024_4),
        ];
        for (weights, (best, high, middle, all)) in PROFILES.into_iter().zip(expected) {
            let corpus = corpus(weights, mixed);
            let close = |found: f64, expected: f64| {
                assert!((found - expected).abs() < 1e-9, "{weights:?}: {found}, not {expected}");
            };
            close(corpus.best().score, best);
            close(corpus.best().threshold, 1.0);
            close(corpus.score_at(1.0).score, best);
            close(corpus.score_at(0.9).score, high);
            close(corpus.score_at(0.5).score, middle);
            close(corpus.score_at(0.0).score, all);
        }
    }

    #[test]
    fn no_alarm_scores_zero_and_a_perfect_detector_a_hundred() {
        for weights in PROFILES {
            let silent = corpus(weights, |_, _| 0.0);
            assert!(silent.score_at(1.0).score.abs() < 1e-12);
            assert!(silent.best().score.abs() < 1e-12);
            let first = |idx: usize, row: usize| SERIES[idx].2.iter().any(|(first, _)| *first == row);
            let perfect = corpus(weights, |idx, row| f64::from(u8::from(first(idx, row))));
            assert!((perfect.score_at(1.0).score - 100.0).abs() < 1e-12);
            assert!((perfect.best().score - 100.0).abs() < 1e-12);
        }
    }
}
