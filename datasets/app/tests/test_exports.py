"""Plans of a log, loops of spans, and the figures of a report."""

import json
import tomllib
import unittest

from datasets.app import report
from datasets.app.export.loops import repetitions
from datasets.app.export.plans import plans

PLAN = {"Query Text": "SELECT 1", "Plan": {"Node Type": "Result"}}


def plan_lines(at="2026-01-15 12:00:00.123 UTC", who="postgres@app "):
    """Returns the lines that auto_explain writes for a plan."""
    body = json.dumps(PLAN, indent=2).splitlines()
    return [f"{at} [77] {who}LOG:  duration: 1.500 ms  plan:\n", *(f"\t{line}\n" for line in body)]


def span(trace, identifier, parent=None, kind=3, name="SELECT", **attributes):
    """Returns a span as OTLP JSON."""
    return {"traceId": trace, "spanId": identifier, "parentSpanId": parent, "kind": kind, "name": name,
            "attributes": [{"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in attributes.items()]}


def line(*spans):
    """Returns an export as a line."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]})


class Plans(unittest.TestCase):
    def test_plans_among_other_lines(self):
        other = ["2026-01-15 12:00:00.100 UTC [77] postgres@app LOG:  duration: 0.1 ms  execute x: SELECT 1\n",
                 "2026-01-15 12:00:00.100 UTC [77] postgres@app DETAIL:  parameters: $1 = '7'\n"]
        found = plans([*other, *plan_lines(), *plan_lines(who=""), *other])
        self.assertEqual([(p["duration_ms"], p["Query Text"]) for p in found], [(1.5, "SELECT 1")] * 2)

    def test_a_plan_that_is_cut_off_is_left_out(self):
        for cut in range(2, len(plan_lines())):
            self.assertEqual(len(plans(plan_lines() + plan_lines()[:cut])), 1, cut)
        self.assertEqual(plans([]), [])


class Loops(unittest.TestCase):
    def test_counts_by_request_from_several_lines(self):
        call = [span("t1", f"c{i}", "s1", db__system="postgresql", db__statement="SELECT a\n FROM b") for i in range(7)]
        lines = [line(*call[:3]), line(span("t1", "s1", kind=2, name="GET /x"), *call[3:]), line(span("t2", "s2", kind=2, name="GET /x"))]
        self.assertEqual(repetitions(lines), {("GET /x", "SELECT a FROM b"): (1, 7, 7)})
        self.assertEqual(repetitions(reversed(lines)), repetitions(lines))

    def test_few_calls_other_systems_and_resets_are_no_loop(self):
        server = span("t", "s", kind=2, name="GET /x")
        for spans in ([span("t", str(i), db__system="postgresql", db__statement="SELECT 1") for i in range(4)],
                      [span("t", str(i), db__system="redis", db__statement="GET ?") for i in range(9)],
                      [span("t", str(i), db__system="postgresql", db__statement="SELECT pg_advisory_unlock_all(); …") for i in range(9)]):
            self.assertEqual(repetitions([line(server, *spans)]), {})

    def test_new_names_of_attributes(self):
        call = [span("t", str(i), db__system__name="postgresql", db__query__text="SELECT 1") for i in range(5)]
        self.assertEqual(list(repetitions([line(span("t", "s", kind=2, name="GET /x"), *call)])), [("GET /x", "SELECT 1")])


class Report(unittest.TestCase):
    TEXT = 'h_bucket{le="0.1",pool="a"} 90.0\nh_bucket{le="0.5",pool="a"} 96.0\nh_bucket{le="+Inf",pool="a"} 100.0\nh_bucket{le="0.1",pool="b"} 0.0\n'

    def test_quantiles_of_a_histogram(self):
        for share, bound in ((0.5, 0.1), (0.9, 0.1), (0.95, 0.5), (0.99, float("inf"))):
            self.assertEqual(report.histogram_quantile(self.TEXT, "h", 'pool="a"', share), bound)
        self.assertIsNone(report.histogram_quantile(self.TEXT, "h", 'pool="b"', 0.5))
        self.assertIsNone(report.histogram_quantile("", "h", "", 0.5))

    def test_the_configuration_is_toml(self):
        port = {name: i for i, name in enumerate(("api", "worker", "caddy_admin", "postgres"))}
        pools = {"orm": (6, 4), "worker": (4, 0)}
        for copy in (False, True):
            tree = tomllib.loads(report.configuration(port, "app", copy, "/x/postgres.log", pools))
            self.assertEqual(set(tree), {"scrape", "database", "pool"})
            self.assertEqual([job["job"] for job in tree["scrape"]], ["api", "worker", "caddy"])
            self.assertEqual("copy" in tree["database"][0], copy)
            self.assertEqual([(p["name"], p["size"], p.get("overflow")) for p in tree["pool"]], [("orm", 6, 4), ("worker", 4, None)])
        self.assertEqual(set(tomllib.loads(report.QUEUE_AND_COMPRESSION)), {"queue", "compression"})

    def test_a_long_statement_becomes_one_line(self):
        self.assertEqual(report.one_line("a\n  b"), "a b")
        self.assertEqual(len(report.one_line("x " * 500)), 100)


if __name__ == "__main__":
    unittest.main()
