//! Reads the configuration sections of the advisors and of the databases: each advisor parses its tables, several may
//! share a section, and errors get line and column.

use std::{ops::Range, path::Path};

use almanac_engine::{
    advise::{AdviceSpecs, AdvisorSpec, Reference, Registry, database::DatabaseSpec, kit::SectionError, read_specs},
    calendar::Zone,
};
use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::ConfigError;

/// The advisors' sections, taken out of a document.
pub(super) struct Sections<'i>(Vec<(&'static str, Spanned<DeValue<'i>>)>);

impl<'i> Sections<'i> {
    /// Removes the sections of the registry's advisors and of the databases from `document`.
    pub(super) fn take(document: &mut DeTable<'i>, registry: &Registry) -> Self {
        // The second of two advisors with one section finds it removed.
        Self(names(registry).filter_map(|name| Some((name, document.remove(name)?))).collect())
    }

    /// Passes each section to its advisors and returns the targets, each advisor's own, and the watched databases; days
    /// follow the clocks of `zone`.
    ///
    /// # Errors
    /// [`ConfigError`] for the first invalid value.
    pub(super) fn read(
        &self,
        registry: &Registry,
        zone: Option<Zone>,
        (path, text): (&Path, &str),
    ) -> Result<(AdviceSpecs, Vec<DatabaseSpec>), ConfigError> {
        let (mut specs, mut databases) = (AdviceSpecs::default(), Vec::new());
        let mut known: Vec<(&'static str, String)> = Vec::new();
        for (section, value) in &self.0 {
            let content = |span: Range<usize>, message: &str| ConfigError::content(path, text, &span, message);
            let DeValue::Array(tables) = value.get_ref() else {
                return Err(content(value.span(), &format!("{section} is a list of tables; write [[{section}]]")));
            };
            let values = tables.iter().map(to_json).collect::<Result<Vec<Value>, _>>();
            let values = values.map_err(|(span, message)| content(span, &message))?;
            let names = values.iter().filter_map(|table| table["name"].as_str());
            known.extend(names.map(|name| (*section, name.to_owned())));
            let located = |error: SectionError| {
                if error.is_content {
                    let table = tables.get(error.table);
                    content(table.map_or(0..0, |table| locate(table, &error.path, &error.message)), &error.message)
                } else {
                    ConfigError::Contradiction { path: path.to_path_buf(), message: error.message }
                }
            };
            if Some(*section) == databases_section() {
                databases = read_specs(&values, zone).map_err(located)?;
            }
            for advisor in registry.advisors().filter(|advisor| advisor.section() == Some(*section)) {
                advisor.read(&values, zone, &mut specs).map_err(located)?;
            }
        }
        let is_known = |reference: &&Reference| {
            known.iter().any(|(section, name)| *section == reference.section && *name == reference.name)
        };
        if let Some(Reference { from, section, name }) =
            specs.references().iter().find(|reference| !is_known(reference))
        {
            let message = format!("{from}: {section} = {name:?}, but no [[{section}]] has that name");
            return Err(ConfigError::Contradiction { path: path.to_path_buf(), message });
        }
        Ok((specs, databases))
    }
}

/// Returns the names of the sections that advisors and the collector of databases read.
pub(super) fn names(registry: &Registry) -> impl Iterator<Item = &'static str> {
    registry.advisors().filter_map(|advisor| advisor.section()).chain(databases_section())
}

fn databases_section() -> Option<&'static str> {
    DatabaseSpec::section().map(|section| section.name)
}

/// Returns the position in the file of the value at the path `keys` in a table, or of the unknown key that `message`
/// names. A path that leads nowhere gives the last value on it.
fn locate(table: &Spanned<DeValue<'_>>, keys: &[String], message: &str) -> Range<usize> {
    let mut value = table;
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    // The path of an unknown key ends with that key; its table is searched instead.
    let above = match (keys.split_last(), unknown) {
        (Some((last, above)), Some(unknown)) if last == unknown => above,
        _ => keys,
    };
    for key in above {
        let inner = match value.get_ref() {
            DeValue::Table(fields) => fields.get(key.as_str()),
            DeValue::Array(items) => key.parse::<usize>().ok().and_then(|idx| items.get(idx)),
            _ => None,
        };
        match inner {
            Some(inner) => value = inner,
            None => break,
        }
    }
    match (value.get_ref(), unknown) {
        (DeValue::Table(fields), Some(unknown)) => {
            let key = fields.keys().find(|key| key.get_ref() == unknown);
            key.map_or_else(|| value.span(), Spanned::span)
        }
        _ => value.span(),
    }
}

/// Returns a value without positions, as advisors read it. An error has the position of the value at fault.
fn to_json(value: &Spanned<DeValue<'_>>) -> Result<Value, (Range<usize>, String)> {
    let wrong = |message: String| (value.span(), message);
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(at) => Value::from(at.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(Value::from)
            .map_err(|_| wrong(format!("{} is not a number in range", number.as_str())))?,
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| wrong(format!("{} is not a finite number", number.as_str())))?,
        DeValue::Array(items) => items.iter().map(to_json).collect::<Result<Vec<Value>, _>>()?.into(),
        DeValue::Table(fields) => {
            let field =
                |(key, value): (&Spanned<_>, &_)| Ok((std::borrow::Cow::to_string(key.get_ref()), to_json(value)?));
            fields.iter().map(field).collect::<Result<Map<String, Value>, _>>()?.into()
        }
    })
}
