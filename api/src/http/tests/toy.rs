//! Tests that adding an advisor takes one file: a toy advisor is registered here and appears in the configuration, on
//! the command line, in the ledger, the views, HTTP, the demo and the documents.

use std::path::Path;

use almanac_engine::{
    advise::{
        Advisor, AdvisorSpec, Applied, FetchError, Metric, Need, Outcome, Proposal, Registry, Rollback, Sources,
        advise,
        kit::{Interval, Section, one_value},
        measure,
    },
    ledger::{Direction, Measured},
    store::rows::{Patch, RecommendationRow, State},
};
use almanac_models::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{END_MS, TestService};
use crate::{
    access::Auth,
    cli::{command_for, demo},
    config::Config,
};

/// Advises on the size of a lamp.
struct Lamps;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LampSpec {
    name: String,
    light: String,
    watts: f64,
    sure: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LampTerms {
    enough: f64,
}

impl AdvisorSpec for LampSpec {
    fn section() -> Option<Section<Self>> {
        Some(Section::new("lamp", &["name", "light"]))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), String> {
        if self.watts >= 0.0 { Ok(()) } else { Err(format!("watts {} is below 0", self.watts)) }
    }

    fn explain(&self) -> String {
        format!("Recommends a lamp of {} W.", self.watts)
    }
}

const LIGHT: Metric = Metric { name: "light", unit: "lm", better: Direction::Higher };

impl Advisor for Lamps {
    const KIND: &'static str = "lamp_size";
    const TITLE: &'static str = "Lamps";
    const TARGET: &'static str = "lamp";
    const EFFECTS: &'static [Metric] = &[LIGHT];
    const CONFIDENCE_MIN: f64 = 0.6;
    type Spec = LampSpec;
    type Facts = f64;
    type Terms = LampTerms;

    fn fetch(from: &Sources<'_>, spec: &LampSpec, _: &str, now: Timestamp) -> Result<f64, FetchError> {
        let need = || Need { missing: format!("`{}` gives nothing", spec.light), remedy: "send light".to_owned() };
        one_value(from.store, &spec.light, now)?.ok_or_else(|| FetchError::Missing(need()))
    }

    fn decide(spec: &LampSpec, _: &str, light: &f64, _: Timestamp) -> Outcome<LampTerms> {
        if *light >= spec.watts {
            return Outcome::keep(format!("{light} lm are enough"));
        }
        let patch = |watts: f64| Patch { format: "text".to_owned(), body: format!("{watts} W") };
        Outcome::Propose(Box::new(Proposal {
            current: json!({"watts": light}),
            proposed: json!({"watts": spec.watts}),
            valid_until: None,
            metric: LIGHT,
            effect: Interval { value: spec.watts, lower: spec.watts - 1.0, upper: spec.watts + 1.0 },
            confidence: spec.sure.unwrap_or(0.9),
            reason: format!("Raise {} to {} W.", spec.name, spec.watts),
            evidence: json!({"light": light}),
            terms: LampTerms { enough: spec.watts },
            rollback: Some(Rollback { baseline: *light, patch: patch(*light), terms: None }),
            patch: patch(spec.watts),
        }))
    }

