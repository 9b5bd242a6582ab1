"""The load: the same seed gives the same requests, every kind appears, and pages stay within the tables."""

import asyncio
import random
import re
import time
import unittest
from datetime import datetime, timezone
from urllib.parse import parse_qs, unquote, urlsplit

from datasets.app.load.arrivals import arrivals
from datasets.app.load.requests import MIX, Requests, project

ROWS = {"users": 2000, "tasks": 35000, "calendar_events": 15000, "attendees": 30000, "user_sessions": 6000, "notifications": 12000}
NOW = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)


def draws(seed, n=5000, rows=None):
    """Returns n requests at times over a day."""
    requests = Requests(random.Random(seed), rows or ROWS, 1, NOW)
    return [requests.draw(i / n) for i in range(n)]


class Load(unittest.TestCase):
    def test_a_seed_decides(self):
        self.assertEqual(draws(3), draws(3))
        self.assertNotEqual(draws(3), draws(4))

    def test_every_kind_appears_near_its_share(self):
        kinds = [kind for kind, *_ in draws(1)]
        for kind, share in MIX:
            self.assertAlmostEqual(kinds.count(kind) / len(kinds), share, delta=0.35 * share + 0.01, msg=kind)

    def test_requests_are_within_the_tables(self):
        for rows in (ROWS, {table: 100 for table in ROWS}):
            for kind, _, path in draws(1, rows=rows):
                query = parse_qs(urlsplit(path).query)
                if "user" in query:
                    self.assertTrue(1 <= int(query["user"][0]) <= rows["users"], path)
                if kind == "change_task":
                    self.assertTrue(1 <= int(path.split("/")[3].partition("?")[0]) <= rows["tasks"], path)
                if kind == "refresh":
                    self.assertTrue(1 <= int(path.rpartition("-")[2]) <= rows["user_sessions"], path)
                if kind == "month":
                    datetime.strptime(query["month"][0], "%Y-%m")

    def test_deep_pages_name_the_same_place_twice(self):
        deep = [path for kind, _, path in draws(1) if kind == "admin_tasks" and "page=" in path and "status=done" in path]
        self.assertGreater(len(deep), 5)
        for path in deep:
            query = parse_qs(urlsplit(path).query)
            age = (NOW - datetime.fromisoformat(query["before"][0])).total_seconds() / 86400
            self.assertAlmostEqual(int(query["page"][0]), age / 720 * (ROWS["tasks"] // 100), delta=1.0)

    def test_words_to_search_have_at_least_three_characters(self):
        for kind, _, path in draws(1):
            if kind == "search":
                self.assertRegex(unquote(path), re.compile(r"q=\w{3,}$"))

    def test_projects_differ(self):
        self.assertEqual(len({project(p) for p in range(600)}), 600)

    def test_arrivals_with_a_begin_depend_on_the_seed_alone(self):
        async def take(seed):
            past = time.time() - 1000  # everything is due, so that nothing waits
            return [at async for at in arrivals(random.Random(seed), past, 60, 60, 20, begin=0.0)]
        first, second, other = asyncio.run(take(1)), asyncio.run(take(1)), asyncio.run(take(2))
        self.assertEqual(first, second)
        self.assertNotEqual(first, other)
        self.assertTrue(300 < len(first) < 1000, len(first))


if __name__ == "__main__":
    unittest.main()
