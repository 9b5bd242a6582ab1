//! Parses scripts into commands.

use almanac_engine::series::Labels;

use super::values::{Point, duration_ms, number, series};

/// A command of a script.
#[derive(Debug)]
pub(crate) enum Command {
    /// Removes all series.
    Clear,
    /// Adds series.
    Load { step_ms: i64, series: Vec<(Labels, Vec<Point>, bool)>, as_histograms: bool },
    /// Evaluates an expression.
    Eval(Box<Eval>),
}

/// An evaluation with its expectations.
#[derive(Debug)]
pub(crate) struct Eval {
    /// Line in the script, from 1.
    pub(crate) line: usize,
    pub(crate) expr: String,
    /// Start, end and step in milliseconds; the step of an instant query is 0.
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) expected: Expected,
}

/// What an evaluation is expected to give.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) fails: bool,
    pub(crate) is_ordered: bool,
    /// Whether warnings or infos are expected: `None` is not said. With their positions if those are exact.
    pub(crate) warnings: Option<Vec<Option<String>>>,
    pub(crate) infos: Option<Vec<Option<String>>>,
    pub(crate) text: Option<String>,
    pub(crate) scalar: Option<f64>,
    /// Start, end and step of the points of a range vector.
    pub(crate) points: Option<(i64, i64, i64)>,
    pub(crate) series: Vec<(Labels, Vec<Point>)>,
}

/// Parses a script. A line that cannot be read is an error with its number.
pub(crate) fn parse(text: &str) -> Result<Vec<Command>, String> {
    let lines: Vec<&str> =
        text.lines().map(|line| if line.trim().starts_with('#') { "" } else { line.trim() }).collect();
    let (mut commands, mut at) = (Vec::new(), 0);
    while at < lines.len() {
        let line = lines[at];
        let number = at + 1;
        at += 1;
        let mut body = Vec::new();
        if !line.is_empty() && line != "clear" {
            while at < lines.len() && !lines[at].is_empty() {
                body.push(lines[at]);
                at += 1;
            }
        }
        let wrong = |message: String| format!("line {number}: {message}");
        let word = line.split_whitespace().next().unwrap_or_default();
        match word {
            "" => {}
            "clear" => commands.push(Command::Clear),
            "load" | "load_with_nhcb" => {
                let step = line[word.len()..].trim();
                let step_ms = duration_ms(step).ok_or_else(|| wrong(format!("{step:?} is no step")))?;
                let series = body.iter().map(|line| series(line)).collect::<Result<_, _>>().map_err(wrong)?;
                commands.push(Command::Load { step_ms, series, as_histograms: word.ends_with("nhcb") });
            }
            _ if word.starts_with("eval") => {
                commands.push(Command::Eval(Box::new(eval(line, number, &body).map_err(wrong)?)))
            }
            other => return Err(wrong(format!("{other:?} is no command"))),
        }
    }
    Ok(commands)
}

/// Parses an evaluation.
fn eval(line: &str, number_of_line: usize, body: &[&str]) -> Result<Eval, String> {
    let mut words = Words(line);
    let kind = words.next().trim_start_matches("eval");
    let time = |words: &mut Words<'_>| {
        let text = words.next();
        duration_ms(text).ok_or_else(|| format!("{text:?} is no time"))
    };
    let (start_ms, end_ms, step_ms) = match words.next() {
        "instant" => {
            let at = if words.0.starts_with("at ") {
                words.next();
                time(&mut words)?
            } else {
                0
            };
            (at, at, 0)
        }
        "range" => {
            let mut named =
                |name: &str| if words.next() == name { time(&mut words) } else { Err(format!("{name} is missing")) };
            (named("from")?, named("to")?, named("step")?)
        }
        other => return Err(format!("{other:?} is neither instant nor range")),
    };
    let mut expected = Expected::default();
    match kind {
        "_fail" => expected.fails = true,
        "_ordered" => expected.is_ordered = true,
        "_warn" => expected.warnings = Some(vec![None]),
        "_info" => expected.infos = Some(vec![None]),
        _ => {}
    }
    for line in body {
        expectation(line, &mut expected)?;
    }
    Ok(Eval { line: number_of_line, expr: words.0.to_owned(), start_ms, end_ms, step_ms, expected })
}

/// Words at the start of a text.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        let text = self.0.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        self.0 = text[end..].trim_start();
        &text[..end]
    }
}

/// Parses a line below an evaluation.
fn expectation(line: &str, expected: &mut Expected) -> Result<(), String> {
    if line.starts_with("expected_fail_") {
        return Ok(());
    }
    if let Some(rest) = line.strip_prefix("expect range vector ") {
        let mut words = Words(rest);
        let mut named = |name: &str| {
            if words.next() != name {
                return Err(format!("{name} is missing"));
            }
            let text = words.next();
            duration_ms(text).ok_or_else(|| format!("{text:?} is no time"))
        };
        expected.points = Some((named("from")?, named("to")?, named("step")?));
        return Ok(());
    }
    if let Some(rest) = line.strip_prefix("expect string ") {
        let quoted = almanac_engine::signal::parse(rest).map_err(|error| error.to_string())?;
        let none = super::memory::Memory::default();
        let value = almanac_engine::signal::instant(&none, &quoted, 0, &Default::default());
        if let Ok(almanac_engine::signal::Value::String(text)) = value {
            expected.text = Some(text);
        }
        return Ok(());
    }
    if let Some(rest) = line.strip_prefix("expect ") {
        let (kind, message) = rest.split_once(' ').unwrap_or((rest, ""));
        // An exact message ends with its position; of a pattern only the kind is compared.
        let at = message.strip_prefix("msg:").and_then(|text| text.rsplit_once('(')).map(|(_, at)| format!("({at}"));
        match kind {
            "fail" => expected.fails = true,
            "ordered" => expected.is_ordered = true,
            "warn" => expected.warnings.get_or_insert_default().push(at),
            "info" => expected.infos.get_or_insert_default().push(at),
            "no_warn" => expected.warnings = Some(Vec::new()),
            "no_info" => expected.infos = Some(Vec::new()),
            other => return Err(format!("{other:?} cannot be expected")),
        }
        return Ok(());
    }
    if let Some(value) = number(line) {
        expected.scalar = Some(value);
        return Ok(());
    }
    let (labels, points, _) = series(line)?;
    expected.series.push((labels, points));
    Ok(())
}
