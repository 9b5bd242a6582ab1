//! `info`: adds the labels of info series, such as `target_info`, to the elements of a vector. The evaluator calls it.

use hashbrown::{HashMap, HashSet};

use crate::{
    series::{Labels, METRIC_NAME, MatchOp, Matcher, Part, SampleSource},
    signal::{
        EvalLimits, SignalError,
        frame::{Frame, RowLabels, StepGrid, is_absent, is_histogram},
        native::{self, Read},
        plan::{Node, Selector},
        select::{LoadedSeries, SampleField, instant_frame},
        time::{QueryTimes, TimeShift},
    },
};

/// Labels by which an element and its info series match.
const IDENTIFYING: [&str; 2] = ["instance", "job"];
/// The info metric without a selector.
const TARGET_INFO: &str = "target_info";

/// The times at which info series are read: those of the first selector of the first argument.
pub(super) struct Times<'a> {
    pub(super) grid: &'a StepGrid,
    pub(super) query_times: &'a QueryTimes,
    /// The first argument.
    pub(super) base: &'a Node,
}

/// Returns `frame` with the labels of the info series that have the same `instance` and `job`. `labels`: the matchers of
/// the second argument, which select info series and the labels that are added.
///
/// # Errors
/// [`SignalError::Matching`] if info series contradict each other, [`SignalError::DuplicateLabels`], errors of the source.
pub(super) fn enriched(
    source: &dyn SampleSource,
    frame: Frame,
    labels: Option<&[Matcher]>,
    times: &Times<'_>,
    limits: &EvalLimits,
) -> Result<Frame, SignalError> {
    let selected = labels.unwrap_or_default();
    let (names, data): (Vec<&Matcher>, Vec<&Matcher>) =
        selected.iter().partition(|matcher| matcher.name() == METRIC_NAME);
    let names = name_matchers(&names)?;
    let is_info = |row: &RowLabels| names.iter().all(|matcher| matcher.matches_value(row.get(METRIC_NAME)));
    let infos = InfoSeries::read(source, &frame, &names, &data, &is_info, times, limits)?;

    let mut result = Frame::new(frame.steps);
    let mut rows: HashMap<(usize, Labels), usize> = HashMap::new();
    let may_be_alone = data.iter().all(|matcher| matcher.matches_value(""));
    for (row, base) in frame.rows.iter().enumerate() {
        limits.check_cells(result.cells.len() + result.steps)?;
        for (step, cell) in frame.row(row).iter().enumerate().filter(|(_, cell)| !is_absent(**cell)) {
            let labels = if is_info(base) {
                base.to_labels()
            } else {
                match infos.labels_for(base, step, &data)? {
                    Some(labels) => labels,
                    None if may_be_alone => base.to_labels(),
                    None => continue,
                }
            };
            let target = *rows.entry((row, labels.clone())).or_insert_with(|| result.push_absent(base.with(labels)));
            result.row_mut(target)[step] = *cell;
        }
    }
    result.merge()
}

/// Returns the matchers of the names of info metrics: those given, and a pattern if none of them selects a name.
fn name_matchers(given: &[&Matcher]) -> Result<Vec<Matcher>, SignalError> {
    let selects = given.iter().any(|matcher| matches!(matcher.op(), MatchOp::Equal | MatchOp::Regex));
    let mut all: Vec<Matcher> = given.iter().map(|matcher| (*matcher).clone()).collect();
    if given.is_empty() {
        all.push(Matcher::equal(METRIC_NAME, TARGET_INFO));
    } else if !selects {
        all.push(pattern(METRIC_NAME, ".+_info")?);
    }
    Ok(all)
}

/// Returns a matcher of a pattern.
fn pattern(name: &str, value: &str) -> Result<Matcher, SignalError> {
    Matcher::new(name, MatchOp::Regex, value).map_err(|error| SignalError::Argument {
        function: "info",
        message: format!("the values of {name} are no pattern: {error}"),
    })
}

/// Info series at each step.
struct InfoSeries {
    /// Row by step, metric and identifying labels, with the time of its sample.
    rows: HashMap<(usize, String, [String; 2]), (Labels, f64)>,
    /// Names of all info metrics that were read.
    metrics: Vec<String>,
}

