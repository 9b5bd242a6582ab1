"""Figures of a show: what was predicted, measured on the copy, and measured after applying. Pure: turns and reports in, figures out."""

import re
from statistics import mean

from datasets.app.show.match import answers, created, dropped, form, found, one_line

GOOD_FACTOR = 1.5


def total(turn):
    """Returns the time of all statements of a turn in seconds."""
    return sum(s["total_exec_time"] for s in turn["statements"]) / 1000


def by_form(turn):
    """Returns form of a statement -> (calls, milliseconds)."""
    sums = {}
    for s in turn["statements"]:
        calls, ms = sums.get(form(s["query"]), (0, 0.0))
        sums[form(s["query"])] = calls + s["calls"], ms + s["total_exec_time"]
    return sums


def factor(predicted, measured):
    """Returns predicted through measured share of the saving; None when one of them is no saving."""
    return predicted / measured if predicted and measured and predicted > 0 and measured > 0 else None


def is_good(value):
    """Whether a factor is between 1/1.5 and 1.5."""
    return value is not None and 1 / GOOD_FACTOR <= value <= GOOD_FACTOR


def predicted(row):
    """Returns (ms before, ms expected) of an execution, weighted by the executions; None for an index that is dropped."""
    evidence = row["evidence"]
    if row["kind"] == "query":
        calls, before = evidence.get("calls_per_day"), evidence.get("mean_ms")
        if not calls or not before:
            return None
        return before, max(0.0, before - 1000 * row["effect"]["value"] / calls)
    own = [s for s in evidence.get("statements", []) if s.get("expected_ms") is not None]
    calls = sum(s["calls"] for s in own)
    if not calls:
        return None
    return sum(s["calls"] * s["mean_ms"] for s in own) / calls, sum(s["calls"] * s["expected_ms"] for s in own) / calls


def share(times):
    """Returns the share that is saved of (before, after); None without a time before."""
    return 1 - times[1] / times[0] if times and times[0] > 0 else None


def applied_index(row, before, after):
    """Returns (ms before, ms after) of an execution of an index's statements in two turns, weighted by the executions before."""
    old, new, calls, sums = by_form(before), by_form(after), 0, [0.0, 0.0]
    for name in {form(s["statement"]) for s in row["evidence"].get("statements", [])}:
        if old.get(name, (0,))[0] and new.get(name, (0,))[0]:
            calls += old[name][0]
            sums[0] += old[name][1]
            sums[1] += old[name][0] * new[name][1] / new[name][0]
    return (sums[0] / calls, sums[1] / calls) if calls else None


def pattern_ms(turn, *patterns):
    """Returns the time of the statements that one of these regular expressions finds, in milliseconds."""
    found_ms = [s["total_exec_time"] for s in turn["statements"] if any(p and re.search(p, one_line(s["query"])) for p in patterns)]
    return sum(found_ms)


def applied_query(fault, before, after):
    """Returns (ms before, ms after) of all statements of a fault on queries, in two turns with the same requests."""
    return pattern_ms(before, fault["statement"]), pattern_ms(after, fault["statement"], fault["healthy"])


def verdict(report):
    """Returns (`confirmed`, `not confirmed` or `not measured`, reason)."""
    if report is None or "error" in report:
        return "not measured", (report or {}).get("error", "")
    return "confirmed" if report["conclusion"]["confirmed"] else "not confirmed", report["conclusion"]["text"]


def on_copy(report):
    """Returns (ms before, ms after) of a weighted execution on the copy, or None."""
    comparison = (report or {}).get("total")
    return (comparison["before_ms"], comparison["after_ms"]) if comparison else None


def is_applied(line):
    """Whether the change of a recommendation on an index was applied."""
    return line["row"]["way"] == "review" and line["verdict"][0] == "confirmed"


def promise(line, use):
    """Returns whether an applied recommendation kept its promise, as the ledger judges it: the saving reaches the low end of its range.

    `use`: index -> bytes and scans after applying. An index that is dropped must be gone, one that is created must be used. None: not applied,
    or not measured.
    """
    row, effect = line["row"], line["row"]["effect"]
    if line["is_drop"]:
        return dropped(row) not in use if is_applied(line) else None
    saved, wanted = share(line["applied"]), share(line["predicted"])
    if saved is None or wanted is None or not effect["value"]:
        return None
    is_used = row["kind"] == "query" or use.get(created(row), {"scans": 0})["scans"] > 0
    return is_used and saved >= wanted * effect["lower"] / effect["value"]


def rows_of(recommended, reports, faults, turns):
    """Returns a line of figures for each recommendation; `turns`: `planted`, `indexes`, and the list `applied`."""
    lines = []
    for row in recommended:
        fault = next((f for f in faults if answers(row, f)), None)
        report = reports.get(row["id"])
        line = {"row": row, "fault": fault["name"] if fault else None, "predicted": predicted(row), "copy": on_copy(report),
                "verdict": verdict(report), "is_drop": bool(dropped(row)), "applied": None,
                "copy_factor": ((report or {}).get("prediction") or {}).get("factor")}
        if row["kind"] == "index" and not line["is_drop"] and is_applied(line):
            line["applied"] = applied_index(row, turns["planted"], turns["indexes"])
        elif row["kind"] == "query" and fault and row["patch"]["format"] != "sql":
            line["applied"] = applied_query(fault, turns["indexes"], turns["applied"][0])
        line["applied_factor"] = factor(share(line["predicted"]), share(line["applied"]))
        line["kept"] = promise(line, turns["indexes"]["indexes"])
        lines.append(line)
    return lines


def summary(lines, faults, turns):
    """Returns the figures that the show is judged by."""
    indexes = [line for line in lines if line["row"]["kind"] == "index"]
    # An index that the service alone recommends is judged by the copy; it is not in the set that is applied.
    by_fault = found([line["row"] for line in lines if line["row"]["kind"] == "query" or line["row"]["way"] == "review"], faults)
    planted = [f["name"] for f in faults if f["creates"] or f["drops"]]
    queries = [f["name"] for f in faults if f["kind"] in ("query", "batch") and f["name"] not in planted]
    measured = [line for line in lines if line["copy_factor"] is not None and not line["is_drop"]]
    applied = [line for line in lines if line["applied_factor"] is not None]
    before, after, hand = (total(turns["planted"]), mean(map(total, turns["applied"])), mean(map(total, turns["handmade"])))
    return {
        "confirmed": sum(line["verdict"][0] == "confirmed" for line in indexes), "indexes": len(indexes),
        "not_planted": [line["row"] for line in indexes if line["fault"] is None],
        "index_faults": planted, "index_faults_found": [name for name in planted if by_fault[name]],
        "query_faults": queries, "query_faults_found": [name for name in queries if by_fault[name]],
        "copy_good": sum(is_good(line["copy_factor"]) for line in measured), "copy_measured": len(measured),
        "applied_good": sum(is_good(line["applied_factor"]) for line in applied), "applied_measured": len(applied),
        "kept": sum(line["kept"] is True for line in lines), "judged": sum(line["kept"] is not None for line in lines),
        "before": before, "indexes_alone": total(turns["indexes"]), "after": after, "handmade": hand}
