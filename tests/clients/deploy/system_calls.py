"""Runs a command with the system calls that a systemd unit permits: system_calls.py UNIT COMMAND ARGUMENTS….

Reads `SystemCallFilter=` of the unit, asks `systemd-analyze` what the groups contain, and answers all other calls with EPERM, as
`SystemCallErrorNumber=EPERM` does. Needs python3-seccomp.
"""

import errno
import os
import subprocess
import sys

import seccomp


def members(group):
    """Returns the names of the system calls of a group, with those of the groups in it."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True).stdout
    found = set()
    for line in listed.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            found |= members(name)
        elif name and not name.startswith("#"):
            found.add(name)
    return found


def permitted(unit):
    """Returns the calls of the unit's filters; a line with ~ takes calls away."""
    calls = set()
    with open(unit) as lines:
        for line in lines:
            if line.startswith("SystemCallFilter="):
                groups = line.split("=", 1)[1].strip()
                named = set().union(*(members(group) for group in groups.lstrip("~").split()))
                calls = calls - named if groups.startswith("~") else calls | named
    return calls


def main():
    unit, *command = sys.argv[1:]
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in permitted(unit):
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except RuntimeError:
            pass  # The call does not exist on this architecture.
    rules.load()
    os.execv(command[0], command)


main()
