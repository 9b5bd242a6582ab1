//! Says in plain words what each section of a configuration does. Called by `check_config`.

use std::fs;

use almanac_engine::{
    advise::{
        AdviceSpecs, AdvisorSpec, AnyAdvisor,
        database::DatabaseSpec,
        kit::{duration_text, percent},
        threshold::KeptRule,
    },
    rules::RuleFault,
};

use crate::config::{Config, Scrape, ScrapeScheme, Signal, Span, Stream, Target, Webhook};

/// One section with its sentences.
pub(super) struct Section {
    /// Name as in the file, such as `[store]`.
    pub name: String,
    /// Sentences, one a line.
    pub sentences: Vec<String>,
}

/// Returns all sections that have an effect. `specs`: all targets of advice; `kept`: rules that are left as they are;
/// `needs_token`: whether callers have to send a token.
pub(super) fn sections(config: &Config, specs: &AdviceSpecs, kept: &[&KeptRule], needs_token: bool) -> Vec<Section> {
    let mut all = vec![
        section("[server]", server(config, needs_token)),
        section("[store]", store(config)),
        section("[ingest]", ingest(config)),
        section("[otlp]", otlp(config)),
        section("[grpc]", grpc(config)),
        section("[sql]", sql(config)),
        section("[learn]", learn(config)),
        section("[advise]", vec![format!("Runs the advisors every {}.", span(config.advise.every))]),
        section("[promql]", promql(config)),
        section("[[scrape]]", config.scrapes.iter().map(scrape).collect()),
        section("[[signal]]", config.signals.iter().map(signal).collect()),
        section("[[database]]", config.databases.iter().map(database).collect()),
    ];
    for advisor in config.registry.advisors() {
        match advisor.section() {
            // Advisors that share a section say the same of it.
            Some(name) if all.iter().any(|known| known.name == format!("[[{name}]]")) => {}
            Some(name) => all.push(section(&format!("[[{name}]]"), targets(advisor, specs))),
            None => all.push(section("[alerts]", alerts(config, targets(advisor, specs), kept))),
        }
    }
    all.push(section("[[webhook]]", config.webhooks.iter().map(webhook).collect()));
    all.push(section("[[target]]", config.targets.iter().map(target).collect()));
    all.push(section("[[stream]]", config.streams.iter().map(stream).collect()));
    all.retain(|section| !section.sentences.is_empty());
    all
}

fn section(name: &str, sentences: Vec<String>) -> Section {
    Section { name: name.to_owned(), sentences }
}

fn database(spec: &DatabaseSpec) -> String {
    format!("{}: {}", spec.name, spec.explain())
}

fn server(config: &Config, needs_token: bool) -> Vec<String> {
    let server = &config.server;
    let scheme = if server.tls_cert.is_some() { "https" } else { "http" };
    let local = server.listen.ip().to_canonical().is_loopback();
    let reach = if local { "programs of this machine only" } else { "other machines too" };
    let mut all = vec![format!("Listens on {scheme}://{}, for {reach}.", server.listen)];
    all.push(if needs_token {
        let fixed = if server.token.is_some() { "the token of server.token, or " } else { "" };
        format!("Callers have to send {fixed}a token of {}.", config.tokens_file().display())
    } else {
        format!("Callers need no token, until there is a file {}.", config.tokens_file().display())
    });
    if !local && (!needs_token || server.tls_cert.is_none()) {
        all.push("server.insecure is set: something else has to protect the address.".to_owned());
    }
    let rate = server.token_rate.map(|rate| format!("{rate} requests per second"));
    let concurrency = server.token_concurrency.map(|count| format!("{count} requests at once"));
    let limits: Vec<String> = rate.into_iter().chain(concurrency).collect();
    if !limits.is_empty() {
        all.push(format!("Each token may send {}.", limits.join(" and ")));
    }
    if !server.hosts.is_empty() {
        all.push(format!("Answers to the names {} as well.", server.hosts.join(", ")));
    }
    if !server.cors_origins.is_empty() {
        all.push(format!("Web pages of {} may call it.", server.cors_origins.join(", ")));
    }
    all.push(format!(
        "Takes bodies of up to {}, {} for all requests together, on up to {} connections.",
        server.max_body, server.max_in_flight, server.max_connections
    ));
    let audit = config.audit_file().map_or("the log".to_owned(), |path| format!("the log and {}", path.display()));
    all.push(format!(
        "Writes each change of state to {audit}. A stop waits up to {} for requests.",
        span(server.drain)
    ));
    all
}

