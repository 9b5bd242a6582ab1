"""The command line of the recording: `scripts/app.sh recording --almanac PATH --out DIR`. See docs/example-application.md."""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

from datasets.app import faults
from datasets.app.servers.children import cancel_on_signals, ignore_signals

# Faults of these kinds show in a database. Those of caches and bodies stay off.
KINDS = ("index", "query", "pool", "batch", "settings")
# A service needs five minutes of a database before it advises.
BOUNDS = (("minutes", 6, 1440), ("scale", 0.001, 20), ("peak", 0.1, 500), ("base_port", 1024, 65000), ("seed", 0, 10**6))


def recorded():
    """Returns the names of the faults that are switched on."""
    return [name for name, fault in faults.FAULTS.items() if fault.kind in KINDS]


def arguments(argv=None):
    """Returns the parsed and checked arguments, as a run needs them."""
    parser = argparse.ArgumentParser(prog="datasets.app.recording", description="Records what a service stores of the example application.")
    parser.add_argument("--almanac", type=Path, required=True, help="the almanac binary")
    parser.add_argument("--out", type=Path, required=True, help="an empty or new folder for the recording")
    parser.add_argument("--minutes", type=float, default=15.0, help="length of the load, which is one day [15]")
    parser.add_argument("--scale", type=float, default=1.0, help="rows in millions [1]")
    parser.add_argument("--seed", type=int, default=1, help="seed of rows and load [1]")
    parser.add_argument("--peak", type=float, default=10.0, help="requests a second at the daily peak [10]")
    parser.add_argument("--base-port", type=int, default=21800, help="first of eleven ports [21800]")
    options = parser.parse_args(argv)
    for name, low, high in BOUNDS:
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)} is not between {low} and {high}")
    options.almanac = options.almanac.resolve()
    if not os.access(options.almanac, os.X_OK):
        parser.error(f"the binary {options.almanac} is missing; run make build, or name another one by --almanac")
    options.out = options.out.resolve()
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        parser.error(f"--out {options.out} exists and is not an empty folder")
    options.out.mkdir(parents=True, exist_ok=True)
    options.faults, options.copy, options.record, options.traces = ",".join(recorded()), False, False, None
    return options


def main():
    """Records, and returns the exit status."""
    options = arguments()
    from datasets.app.recording.run import ServiceRecording
    for name in [name for name in os.environ if name.startswith("ALMANAC_")]:
        del os.environ[name]  # settings of another service
    options.folder, options.out = options.out, None  # the run itself exports nothing
    run, status = ServiceRecording(options), 1

    async def guarded():
        cancel_on_signals()
        await run.execute()
    try:
        asyncio.run(guarded())
        status = 0
    except (asyncio.CancelledError, KeyboardInterrupt):
        print("recording: interrupted", file=sys.stderr)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        print(f"recording: {error}", file=sys.stderr)
    finally:
        ignore_signals()
        run.close(keep_logs=False)
        shutil.rmtree(run.directory, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
