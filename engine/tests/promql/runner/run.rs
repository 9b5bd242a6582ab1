//! Runs the commands of a script and judges each evaluation.

use almanac_engine::signal::{self, EvalLimits, SignalError, Value, VectorSample};

use super::{
    judge,
    memory::Memory,
    script::{Command, Eval, parse},
};

/// How an evaluation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As expected.
    Passed,
    /// Not as expected, because samples of this kind are not stored.
    Lacks(&'static str, String),
    /// Not as expected.
    Failed(String),
}

/// One evaluation of a script.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Line in the script, from 1.
    pub(crate) line: usize,
    /// Expression.
    pub(crate) expr: String,
    /// How it ended.
    pub(crate) verdict: Verdict,
}

/// Runs a script; an error is a line that cannot be read.
pub(crate) fn run(text: &str) -> Result<Vec<Outcome>, String> {
    let (mut memory, mut outcomes) = (Memory::default(), Vec::new());
    for command in parse(text)? {
        match command {
            Command::Clear => memory = Memory::default(),
            Command::Load { step_ms, series, as_histograms } => {
                for (labels, points, has_starts) in &series {
                    memory.load(labels, points, step_ms);
                    if *has_starts {
                        memory.note(labels, "start timestamps");
                    }
                }
                if as_histograms {
                    memory.load_custom(&series, step_ms);
                }
            }
            Command::Eval(eval) => outcomes.push(judged(&memory, &eval)),
        }
    }
    Ok(outcomes)
}

fn judged(memory: &Memory, eval: &Eval) -> Outcome {
    let verdict = match evaluated(memory, eval) {
        Ok(()) => Verdict::Passed,
        Err(message) => match lack(memory, eval) {
            Some(what) => Verdict::Lacks(what, message),
            None => Verdict::Failed(message),
        },
    };
    Outcome { line: eval.line, expr: eval.expr.clone(), verdict }
}

/// Returns what the service does not store and the evaluation needs.
fn lack(memory: &Memory, eval: &Eval) -> Option<&'static str> {
    let query = signal::parse(&eval.expr).ok()?;
    memory.unstored(&query.selectors())
}

fn evaluated(memory: &Memory, eval: &Eval) -> Result<(), String> {
    // The scripts of Prometheus are written for this setting.
    let limits = || EvalLimits { delays_names: true, ..EvalLimits::default() };
    let expected = &eval.expected;
    let failed = |error: &SignalError| if expected.fails { Ok(()) } else { Err(error.to_string()) };
    let query = match signal::parse(&eval.expr) {
        Ok(query) => query,
        Err(error) => return failed(&error),
    };
    let first = limits();
    if eval.step_ms > 0 {
        return match signal::range(memory, &query, eval.start_ms, eval.end_ms, eval.step_ms, &first) {
            Err(error) => failed(&error),
            Ok(_) if expected.fails => Err("expected an error, found a result".to_owned()),
            Ok(found) => {
                judge::notes(eval, &first.notes.take())?;
                judge::series(expected, &found, eval.start_ms, eval.step_ms)
            }
        };
    }
    let found = match signal::instant(memory, &query, eval.start_ms, &first) {
        Err(error) => return failed(&error),
        Ok(_) if expected.fails => return Err("expected an error, found a result".to_owned()),
        Ok(found) => found,
    };
    judge::notes(eval, &first.notes.take())?;
    judge::value(expected, &found, false)?;
    // The same expression as one step of a range has the same result, unless it depends on the query.
    let depends = ["start()", "end()", "range()", "step()"].iter().any(|call| eval.expr.contains(call));
    if depends || matches!(found, Value::String(_) | Value::Matrix(_)) {
        return Ok(());
    }
    let (start_ms, end_ms) = (eval.start_ms - 60_000, eval.start_ms + 60_000);
    let series = signal::range(memory, &query, start_ms, end_ms, 60_000, &limits())
        .map_err(|error| format!("as a range: {error}"))?;
    let elements = series.iter().filter_map(|one| {
        let labels = one.labels.clone();
        if let Some((at, histogram)) = one.histograms.iter().find(|(at, _)| *at == eval.start_ms) {
            let histogram = Some(histogram.clone());
            return Some(VectorSample { labels, timestamp_ms: *at, value: f64::NAN, histogram });
        }
        let at = one.timestamps.iter().position(|at| *at == eval.start_ms)?;
        Some(VectorSample { labels, timestamp_ms: eval.start_ms, value: one.values[at], histogram: None })
    });
    let elements: Vec<VectorSample> = elements.collect();
    let middle = match (&found, elements.first()) {
        (Value::Scalar(_), Some(only)) => Value::Scalar(only.value),
        _ => Value::Vector(elements),
    };
    judge::value(expected, &middle, true).map_err(|message| format!("as a range: {message}"))
}
