//! Where the recommendations come from: a file, a store or a running service; and where their figures go.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

use almanac_engine::{
    advise::database::{
        DatabaseSpec,
        verify::{Subject, SubjectError, Target, subject},
    },
    database::{ParameterValues, export::read_plans},
    ledger::Ledger,
    store::{Store, rows::RecommendationFilter},
};
use serde_json::Value;

use super::command::{Database, Measured};
use crate::{
    cli::{
        CliError, Global,
        store::{Backend, Remote, existing},
    },
    config::Config,
    database::{Address, AddressError},
    http::{now, recommendations::RecommendationBody},
    service::open_store,
};

/// States of recommendations that can still be applied.
const OPEN: &str = "proposed,accepted";

/// Recommendations with what belongs to them.
pub(super) struct Source {
    pub(super) subjects: Vec<Subject>,
    pub(super) known: BTreeMap<String, Vec<ParameterValues>>,
    config: Config,
    spec: Option<DatabaseSpec>,
    store: Option<Store>,
}

/// Reads the recommendations that the arguments name.
///
/// # Errors
/// See [`CliError`].
pub(super) fn read(args: &Database, global: &Global) -> Result<Source, CliError> {
    let mut store = None;
    let (rows, config) = match (&args.review, args.backend.backend(global)?) {
        (Some(path), _) => {
            let failed = |text: String| CliError::failed(format!("{}: {text}", path.display()));
            let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
            let rows: Vec<Value> = serde_json::from_slice(&text).map_err(|error| {
                failed(format!("{error}; expected the output of almanac review database --format json"))
            })?;
            (rows, args.backend.store.config()?)
        }
        (None, Backend::Service(service)) => {
            let answer: Value = Remote::new(service)?
                .get("/v1/recommendations", &[("kind", "index,query"), ("state", OPEN)])?
                .json()?;
            (answer["recommendations"].as_array().cloned().unwrap_or_default(), args.backend.store.config()?)
        }
        (None, Backend::Store(config)) => {
            existing(&config.store.path)?;
            let opened = open_store(&config).map_err(|error| CliError::from_error(&error))?;
            let ledger = Ledger::new(opened.clone(), Arc::new(config.registry.clone()));
            let rows = ledger.and_then(|ledger| ledger.list(&RecommendationFilter::default()));
            let rows = rows.map_err(|error| CliError::from_error(&error))?;
            let is_open = |row: &Value| OPEN.split(',').any(|state| row["state"] == state) && has_kind(row);
            let bodies = rows.into_iter().map(|row| serde_json::to_value(RecommendationBody::from(row)));
            let bodies: Result<Vec<Value>, _> = bodies.collect();
            let bodies = bodies.map_err(|error| CliError::from_error(&error))?;
            store = Some(opened);
            (bodies.into_iter().filter(is_open).collect(), *config)
        }
    };
    let proposals: Vec<&Value> = rows.iter().filter(|row| row["proposed"].is_object()).collect();
    let all = Target::all(&rows);
    let chosen: Vec<&Value> = match args.id.as_str() {
        "all" => proposals.into_iter().filter(|row| has_kind(row)).collect(),
        id => {
            let by_id: Vec<&Value> = proposals.iter().copied().filter(|row| row["id"] == id).collect();
            let of_database = |row: &&Value| has_kind(row) && database(row) == Some(id);
            if by_id.is_empty() { proposals.into_iter().filter(of_database).collect() } else { by_id }
        }
    };
    if chosen.is_empty() {
        let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).take(20).collect();
        let known = if ids.is_empty() { "there is none".to_owned() } else { format!("there are {}", ids.join(", ")) };
        return Err(CliError::failed(match args.id.as_str() {
            "all" => "there is no recommendation on an index or a statement".to_owned(),
            id => format!("no open recommendation has the id {id:?}; {known}"),
        }));
    }
    // A copy is of one database; another one may have tables of the same names.
    let names: BTreeSet<&str> = chosen.iter().filter_map(|row| database(row)).collect();
    if names.len() > 1 {
        let names: Vec<&str> = names.into_iter().collect();
        return Err(CliError::usage(format!(
            "the recommendations are of several databases, and a copy is of one; give a name in place of all: {}",
            names.join(", ")
        )));
    }
    let database = names.first().map(|name| (*name).to_owned());
    let (mut subjects, mut failure) = (Vec::new(), None);
    for row in chosen {
        match subject(row, &all) {
            Ok(subject) => subjects.push(subject),
            // Of all recommendations those are measured that can be.
            Err(error @ SubjectError::Query { .. }) if row["id"] != args.id => crate::say!("almanac: {error}"),
            Err(error) if row["id"] != args.id => {
                crate::say!("almanac: {error}");
                failure = Some(error);
            }
            Err(error) => return Err(CliError::failed(&error)),
        }
    }
    if subjects.is_empty()
        && let Some(error) = failure
    {
        return Err(CliError::failed(&error));
    }
    let spec = config.databases.iter().find(|spec| Some(&spec.name) == database.as_ref()).cloned();
    Ok(Source { subjects, known: known(args)?, config, spec, store })
}

