//! The list of the tools.

use almanac_models::Timestamp;
use serde_json::json;

use super::{Argument, Arguments, Kind, Tool};
use crate::http::mcp::inside::Call;

/// Rows of an answer when no limit is given: an agent reads all of them.
const ROWS: u64 = 100;
/// Recommendations of an answer when no limit is given: each has its evidence.
const RECOMMENDATIONS: u64 = 20;

const fn optional(name: &'static str, kind: Kind, description: &'static str) -> Argument {
    Argument { name, kind, is_required: false, description }
}

const fn required(name: &'static str, kind: Kind, description: &'static str) -> Argument {
    Argument { name, kind, is_required: true, description }
}

const FROM: Argument = optional("from", Kind::Time, "start of the span: RFC 3339, now, or now-6h");
const TO: Argument = optional("to", Kind::Time, "end of the span: RFC 3339, now, or now-6h");
const LIMIT: Argument = optional("limit", Kind::Count, "most rows of the answer [100]");
const SIGNALS: Argument = optional("signal", Kind::Texts, "only these signals");
const MATCH: Argument = optional("match", Kind::Texts, "series selectors such as up{job=\"api\"}");

/// All tools.
pub(in crate::http::mcp) const TOOLS: &[Tool] = &[
    Tool {
        name: "list_recommendations",
        title: "Recommendations",
        description: "Lists recommended changes (scaling, resource requests, cache times to live, alert thresholds, and \
            others) with the reason, the predicted effect with its interval, the confidence and the evidence from \
            recorded data. Without `state` only open ones: proposed, accepted and applied.",
        arguments: &[
            optional("kind", Kind::Texts, "advisors, such as scaling, rightsizing, ttl, threshold"),
            optional("state", Kind::Texts, "proposed, accepted, applied, verified, regressed, dismissed, expired"),
            optional("target", Kind::Texts, "workloads, containers, caches or alerts"),
            optional("limit", Kind::Count, "most recommendations of the answer [20]"),
        ],
        route: "/v1/recommendations",
        call: |given, _| {
            let states = given.texts("state");
            let states = if states.is_empty() { "proposed,accepted,applied".to_owned() } else { states.join(",") };
            let mut query = pairs(given, "target", "target");
            query.push(pair("state", states));
            if !given.texts("kind").is_empty() {
                query.push(pair("kind", given.texts("kind").join(",")));
            }
            query.push(limit(given, RECOMMENDATIONS));
            Ok(Call::Get("/v1/recommendations".to_owned(), query))
        },
    },
    Tool {
        name: "get_recommendation",
        title: "One recommendation",
        description: "Returns one recommendation with its evidence, the patch that applies it, and its history, with \
            the effect that was measured after it was applied.",
        arguments: &[required("id", Kind::Text, "identifier, such as scaling-api-1")],
        route: "/v1/recommendations/{id}",
        call: |given, _| {
            let id = given.text("id").unwrap_or_default();
            let encoded: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
            Ok(Call::Get(format!("/v1/recommendations/{}", encoded.replace('+', "%20")), Vec::new()))
        },
    },
    Tool {
        name: "advice_status",
        title: "Status of advice",
        description: "Tells for each advisor and target whether something is recommended, the present setting is as \
            good, or data or configuration is missing, with the reason. Use it when a recommendation is missing.",
        arguments: &[],
        route: "/v1/advice",
        call: |_, _| Ok(Call::Get("/v1/advice".to_owned(), Vec::new())),
    },
    Tool {
        name: "query_promql",
        title: "PromQL at one time",
        description: "Evaluates a PromQL expression at one time and returns a vector, as Prometheus' /api/v1/query. \
            Learned values are series too: almanac_signal_value, almanac_signal_expected, almanac_signal_lower, \
            almanac_signal_upper and almanac_signal_anomaly_score, with the label signal.",
        arguments: &[
            required("query", Kind::Text, "PromQL expression"),
            optional("time", Kind::Time, "RFC 3339, now, or now-6h [now]"),
            optional("limit", Kind::Count, "most series of the answer [100]"),
        ],
        route: "/api/v1/query",
        call: |given, now| {
            let mut query = vec![pair("query", given.text("query").unwrap_or_default())];
            query.extend(given.time("time", now)?.map(|at_ms| pair("time", seconds(at_ms))));
            query.push(limit(given, ROWS));
            Ok(Call::Get("/api/v1/query".to_owned(), query))
        },
    },
    Tool {
        name: "query_promql_range",
        title: "PromQL over a span",
        description: "Evaluates a PromQL expression at every step of a span and returns a matrix, as Prometheus' \
            /api/v1/query_range. Choose a step that gives at most some hundred points.",
        arguments: &[
            required("query", Kind::Text, "PromQL expression"),
            required("from", Kind::Time, "start of the span: RFC 3339, or now-6h"),
            optional("to", Kind::Time, "end of the span [now]"),
            optional("step", Kind::Text, "distance of the points, such as 5m [a hundredth of the span]"),
            optional("limit", Kind::Count, "most series of the answer [100]"),
        ],
        route: "/api/v1/query_range",
        call: |given, now| {
            let from = given.time("from", now)?.unwrap_or(now.millis());
            let to = given.time("to", now)?.unwrap_or(now.millis());
            // A whole number of seconds, so that points have round times.
            let hundredth = || (to.saturating_sub(from) / 100_000).max(1).to_string();
            let query = vec![
                pair("query", given.text("query").unwrap_or_default()),
                pair("start", seconds(from)),
                pair("end", seconds(to)),
                pair("step", given.text("step").map_or_else(hundredth, str::to_owned)),
                limit(given, ROWS),
            ];
            Ok(Call::Get("/api/v1/query_range".to_owned(), query))
        },
    },
    Tool {
        name: "list_metrics",
        title: "Names of metrics",
        description: "Lists the names of the stored metrics. Use it before PromQL.",
        arguments: &[MATCH, optional("limit", Kind::Count, "most names of the answer [1000]")],
        route: "/api/v1/label/{name}/values",
        call: |given, _| {
            let mut query = pairs(given, "match", "match[]");
            query.push(limit(given, 1_000));
            Ok(Call::Get("/api/v1/label/__name__/values".to_owned(), query))
        },
    },
    Tool {
        name: "list_series",
        title: "Series",
        description: "Lists series with their labels, for selectors.",
        arguments: &[required("match", Kind::Texts, "series selectors such as up{job=\"api\"}"), LIMIT],
        route: "/api/v1/series",
        call: |given, _| {
            let mut query = pairs(given, "match", "match[]");
            query.push(limit(given, ROWS));
            Ok(Call::Get("/api/v1/series".to_owned(), query))
        },
    },
    Tool {
        name: "list_signals",
        title: "Learned signals",
        description: "Lists the signals that are learned, with their PromQL expression, seasons, model, and how good \
            the forecasts were on held-out data.",
        arguments: &[SIGNALS, LIMIT],
        route: "/v1/signals",
        call: |given, _| rows("/v1/signals", given, None),
    },
    Tool {
        name: "get_forecast",
        title: "Forecast",
        description: "Returns the forecast of signals with 80 % and 95 % intervals. Without a span: from now on.",
        arguments: &[required("signal", Kind::Texts, "the signals"), FROM, TO, LIMIT],
        route: "/v1/forecasts",
        call: |given, now| {
            let Call::Get(path, mut query) = rows("/v1/forecasts", given, Some(now))? else {
                return Err("the call is not a GET".to_owned());
            };
            if given.time("from", now)?.is_none() {
                query.push(pair("from", now.millis().to_string()));
            }
            Ok(Call::Get(path, query))
        },
    },
    Tool {
        name: "list_anomalies",
        title: "Anomalies",
        description: "Lists anomalous values with what was expected, the newest last. A score of 1 is the edge of the \
            band.",
        arguments: &[SIGNALS, FROM, TO, LIMIT],
        route: "/v1/anomalies",
        call: |given, now| rows("/v1/anomalies", given, Some(now)),
    },
    Tool {
        name: "list_incidents",
        title: "Suspected incidents",
        description: "Lists suspected incidents: groups of coinciding anomalies, with the signal that departed first.",
        arguments: &[FROM, TO, LIMIT],
        route: "/v1/suspected_incidents",
        call: |given, now| rows("/v1/suspected_incidents", given, Some(now)),
    },
    Tool {
        name: "explain_incident",
        title: "Explain an incident",
        description: "Explains the suspected incident that was going on at a time, or the last one before: which \
            signals departed when and how far, releases before it, what people said about it, which signals move \
            together. Start here when something is wrong.",
        arguments: &[
            optional("time", Kind::Time, "RFC 3339, now, or now-6h [now]"),
            optional("signal", Kind::Text, "only incidents with this signal"),
        ],
        route: "/v1/incidents/explain",
        call: |given, now| {
            let mut query = Vec::new();
            query.extend(given.time("time", now)?.map(|at_ms| pair("time", at_ms.to_string())));
            query.extend(given.text("signal").map(|signal| pair("signal", signal)));
            Ok(Call::Get("/v1/incidents/explain".to_owned(), query))
        },
    },
    Tool {
        name: "list_breaches",
        title: "Expected breaches",
        description: "Lists bounds of alerting rules that signals will pass if their trend continues, such as full \
            disks and expiring certificates, the soonest first.",
        arguments: &[LIMIT],
        route: "/v1/breaches",
        call: |given, _| Ok(Call::Get("/v1/breaches".to_owned(), vec![limit(given, ROWS)])),
    },
    Tool {
        name: "list_deploys",
        title: "Releases",
        description: "Lists releases of services, the newest last.",
        arguments: &[FROM, TO, LIMIT],
        route: "/v1/deploys",
        call: |given, now| rows("/v1/deploys", given, Some(now)),
    },
    Tool {
        name: "describe_tables",
        title: "Tables of SQL",
        description: "Lists the views that SQL may read, with their columns, types and units. Use it before run_sql.",
        arguments: &[],
        route: "/v1/sql",
        call: |_, _| {
            let sql = "SELECT table_name, column_name, data_type, column_comment FROM information_schema.columns \
                ORDER BY table_name, ordinal_position";
            Ok(Call::Post("/v1/sql", json!({"sql": sql})))
        },
    },
    Tool {
        name: "run_sql",
        title: "SQL",
        description: "Runs one read-only SELECT in DuckDB's dialect on the views of describe_tables: series, samples, \
            rollups, signals, forecasts, anomalies, incidents, recommendations and others.",
        arguments: &[
            required("sql", Kind::Text, "one SELECT or EXPLAIN statement"),
            optional("limit", Kind::Count, "most rows of the answer [100]"),
        ],
        route: "/v1/sql",
        call: |given, _| {
            let (sql, rows) = (given.text("sql").unwrap_or_default(), given.count("limit").unwrap_or(ROWS));
            Ok(Call::Post("/v1/sql", json!({"sql": sql, "limit": rows})))
        },
    },
];

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// Returns a list's texts as a repeated parameter.
fn pairs(given: &Arguments<'_>, name: &str, parameter: &str) -> Vec<(String, String)> {
    given.texts(name).into_iter().map(|text| pair(parameter, text)).collect()
}

