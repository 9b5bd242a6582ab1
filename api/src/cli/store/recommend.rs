//! `almanac recommend`: prints the current recommendations and the verdicts on all other targets.

use std::{fmt::Write as _, io::Write, sync::Arc};

use almanac_engine::{
    advise::{
        self, AdviseError, Advisor, Registry,
        threshold::{NotUsed, RuleSummary, Threshold},
    },
    ledger::Ledger,
    store::{
        Store,
        rows::{AdviceState, AdviceStatusRow, RecommendationFilter, State},
    },
};
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::Value;

use super::{
    Backend, BackendArgs, Remote,
    backend::{as_of, existing},
};
use crate::{
    cli::{CliError, Global, output, progress},
    config::{Config, kept_rules},
    http::{advice::AdviceBody, recommendations::RecommendationBody},
    service::open_store,
};

/// States of current recommendations.
const CURRENT_STATES: [State; 5] =
    [State::Proposed, State::Accepted, State::Applied, State::Verified, State::Regressed];
/// Width of the table in characters when the width of the terminal is unknown.
const WIDTH: u16 = 120;
/// Characters of a statement in the table.
const STATEMENT_LENGTH: usize = 150;

/// Options of `recommend`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only recommendations of this kind
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Output format: table, json or yaml
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Store or service to use.
    #[command(flatten)]
    pub backend: BackendArgs,
}

/// Output format of recommendations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Table for reading.
    Table,
    /// JSON, as in the HTTP API.
    Json,
    /// YAML with the same fields.
    Yaml,
}

/// The current recommendations, and the verdicts on all other targets.
#[derive(Debug, Clone, Default)]
pub struct Advised {
    /// The recommendations.
    pub recommendations: Vec<Value>,
    /// Verdicts on targets without a recommendation: `kept` first, then `lacks`.
    pub others: Vec<Value>,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let advised = match args.backend.backend(global)? {
        Backend::Service(service) => ask(&Remote::new(service)?, args.kind.as_deref())?,
        Backend::Store(config) => {
            existing(&config.store.path)?;
            let store = open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let advised = advise_now(&store, &config, args.kind.as_deref(), global);
            store.close().map_err(|error| CliError::from_error(&error))?;
            advised?
        }
    };
    print(&advised, args.format)
}

/// Adds the registry's kinds as the values of `--kind`.
#[must_use]
pub fn with_kinds(command: clap::Command, registry: &Registry) -> clap::Command {
    // Clap requires `'static` names. The leak is bounded: the commands are built once or twice.
    let kinds: Vec<&'static str> = registry.kinds().iter().map(|kind| &*kind.to_string().leak()).collect();
    command.mut_arg("kind", |arg| {
        arg.help(format!("Only recommendations of this kind: {}", registry.kinds_text()))
            .value_parser(clap::builder::PossibleValuesParser::new(kinds))
            .hide_possible_values(true)
    })
}

/// Prints advice.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(advised: &Advised, format: Format) -> Result<(), CliError> {
    let mut out = output::stdout();
    let all = || advised.recommendations.iter().chain(&advised.others).collect::<Vec<_>>();
    match format {
        Format::Table => out.write_all(render_table(advised).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &all()).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Format::Yaml => {
            let yaml = serde_saphyr::to_string(&all()).map_err(|error| CliError::from_error(&error))?;
            out.write_all(yaml.as_bytes())?;
        }
    }
    out.flush()?;
    if format != Format::Table {
        crate::say!("almanac: {}", summary(advised));
    }
    Ok(())
}

