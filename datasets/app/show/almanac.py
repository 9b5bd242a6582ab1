"""Calls the real `almanac` binary: a service that watches a turn, and the commands review, recommend and verify."""

import asyncio
import json
import re
import signal
import time
import urllib.request

from datasets.app import report

# Least time for which a service must have watched a database before it advises, and what the intervals of snapshots may take from it.
OBSERVED_SECONDS = 300 + 30
SETTINGS = '''[server]
listen = "127.0.0.1:{port}"
[store]
path = "almanac.duckdb"
[otlp]
trace_wait = "5s"
'''
NOT_MEASURED = re.compile(r'recommendation "([^"]+)" cannot be measured: (.*)')


async def call(command, cwd, accepted, patience):
    """Runs a program and returns (standard output, standard error). It gets SIGINT when this task is cancelled.

    Raises RuntimeError when it ends with another status than those accepted, or takes longer than `patience` seconds.
    """
    child = await asyncio.create_subprocess_exec("setpriv", "--pdeathsig", "TERM", *map(str, command), cwd=cwd, start_new_session=True,
                                                 stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        out, err = await asyncio.wait_for(child.communicate(), patience)
    except (asyncio.CancelledError, asyncio.TimeoutError) as error:
        child.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(child.wait(), 10)
        except asyncio.TimeoutError:
            child.kill()
            await child.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
        raise RuntimeError(f"almanac {command[1]} takes longer than {patience:.0f} s") from None
    if child.returncode not in accepted:
        raise RuntimeError(f"almanac {command[1]} ended with status {child.returncode}: {err.decode().strip()[-500:]}")
    return out.decode(), err.decode()


class Service:
    """A service of one turn with a store of its own, which reads the database and gets the spans of the application."""

    def __init__(self, binary, folder, port, log, pools):
        """`port`: name -> port, with one for `almanac`; `log`: path of the server's log; `pools`: name -> (size, overflow)."""
        self.binary, self.folder, self.port, self.ready = binary, folder, port["almanac"], None
        folder.mkdir()
        (folder / "almanac.toml").write_text(SETTINGS.format(port=self.port) + report.configuration(port, "app", True, log, pools))

    async def start(self, children):
        """Starts the service and waits until it answers."""
        children.start("almanac", [self.binary, "serve", "--config", "almanac.toml"], cwd=self.folder)
        deadline = time.monotonic() + 60
        while True:
            try:
                await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).read())
                break
            except OSError:
                if time.monotonic() > deadline or "almanac" in children.dead():
                    log = (children.directory / "almanac.log").read_text(errors="replace")
                    raise RuntimeError(f"almanac serve does not answer: {log.strip()[-500:]}") from None
                await asyncio.sleep(0.2)
        self.ready = time.monotonic()

    def lacks(self):
        """Returns the seconds for which it must still watch before it advises."""
        return max(0.0, self.ready + OBSERVED_SECONDS - time.monotonic())

    async def advice(self):
        """Returns recommendations and verdicts of the stopped service."""
        out, _ = await call([self.binary, "recommend", "--config", "almanac.toml", "--format", "json"], self.folder, (0,), 300)
        return json.loads(out)


async def review(binary, folder, seconds):
    """Returns what `almanac review database` says about the exports in a folder; writes `review.json` there."""
    # The statistics cover this turn alone: an index without a scan in all of it counts as unused, in place of 30 days.
    out, _ = await call([binary, "review", "database", "--statements", "statements.csv", "--schema", "schema.json", "--plans", "postgres.log",
                         "--span", f"{seconds:.0f}s", "--unused-after", f"{seconds:.0f}s", "--name", "app", "--format", "json"], folder, (0,), 300)
    (folder / "review.json").write_text(out)
    return json.loads(out)


async def verify(binary, folder, rows, postgres, seconds):
    """Measures recommendations on the copy; returns id -> report, or {"error": reason} of those that are not measured.

    `postgres`: port of the server; `seconds`: time for each recommendation.
    """
    (folder / "recommended.json").write_text(json.dumps(rows, indent=1))
    address = f"postgres://{{}}@127.0.0.1:{postgres}/{{}}"
    out, err = await call([binary, "verify", "database", "app", "--review", "recommended.json", "--plans", "postgres.log",
                           "--copy", address.format("postgres", "app_copy"), "--original", address.format("almanac", "app"), "--allow-same-server",
                           "--seconds", f"{seconds:g}", "--format", "json"], folder, (0, 1, 3), 120 + len(rows) * (3 * seconds + 60))
    try:
        reports = json.loads(out)
    except json.JSONDecodeError:
        raise RuntimeError(f"almanac verify printed no report: {err.strip()[-500:]}") from None
    (folder / "verify.json").write_text(out)
    return {**{found[1]: {"error": found[2]} for found in NOT_MEASURED.finditer(err)}, **{report["id"]: report for report in reports}}
