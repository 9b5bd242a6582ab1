"""Reads the plans that auto_explain wrote as JSON into a server's log. Pure: lines in, plans out."""

import json
import re

HEAD = re.compile(r"^(?P<at>\S+ \S+ \S+) \[(?P<pid>\d+)\] (?P<who>\S+ )?LOG:  duration: (?P<ms>[\d.]+) ms  plan:$")


def plans(lines):
    """Returns `{"timestamp", "duration_ms", "Query Text", "Plan", …}` of each complete plan, in the order of the log."""
    found, head, body = [], None, []
    for line in [*lines, ""]:
        line = line.rstrip("\n")
        if head and line.startswith("\t"):
            body.append(line[1:])
            continue
        if head:
            try:
                found.append({"timestamp": head["at"], "duration_ms": float(head["ms"]), **json.loads("\n".join(body))})
            except json.JSONDecodeError:
                pass  # the log ended within this plan
        head, body = HEAD.match(line), []
    return found