/// Returns the database of a recommendation, whose target is `database:index`.
fn database(row: &Value) -> Option<&str> {
    row["target"].as_str()?.split_once(':').map(|(name, _)| name)
}

/// Whether a recommendation is of a kind that can be measured.
fn has_kind(row: &Value) -> bool {
    ["index", "query"].iter().any(|kind| row["kind"] == *kind)
}

/// Reads the values of placeholders from the server's log or from plans.
fn known(args: &Database) -> Result<BTreeMap<String, Vec<ParameterValues>>, CliError> {
    let Some(path) = &args.plans else { return Ok(BTreeMap::new()) };
    let bytes = fs::read(path).map_err(|error| CliError::failed(format!("{}: {error}", path.display())))?;
    // The person who runs the command owns the values in the file.
    let plans = read_plans(&path.display().to_string(), &bytes, true).map_err(CliError::failed)?;
    Ok(plans.statements.into_iter().map(|statement| (statement.family, statement.parameters)).collect())
}

impl Source {
    /// Returns the address of the copy in the configuration.
    pub(super) fn copy(&self) -> Result<Address, CliError> {
        let url = self.spec.as_ref().and_then(|spec| spec.copy.as_ref());
        let url = url.ok_or_else(|| CliError::usage("--copy URL is missing: the address of a copy of the database"))?;
        Address::parse(url.expose(), "copy of the section [[database]]").map_err(|error| CliError::usage(&error))
    }

    /// Returns the address of the original, if the configuration has it.
    ///
    /// # Errors
    /// The address cannot be read, so that the copy could not be compared with the original.
    pub(super) fn original(&self) -> Result<Option<Address>, CliError> {
        let Some(spec) = &self.spec else { return Ok(None) };
        match Address::of(spec, &self.config.folder) {
            Ok(address) => Ok(Some(address)),
            Err(AddressError::Missing { .. }) => Ok(None),
            Err(error) => Err(CliError::usage(&error)),
        }
    }

    /// Notes what was measured in the evidence of the recommendations of a store.
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn record(&self, measured: &[Measured]) -> Result<(), CliError> {
        let Some(store) = &self.store else { return Ok(()) };
        let failed = |error: &(dyn std::error::Error + 'static)| CliError::from_error(error);
        let ledger =
            Ledger::new(store.clone(), Arc::new(self.config.registry.clone())).map_err(|error| failed(&error))?;
        for (subject, result) in measured {
            let Ok(report) = result else { continue };
            let figures = serde_json::to_value(report).map_err(|error| failed(&error))?;
            let noted = ledger.measured_on_copy(&subject.id, figures, &report.conclusion.text, now());
            noted.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Closes the store.
    ///
    /// # Errors
    /// The store fails.
    pub(super) fn close(&mut self) -> Result<(), CliError> {
        match self.store.take() {
            Some(store) => store.close().map_err(|error| CliError::from_error(&error)),
            None => Ok(()),
        }
    }
}
