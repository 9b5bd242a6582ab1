"""Connects the notebooks to a service: starts the demo if nothing runs, and reads tables as Arrow and Parquet.

Environment: `ALMANAC_URL` and `ALMANAC_TOKEN` of a running service, `ALMANAC_PROGRAM` for a program that is not on the path.
"""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
from IPython.display import Markdown, display
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

plt.rcParams.update({
    "figure.figsize": (10, 3.8), "figure.constrained_layout.use": True, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.alpha": 0.25, "axes.titlelocation": "left", "legend.frameon": False,
})
pl.Config(tbl_rows=40, fmt_str_lengths=400, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_width_chars=200)

ARROW = "application/vnd.apache.arrow.stream"


class Service:
    """A running service: that of `ALMANAC_URL`, else one on this machine, else a demo that ends with the notebook."""

    def __init__(self):
        listen = os.environ.get("ALMANAC_LISTEN", "127.0.0.1:9797")
        self.url = os.environ.get("ALMANAC_URL", f"http://{listen}").rstrip("/")
        self.folder = Path(tempfile.mkdtemp(prefix="almanac-notebook-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        if not self.answers():
            if "ALMANAC_URL" in os.environ:
                raise RuntimeError(f"no service answers at {self.url} (ALMANAC_URL)")
            self.start_demo(listen)
        version = self.get("/api/v1/status/buildinfo")["data"]["version"]
        print(f"service at {self.url}, {version}")

    def answers(self):
        try:
            urllib.request.urlopen(self.url + "/readyz", timeout=5).close()
            return True
        except (urllib.error.URLError, OSError):
            return False

    def start_demo(self, listen):
        print("nothing runs, so that a demo is started; it ends with this notebook")
        log = open(self.folder / "demo.log", "wb")
        demo = subprocess.Popen([self.program(), "demo", "--listen", listen], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                start_new_session=True)
        atexit.register(lambda: (demo.terminate(), demo.wait(timeout=30)))
        deadline = time.monotonic() + 300
        while not self.answers():
            if demo.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the demo did not start: " + (self.folder / "demo.log").read_text()[-500:])
            time.sleep(0.2)

    def program(self):
        """Returns the path of the program `almanac`."""
        found = os.environ.get("ALMANAC_PROGRAM") or shutil.which("almanac")
        local = Path.home() / ".local/bin/almanac"
        if not found and local.exists():
            found = str(local)
        if not found:
            raise RuntimeError("the program almanac is not on the path: run make install, or set ALMANAC_PROGRAM")
        return found

    def run(self, *arguments):
        """Runs a command of the program and returns what it prints."""
        command = [self.program(), *map(str, arguments)]
        # Options of the notebook's own environment do not belong to the command.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALMANAC_")}
        ended = subprocess.run(command, env=environment, capture_output=True)
        if ended.returncode != 0:
            raise RuntimeError(ended.stderr.decode().strip())
        return ended.stdout

    def request(self, path, body=None, accept="application/json"):
        headers = {"Accept": accept, "Content-Type": "application/json"}
        if token := os.environ.get("ALMANAC_TOKEN"):
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers)) as answer:
                assert answer.headers.get("x-almanac-truncated") != "true", "the answer was truncated; aggregate more"
                return answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.loads(error.read())["message"]) from None

    def get(self, path, **parameters):
        """Returns the JSON answer of a path."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        return json.loads(self.request(path + query))

    def sql(self, query, *params):
        """Returns the rows of a read-only query, which arrive as an Arrow stream."""
        body = {"sql": query, "params": list(params), "limit": 1_000_000}
        return pl.read_ipc_stream(self.request("/v1/sql", body, ARROW))

    def promql(self, expr, start, end, step_seconds):
        """Returns the one series of a PromQL expression as `timestamp` and `value`."""
        stamp = lambda at: at.timestamp() if at.tzinfo else (at - at.__class__(1970, 1, 1)).total_seconds()
        data = self.get("/api/v1/query_range", query=expr, start=stamp(start), end=stamp(end), step=step_seconds)["data"]["result"]
        assert len(data) == 1, f"{expr} gives {len(data)} series"
        times, values = zip(*data[0]["values"])
        frame = pl.DataFrame({"timestamp": [round(1000 * at) for at in times], "value": [float(value) for value in values]})
        return frame.with_columns(pl.from_epoch("timestamp", time_unit="ms"))

    def export(self, frame, name):
        """Writes a table as a Parquet file for the commands that work on files, and returns its path."""
        path = self.folder / name
        frame.write_parquet(path)
        return path


def say(text):
    """Shows a sentence; its figures are computed, so that it stays true when the data change."""
    display(Markdown(text))


def finish(axes, title, ylabel, xlabel="time, UTC"):
    """Labels a plot; the legend is beside the title, so that it hides nothing."""
    axes.set_title(title)
    axes.set_ylabel(ylabel)
    axes.set_xlabel(xlabel)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=5, borderaxespad=0.2)
    if xlabel == "time, UTC":
        locator = AutoDateLocator(maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
