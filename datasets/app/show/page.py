"""The tables of a show as Markdown. Pure: figures in, text out."""

from datasets.app.report import one_line
from datasets.app.show.figures import share, total


def number(value):
    """Returns a number of milliseconds with two digits or so."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def times(pair, factor=None):
    """Returns `before → after ms (−x %)`, with a factor behind it."""
    if not pair:
        return "–"
    saved = share(pair)
    percent = "" if saved is None else f" ({'−' if saved >= 0 else '+'}{abs(100 * saved):.0f} %{'' if factor is None else f', {factor:.2f}'})"
    return f"{number(pair[0])} → {number(pair[1])} ms{percent}"


def cell(text):
    """Returns a text that does not end the cell of a table."""
    return text.replace("|", "\\|")


def what(row):
    """Returns a recommendation in a line."""
    if row["kind"] == "index":
        way = " (service alone, not applied)" if row["way"] == "service" else ""
        return f"`{cell(one_line(row['proposed']['statement'].replace('CONCURRENTLY ', ''), 110))}`{way}"
    route = f" of {row['evidence']['route']}" if row["evidence"].get("route") else ""
    return f"{row['evidence']['pattern']}{route}: `{cell(one_line(row['current']['statement'], 70))}`"


def recommended(lines):
    """Returns the table of the recommendations."""
    text = ["| recommendation | predicted | measured on the copy | verdict | after applying | planted fault |", "|---|---|---|---|---|---|"]
    for line in lines:
        name, reason = line["verdict"]
        drop = f"frees {line['row']['effect']['value'] / 1e6:.1f} MB" if line["is_drop"] else times(line["predicted"])
        kept = {None: "", True: ": kept", False: ": missed"}[line["kept"]]
        why = f": {cell(reason)}" if name != "confirmed" and reason else ""
        text.append(f"| {what(line['row'])} | {drop} | {times(line['copy'], line['copy_factor'])} | {name}{why} "
                    f"| {'gone' if line['is_drop'] and line['kept'] else times(line['applied'], line['applied_factor'])}{kept} | {'`' + line['fault'] + '`' if line['fault'] else 'none'} |")
    return "\n".join(text)


def loads(turns, figures):
    """Returns the table of the turns."""
    text = ["| load | statements s | of before | of hand-made | calls | requests, failed |", "|---|---|---|---|---|---|"]
    for name, turn in (("all faults", turns["planted"]), ("index changes alone", turns["indexes"]),
                       *(("index and query changes", t) for t in turns["applied"]), *(("hand-made fixes", t) for t in turns["handmade"])):
        text.append(f"| {name} | {total(turn):.2f} | {total(turn) / figures['before']:.3f} | {total(turn) / figures['handmade']:.2f} "
                    f"| {sum(s['calls'] for s in turn['statements'])} | {turn['load']['requests']}, {turn['load']['failed']} |")
    return "\n".join(text)


def cost(turn):
    """Returns what reading the database cost the server in a turn."""
    own, every = turn["cost"]
    return f"{own:.2f} s of {every:.1f} s, {100 * own / every:.2f} % of the server's time and {100 * own / turn['elapsed']:.2f} % of a core"


def judged(figures, turns, quiet):
    """Returns the table of the figures with their bounds; `quiet`: name of a healthy turn -> its recommendations."""
    share_of = lambda part, whole: f"{part} of {whole}" + (f", {part / whole:.2f}" if whole else "")  # noqa: E731
    loops = [name for name in figures["query_faults"] if name.startswith("n_plus_one")]
    rows = [
        ("planted faults on indexes found", share_of(len(figures["index_faults_found"]), len(figures["index_faults"])), "≥ 0.95"),
        ("recommended indexes that the copy confirms", share_of(figures["confirmed"], figures["indexes"]), "≥ 0.9"),
        ("loops (N+1) found", share_of(sum(name in figures["query_faults_found"] for name in loops), len(loops)), "4 of 4"),
        ("other faults of statements found", share_of(len(set(figures["query_faults_found"]) - set(loops)), len(figures["query_faults"]) - len(loops)), "–"),
        ("statement time after ÷ before", f"{figures['after'] / figures['before']:.3f}", "≤ 0.25"),
        ("statement time after ÷ hand-made fixes", f"{figures['after'] / figures['handmade']:.2f}", "≤ 1.1"),
        ("predictions within a factor of 1.5, on the copy", share_of(figures["copy_good"], figures["copy_measured"]), "≥ 0.8"),
        ("predictions within a factor of 1.5, after applying", share_of(figures["applied_good"], figures["applied_measured"]), "≥ 0.8"),
        ("applied recommendations that kept their promise", share_of(figures["kept"], figures["judged"]), "–"),
        *((f"recommendations on the healthy application, {name}", str(len(rows)), "0") for name, rows in quiet.items()),
        ("processor time of Almanac's session, all faults", cost(turns["planted"]), "< 1 % of a core"),
        ("processor time of Almanac's session, healthy", cost(turns["handmade"][0]), "< 1 % of a core")]
    return "\n".join(["| figure | measured | wanted |", "|---|---|---|", *(f"| {name} | {value} | {bound} |" for name, value, bound in rows)])


def notes(figures, quiet, after):
    """Returns a line for each fault that was not found, each index that was not planted, and each recommendation that is left."""
    lines = [f"- Not found: `{name}`." for name in (*figures["index_faults"], *figures["query_faults"])
             if name not in figures["index_faults_found"] and name not in figures["query_faults_found"]]
    lines += [f"- Recommended and not planted: {what(row)}." for row in figures["not_planted"]]
    lines += [f"- Recommended on the healthy application ({name}): {what(row)}." for name, rows in quiet.items() for row in rows]
    return "\n".join(lines + [f"- Recommended after applying: {what(row)}." for row in after])


def document(lines, figures, turns, quiet, after):
    """Returns all tables; `after`: the recommendations on the application after applying."""
    return "\n\n".join(part for part in (recommended(lines), loads(turns, figures), judged(figures, turns, quiet), notes(figures, quiet, after)) if part)
