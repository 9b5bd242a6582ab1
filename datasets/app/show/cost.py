"""Processor time of PostgreSQL's processes by role, from /proc. Linux only, as the application."""

import asyncio
import re
from pathlib import Path

ROLE = re.compile(r"postgres: (\w+) (\w+) ")


class Processors:
    """Sums the processor time of a server's processes from the first look on, those of a role apart.

    A process that begins and ends between two looks is missed; a service's sessions last longer.
    """

    def __init__(self, postmaster, role, every=0.5):
        self.postmaster, self.role, self.every = postmaster, role, every
        self.begin, self.end, self.own, self.is_first = {}, {}, set(), True

    def look(self):
        """Reads the processor time of every process of the server, in nanoseconds."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) != self.postmaster and int(entry.name) != self.postmaster:
                    continue
                name, used = (entry.name, fields[19]), int((entry / "schedstat").read_text().split()[0])
                title = ROLE.match((entry / "cmdline").read_text(errors="replace"))
            except (OSError, IndexError):
                continue  # it ended meanwhile
            self.begin.setdefault(name, used if self.is_first else 0)
            self.end[name] = used
            if title and title[1] == self.role:
                self.own.add(name)
        self.is_first = False

    async def follow(self):
        """Looks again and again until it is cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self.every)

    def seconds(self):
        """Returns (seconds of the role's sessions, seconds of all processes)."""
        used = {name: (self.end[name] - self.begin[name]) / 1e9 for name in self.end}
        return sum(used[name] for name in self.own), sum(used.values())