/// Runs the advisors on a stopped store, records their verdicts, and returns the current recommendations and verdicts.
///
/// `kind` restricts the result; all advisors run and are recorded.
fn advise_now(store: &Store, config: &Config, kind: Option<&str>, global: &Global) -> Result<Advised, CliError> {
    let now = as_of(store);
    let failed = |error: AdviseError| CliError::from_error(&error);
    let registry = &config.registry;
    let kind = kind.map(|name| registry.kind(name)).transpose().map_err(|error| CliError::usage(&error))?;
    let (specs, kept) = config.advice_specs().map_err(|error| CliError::usage(crate::chain(&error)))?;
    let ledger = Ledger::new(store.clone(), Arc::new(registry.clone())).map_err(|error| failed(error.into()))?;
    let verdicts = progress::consider(store, registry, &specs, now, global);
    let round = advise::record(store, &ledger, registry, verdicts, kept_rules(&kept), now).map_err(failed)?;
    let filter = RecommendationFilter {
        kinds: kind.into_iter().collect(),
        states: CURRENT_STATES.to_vec(),
        ..RecommendationFilter::default()
    };
    let rows = ledger.list(&filter).map_err(|error| failed(error.into()))?;
    let recommendations = rows.into_iter().map(|row| serde_json::to_value(RecommendationBody::from(row)));
    let rules = specs.of::<Threshold>().count();
    if rules + kept.len() > 0 && kind.is_none_or(|kind| kind.as_str() == Threshold::KIND) {
        let lacks = |row: &&AdviceStatusRow| row.kind == Threshold::KIND && row.state == AdviceState::Lacks;
        let skipped = kept.iter().filter(|rule| rule.why == NotUsed::Skipped).count();
        let no_data = round.statuses.iter().filter(lacks).count().saturating_sub(skipped);
        crate::say!("almanac: {}", RuleSummary::of(rules, no_data, &kept));
    }
    let statuses = round.statuses.into_iter().filter(|row| kind.is_none_or(|kind| row.kind == kind.as_str()));
    let advice = statuses.map(|row| serde_json::to_value(AdviceBody::from(row)));
    let advised =
        recommendations.collect::<Result<_, _>>().and_then(|rows| Ok((rows, advice.collect::<Result<_, _>>()?)));
    let (recommendations, advice) = advised.map_err(|error| CliError::from_error(&error))?;
    Ok(Advised::new(recommendations, advice))
}

/// Reads recommendations and verdicts from a running service.
fn ask(remote: &Remote, kind: Option<&str>) -> Result<Advised, CliError> {
    #[derive(serde::Deserialize)]
    struct Recommendations {
        recommendations: Vec<Value>,
    }
    #[derive(serde::Deserialize)]
    struct Advice {
        advice: Vec<Value>,
    }
    let states = CURRENT_STATES.map(State::as_str).join(",");
    let kind: Vec<(&str, &str)> = kind.map(|kind| ("kind", kind)).into_iter().collect();
    let query = [kind.as_slice(), &[("state", states.as_str())]].concat();
    let list: Recommendations = remote.get("/v1/recommendations", &query)?.json()?;
    let Advice { advice } = remote.get("/v1/advice", &kind)?.json()?;
    Ok(Advised::new(list.recommendations, advice))
}

impl Advised {
    /// Combines recommendations with the verdicts that are not proposals.
    #[must_use]
    pub fn new(recommendations: Vec<Value>, advice: Vec<Value>) -> Self {
        let others = advice.into_iter().filter(|row| row["state"] != "proposed").collect();
        Self { recommendations, others }
    }

    fn count(&self, state: &str) -> usize {
        self.others.iter().filter(|row| row["state"] == state).count()
    }
}

/// Returns the number of targets with a recommendation, without a change, and without enough data.
fn summary(advised: &Advised) -> String {
    let (kept, lacks) = (advised.count("kept"), advised.count("lacks"));
    format!("{} recommended, {kept} kept unchanged, {lacks} without enough data", advised.recommendations.len())
}

