"""What a run prints: addresses, Almanac's configuration for it, and the figures at the end. Pure: text out."""

import re

from datasets.app.service.settings import pools


def pool(name, job, size, overflow):
    """Returns the section `[[pool]]` of a pool. A run lasts minutes, so that steps are short; a day of its load is ten minutes."""
    selector = f'{{job="{job}",pool="{name}"}}'
    # Only SQLAlchemy's pool has an overflow.
    overflow = f"overflow = {overflow}\n" if name == "orm" else ""
    return f'''[[pool]]
name = "{name}"
in_use = 'sum(db_pool_in_use{selector})'
arrivals = 'sum(rate(db_pool_checkouts_total{selector}[1m]))'
hold = 'db_pool_hold_seconds{selector}'
wait = 'db_pool_wait_seconds{selector}'
size = {size}
{overflow}wait_max = "10ms"
timeout = "30s"
database = "app"
step = "5s"
window = "1m"
history = "1h"
day = "10m"
'''


QUEUE_AND_COMPRESSION = '''[[queue]]
name = "jobs"
depth = 'queue_depth'
arrivals = 'sum by (class) (rate(queue_jobs_total[1m]))'
service = 'queue_job_seconds'
workers = 'sum(worker_up)'
deadline = "5m"
[[compression]]
name = "api"
sizes = 'http_response_size_bytes'
'''


def pool_sections(pools):
    """Returns the sections of the pools; `pools`: name -> (size, overflow)."""
    return "".join(pool(name, "worker" if name == "worker" else "api", *sizes) + "\n" for name, sizes in pools.items())


def configuration(port, database, copy, log, pools):
    """Returns an `almanac.toml` for a run.

    `port`: name -> port, `copy`: whether there is a copy, `log`: path of the server's log, `pools`: name -> (size, overflow).
    """
    further = "".join(f"# {line}\n" for line in QUEUE_AND_COMPRESSION.splitlines())
    copy_line = f'copy = "postgres://postgres@127.0.0.1:{port["postgres"]}/{database}_copy"\n' if copy else ""
    return f'''[[scrape]]
job = "api"
targets = ["127.0.0.1:{port["api"]}"]
interval = "5s"

[[scrape]]
job = "worker"
targets = ["127.0.0.1:{port["worker"]}"]
interval = "5s"

[[scrape]]
job = "caddy"
targets = ["127.0.0.1:{port["caddy_admin"]}"]
interval = "5s"

[[database]]
name = "app"
url = "postgres://almanac@127.0.0.1:{port["postgres"]}/{database}"
every = "10s"
log = "{log}"
{copy_line}
{pool_sections(pools)}# Sections of advisors that almanac does not have yet:
{further}'''


def addresses(run):
    """Returns the addresses of a run and its configuration, between lines that a program can find."""
    port = run.port
    text = configuration(port, "app", run.options.copy, run.directory / "postgres.log", pools(run.active))
    return (f"application  http://127.0.0.1:{port['caddy']} (Caddy), http://127.0.0.1:{port['api']} (API, /metrics)\n"
            f"worker       http://127.0.0.1:{port['worker']}/metrics\n"
            f"PostgreSQL   {run.dsn}\nRedis        redis://127.0.0.1:{port['redis']}\n"
            f"faults       {', '.join(sorted(run.active)) or 'none'}\n"
            f"runs for {run.options.minutes:g} minutes; Ctrl-C stops it\n"
            f"---- almanac.toml ----\n{text}---- end of almanac.toml ----")


def samples(text, name):
    """Returns labels -> value of the samples of a metric in an exposition."""
    pattern = re.compile(rf"^{name}(?:\{{(.*)\}})? (\S+)$", re.M)
    return {labels: float(value) for labels, value in pattern.findall(text)}


def histogram_quantile(text, name, label, share):
    """Returns the upper bound of the bucket that holds this quantile, in the histogram's unit; None without samples."""
    buckets = []
    for labels, count in samples(text, name + "_bucket").items():
        if label in labels:
            bound = re.search(r'le="([^"]+)"', labels).group(1)
            buckets.append((float(bound.replace("+Inf", "inf")), count))
    buckets.sort()
    if not buckets or not buckets[-1][1]:
        return None
    return next(bound for bound, count in buckets if count >= share * buckets[-1][1])


def one_line(query, width=100):
    """Returns a statement in one line of at most `width` characters."""
    text = " ".join(query.split())
    return text if len(text) <= width else text[:width - 1] + "…"


def report(results, statements, metrics):
    """Returns requests, failures and latency by route, the heaviest statements, and pools."""
    lines = [f"\nrequests {results['requests']}, failed {results['failed']}, dropped {results['dropped']}",
             f"{'route':<15}{'requests':>9}{'failed':>8}{'mean ms':>9}{'p50':>8}{'p95':>8}{'p99':>8}"]
    for kind, r in results["routes"].items():
        lines.append(f"{kind:<15}{r['requests']:>9}{r['failed']:>8}{r['mean_ms']:>9}{r['p50_ms']:>8}{r['p95_ms']:>8}{r['p99_ms']:>8}")
    total = sum(s["total_exec_time"] for s in statements)
    lines.append(f"\nstatement time {total / 1000:.2f} s in {sum(s['calls'] for s in statements)} calls of {len(statements)} statements; the heaviest:")
    for s in statements[:10]:
        lines.append(f"{s['total_exec_time'] / 1000:>9.2f} s {s['calls']:>7} calls {s['mean_exec_time']:>9.3f} ms  {one_line(s['query'])}")
    lines.append("")
    for process, text in metrics.items():
        for labels, size in samples(text, "db_pool_size").items():
            wait = histogram_quantile(text, "db_pool_wait_seconds", labels, 0.95)
            hold = histogram_quantile(text, "db_pool_hold_seconds", labels, 0.95)
            lines.append(f"pool {labels} of {process}: size {size:g}, p95 wait at most {wait} s, p95 hold at most {hold} s")
    return "\n".join(lines)