    fn measure(
        from: &Sources<'_>,
        spec: Option<&LampSpec>,
        applied: &Applied<LampTerms>,
        now: Timestamp,
    ) -> Result<Option<Measured>, FetchError> {
        let spec = spec.ok_or(FetchError::NotConfigured)?;
        let light = one_value(from.store, &spec.light, now)?;
        let measured = |value| Measured { value, lower: value, upper: value, broken: None };
        let dark = applied.terms.enough.is_nan().then(|| "it is dark".to_owned());
        Ok(light.map(|value| Measured { broken: dark, ..measured(value) }))
    }
}

const LAMPS: &str = r#"
[[lamp]]
name = "hall"
light = "vector(3)"
watts = 40
[[lamp]]
name = "desk"
light = "vector(60)"
watts = 40
[[lamp]]
name = "cellar"
light = "nothing"
watts = 40
[[lamp]]
name = "attic"
light = "vector(3)"
watts = 40
sure = 0.5
"#;

fn registry() -> Registry {
    Registry::default().with::<Lamps>()
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse_for(text, Path::new("almanac.toml"), registry()).map_err(|error| error.to_string())
}

#[test]
fn its_section_is_parsed_and_errors_are_named() {
    assert_eq!(parse(LAMPS).unwrap().advice.of::<Lamps>().count(), 4);
    for (text, message) in [
        (
            "[[lamp]]\nname = \"a\"\nlight = \"x\"\nwats = 3",
            "almanac.toml line 4, column 1: unknown key \"wats\"; did you mean \"watts\"?",
        ),
        ("[[lamp]]\nname = \"a\"", "almanac.toml line 1, column 1: the key \"light\" is missing"),
        ("[[lamp]]\nname = \"a\"\nlight = \"x\"\nwatts = -1.0", "almanac.toml: lamp \"a\": watts -1 is below 0"),
        ("[[lmap]]\n", "almanac.toml line 1, column 3: unknown key \"lmap\"; did you mean \"lamp\"?"),
    ] {
        assert_eq!(parse(text).unwrap_err(), message);
    }
    assert!(Config::parse(LAMPS, Path::new("almanac.toml")).is_err(), "without the advisor there is no such section");
}

#[test]
fn the_command_line_accepts_its_kind() {
    let parsed = |kind: &str| command_for(&registry()).try_get_matches_from(["almanac", "recommend", "--kind", kind]);
    assert!(parsed("lamp_size").is_ok());
    let refused = parsed("lamp").unwrap_err().to_string();
    assert!(refused.contains("lamp_size"), "{refused}");
    let mut tree = command_for(&registry());
    let help = tree.find_subcommand_mut("recommend").unwrap().render_long_help().to_string();
    // The list may be broken into lines.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("pool or lamp_size"), "{help}");
}

#[test]
fn its_advice_is_in_the_ledger_the_views_http_and_grafana() {
    let service = TestService::with(Auth::open(), parse(LAMPS).unwrap());
    let (store, ledger, config) = (service.store(), service.ledger(), parse(LAMPS).unwrap());
    let now = Timestamp::from_millis(END_MS);
    advise(store, ledger, &registry(), &config.advice, now).unwrap();

    let advice = service.get("/v1/advice?kind=lamp_size").json();
    let rows: Vec<(&str, &str, &str, &Value)> = advice["advice"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("target"), text("state"), text("reason"), &row["needs"])
        })
        .collect();
    assert_eq!((rows[0].0, rows[0].1, rows[0].2), ("hall", "proposed", "Raise hall to 40 W."));
    let kept = |name: &str| rows.iter().find(|row| row.0 == name && row.1 == "kept").unwrap().2;
    assert_eq!(kept("desk"), "60 lm are enough");
    // A proposal below the minimum confidence is kept, with its figures.
    assert!(
        kept("attic").contains("confidence 0.50 is below the minimum of 0.60") && kept("attic").contains("40"),
        "{}",
        kept("attic")
    );
    assert_eq!((rows[3].0, rows[3].1, rows[3].3), ("cellar", "lacks", &json!(["`nothing` gives nothing: send light"])));
    assert_eq!(advice["advice"][0]["recommendation"], "lamp_size-hall-1");

    let list = service.get("/v1/recommendations?kind=lamp_size").json();
    let found = &list["recommendations"][0];
    assert_eq!((&found["target"], &found["evidence"]["terms"]["enough"]), (&json!("hall"), &json!(40.0)));
    let refused = service.get("/v1/recommendations?kind=lamps").text();
    assert!(refused.contains("pool or lamp_size"), "{refused}");
    let sql = service.post_json(
        "/v1/sql",
        &json!({"sql": "SELECT kind, state, count(*)::INT AS n FROM advice_status GROUP BY ALL HAVING kind = 'lamp_size' ORDER BY state"}),
    );
    assert_eq!(
        sql.json()["rows"],
        json!([["lamp_size", "kept", 2], ["lamp_size", "lacks", 1], ["lamp_size", "proposed", 1]])
    );
    let metrics = service.post_json("/grafana/metrics", &json!({})).text();
    assert!(metrics.contains("lamp_size"), "{metrics}");

    // Its page and that of its recommendation come from the contract and from its evidence.
    let page = service.get("/subjects/lamp_size").text();
    for words in ["hall", "60 lm are enough", "send light", "lamp_size-hall-1"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = service.get("/recommendations/lamp_size-hall-1").text();
    assert!(page.contains("Raise hall to 40 W.") && page.contains("watts"), "{page}");
    assert!(service.get("/setup").text().contains("send light"));

    // Without code of its own it has no picture until it was measured.
    let pictures = |id: &str| service.get(&format!("/v1/recommendations/{id}/pictures")).json();
    assert_eq!(pictures("lamp_size-hall-1"), json!({"pictures": []}));

    // After it was applied, the effect is measured by the proposal's terms; less light than predicted is a regression.
    ledger.applied("lamp_size-hall-1", "somebody", None, now).unwrap();
    let measured = |row: &RecommendationRow, at| measure(store, &registry(), &config.advice, row, at, now);
    let verdicts = ledger.verify(measured, now).unwrap();
    assert_eq!((verdicts.regressed, verdicts.unmeasurable.len()), (1, 0));
    let drawn = &pictures("lamp_size-hall-1")["pictures"][0];
    assert_eq!((&drawn["name"], &drawn["y"]), (&json!("effect"), &json!({"label": "light", "unit": "lm"})));
    assert_eq!(drawn["x"]["values"], json!([END_MS]));
    let line = |role: &str| drawn["lines"].as_array().unwrap().iter().find(|line| line["role"] == role).unwrap();
    for (role, value) in [("measured", 3.0), ("proposed", 40.0), ("lower", 39.0), ("upper", 41.0), ("present", 3.0)] {
        assert_eq!(line(role)["values"], json!([value]), "{role}");
    }
    let back = ledger.get("lamp_size-hall-2").unwrap();
    assert_eq!(
        (back.state, &back.proposed, back.patch.body.as_str()),
        (State::Proposed, &json!({"watts": 3.0}), "3 W")
    );
    // A target that was removed is reported as unmeasurable and does not remain pending.
    ledger.applied("lamp_size-hall-2", "somebody", None, now).unwrap();
    let gone = Config::default().advice;
    let verdicts =
        ledger.verify(|row: &RecommendationRow, at| measure(store, &registry(), &gone, row, at, now), now).unwrap();
    assert_eq!((verdicts.pending, verdicts.unmeasurable.len()), (0, 1));
    assert!(verdicts.unmeasurable[0].1.contains("no longer configured"), "{verdicts:?}");
}

#[test]
fn the_demo_and_the_documents_have_it() {
    let service = TestService::with(Auth::open(), parse(LAMPS).unwrap());
    let config = parse(LAMPS).unwrap();
    advise(service.store(), service.ledger(), &registry(), &config.advice, Timestamp::from_millis(END_MS)).unwrap();
    let row = service.ledger().get("lamp_size-hall-1").unwrap();
    let advisors = registry();
    let advisor = advisors.get(row.kind).unwrap();
    let mut card = Vec::new();
    demo::card(&mut card, advisor.title(), &row, demo::TimeScale::of_day(600.0)).unwrap();
    let card = String::from_utf8(card).unwrap();
    assert!(card.contains("── LAMPS · hall") && card.contains("{\"watts\":40.0}"), "{card}");
    assert!(card.contains("predicted light: 40.0 lm"), "{card}");
    let table = registry().table();
    assert!(table.contains("| `lamp_size` | lamp | `[[lamp]]` | `light` | 0.6 |"), "{table}");
}
