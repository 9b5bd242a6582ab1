//! Starts a real Prometheus.

use std::{fs, path::Path, process::Command};

use crate::process::{Peer, client, free_ports};

/// Running Prometheus with its own configuration and data.
#[derive(Debug)]
pub(crate) struct Prometheus {
    pub(crate) peer: Peer,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
}

impl Prometheus {
    /// Starts Prometheus on a free port; `configuration` takes the port and returns the configuration file.
    pub(crate) fn start(folder: &Path, configuration: impl Fn(u16) -> String, flags: &[&str]) -> Self {
        let [port] = free_ports();
        let file = folder.join("prometheus.yml");
        fs::write(&file, configuration(port)).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus-data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(flags);
        let mut peer = Peer::start(folder, "prometheus", command);
        let url = format!("http://127.0.0.1:{port}");
        peer.wait_for(&format!("{url}/-/ready"));
        Self { peer, url }
    }

    /// Returns the value of one of Prometheus' own metrics, summed over its labels.
    pub(crate) fn own_metric(&self, name: &str) -> f64 {
        let text = client().get(format!("{}/metrics", self.url)).send().unwrap().text().unwrap();
        let values = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}
