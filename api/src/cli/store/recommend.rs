//! `almanac recommend`: what is recommended now, and why.

use std::{fmt::Write as _, io::Write};

use almanac_engine::{
    advise::{
        Advice, AdviceSpecs, consider,
        threshold::{KeptRule, RuleSummary},
    },
    ledger::Ledger,
    store::{
        Store,
        rows::{Kind, RecommendationFilter, State},
    },
};
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::Value;

use super::{
    Place, PlaceArgs, Remote,
    place::{as_of, existing},
};
use crate::{
    cli::{CliError, Global, output},
    http::recommendations::RecommendationBody,
    service::open_store,
};

/// The states of what is recommended now.
const NOW: [State; 5] = [State::Proposed, State::Accepted, State::Applied, State::Verified, State::Regressed];
/// Width of the table where the terminal does not say its own.
const WIDTH: u16 = 120;

/// Options of `recommend`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Only recommendations of this kind: scaling, rightsizing, ttl or threshold
    #[arg(long, value_name = "KIND", value_parser = |text: &str| text.parse::<Kind>())]
    pub kind: Option<Kind>,
    /// How to print them: table, json or yaml
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Store or service.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// How recommendations are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// As the service answers.
    Json,
    /// The same in YAML.
    Yaml,
}

/// Runs the command.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, global: &Global) -> Result<(), CliError> {
    let recommendations = match args.place.place(global)? {
        Place::Service { url, token } => ask(&Remote::new(url, token)?, args.kind)?,
        Place::Store(config) => {
            existing(&config.store.path)?;
            let (specs, not_used) = config.advice_specs().map_err(|error| CliError::usage(crate::chain(&error)))?;
            let store = open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let said = advise_now(&store, &specs, &not_used, args.kind);
            store.close().map_err(|error| CliError::from_error(&error))?;
            said?
        }
    };
    print(&recommendations, args.format)
}

fn print(recommendations: &[Value], format: Format) -> Result<(), CliError> {
    let mut out = output::stdout();
    match format {
        Format::Table => out.write_all(render_table(recommendations).as_bytes())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, recommendations).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Format::Yaml => {
            let yaml = serde_saphyr::to_string(&recommendations).map_err(|error| CliError::from_error(&error))?;
            out.write_all(yaml.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Asks the advisors anew, puts what they say into the ledger, and lists what stands.
fn advise_now(
    store: &Store,
    specs: &AdviceSpecs,
    not_used: &[KeptRule],
    kind: Option<Kind>,
) -> Result<Vec<Value>, CliError> {
    let now = as_of(store);
    let failed = |error: almanac_engine::ledger::LedgerError| CliError::from_error(&error);
    let ledger = Ledger::new(store.clone()).map_err(failed)?;
    let Advice { recommendations, refusals } = consider(store, specs, now);
    if !(specs.rules.is_empty() && not_used.is_empty()) && kind.is_none_or(|kind| kind == Kind::Threshold) {
        let no_data = refusals.iter().filter(|refusal| refusal.kind == Kind::Threshold).count();
        eprintln!("almanac: {}", RuleSummary::of(specs.rules.len(), no_data, not_used));
    }
    for refusal in refusals {
        eprintln!("almanac: no advice for {} {:?}: {}", refusal.kind, refusal.target, refusal.reason);
    }
    ledger.propose(recommendations, now).map_err(failed)?;
    let filter = RecommendationFilter {
        kinds: kind.into_iter().collect(),
        states: NOW.to_vec(),
        ..RecommendationFilter::default()
    };
    let rows = ledger.list(&filter).map_err(failed)?;
    rows.into_iter()
        .map(|row| serde_json::to_value(RecommendationBody::from(row)).map_err(|error| CliError::from_error(&error)))
        .collect()
}

fn ask(remote: &Remote, kind: Option<Kind>) -> Result<Vec<Value>, CliError> {
    let states = NOW.map(State::as_str).join(",");
    let mut query = vec![("state", states.as_str())];
    query.extend(kind.map(|kind| ("kind", kind.as_str())));
    #[derive(serde::Deserialize)]
    struct List {
        recommendations: Vec<Value>,
    }
    let list: List = remote.get("/v1/recommendations", &query)?.json()?;
    Ok(list.recommendations)
}

/// Recommendations for people: a table, and under it the reason of each.
#[must_use]
pub fn render_table(recommendations: &[Value]) -> String {
    if recommendations.is_empty() {
        return "Nothing is recommended now.\n".to_owned();
    }
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(["id", "state", "now", "proposed", "predicted", "sure"]);
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
    let mut text = format!("{table}\n");
    for recommendation in recommendations {
        let [id, reason] = ["id", "reason"].map(|name| recommendation[name].as_str().unwrap_or_default());
        let _ = writeln!(text, "\n{id}: {reason}");
    }
    text
}

/// The plain values of a setting; lists such as a schedule are only counted.
fn setting(value: &Value) -> String {
    let Value::Object(fields) = value else { return plain(value) };
    let shown = fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
        Value::Array(items) => format!("{name}: {} entries", items.len()),
        other => format!("{name}: {}", plain(other)),
    });
    shown.collect::<Vec<_>>().join("\n")
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

/// Four significant digits, and no more zeros than needed.
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
    fn the_table_says_what_and_why() {
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
        insta::assert_snapshot!(render_table(&recommendations));
        assert_eq!(render_table(&[]), "Nothing is recommended now.\n");
    }
}