fn limit(given: &Arguments<'_>, default: u64) -> (String, String) {
    pair("limit", given.count("limit").unwrap_or(default).to_string())
}

/// Formats an instant as Prometheus reads it.
fn seconds(at_ms: i64) -> String {
    format!("{}.{:03}", at_ms.div_euclid(1_000), at_ms.rem_euclid(1_000))
}

/// Returns the call of a route with rows; `now`: if the route has a span.
fn rows(path: &str, given: &Arguments<'_>, now: Option<Timestamp>) -> Result<Call, String> {
    let mut query = pairs(given, "signal", "signal");
    if let Some(now) = now {
        for name in ["from", "to"] {
            query.extend(given.time(name, now)?.map(|at_ms| pair(name, at_ms.to_string())));
        }
    }
    query.push(limit(given, ROWS));
    Ok(Call::Get(path.to_owned(), query))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_document_lists_the_tools_in_their_order() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pollers.md"));
        let section = page.split("\n## ").find(|section| section.starts_with("Agents\n")).unwrap();
        let listed: Vec<(&str, &str)> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | "))
            .map(|(name, rest)| (name, rest.rsplit_once('`').unwrap().1))
            .collect();
        let tools: Vec<(&str, &str)> = TOOLS
            .iter()
            .zip(&listed)
            .map(|(tool, (_, shown))| {
                let path = tool.route.replace("{name}", "__name__");
                assert!(shown.ends_with(&path), "{}: {shown}", tool.name);
                (tool.name, *shown)
            })
            .collect();
        assert_eq!(listed, tools);
        assert_eq!(listed.len(), TOOLS.len());
    }

    #[test]
    fn every_tool_reads_and_has_a_schema_of_its_arguments() {
        let names: HashSet<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        assert_eq!(names.len(), TOOLS.len());
        for tool in TOOLS {
            let schema = tool.schema();
            assert_eq!(schema["properties"].as_object().unwrap().len(), tool.arguments.len(), "{}", tool.name);
            let given = json!({});
            let call =
                (tool.call)(&Arguments::check(given.as_object().unwrap(), &[]).unwrap(), Timestamp::from_millis(0));
            // SQL is the one route that is not a GET.
            match call.unwrap() {
                Call::Get(path, _) => assert!(path.starts_with(tool.route.split('{').next().unwrap()), "{path}"),
                Call::Post(path, _) => assert_eq!(path, "/v1/sql"),
            }
        }
    }

    #[test]
    fn arguments_become_parameters() {
        let tool = |name: &str| TOOLS.iter().find(|tool| tool.name == name).unwrap();
        let check = |name: &str, given: serde_json::Value, expected: &str| {
            let tool = tool(name);
            let arguments = Arguments::check(given.as_object().unwrap(), tool.arguments).unwrap();
            let Call::Get(path, query) = (tool.call)(&arguments, Timestamp::from_millis(3_600_000)).unwrap() else {
                panic!("{name} is a GET");
            };
            let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(format!("{path}?{}", query.join("&")), expected);
        };
        check(
            "list_recommendations",
            json!({"kind": ["ttl", "scaling"], "target": ["a,b", "c"]}),
            "/v1/recommendations?target=a,b&target=c&state=proposed,accepted,applied&kind=ttl,scaling&limit=20",
        );
        check("get_recommendation", json!({"id": "ttl-a b/ü-1"}), "/v1/recommendations/ttl-a%20b%2F%C3%BC-1?");
        check(
            "query_promql",
            json!({"query": "up", "time": "now-1m"}),
            "/api/v1/query?query=up&time=3540.000&limit=100",
        );
        check(
            "query_promql_range",
            json!({"query": "up", "from": "now-1h"}),
            "/api/v1/query_range?query=up&start=0.000&end=3600.000&step=36&limit=100",
        );
        check("get_forecast", json!({"signal": "a", "limit": 3}), "/v1/forecasts?signal=a&limit=3&from=3600000");
        check("list_anomalies", json!({"from": 5, "to": "now"}), "/v1/anomalies?from=5&to=3600000&limit=100");
    }
}
