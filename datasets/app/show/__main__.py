"""The command line of the show: `make show-database`, or `scripts/app.sh show --almanac PATH`. See docs/advisors/database.md."""

import argparse
import os
import sys
from pathlib import Path

from datasets.app import command, faults

# Faults of these kinds show in a database; those of caches and bodies have advisors of their own and stay off.
KINDS = ("index", "query", "batch", "pool")
BOUNDS = (("minutes", 0.5, 1440), ("scale", 0.001, 20), ("peak", 0.1, 500), ("base_port", 1024, 65000), ("seed", 0, 10**6),
          ("verify_seconds", 1, 3600), ("repeat", 1, 20), ("healthy_minutes", 0, 1440))


def planted():
    """Returns the names of the faults that are switched on."""
    return [name for name, fault in faults.FAULTS.items() if fault.kind in KINDS and fault.in_all]


def arguments(argv=None):
    """Returns the parsed and checked arguments, as a run needs them."""
    parser = argparse.ArgumentParser(prog="datasets.app.show", description="Recommends, verifies, applies and measures on the example application.")
    parser.add_argument("--almanac", type=Path, required=True, help="the almanac binary")
    parser.add_argument("--minutes", type=float, default=3.0, help="length of each load, which is one day [3]")
    parser.add_argument("--scale", type=float, default=1.0, help="rows in millions [1]")
    parser.add_argument("--seed", type=int, default=1, help="seed of rows and load [1]")
    parser.add_argument("--peak", type=float, default=10.0, help="requests a second at the daily peak [10]")
    parser.add_argument("--base-port", type=int, default=21600, help="first of eleven ports [21600]")
    parser.add_argument("--verify-seconds", type=float, default=15.0, help="time to measure a recommendation on the copy [15]")
    parser.add_argument("--repeat", type=int, default=1, help="turns after applying and with the hand-made fixes, alternating [1]")
    parser.add_argument("--healthy-minutes", type=float, default=0.0, help="length of a further load of the healthy application [0: none]")
    parser.add_argument("--only-healthy", action="store_true", help="the load of --healthy-minutes alone: prints what is recommended for it")
    parser.add_argument("--out", type=Path, help="an empty or new folder for exports, reports and tables")
    options = parser.parse_args(argv)
    command.check_bounds(parser, options, BOUNDS)
    if options.only_healthy and not options.healthy_minutes:
        parser.error("--only-healthy needs --healthy-minutes")
    options.almanac = command.binary(parser, options.almanac)
    if options.out:
        options.out = command.new_folder(parser, options.out)
    options.faults, options.copy, options.record, options.traces = ",".join(planted()), not options.only_healthy, False, None
    return options


def main():
    """Shows, prints the tables, and returns the exit status."""
    options = arguments()
    from datasets.app.show.steps import Show
    for name in [name for name in os.environ if name.startswith("ALMANAC_")]:
        del os.environ[name]  # settings of another service
    options.out, out = None, options.out
    run = Show(options)
    options.results = out or run.directory / "results"
    options.results.mkdir(exist_ok=True)

    async def work():
        text = await run.execute()
        (options.results / "tables.md").write_text(text + "\n")
        print(text)

    return 0 if command.carry_out("show", work, lambda _failed: run.close(keep_logs=False)) else 1


if __name__ == "__main__":
    sys.exit(main())
