"""Records scrapes of `/metrics`, container metrics and events as CSV files, which `pack` turns into Parquet. Shared with the recorder."""

import asyncio
import json
import os
import re

import aiohttp

# Metrics unrelated to the application: runtimes of the exporters, settings, the scrape itself.
DROP = re.compile(
    r"(go_|promhttp_|scrape_|python_|pg_settings|pg_exporter|postgres_exporter|redis_exporter|node_exporter|node_scrape"
    r"|node_netstat|node_network_(?!(receive|transmit)_bytes)|node_disk_(?!(read|written)_bytes|io_time|.*_completed)"
    r"|node_memory_(?!MemAvailable|MemFree|Cached|Dirty|Active_bytes)|node_vmstat_(?!pgmajfault|pgpg)|caddy_admin|caddy_config"
    r"|redis_commands_latencies|redis_latency|redis_latencies|redis_start|redis_exporter|pg_stat_bgwriter_stats_reset"
    r"|node_cpu_guest|node_cooling|caddy_http_response_size|caddy_http_request_size|.*_created\b)")
DROP_LABELS = re.compile(r'device="(lo|loop|ram|sr|dm|veth|docker|br)[^"]*"|datname="template|cmd="(config|client|info|latency|slowlog|command|ping)')
EXPORTERS = {"node", "redis", "postgres", "caddy"}


class Recording:
    """CSV files that are appended to: new series, samples of each scrape, incidents and deploys."""

    def __init__(self, out):
        """Creates the files in the folder `out`."""
        self.series, self.ids, self.raw = open(out / "series.csv", "w"), {}, {}
        self.samples = open(out / "samples.csv", "w")
        self.events = open(out / "events.csv", "w")
        self.previous = {}

    def series_id(self, job, raw):
        """Returns the number of a series of this job by its raw text; None for a dropped series."""
        key = (job, raw)
        if key not in self.raw:
            name, _, labels = raw.partition("{")
            drop = DROP.match(name) or DROP_LABELS.search(labels) or (job in EXPORTERS and name.startswith("process_"))
            if drop:
                self.raw[key] = None
            else:
                inner = labels.rstrip("}").rstrip(",")
                full = f'{name}{{job="{job}"{"," + inner if inner else ""}}}'
                self.raw[key] = self.ids.setdefault(full, len(self.ids))
                self.series.write(f"{self.raw[key]}\t{full}\n")
        return self.raw[key]

    def scrape(self, job, at_ms, text):
        """Records one answer (None: it failed) at the scrape's planned time; vanished series get a stale marker."""
        seen, lines = set(), []
        for line in text.splitlines() if text else ():
            if line and line[0] != "#":
                raw, _, value = line.rpartition(" ")
                number = self.series_id(job, raw)
                if number is not None and number not in seen:
                    seen.add(number)
                    lines.append(f"{number},{at_ms},{value}\n")
        for number in self.previous.get(job, set()) - seen:
            lines.append(f"{number},{at_ms},\n")
        self.previous[job] = seen
        lines.append(f"{self.series_id(job, 'up')},{at_ms},{int(text is not None)}\n")
        self.samples.write("".join(lines))

    def event(self, kind, started_ms, ended_ms, title, target):
        """Records an incident or a deploy; times in epoch milliseconds."""
        self.events.write(json.dumps({"kind": kind, "started_at": started_ms, "ended_at": ended_ms, "title": title,
                                      "target": target}) + "\n")
        self.events.flush()

    def flush(self):
        """Writes what is buffered."""
        for file in (self.series, self.samples):
            file.flush()


class Containers:
    """Container metrics from /proc: processor time, run delay and memory by part of the application.

    A part is its first process, that process's session and children. The processor time of a processor hog counts as the API's, since
    it runs in the API's container; its run delay does not, since that metric is the API's own wait for a processor.
    """

    def __init__(self, children):
        """`children`: the parts, see `Children`; parts whose name begins with `hog` are processor hogs."""
        self.children, self.cpu, self.delay = children, {}, {}
        self.tick, self.page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

    def text(self):
        """Returns the metrics of this moment as an exposition."""
        part_of = {child.pid: name for name, child in self.children.children.items()}
        memory = {}
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                with open(f"/proc/{entry.name}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                part = part_of.get(int(fields[3])) or part_of.get(int(fields[1]))  # PostgreSQL's leave the session
                if part in (None, "load"):
                    continue
                with open(f"/proc/{entry.name}/schedstat") as file:
                    run_delay = int(file.read().split()[1]) / 1e9
            except (OSError, IndexError):
                continue  # it ended meanwhile
            if part.startswith("hog"):
                part = "api"
            else:
                self.delay[part, entry.name, fields[19]] = run_delay
            self.cpu[part, entry.name, fields[19]] = (int(fields[11]) + int(fields[12])) / self.tick
            memory[part] = memory.get(part, 0) + int(fields[21]) * self.page
        lines = [f'container_memory_rss_bytes{{container="{part}"}} {rss}' for part, rss in memory.items()]
        for name, by_process in (("container_cpu_usage_seconds_total", self.cpu),
                                 ("container_cpu_run_delay_seconds_total", self.delay)):
            sums = {}
            for (part, *_), seconds in by_process.items():  # ended processes keep their last value: a counter
                sums[part] = sums.get(part, 0.0) + seconds
            lines += [f'{name}{{container="{part}"}} {total:.6f}' for part, total in sums.items()]
        return "\n".join(lines)


async def scrape_all(session, recording, containers, targets, at_ms, timeout):
    """Scrapes all (job, URL) at once and records the answers and the container metrics; `timeout` in seconds."""
    async def one(job, url):
        try:
            async with session.get(url, timeout=aiohttp.ClientTimeout(total=timeout)) as response:
                return job, (await response.text() if response.status == 200 else None)
        except (aiohttp.ClientError, asyncio.TimeoutError):
            return job, None
    for job, text in await asyncio.gather(*(one(*target) for target in targets)):
        recording.scrape(job, at_ms, text)
    recording.scrape("containers", at_ms, containers.text())
    recording.flush()