/// Formats advice as text: a table of the recommendations and their reasons, then the kept targets, then those that
/// lack data or configuration.
#[must_use]
pub fn render_table(advised: &Advised) -> String {
    let recommendations = &advised.recommendations;
    if recommendations.is_empty() && advised.others.is_empty() {
        return "No recommendations.\n".to_owned();
    }
    let mut text = String::new();
    if recommendations.is_empty() {
        text.push_str("No recommendations.\n");
    } else {
        let _ = writeln!(text, "{}", recommended(recommendations));
    }
    for recommendation in recommendations {
        let [id, reason] = ["id", "reason"].map(|name| recommendation[name].as_str().unwrap_or_default());
        let _ = writeln!(text, "\n{id}: {reason}");
        // A statement is short enough to be read here; other patches are files.
        if recommendation["patch"]["format"] == "sql" {
            for line in recommendation["patch"]["body"].as_str().unwrap_or_default().lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    for (state, head) in [("kept", "Kept unchanged:"), ("lacks", "Without enough data or configuration:")] {
        let rows: Vec<&Value> = advised.others.iter().filter(|row| row["state"] == state).collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{head}");
        for row in rows {
            let [kind, target, reason] =
                ["kind", "target", "reason"].map(|name| row[name].as_str().unwrap_or_default());
            let needs: Vec<&str> = row["needs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            // The needs repeat the reason and add the remedy.
            let _ = writeln!(
                text,
                "  {kind} {target}: {}",
                if needs.is_empty() { reason.to_owned() } else { needs.join("; ") }
            );
        }
    }
    let _ = writeln!(text, "\n{}", summary(advised));
    text
}

fn recommended(recommendations: &[Value]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(["id", "state", "current", "proposed", "predicted", "sure"]);
    for recommendation in recommendations {
        let text = |name: &str| recommendation[name].as_str().unwrap_or_default().to_owned();
        table.add_row([
            text("id"),
            text("state"),
            setting(&recommendation["current"]),
            setting(&recommendation["proposed"]),
            effect(&recommendation["effect"]),
            recommendation["confidence"].as_f64().map(|share| format!("{:.0} %", 100.0 * share)).unwrap_or_default(),
        ]);
    }
    table
}

/// Formats the values of a setting, one per line; of lists such as a schedule only the length.
fn setting(value: &Value) -> String {
    let Value::Object(fields) = value else { return plain(value) };
    // A statement says what its parts say. The whole text is below the table.
    if let Some(statement) = fields.get("statement").and_then(Value::as_str) {
        return shortened(statement);
    }
    let shown = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
        Value::Array(items) => format!("{name}: {} entries", items.len()),
        other => format!("{name}: {}", plain(other)),
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// Cuts a long statement.
fn shortened(statement: &str) -> String {
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(STATEMENT_LENGTH) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), figure),
        other => other.to_string(),
    }
}

fn effect(effect: &Value) -> String {
    let [value, lower, upper] =
        ["value", "lower", "upper"].map(|name| effect[name].as_f64().map_or("?".to_owned(), figure));
    let level = effect["level"].as_f64().map(|level| format!(" at {:.0} %", 100.0 * level)).unwrap_or_default();
    let metric = effect["metric"].as_str().unwrap_or_default();
    let unit = effect["unit"].as_str().filter(|unit| *unit != "1").map(|unit| format!(" {unit}")).unwrap_or_default();
    format!("{metric}\n{value}{unit} ({lower} to {upper}{level})")
}

/// Formats a number with four significant digits and without trailing zeros.
fn figure(value: f64) -> String {
    if value.fract().abs() < f64::EPSILON && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let magnitude = value.abs().log10().floor();
    let digits = (3.0 - magnitude).clamp(0.0, 12.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 12")]
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (0.001_234_56, "0.001235"),
            (812.53, "812.5"),
            (123_456.7, "123457"),
            (0.05, "0.05"),
        ] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn the_table_has_settings_and_reasons() {
        let recommendations = [
            json!({
                "id": "scaling-api-1", "state": "proposed", "confidence": 0.973,
                "current": {"rule": "reactive", "target_utilization": 0.7, "replicas": null},
                "proposed": {"rule": "predictive", "replicas": 7, "schedule": [{"from": "x", "replicas": 2}]},
                "effect": {"metric": "under_provisioned_share", "unit": "1", "value": 0.00123, "lower": 0.0005, "upper": 0.002,
                    "level": 0.8},
                "reason": "api needs 7 replicas now; over its own history it fell short 0.12 % of the time.",
            }),
            json!({
                "id": "ttl-user_profile-1", "state": "accepted", "confidence": 0.8,
                "current": {"ttl_seconds": 3600}, "proposed": {"ttl_seconds": 600},
                "effect": {"metric": "stale_share", "unit": "1", "value": 0.008, "lower": 0.006, "upper": 0.01, "level": 0.8},
                "reason": "a copy is stale for 0.8 % of its hits.",
            }),
        ];
        let advice = [
            json!({"kind": "ttl", "target": "user_profile", "state": "proposed", "reason": "shown above", "needs": []}),
            json!({"kind": "threshold", "target": "Slow", "state": "kept", "reason": "the present rule does as well.", "needs": []}),
            json!({"kind": "scaling", "target": "web", "state": "lacks", "reason": "no demand",
                "needs": ["no demand: send samples for some days"]}),
        ];
        insta::assert_snapshot!(render_table(&Advised::new(recommendations.to_vec(), advice.to_vec())));
        assert_eq!(render_table(&Advised::default()), "No recommendations.\n");
    }
}