fn store(config: &Config) -> Vec<String> {
    let (store, path) = (&config.store, config.store.path.display());
    let size = match fs::metadata(&store.path) {
        #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
        Ok(file) => format!("which exists with {:.1} MB", file.len() as f64 / 1e6),
        Err(_) => "which will be made".to_owned(),
    };
    let mut all = vec![format!("Keeps up to {} series in {path}, {size}.", store.max_series)];
    let kept = &store.retention;
    let ages = [("samples", kept.raw), ("rollups of 5 minutes and 1 hour", kept.rollup)];
    let deleted: Vec<String> =
        ages.iter().filter_map(|(what, age)| Some(format!("{what} after {}", span((*age)?)))).collect();
    all.push(if deleted.is_empty() {
        "Deletes nothing: retention is not set.".to_owned()
    } else {
        format!(
            "Deletes {}, at most {} % of a table in one round.",
            deleted.join(" and "),
            percent(kept.drop_share_max)
        )
    });
    all.push(format!(
        "Holds up to {} of waiting samples and {} of recent ones in memory, and compacts every {}.",
        store.queue,
        store.recent,
        span(store.compact_every)
    ));
    all
}

fn ingest(config: &Config) -> Vec<String> {
    let ingest = &config.ingest;
    vec![format!(
        "Accepts up to {} labels a series (names up to {} bytes, values up to {}), {} after decompression, and timestamps up to \
         {} ahead of the clock. An imported file is decoded in a process with {}. The newest {} are kept in memory.",
        ingest.max_labels,
        ingest.max_label_name,
        ingest.max_label_value,
        ingest.max_decoded,
        span(ingest.max_ahead),
        ingest.decode_memory,
        counted(ingest.exemplars, "exemplar")
    )]
}

fn otlp(config: &Config) -> Vec<String> {
    let otlp = &config.otlp;
    let promoted = match &otlp.promote_resource_attributes[..] {
        [] => String::new(),
        names => format!("{} of the resource and ", names.join(", ")),
    };
    let scope =
        if otlp.promote_scope_metadata { "name, version and attributes of the scope" } else { "nothing of the scope" };
    vec![format!("Series of OTLP have {promoted}{scope} as labels, besides job and instance.")]
}

fn grpc(config: &Config) -> Vec<String> {
    let sentence = |listen: std::net::SocketAddr| {
        format!("Takes OTLP over gRPC, and calls of KEDA's external scaler, on {listen}.")
    };
    config.grpc.listen.map(sentence).into_iter().collect()
}

fn sql(config: &Config) -> Vec<String> {
    vec![format!("Runs {} at once, each with up to {}.", counted(config.sql.workers, "statement"), config.sql.memory)]
}

fn learn(config: &Config) -> Vec<String> {
    let learn = &config.learn;
    let mut all = vec![format!(
        "Learns {} of this file and up to {} that it selects from the stored series, first {} after the start and then every {}.",
        counted(config.signals.len(), "signal"),
        learn.default_signals,
        span(learn.start_after),
        span(learn.choose_every)
    )];
    let refit = learn.refit.map_or("360 of its steps".to_owned(), span);
    all.push(format!("Scores new values every {}, and fits a signal again after {refit}.", span(learn.every)));
    let zone = learn.time_zone.map_or("UTC".to_owned(), |zone| zone.to_string());
    all.push(format!("Days and weeks follow {zone}, with {}.", counted(learn.holidays.len(), "holiday")));
    all
}

fn scrape(scrape: &Scrape) -> String {
    let scheme = match scrape.scheme {
        ScrapeScheme::Http => "http",
        ScrapeScheme::Https => "https",
    };
    let urls: Vec<String> = scrape.targets.iter().map(|target| format!("{scheme}://{target}{}", scrape.path)).collect();
    let token = if scrape.token.is_some() { " with a token" } else { "" };
    format!(
        "{}: reads {} every {}{token}, up to {} samples a page.",
        scrape.job,
        urls.join(", "),
        span(scrape.interval),
        scrape.sample_limit
    )
}

fn signal(signal: &Signal) -> String {
    let seasons = match &signal.seasons {
        None => "seasons are detected".to_owned(),
        Some(seasons) if seasons.is_empty() => "without seasons".to_owned(),
        Some(seasons) => {
            let seasons: Vec<String> = seasons.iter().copied().map(span).collect();
            format!("seasons of {}", seasons.join(", "))
        }
    };
    format!(
        "{}: evaluates {} every {} and forecasts the next {}; {seasons}.",
        signal.name,
        signal.expr,
        span(signal.step),
        span(signal.horizon)
    )
}

fn webhook(webhook: &Webhook) -> String {
    let types: Vec<&str> = webhook.on.iter().map(|notice_type| notice_type.as_str()).collect();
    let signed = if webhook.secret_file.is_some() { "signed" } else { "unsigned" };
    format!(
        "Posts each {} to {}, {signed}, for up to {}.",
        types.join(", "),
        webhook.shown(),
        span(webhook.give_up_after)
    )
}

fn target(target: &Target) -> String {
    let limit = match (target.at_most, target.at_least) {
        (Some(limit), _) => format!("at most {limit}"),
        (None, limit) => format!("at least {}", limit.unwrap_or_default()),
    };
    format!(
        "{}: {} is to be {limit} for {} % of {}.",
        target.name,
        target.expr,
        percent(target.share),
        span(target.over)
    )
}

