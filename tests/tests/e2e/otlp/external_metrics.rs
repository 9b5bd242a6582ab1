//! The external metrics API as an autoscaler of Kubernetes calls it.

use tempfile::tempdir;

use super::keda::prepare;
use crate::harness::Server;

const API: &str = "/apis/external.metrics.k8s.io/v1beta1";

#[test]
fn an_autoscaler_discovers_the_metric_and_reads_its_value() {
    let folder = tempdir().unwrap();
    prepare(folder.path());
    let server = Server::start(folder.path());
    let replicas = server.get("/v1/scaling/api").json()["replicas"].as_u64().unwrap();
    let resources = server.get(API).json();
    assert_eq!(
        (&resources["kind"], &resources["groupVersion"]),
        (&"APIResourceList".into(), &"external.metrics.k8s.io/v1beta1".into())
    );
    assert_eq!(resources["resources"][0]["name"], "almanac_recommended_replicas");
    assert_eq!(resources["resources"][0]["namespaced"], true);
    assert_eq!(server.get("/apis/external.metrics.k8s.io").json()["preferredVersion"]["version"], "v1beta1");
    let path = format!("{API}/namespaces/default/almanac_recommended_replicas");
    for selector in ["?labelSelector=workload%3Dapi", "?labelSelector=workload%20in%20%28api%29", ""] {
        let reply = server.get(&format!("{path}{selector}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let list = reply.json();
        assert_eq!(
            (&list["kind"], &list["apiVersion"]),
            (&"ExternalMetricValueList".into(), &"external.metrics.k8s.io/v1beta1".into())
        );
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{list}");
        assert_eq!(items[0]["metricName"], "almanac_recommended_replicas");
        assert_eq!(items[0]["metricLabels"]["workload"], "api");
        assert_eq!(items[0]["value"], replicas.to_string());
        assert!(items[0]["timestamp"].as_str().unwrap().ends_with('Z'), "{list}");
    }
    for (path, status, message) in [
        (format!("{path}?labelSelector=workload%3Dother"), 404, "no [[workload]] has the name"),
        (format!("{path}?labelSelector=app%3Dapi"), 400, "write workload=NAME"),
        (format!("{API}/namespaces/default/cpu"), 404, "almanac_recommended_replicas is served"),
    ] {
        let reply = server.get(&path);
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.text().contains(message), "{}", reply.text());
    }
}