impl InfoSeries {
    /// Reads the info series of the elements.
    fn read(
        source: &dyn SampleSource,
        frame: &Frame,
        names: &[Matcher],
        data: &[&Matcher],
        is_info: &dyn Fn(&RowLabels) -> bool,
        times: &Times<'_>,
        limits: &EvalLimits,
    ) -> Result<Self, SignalError> {
        let mut infos = Self { rows: HashMap::new(), metrics: Vec::new() };
        let mut matchers: Vec<Matcher> = Vec::new();
        for label in IDENTIFYING {
            let rows = frame.rows.iter().filter(|row| !is_info(row));
            let mut values: Vec<&str> = rows.map(|row| row.get(label)).filter(|value| !value.is_empty()).collect();
            values.sort_unstable();
            values.dedup();
            if !values.is_empty() {
                let any: Vec<String> = values.into_iter().map(regex::escape).collect();
                matchers.push(pattern(label, &any.join("|"))?);
            }
        }
        if matchers.is_empty() || frame.steps == 0 {
            return Ok(infos);
        }
        matchers.extend(data.iter().map(|matcher| (*matcher).clone()));
        matchers.extend(names.iter().cloned());
        let selector = Selector {
            slot: 0,
            matchers: matchers.into(),
            has_name: false,
            shift: shift_of(times.base, TimeShift::default()).unwrap_or_default(),
            offset: None,
            extension: None,
            start: 0,
        };
        let at = |time: i64| times.query_times.shifted(selector.shift, time);
        let start_ms = at(times.grid.start_ms).saturating_sub(times.query_times.lookback_ms).saturating_add(1);
        let span = (start_ms, at(times.grid.last()));
        let Read { series, has_histograms, .. } =
            native::read(source, &selector.matchers, span, Part::All, limits.max_samples, limits)?;
        if let Some(one) = series.iter().find(|one| one.values.iter().any(|value| is_histogram(*value))) {
            let message = format!("info series are floats, {} has histograms", one.labels);
            return Err(SignalError::Matching { message });
        }
        let loaded = LoadedSeries { series, one_metric: false, has_histograms };
        let frame =
            instant_frame((&loaded).into(), &selector, times.grid, times.query_times, SampleField::Timestamp, limits)?;
        for (row, labels) in frame.rows.iter().enumerate() {
            let plain = labels.to_labels();
            for (step, time) in frame.row(row).iter().enumerate().filter(|(_, cell)| !is_absent(**cell)) {
                infos.add(step, &plain, *time)?;
            }
        }
        let names: HashSet<&String> = infos.rows.keys().map(|(_, name, _)| name).collect();
        let mut metrics: Vec<String> = names.into_iter().cloned().collect();
        metrics.sort_unstable();
        infos.metrics = metrics;
        Ok(infos)
    }

    /// Adds an info series at a step; of several for the same elements the one with the newest sample counts.
    #[expect(clippy::float_cmp, reason = "times are equal or not")]
    fn add(&mut self, step: usize, labels: &Labels, time: f64) -> Result<(), SignalError> {
        let identity = IDENTIFYING.map(|label| labels.get(label).unwrap_or_default().to_owned());
        let key = (step, labels.metric_name().to_owned(), identity);
        match self.rows.get(&key) {
            Some((other, other_time)) if *other_time == time => Err(SignalError::Matching {
                message: format!("info series contradict each other at one time: {other} and {labels}"),
            }),
            Some((_, other_time)) if *other_time > time => Ok(()),
            _ => {
                self.rows.insert(key, (labels.clone(), time));
                Ok(())
            }
        }
    }

    /// Returns the labels of an element with those of its info series at a step; `None` if it has none.
    fn labels_for(&self, base: &RowLabels, step: usize, data: &[&Matcher]) -> Result<Option<Labels>, SignalError> {
        let identity = IDENTIFYING.map(|label| base.get(label).to_owned());
        let mut builder = None;
        let mut added: HashMap<&str, &str> = HashMap::new();
        for metric in &self.metrics {
            let Some((info, _)) = self.rows.get(&(step, metric.clone(), identity.clone())) else { continue };
            let builder = builder.get_or_insert_with(|| base.to_labels().to_builder());
            for (name, value) in info.iter().filter(|(name, _)| *name != METRIC_NAME) {
                let is_wanted = data.is_empty() || data.iter().any(|matcher| matcher.name() == name);
                if !is_wanted {
                    continue;
                }
                if added.get(name).is_some_and(|other| *other != value) {
                    let message =
                        format!("info series of {} have several values of the label {name:?}", base.to_labels());
                    return Err(SignalError::Matching { message });
                }
                if base.get(name).is_empty() {
                    added.insert(name, value);
                    builder.set(name, value);
                }
            }
        }
        Ok(builder.map(|builder| builder.build()))
    }
}

/// Returns the shift of the first selector below `node`, with the shifts of the subqueries around it up to the first
/// fixed time. `around`: the shift of the subqueries outside of `node`.
fn shift_of(node: &Node, around: TimeShift) -> Option<TimeShift> {
    let within = |inner: TimeShift| {
        if inner.at.is_some() {
            inner
        } else {
            TimeShift { at: around.at, offset_ms: inner.offset_ms.saturating_add(around.offset_ms) }
        }
    };
    match node {
        Node::Select(selector) => Some(within(selector.shift)),
        Node::Range(range) => Some(within(range.selector.shift)),
        Node::Subquery(subquery) => shift_of(&subquery.inner, within(subquery.shift)),
        other => other.children().into_iter().find_map(|child| shift_of(child, around)),
    }
}
