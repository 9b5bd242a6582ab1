//! Parses calls of functions and aggregations, and suggests a function for an unknown name.

use super::{
    keywords::is_one_of,
    operand::{Operand, Precedence},
    parser::Parser,
    token::{Token, TokenKind},
};
use crate::{
    series::{Labels, METRIC_NAME, MatchOp, Matcher},
    signal::{
        Feature, SignalError, ValueKind,
        functions::{self, Function},
        plan::{Aggregate, AggregateOp, Call, Grouping, Node},
        time::Extension,
    },
};

impl Parser<'_> {
    /// Parses arguments in parentheses; the opening one is next.
    fn arguments(&mut self, name: &str) -> Result<Vec<Operand>, SignalError> {
        let opening = self.advance();
        let mut args = Vec::new();
        if self.peek().is(")") {
            self.advance();
            return Ok(args);
        }
        loop {
            if self.peek().kind == TokenKind::End {
                return Err(self.unclosed(&opening, "bracket", ")"));
            }
            // The second argument of `info` selects labels, and may match every series.
            let before = std::mem::replace(&mut self.permits_empty_selectors, name == "info" && args.len() == 1);
            let arg = self.expression(Precedence::LOWEST)?;
            self.permits_empty_selectors = before;
            let comma = self.peek().clone();
            if !comma.is(",") {
                self.close_after(&arg, &opening)?;
                args.push(arg);
                return Ok(args);
            }
            args.push(arg);
            self.advance();
            if self.peek().is(")") {
                let message = format!("an argument of {name} is missing after the comma");
                return Err(self.error_at(comma.start, comma.end, message));
            }
        }
    }

    /// Parses the call of a function.
    pub(super) fn call(&mut self, word: &Token) -> Result<Operand, SignalError> {
        let name = self.written(word);
        let function = function_named(name)
            .map_err(|hint| self.error_at(word.start, word.end, format!("there is no function {name:?}{hint}")))?;
        if functions::EXPERIMENTAL.contains(&function.name) {
            self.uses(Feature::ExperimentalFunctions, function.name);
        }
        let args = self.arguments(name)?;
        let end = self.last_end;
        self.check_call(function, &args, word.start, end)?;
        let depth = args.iter().map(|arg| arg.depth).max().unwrap_or(0) + 1;
        self.limit_depth(depth)?;
        self.check_extensions(function, &args)?;
        let arg_starts = args.iter().map(|arg| arg.start).collect();
        let args: Vec<Node> = args.into_iter().map(|arg| arg.node).collect();
        let absent_labels = match args.first().map(Node::unwrapped) {
            Some(Node::Select(selector)) => fixed_labels(&selector.matchers),
            Some(Node::Range(range)) => fixed_labels(&range.selector.matchers),
            _ => Labels::default(),
        };
        let call = Call { function, args, absent_labels, arg_starts, start: word.start };
        Ok(Operand::new(Node::Call(call), word.start, end, depth))
    }

    /// Rejects ranges that are `anchored` or `smoothed` for functions that do not read them so, and label selectors of
    /// `info` that are not selectors.
    fn check_extensions(&self, function: &Function, args: &[Operand]) -> Result<(), SignalError> {
        if function.name == "info"
            && let Some(labels) = args.get(1)
            && !matches!(&labels.node, Node::Select(selector) if selector.is_plain() && !selector.has_name)
        {
            let message = "the second argument of info is a selector of labels without a name, such as {env=\"prod\"}";
            return Err(self.error_at(labels.start, labels.end, message));
        }
        for arg in args {
            let Node::Range(range) = arg.node.unwrapped() else { continue };
            let Some(extension) = range.selector.extension else { continue };
            let valid: &[&str] = match extension {
                Extension::Anchored => &["changes", "delta", "increase", "rate", "resets"],
                Extension::Smoothed => &["delta", "increase", "rate"],
            };
            if !valid.contains(&function.name) {
                let (modifier, name) = (extension.name(), function.name);
                let message = format!("{modifier} is valid in {} only, not in {name}", valid.join(", "));
                return Err(self.error_at(arg.start, arg.end, message));
            }
        }
        Ok(())
    }

    /// Parses an aggregation; its grouping may be before or after its arguments.
    pub(super) fn aggregate(&mut self, op: AggregateOp, word: &Token) -> Result<Operand, SignalError> {
        let mut grouping = self.grouping()?;
        if !self.peek().is("(") {
            let next = self.peek().clone();
            let message = format!("the expression of {} must be in brackets after the labels", op.name());
            let culprit = if next.kind == TokenKind::End { word } else { &next };
            return Err(self.error_at(culprit.start, culprit.end, message));
        }
        let mut args = self.arguments(op.name())?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let end = self.last_end;
        let wanted = if op.param().is_some() { 2 } else { 1 };
        if args.len() != wanted {
            let shape = if wanted == 2 {
                format!("{}(parameter, vector)", op.name())
            } else {
                format!("{}(vector)", op.name())
            };
            let noun = if wanted == 1 { "argument" } else { "arguments" };
            let message = format!("{} takes {wanted} {noun}, got {}: {shape}", op.name(), args.len());
            return Err(self.error_at(word.start, end, message));
        }
        let depth = args.iter().map(|arg| arg.depth).max().unwrap_or(0) + 1;
        self.limit_depth(depth)?;
        let Some(inner) = args.pop() else { return Err(self.unclosed(word, "bracket", ")")) };
        self.need(&inner, ValueKind::Vector, op.name())?;
        let param = args.pop();
        let param_start = param.as_ref().map_or(inner.start, |param| param.start);
        if let (Some(param), Some(kind)) = (&param, op.param()) {
            self.need(param, kind, &format!("the parameter of {}", op.name()))?;
        }
        let grouping = grouping.unwrap_or(Grouping { names: Vec::new(), without: false });
        let param = param.map(|param| param.node);
        let (inner_start, start) = (inner.start, word.start);
        let aggregate = Aggregate { op, param, inner: inner.node, grouping, param_start, inner_start, start };
        Ok(Operand::new(Node::Aggregate(Box::new(aggregate)), word.start, end, depth))
    }

    /// Parses `by (…)` or `without (…)`; `None` if neither is next.
    fn grouping(&mut self) -> Result<Option<Grouping>, SignalError> {
        if !self.is_word(&["by", "without"]) {
            return Ok(None);
        }
        let word = self.advance();
        let without = is_one_of(self.written(&word), &["without"]);
        Ok(Some(Grouping { names: self.labels(&word)?, without }))
    }
}

