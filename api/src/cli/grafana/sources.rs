//! Provisioning files of the data sources, and of the folder in which Grafana finds the dashboards.

use super::files::{File, MARK};

/// Environment variable of Grafana with the token. The files name it and never contain a token.
pub(super) const TOKEN_VARIABLE: &str = "ALMANAC_TOKEN";
/// Stable identifier of the Prometheus data source.
pub(super) const PROMETHEUS_UID: &str = "almanac-prometheus";
/// Stable identifier of the Infinity data source.
pub(super) const INFINITY_UID: &str = "almanac-infinity";

/// Returns the files for the service at `url`. `mounted`: path at which Grafana finds the export's folder.
pub(super) fn files(url: &str, folder: &str, mounted: &str) -> Vec<File> {
    vec![
        File { path: "datasources/almanac.yaml".into(), text: data_sources(url) },
        File { path: "dashboards/almanac.yaml".into(), text: provider(folder, mounted) },
    ]
}

/// Returns a double-quoted YAML scalar, in which Grafana replaces no variable: `$$` is a dollar sign.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

fn data_sources(url: &str) -> String {
    let (url, health) = (quoted(url), quoted(&format!("{url}/v1/signals?limit=1")));
    format!(
        r#"# {MARK}; the next export replaces changes.
# {TOKEN_VARIABLE} is an environment variable of Grafana; a service without tokens ignores the header.
apiVersion: 1
datasources:
  - name: Almanac
    uid: {PROMETHEUS_UID}
    type: prometheus
    access: proxy
    url: {url}
    editable: false
    jsonData:
      httpMethod: POST
      prometheusType: Prometheus
      prometheusVersion: 3.0.0
      # Longest interval between samples of a series; ranges of rates are at least four times as long.
      timeInterval: 60s
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Bearer ${TOKEN_VARIABLE}
  - name: Almanac learned
    uid: {INFINITY_UID}
    type: yesoreyeram-infinity-datasource
    access: proxy
    url: {url}
    editable: false
    jsonData:
      allowedHosts:
        - {url}
      customHealthCheckEnabled: true
      customHealthCheckUrl: {health}
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Bearer ${TOKEN_VARIABLE}
"#
    )
}

fn provider(folder: &str, mounted: &str) -> String {
    let (folder, path) = (quoted(folder), quoted(&format!("{mounted}/dashboards/almanac")));
    format!(
        "# {MARK}; the next export replaces changes.\n\
         apiVersion: 1\n\
         providers:\n\
         \x20 - name: almanac\n\
         \x20   type: file\n\
         \x20   folder: {folder}\n\
         \x20   disableDeletion: false\n\
         \x20   allowUiUpdates: true\n\
         \x20   updateIntervalSeconds: 30\n\
         \x20   options:\n\
         \x20     path: {path}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_special_characters_stay_yaml() {
        let text = provider("Ops: \"$HOME\" #1", "/srv/$a");
        let yaml: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(yaml["providers"][0]["folder"], "Ops: \"$$HOME\" #1");
        assert_eq!(yaml["providers"][0]["options"]["path"], "/srv/$$a/dashboards/almanac");
    }

    #[test]
    fn the_token_is_a_variable() {
        let yaml: serde_json::Value = serde_saphyr::from_str(&data_sources("http://almanac:9797")).unwrap();
        let sources = yaml["datasources"].as_array().unwrap();
        assert_eq!(sources.len(), 2);
        for source in sources {
            assert_eq!(source["url"], "http://almanac:9797");
            assert_eq!(source["secureJsonData"]["httpHeaderValue1"], "Bearer $ALMANAC_TOKEN");
        }
    }
}
