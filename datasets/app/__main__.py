"""The command line of the example application: `python3 -m datasets.app --help`. See docs/example-application.md."""

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path

from datasets.app import faults
from datasets.app.servers.children import cancel_on_signals, ignore_signals


def arguments(argv=None):
    """Returns the parsed and checked arguments."""
    parser = argparse.ArgumentParser(prog="datasets.app", description="Runs the example application under load, on loopback.")
    parser.add_argument("--faults", default="all", help="all, none or names with commas [all]")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the run, which is one day of load [10]")
    parser.add_argument("--scale", type=float, default=1.0, help="rows in millions [1]")
    parser.add_argument("--seed", type=int, default=1, help="seed of rows and load [1]")
    parser.add_argument("--peak", type=float, default=10.0, help="requests a second at the daily peak [10]")
    parser.add_argument("--base-port", type=int, default=21400, help="first of ten ports [21400]")
    parser.add_argument("--out", type=Path, help="an empty or new folder for the exports of the run")
    parser.add_argument("--traces", help="OTLP/HTTP address for spans, for example http://127.0.0.1:9797/v1/traces")
    parser.add_argument("--copy", action="store_true", help="make a second database with HypoPG for verification")
    parser.add_argument("--record", action="store_true", help="with --out: scrape every target each 5 s and pack samples.parquet")
    parser.add_argument("--list-faults", action="store_true", help="print all faults and their fixes as JSON, and end")
    options = parser.parse_args(argv)
    try:
        faults.parse(options.faults)
    except ValueError as error:
        parser.error(str(error))
    for name, low, high in (("minutes", 0.1, 1440), ("scale", 0.001, 20), ("peak", 0.1, 500), ("base_port", 1024, 65000), ("seed", 0, 10**6)):
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)} is not between {low} and {high}")
    if options.record and not options.out:
        parser.error("--record needs --out DIR")
    if options.out:
        options.out = options.out.resolve()
        if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
            parser.error(f"--out {options.out} exists and is not an empty folder")
        options.out.mkdir(parents=True, exist_ok=True)
    return options


async def guarded(run):
    """Does the run until it is complete or a signal arrives."""
    cancel_on_signals()
    await run.execute()


def main():
    """Runs the application and returns the exit status."""
    options = arguments()
    if options.list_faults:
        print(json.dumps(faults.truth(faults.FAULTS), indent=1))
        return 0
    from datasets.app.run import Run
    run, status, keep_logs = Run(options), 1, True
    try:
        asyncio.run(guarded(run))
        status, keep_logs = 0, False
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("app: interrupted", file=sys.stderr)
        keep_logs = False
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        print(f"app: {error}", file=sys.stderr)
    finally:
        ignore_signals()
        run.close(keep_logs)
    return status


if __name__ == "__main__":
    sys.exit(main())
