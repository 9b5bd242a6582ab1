//! Label selectors of Kubernetes, as far as they select workloads: `workload=api`, `workload in (api, web)`.

/// Parses a selector into the names of workloads; `None` is an empty selector.
///
/// # Errors
/// A message that says which selectors are valid.
pub(super) fn workloads(selector: &str) -> Result<Option<Vec<String>>, String> {
    let selector = selector.trim();
    if selector.is_empty() {
        return Ok(None);
    }
    let invalid =
        || format!("label selector {selector:?} is not supported; write workload=NAME or workload in (NAME, NAME)");
    let names: Vec<&str> = match selector.split_once(" in ") {
        Some((key, list)) if key.trim() == "workload" => {
            let list = list.trim().strip_prefix('(').and_then(|list| list.strip_suffix(')')).ok_or_else(invalid)?;
            list.split(',').map(str::trim).collect()
        }
        Some(_) => return Err(invalid()),
        None => {
            let (key, name) = selector.split_once('=').ok_or_else(invalid)?;
            // Two equals signs are the same operator.
            let name = name.strip_prefix('=').unwrap_or(name).trim();
            if key.trim() != "workload" {
                return Err(invalid());
            }
            vec![name]
        }
    };
    if names.iter().any(|name| name.is_empty() || name.contains([',', '=', '!', '(', ')', ' '])) {
        return Err(invalid());
    }
    Ok(Some(names.into_iter().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_workloads_or_are_refused() {
        let check = |selector: &str, expected: Option<&[&str]>| {
            let found = workloads(selector).unwrap();
            let expected = expected.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(found, expected, "{selector:?}");
        };
        check("", None);
        check("workload=api", Some(&["api"]));
        check("workload == api", Some(&["api"]));
        check("workload in (api, web)", Some(&["api", "web"]));
        for wrong in
            ["job=api", "workload", "workload!=api", "workload=", "workload=a,b=c", "workload in api", "x in (a)"]
        {
            assert!(workloads(wrong).unwrap_err().contains("write workload=NAME"), "{wrong:?}");
        }
    }
}
