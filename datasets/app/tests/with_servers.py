"""Runs the application at a small scale with its real servers: `scripts/app.sh test-servers`. Takes about a minute."""

import csv
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import unittest
import urllib.request
from pathlib import Path

import duckdb

from datasets.app import faults
from datasets.app.run import PORTS, ROOT

SMALL = ["--scale", "0.005", "--peak", "12"]


def free_base():
    """Returns the first of as many free ports in a row as a run needs."""
    while True:
        base = random.randrange(23000, 31000)
        try:
            for port in range(base, base + len(PORTS)):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue


class Application:
    """A run as a child process, up to the line that ends its configuration."""

    def __init__(self, *options):
        self.base = free_base()
        self.port = {name: self.base + i for i, name in enumerate(PORTS)}
        self.child = subprocess.Popen([sys.executable, "-m", "datasets.app", *SMALL, "--base-port", str(self.base), *options], cwd=ROOT,
                                      env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.head = []
        for line in self.child.stdout:
            self.head.append(line)
            if line.startswith("---- end of almanac.toml"):
                return
        raise AssertionError("".join(self.head) + self.child.stderr.read())

    def configuration(self):
        """Returns the almanac.toml that was printed."""
        text = "".join(self.head)
        return tomllib.loads(text.split("---- almanac.toml ----\n")[1].split("---- end")[0])

    def psql(self, user, database, sql):
        """Runs a statement; returns (output, error)."""
        run = subprocess.run(["psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(self.port["postgres"]), "-U", user, "-d", database,
                              "-c", sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        return run.stdout.strip(), run.stderr.strip()

    def end(self, how=None):
        """Waits for the end, or sends a signal first; returns (status, standard output, standard error)."""
        if how:
            self.child.send_signal(how)
        out, err = self.child.communicate(timeout=180)
        return self.child.returncode, out, err

    def open_ports(self):
        """Returns the names of the ports where something answers."""
        found = []
        for name, port in self.port.items():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    found.append(name)
        return found


class WithServers(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="almanac-app-test-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_a_run_with_all_faults_and_its_exports(self):
        out = self.folder / "the run's exports"
        run = Application("--faults", "all", "--minutes", "0.5", "--copy", "--record", "--out", str(out))
        self.check_role(run)
        self.check_copy(run)
        for kind, path, status in (("GET", "/api/tasks/search?q=ab", 422), ("GET", "/api/tasks?user=x", 422), ("GET", "/nothing", 404),
                                   ("POST", "/api/auth/refresh?token=wrong", 401), ("PATCH", "/api/tasks/1?status=lost", 422)):
            request = urllib.request.Request(f"http://127.0.0.1:{run.port['caddy']}{path}", method=kind)
            with self.assertRaises(urllib.error.HTTPError, msg=path) as caught:
                urllib.request.urlopen(request, timeout=10)
            self.assertEqual(caught.exception.code, status, path)
        status, text, errors = run.end()
        self.assertEqual(status, 0, errors)
        self.assertIn("statement time", text)
        self.assertEqual(run.open_ports(), [])
        self.check_exports(out)

    def check_role(self, run):
        """The role `almanac` sees statistics and no row of a table."""
        for sql, expected in (("SELECT count(*) > 20 FROM almanac.column_statistics()", "t"), ("SELECT count(*) FROM pg_stats WHERE schemaname = 'public'", "0"),
                              ("SELECT count(*) > 0 FROM almanac.column_statistics() WHERE common_shares IS NOT NULL AND correlation IS NOT NULL", "t"),
                              ("SELECT count(*) > 5 FROM pg_stat_statements WHERE query LIKE '%FROM tasks%'", "t"),
                              ("SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'api' AND query <> '<insufficient privilege>'", "t"),
                              ("SELECT setting LIKE '%auto_explain%' FROM pg_settings WHERE name = 'shared_preload_libraries'", "t")):
            deadline = time.monotonic() + 20  # the first statements come with the first requests
            while (found := run.psql("almanac", "app", sql))[0] != expected and time.monotonic() < deadline:
                time.sleep(0.5)
            self.assertEqual(found, (expected, ""), sql)
        for sql, reason in (("SELECT count(*) FROM tasks", "permission denied"), ("SELECT email FROM users LIMIT 1", "permission denied"),
                            ("CREATE TABLE x (i int)", "read-only"), ("SELECT pg_stat_statements_reset()", "permission denied"),
                            ("BEGIN READ WRITE; UPDATE users SET name = ''", "permission denied"),
                            ("BEGIN READ WRITE; CREATE TABLE public.x (i int)", "permission denied")):
            self.assertIn(reason, run.psql("almanac", "app", sql)[1], sql)
        script = ROOT / "docs/advisors/database-grants.sql"
        for _ in range(2):
            again = subprocess.run(["psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(run.port["postgres"]), "-U", "postgres", "-d", "app",
                                    "-f", str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(run.psql("almanac", "app", "SELECT count(*) > 20 FROM almanac.column_statistics()"), ("t", ""))

    def check_copy(self, run):
        """The copy has the rows and HypoPG; the original has no HypoPG."""
        count = "SELECT count(*) > 1000 FROM tasks"
        self.assertEqual(run.psql("postgres", "app_copy", count), ("t", ""))
        hypothetical = "SELECT count(*) FROM hypopg_create_index('CREATE INDEX ON tasks (title)')"
        self.assertEqual(run.psql("postgres", "app_copy", hypothetical), ("1", ""))
        self.assertIn("does not exist", run.psql("postgres", "app", hypothetical)[1])
        database = run.configuration()["database"][0]
        self.assertEqual((database["copy"].rpartition("/")[2], Path(database["log"]).exists()), ("app_copy", True))

    def check_exports(self, out):
        """Every export is there, can be read, and shows the faults."""
        load = json.loads((out / "load.json").read_text())
        self.assertEqual((load["failed"], load["dropped"]), (0, 0))
        self.assertGreater(load["requests"], 50)
        with open(out / "statements.csv") as file:
            statements = list(csv.DictReader(file))
        self.assertTrue(any("ILIKE" in row["query"] and int(row["calls"]) > 0 for row in statements))
        self.assertEqual([fault["name"] for fault in json.loads((out / "truth.json").read_text())],
                         [name for name in faults.FAULTS if name in faults.parse("all")])
        events = duckdb.execute("SELECT op, count(*), count(miss_cost_ms), count(bytes), max(miss_cost_ms) FROM read_parquet($path) GROUP BY op",
                                {"path": str(out / "cache_events.parquet")}).fetchall()
        self.assertEqual({row[0] for row in events}, {"get", "write", "delete"})
        for op, count, costs, sizes, most in events:
            self.assertEqual((costs > 0, costs < count, sizes, (most or 0) < 20_000), (op == "get", True, count if op == "get" else 0, True), op)
        self.assertIn("tasks", (out / "schema.json").read_text())
        json.loads((out / "schema.json").read_text())
        files = json.loads((out / "manifest.json").read_text())["files"]
        for name, least in (("samples.parquet", 1000), ("cache_events.parquet", 50)):
            self.assertGreater(files[name]["rows"], least, name)
        schema = (out / "schema.sql").read_text()
        self.assertIn("CREATE INDEX tasks_owner ", schema)
        self.assertNotIn("tasks_title_trgm", schema)
        self.assertTrue(any("Plan" in plan for plan in json.loads((out / "plans.json").read_text())))
        tables = {row["relname"] for row in json.loads((out / "pg_stat_user_tables.json").read_text())}
        self.assertEqual(tables, {"users", "tasks", "calendar_events", "attendees", "user_sessions", "notifications"})
        self.assertTrue(json.loads((out / "pg_stats.json").read_text()))
        services = set()
        with open(out / "spans.jsonl") as lines:
            for line in lines:
                for resource in json.loads(line)["resourceSpans"]:
                    services |= {a["value"]["stringValue"] for a in resource["resource"]["attributes"] if a["key"] == "service.name"}
        self.assertEqual(services, {"api", "worker"})

    def test_signals_end_a_run_and_its_children_alone(self):
        for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
            try:
                run = Application("--faults", "none", "--minutes", "5")
                self.assertEqual(set(run.open_ports()), set(PORTS) - {"spans", "node", "redis_exporter", "postgres_exporter"})
                status, _, errors = run.end(how)
                self.assertEqual((status, run.open_ports()), (1, []), errors)
                self.assertIn("interrupted", errors)
                self.assertIsNone(bystander.poll())
            finally:
                bystander.kill()
                bystander.wait()

    def test_a_signal_ends_a_show_and_leaves_nothing(self):
        binary, base = self.folder / "almanac", free_base()
        binary.write_text("#!/bin/sh\ntouch readyz\nexec python3 -m http.server --bind 127.0.0.1 " + str(base + len(PORTS)) + "\n")  # answers like a service
        binary.chmod(0o755)
        (self.folder / "tmp").mkdir()
        self.folder.chmod(0o755)  # the server runs as another user
        show = subprocess.Popen([sys.executable, "-m", "datasets.app.show", "--almanac", str(binary), *SMALL, "--base-port", str(base)], cwd=ROOT,
                                env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.folder / "tmp")}, stderr=subprocess.PIPE, text=True)
        self.assertTrue(any("turn planted" in line for line in show.stderr))
        time.sleep(8)
        show.terminate()
        errors = show.communicate(timeout=60)[1]
        self.assertEqual(show.returncode, 1, errors)
        self.assertIn("interrupted", errors)
        self.assertEqual(list((self.folder / "tmp").iterdir()), [])
        for port in range(base, base + len(PORTS) + 1):
            with socket.socket() as probe:
                self.assertNotEqual(probe.connect_ex(("127.0.0.1", port)), 0)

    def test_servers_end_with_a_run_that_is_killed(self):
        run = Application("--faults", "none", "--minutes", "5")
        folder = Path(run.configuration()["database"][0]["log"]).parent
        self.addCleanup(shutil.rmtree, folder)
        run.end(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while run.open_ports() and time.monotonic() < deadline:
            time.sleep(0.2)
        self.assertEqual(run.open_ports(), [])

    def test_of_two_runs_with_the_same_ports_one_is_refused(self):
        base = free_base()
        command = [sys.executable, "-m", "datasets.app", *SMALL, "--minutes", "0.1", "--base-port", str(base)]
        runs = [subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(2)]
        ended = [(run.communicate(timeout=180)[1], run.returncode) for run in runs]
        self.assertEqual(sorted(status for _, status in ended), [0, 1], ended)
        refused = next(errors for errors, status in ended if status)
        self.assertIn(f"port {base} (caddy) is in use", refused)

    def test_a_signal_while_rows_are_made_ends_it_soon(self):
        base = free_base()
        run = subprocess.Popen([sys.executable, "-m", "datasets.app", "--scale", "2", "--base-port", str(base)], cwd=ROOT,
                               env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True)
        for line in run.stderr:
            if "makes" in line:
                break
        time.sleep(2)
        run.terminate()
        _, errors = run.communicate(timeout=20)
        self.assertEqual(run.returncode, 1, errors)
        self.assertIn("interrupted", errors)
        with socket.socket() as probe:
            self.assertNotEqual(probe.connect_ex(("127.0.0.1", base + PORTS.index("postgres"))), 0)

    def test_a_port_in_use_is_named(self):
        base = free_base()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", base + PORTS.index("redis")))
            taken.listen()
            run = subprocess.run([sys.executable, "-m", "datasets.app", *SMALL, "--base-port", str(base)], cwd=ROOT,
                                 env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(run.returncode, 1)
        self.assertIn(f"port {base + PORTS.index('redis')} (redis) is in use", run.stderr)

    def test_wrong_calls_are_refused_with_a_line(self):
        (self.folder / "full").write_text("x")
        for options, line in ((["--faults", "n_plus_two"], "unknown fault n_plus_two"), (["--minutes", "0"], "--minutes 0.0 is not between"),
                              (["--peak", "nan"], "--peak nan is not between"), (["--out", str(self.folder)], "not an empty folder"),
                              (["--record"], "--record needs --out"), (["--base-port", "80"], "--base-port 80 is not between")):
            run = subprocess.run([sys.executable, "-m", "datasets.app", *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, check=False)
            self.assertEqual(run.returncode, 2)
            self.assertIn(line, run.stderr)


if __name__ == "__main__":
    unittest.main()
