"""What the command lines of the application share: checks of options, and a run that a signal ends in order."""

import asyncio
import os
import signal
import subprocess
import sys

# A closed terminal ends a run as Ctrl-C does.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def check_bounds(parser, options, bounds):
    """Ends the program with a message if an option is outside its `(name, low, high)`."""
    for name, low, high in bounds:
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)} is not between {low} and {high}")


def new_folder(parser, out):
    """Creates the folder of `--out` if it is missing, and returns it; ends the program with a message if it is not empty."""
    out = out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        parser.error(f"--out {out} exists and is not an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    return out


def binary(parser, path):
    """Returns the binary of `--almanac`; ends the program with a message if it is missing."""
    path = path.resolve()
    if not os.access(path, os.X_OK) or path.is_dir():
        parser.error(f"the binary {path} is missing; run make build, or name another one by --almanac")
    return path


def carry_out(name, work, close):
    """Awaits `work()` until it is complete or a signal of ENDING arrives, then calls `close(failed)`.

    Prints why it ended early, after `name`. Returns whether it was complete. `failed` is true when an error ended it, which the
    logs of the servers may explain; further signals do not interrupt `close`.
    """
    async def guarded():
        cancel_on_signals()
        await work()

    complete, failed = False, True
    try:
        asyncio.run(guarded())
        complete, failed = True, False
    except (asyncio.CancelledError, KeyboardInterrupt):
        print(f"{name}: interrupted", file=sys.stderr)
        failed = False
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        print(f"{name}: {error}", file=sys.stderr)
    finally:
        for how in ENDING:
            signal.signal(how, signal.SIG_IGN)
        close(failed)
    return complete


def cancel_on_signals():
    """Cancels the current task when a signal of ENDING arrives. SIGHUP stays ignored where nohup ignores it."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for how in ENDING:
        if how != signal.SIGHUP or signal.getsignal(how) is not signal.SIG_IGN:
            loop.add_signal_handler(how, task.cancel)
