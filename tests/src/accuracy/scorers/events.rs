//! Compares incidents and alarms as events: recall, precision, false alarms and delay.

/// Returns the runs of set rows, both ends inclusive.
#[must_use]
pub fn runs(flags: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (row, _) in flags.iter().enumerate().filter(|(_, flag)| **flag) {
        match runs.last_mut() {
            Some(run) if run.1 + 1 == row => run.1 = row,
            _ => runs.push((row, row)),
        }
    }
    runs
}

/// Returns the alarms, both ends inclusive: flagged rows less than `join_ms` apart form one alarm.
#[must_use]
pub fn alarms(timestamps: &[i64], called: &[bool], join_ms: i64) -> Vec<(usize, usize)> {
    let mut alarms: Vec<(usize, usize)> = Vec::new();
    for (row, _) in called.iter().enumerate().filter(|(_, flag)| **flag) {
        match alarms.last_mut() {
            Some(alarm) if timestamps[row].saturating_sub(timestamps[alarm.1]) < join_ms => alarm.1 = row,
            _ => alarms.push((row, row)),
        }
    }
    alarms
}

/// Counts over one series, or sums over several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventCounts {
    /// Number of incidents: runs of labelled rows.
    pub incidents: usize,
    /// Number of incidents with at least one flagged row.
    pub found: usize,
    /// Number of alarms.
    pub alarms: usize,
    /// Number of alarms with at least one flagged row in an incident.
    pub true_alarms: usize,
    /// Time from the first row of an incident to its first flagged row, milliseconds, one entry per detected incident.
    pub delays_ms: Vec<i64>,
    /// Time from the first row to the last, milliseconds.
    pub span_ms: i64,
}

impl EventCounts {
    /// Computes the counts of one series: `called` (flagged) and `labels` belong to the rows at `timestamps`,
    /// ascending. Flagged rows less than `join_ms` apart form one alarm.
    #[must_use]
    pub fn of(timestamps: &[i64], labels: &[bool], called: &[bool], join_ms: i64) -> Self {
        let incidents = runs(labels);
        let alarms = alarms(timestamps, called, join_ms);
        let hit = |first: usize, last: usize| (first..=last).find(|&row| called[row] && labels[row]);
        let delays_ms: Vec<i64> = incidents
            .iter()
            .filter_map(|&(first, last)| hit(first, last).map(|row| timestamps[row] - timestamps[first]))
            .collect();
        let span_ms = timestamps.last().zip(timestamps.first()).map_or(0, |(last, first)| last - first);
        Self {
            incidents: incidents.len(),
            found: delays_ms.len(),
            alarms: alarms.len(),
            true_alarms: alarms.iter().filter(|(first, last)| hit(*first, *last).is_some()).count(),
            delays_ms,
            span_ms,
        }
    }

    /// Adds the counts of another series.
    pub fn add(&mut self, other: &Self) {
        self.incidents += other.incidents;
        self.found += other.found;
        self.alarms += other.alarms;
        self.true_alarms += other.true_alarms;
        self.delays_ms.extend(&other.delays_ms);
        self.span_ms += other.span_ms;
    }

    /// Returns the share of alarms that overlap an incident; `None` without an alarm.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        (self.alarms > 0).then(|| self.true_alarms as f64 / self.alarms as f64)
    }

    /// Returns the share of detected incidents; `None` without an incident.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        (self.incidents > 0).then(|| self.found as f64 / self.incidents as f64)
    }

    /// Returns the harmonic mean of precision and recall, 0 when both are 0; `None` when one is missing.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        let (p, r) = (self.precision()?, self.recall()?);
        Some(if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 })
    }

    /// Returns the number of alarms outside of incidents per week of one series.
    #[must_use]
    pub fn false_alarms_a_week(&self) -> Option<f64> {
        let weeks = self.span_ms as f64 / 604_800_000.0;
        (weeks > 0.0).then(|| (self.alarms - self.true_alarms) as f64 / weeks)
    }

    /// Returns the median delay of the detected incidents, milliseconds.
    #[must_use]
    pub fn median_delay_ms(&self) -> Option<f64> {
        let delays: Vec<f64> = self.delays_ms.iter().map(|delay| *delay as f64).collect();
        almanac_models::stats::median(&delays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by hand: two incidents, the first detected two minutes late by an alarm that started before it, the
    /// second missed; a false alarm whose rows are nine minutes apart, and another one ten minutes after it.
    #[test]
    fn by_hand() {
        let minute = |row: usize| i64::try_from(row).unwrap() * 60_000;
        let timestamps: Vec<i64> = (0..10_081).map(minute).collect();
        let set = |rows: &[usize]| (0..timestamps.len()).map(|row| rows.contains(&row)).collect::<Vec<bool>>();
        let labels = set(&[10, 11, 12, 13, 500, 501]);
        let called = set(&[5, 12, 13, 100, 109, 119]);
        let counts = EventCounts::of(&timestamps, &labels, &called, 600_000);
        assert_eq!((counts.incidents, counts.found, counts.alarms, counts.true_alarms), (2, 1, 3, 1));
        assert_eq!(counts.delays_ms, vec![120_000]);
        assert_eq!(counts.recall(), Some(0.5));
        assert!((counts.precision().unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert!((counts.f1().unwrap() - 0.4).abs() < 1e-12);
        assert!((counts.false_alarms_a_week().unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(counts.median_delay_ms(), Some(120_000.0));
        let mut twice = counts.clone();
        twice.add(&counts);
        assert_eq!((twice.incidents, twice.alarms, twice.delays_ms.len()), (4, 6, 2));
        assert_eq!(twice.false_alarms_a_week(), counts.false_alarms_a_week());
    }

    #[test]
    fn nothing_called_and_nothing_labelled() {
        let counts = EventCounts::of(&[0, 1, 2], &[false; 3], &[false; 3], 2);
        assert_eq!((counts.precision(), counts.recall(), counts.f1()), (None, None, None));
        assert_eq!(runs(&[true, true, false, true]), vec![(0, 1), (3, 3)]);
        assert_eq!(EventCounts::of(&[], &[], &[], 2), EventCounts::default());
    }
}
