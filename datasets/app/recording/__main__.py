"""The command line of the recording: `scripts/app.sh recording --almanac PATH --out DIR`. See docs/example-application.md."""

import argparse
import os
import sys
from pathlib import Path

from datasets.app import command, faults

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
    command.check_bounds(parser, options, BOUNDS)
    options.almanac = command.binary(parser, options.almanac)
    options.out = command.new_folder(parser, options.out)
    options.faults, options.copy, options.record, options.traces = ",".join(recorded()), False, False, None
    return options


def main():
    """Records, and returns the exit status."""
    options = arguments()
    from datasets.app.recording.run import ServiceRecording
    for name in [name for name in os.environ if name.startswith("ALMANAC_")]:
        del os.environ[name]  # settings of another service
    options.folder, options.out = options.out, None  # the run itself exports nothing
    run = ServiceRecording(options)
    return 0 if command.carry_out("recording", run.execute, lambda _failed: run.close(keep_logs=False)) else 1


if __name__ == "__main__":
    sys.exit(main())