fn stream(stream: &Stream) -> String {
    let listed = |names: &[String], all: &str| if names.is_empty() { all.to_owned() } else { names.join(", ") };
    let warns = match (stream.breaches, stream.incidents) {
        (true, true) => ", with breaches and incidents",
        (true, false) => ", with breaches",
        (false, true) => ", with incidents",
        (false, false) => "",
    };
    let confidence = if stream.min_confidence > 0.0 {
        format!(" of at least {} % confidence", percent(stream.min_confidence))
    } else {
        String::new()
    };
    format!(
        "/v1/streams/{}: recommendations{confidence} of {} on {}{warns}.",
        stream.name,
        listed(&stream.kinds, "every kind"),
        listed(&stream.targets, "every target")
    )
}

fn targets(advisor: &dyn AnyAdvisor, specs: &AdviceSpecs) -> Vec<String> {
    advisor.explain(specs).into_iter().map(|(name, sentence)| format!("{name}: {sentence}")).collect()
}

/// Describes the rule files: the alerts with advice, then the rules without.
fn alerts(config: &Config, advised: Vec<String>, kept: &[&KeptRule]) -> Vec<String> {
    if config.alerts.rule_files.is_empty() {
        return Vec::new();
    }
    let mut all = vec![format!(
        "Reads rules from {}: {} with advice, {} without.",
        config.alerts.rule_files.join(", "),
        counted(advised.len(), "alert"),
        counted(kept.len(), "rule")
    )];
    if config.alerts.evaluate {
        all.push(evaluated(config));
        let fault = |fault: &RuleFault| {
            let name = if fault.rule.is_empty() { &fault.file } else { &fault.rule };
            format!("{name}: is not evaluated: {}.", fault.reason.trim_end_matches('.'))
        };
        all.extend(config.rule_book().faults.iter().map(fault));
    }
    all.extend(advised);
    all.extend(kept.iter().map(|rule| {
        let name = if rule.alert.is_empty() { &rule.group } else { &rule.alert };
        format!("{name}: stays as it is: {}.", rule.reason.trim_end_matches('.'))
    }));
    all
}

/// Describes the enabled features; nothing without any.
fn promql(config: &Config) -> Vec<String> {
    let features = &config.promql.features;
    if features.is_empty() {
        return Vec::new();
    }
    vec![format!("Accepts what is experimental in PromQL: {}.", features.join(", "))]
}

/// Describes the evaluation of the rules.
fn evaluated(config: &Config) -> String {
    let book = config.rule_book();
    let rules: usize = book.groups.iter().map(|group| group.rules.len()).sum();
    let (rules, groups) = (counted(rules, "rule"), counted(book.groups.len(), "group"));
    let receivers = match config.alerts.alertmanagers.as_slice() {
        [] => "sends alerts to no Alertmanager".to_owned(),
        urls => format!("sends alerts to {}", urls.join(", ")),
    };
    format!("Evaluates {rules} of {groups} here, and {receivers}.")
}

fn span(span: Span) -> String {
    duration_text(span.millis())
}

/// Formats a count: `1 signal`, `2 signals`.
fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_section_is_described() {
        let text = r#"
            [server]
            token_rate = 50
            hosts = ["almanac.example.com"]
            [store]
            path = "none.duckdb"
            retention = { raw = "30d" }
            [otlp]
            promote_resource_attributes = ["host.name"]
            [grpc]
            listen = "127.0.0.1:9799"
            [learn]
            time_zone = "Europe/Berlin"
            holidays = ["2026-12-25"]
            [[scrape]]
            job = "node"
            targets = ["127.0.0.1:9100"]
            token = "tellnoone"
            [[signal]]
            name = "load"
            expr = "sum(rate(x[5m]))"
            [[workload]]
            name = "api"
            demand = "sum(rate(x[1m]))"
            capacity_per_replica = 120
            [[workload]]
            name = "worker"
            demand = "sum(rate(y[1m]))"
            [[container]]
            name = "api"
            cpu = "max(cpu)"
            [[cache]]
            name = "user_profile"
            ttl = "1h"
            stale_share_max = 0.07
            invalidate_on = ["profile_update"]
            [[pool]]
            name = "orm"
            in_use = "sum(in_use)"
            arrivals = "sum(rate(checkouts_total[1m]))"
            hold = "hold_seconds"
            size = 20
            overflow = 30
            connections_max = 90
            [[webhook]]
            url = "https://user:tellnoone@hooks.example.com/almanac?key=tellnoone"
            on = ["recommendation", "breach"]
            [[target]]
            name = "API p95"
            expr = "histogram_quantile(0.95, sum by (le) (rate(seconds_bucket[5m])))"
            at_most = 0.5
            [[stream]]
            name = "platform"
            kinds = ["scaling"]
            min_confidence = 0.9
            incidents = false
        "#;
        let config = Config::parse(text, Path::new("almanac.toml")).unwrap();
        let (specs, _) = config.advice_specs().unwrap();
        let mut shown = String::new();
        for Section { name, sentences } in sections(&config, &specs, &[], false) {
            shown.push_str(&format!("{name}\n{}\n", sentences.join("\n")));
        }
        assert!(!shown.contains("tellnoone"), "{shown}");
        insta::assert_snapshot!("sections", shown);
    }
}