/// Returns the function with this name.
///
/// # Errors
/// A suggestion of another function, if one is similar.
fn function_named(name: &str) -> Result<&'static Function, String> {
    if let Some(function) = functions::find_function(name) {
        return Ok(function);
    }
    // Like keywords, these may be written in capitals.
    let lower = name.to_ascii_lowercase();
    if functions::IN_DURATIONS.contains(&lower.as_str())
        && let Some(function) = functions::find_function(&lower)
    {
        return Ok(function);
    }
    if name == "holt_winters" {
        return Err("; its name is double_exponential_smoothing".to_owned());
    }
    let names = functions::FUNCTIONS.iter().map(|function| function.name);
    let aggregations = AggregateOp::ALL.iter().map(|op| op.name());
    let nearest = names
        .chain(aggregations)
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(nearest.map_or_else(String::new, |(_, known)| format!("; did you mean {known}?")))
}

/// Returns the labels that a selector fixes: the names with exactly one matcher, which is `=`.
fn fixed_labels(matchers: &[Matcher]) -> Labels {
    let fixed = matchers.iter().filter(|matcher| {
        matcher.name() != METRIC_NAME
            && matcher.op() == MatchOp::Equal
            && matchers.iter().filter(|other| other.name() == matcher.name()).count() == 1
    });
    Labels::from_pairs(fixed.map(|matcher| (matcher.name(), matcher.value()))).unwrap_or_default()
}
