"""The steps of a show: recommend, verify, apply, and measure before and after."""

import asyncio
import json

from datasets.app import faults
from datasets.app.show import figures, match, page
from datasets.app.show.almanac import verify
from datasets.app.show.turns import Turns


class Show(Turns):
    """The whole show on one server."""

    async def execute(self):
        """Does the show and returns its tables."""
        try:
            await self.open()
            if self.options.only_healthy:
                quiet = await self.healthy("healthy", self.options.healthy_minutes)
                return "\n".join([f"{len(quiet)} recommendations on the healthy application in {self.options.healthy_minutes:g} minutes",
                                  *(f"- {page.what(row)}" for row in quiet)])
            return await self.show()
        except asyncio.CancelledError:
            self.children.stop_all()  # ends a psql that still makes rows, and with it the thread that waits for it
            raise

    async def healthy(self, name, minutes):
        """Returns what is recommended for the healthy application."""
        turn = await self.turn(name, frozenset(), self.handmade(frozenset()), 60 * minutes)
        return match.proposals(turn["review"], turn["advice"])

    async def show(self):
        """Recommends, verifies, applies, and measures before and after."""
        seconds, truth = 60 * self.options.minutes, faults.truth(self.planted)
        turns = {"planted": await self.turn("planted", self.planted, "", seconds), "applied": [], "handmade": []}
        rows = match.proposals(turns["planted"]["review"], turns["planted"]["advice"])
        self.say(f"{len(rows)} recommendations; each is measured on the copy")
        reports = await verify(self.options.almanac, self.options.results / "planted", rows, self.port["postgres"], self.options.verify_seconds)
        # Those on indexes are applied as SQL: the set of the review, since each way selects a set whose indexes belong together.
        # Those on statements are changes of the application's code: their faults are switched off.
        confirmed = [row for row in rows if row["kind"] == "index" and row["way"] == "review"
                     and figures.verdict(reports.get(row["id"]))[0] == "confirmed"]
        script = "\n".join(row["patch"]["body"] for row in confirmed)
        by_fault = match.found([*confirmed, *(row for row in rows if row["kind"] == "query")], truth)
        code = frozenset(name for name in self.planted if not by_fault[name])
        (self.options.results / "applied.sql").write_text(script)
        turns["indexes"] = await self.turn("indexes", self.planted, script, seconds, ways=())
        for number in range(1, self.options.repeat + 1):
            is_last = number == self.options.repeat
            turns["applied"].append(await self.turn(f"applied-{number}", code, script, seconds, ways=("review",) if is_last else ()))
            both = ("review", "service") if is_last and not self.options.healthy_minutes else ()
            turns["handmade"].append(await self.turn(f"handmade-{number}", frozenset(), self.handmade(frozenset()), seconds, ways=both))
        if self.options.healthy_minutes:
            quiet = {f"{self.options.healthy_minutes:g} minutes": await self.healthy("healthy", self.options.healthy_minutes)}
        else:
            last = turns["handmade"][-1]
            quiet = {f"{self.options.minutes:g} minutes": match.proposals(last["review"], last["advice"])}
        lines = figures.rows_of(rows, reports, truth, turns)
        found = figures.summary(lines, truth, turns)
        after = match.proposals(turns["applied"][-1]["review"], [])
        (self.options.results / "figures.json").write_text(json.dumps({"lines": lines, "figures": found, "code": sorted(code)}, indent=1) + "\n")
        return page.document(lines, found, turns, quiet, after)
