//! The notebook on forecasts beside statsforecast.

use super::harness::{Server, almanac, execute_notebook, notebook_python};

#[test]
fn statsforecast_forecasts_the_same_series() {
    let home = tempfile::tempdir().unwrap();
    let mut command = almanac(home.path());
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let demo = Server::from_command(command);
    let python = notebook_python(true);
    let shown = execute_notebook(&python, "forecasts.ipynb", home.path(), &[("ALMANAC_URL", &demo.url)]);
    for method in ["Almanac", "seasonal naive", "statsforecast MSTL", "statsforecast Theta"] {
        assert!(shown.contains(method), "{method} is missing in\n{shown}");
    }
    assert!(demo.stop().success());
}
