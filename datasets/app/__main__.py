"""The command line of the example application: `python3 -m datasets.app --help`. See docs/example-application.md."""

import argparse
import json
import sys
from pathlib import Path

from datasets.app import command, faults

BOUNDS = (("minutes", 0.1, 1440), ("scale", 0.001, 20), ("peak", 0.1, 500), ("base_port", 1024, 65000), ("seed", 0, 10**6))


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
    command.check_bounds(parser, options, BOUNDS)
    if options.record and not options.out:
        parser.error("--record needs --out DIR")
    if options.out:
        options.out = command.new_folder(parser, options.out)
    return options


def main():
    """Runs the application and returns the exit status."""
    options = arguments()
    if options.list_faults:
        print(json.dumps(faults.truth(faults.FAULTS), indent=1))
        return 0
    from datasets.app.run import Run
    run = Run(options)
    return 0 if command.carry_out("app", run.execute, run.close) else 1


if __name__ == "__main__":
    sys.exit(main())
