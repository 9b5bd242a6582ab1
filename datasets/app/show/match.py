"""Compares recommendations on a database with the planted faults. Pure: recommendations and faults in, findings out.

A recommendation is a row of `almanac review database --format json`; a fault is an entry of `faults.truth`.
"""

import re

# Fault -> pattern of the recommendation on statements that would end it. Indexes are compared by their parts.
PATTERNS = {"n_plus_one_serial": "n_plus_one", "n_plus_one_gather": "n_plus_one", "n_plus_one_interleaved": "n_plus_one",
            "n_plus_one_warm_cache": "n_plus_one", "offset_pages": "keyset", "ilike_search": "text_search", "select_star": "select_star",
            "count_every_page": "count_every_page", "scalar_dashboard": "scalar_subqueries", "row_by_row_inserts": "row_by_row_insert"}
FORM = re.compile(r"^(?:USING (?P<method>\w+) )?\((?P<columns>.+?)\)(?: INCLUDE \((?P<include>[^)]*)\))?(?: WHERE (?P<where>.*))?$")
LITERAL = re.compile(r"\$\d+|'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")


def one_line(text):
    """Returns a statement without line ends and repeated blanks."""
    return " ".join((text or "").split())


def form(text):
    """Returns a statement without literals, numbers of placeholders, lengths of lists, letter case and white space."""
    text = re.sub(r"\s+", "", LITERAL.sub("?", text or "").lower()).rstrip(";")
    return re.sub(r"\?(?:,\?)+", "?", text)


def alternatives(pattern):
    """Splits a regular expression at each `|` that is outside of parentheses."""
    parts, depth, escaped = [""], 0, False
    for char in pattern:
        if char == "|" and not depth and not escaped:
            parts.append("")
            continue
        depth += 0 if escaped else (char == "(") - (char == ")")
        escaped = char == "\\" and not escaped
        parts[-1] += char
    return parts


def key(column):
    """Returns (name or expression, whether it is descending) of a key; its operator class and casts are left out."""
    text = re.sub(r"::\w+", "", column).strip()
    descending = bool(re.search(r"\bDESC\b", text))
    text = re.sub(r"\s+(?:DESC|ASC|NULLS FIRST|NULLS LAST|\w+_ops)\b", "", text)
    while text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    return re.sub(r"\(\((\w+)\)\)", r"(\1)", text.replace(" ", "")), descending


def predicate(text):
    """Returns a predicate without casts, parentheses and blanks; the empty text without one."""
    return re.sub(r"::\w+|[()\s]", "", text or "").lower()


def split(text):
    """Splits a list at its commas."""
    return [part.strip() for part in text.split(",")] if text else []


def forms(fault):
    """Returns the indexes that fix a fault, the hand-made ones first, then `also_right`, as dictionaries of parts."""
    wanted = list(fault["creates"])
    for text in fault["also_right"]:
        parts = FORM.match(text)
        if parts and wanted:
            wanted.append({"table": wanted[0]["table"], "method": parts["method"] or "btree", "columns": split(parts["columns"]),
                           "include": split(parts["include"]), "where": parts["where"]})
    return wanted


def is_form(proposed, wanted):
    """Whether a proposed index has the table, method, columns in their order, included columns and predicate of a wanted one.

    A B-tree is read in both directions, so that the directions of a wanted order may be all reversed.
    """
    if not proposed.get("columns") or proposed["table"].rpartition(".")[2] != wanted["table"] or proposed["method"] != wanted["method"]:
        return False
    have, want = [key(c) for c in proposed["columns"]], [key(c) for c in wanted["columns"]]
    ordered = [have[i][1] for i, (_, descending) in enumerate(want) if descending and i < len(have)]
    return ([name for name, _ in have] == [name for name, _ in want] and len(set(ordered)) < 2
            and set(proposed.get("include") or []) == set(wanted["include"]) and predicate(proposed.get("where")) == predicate(wanted["where"]))


def dropped(row):
    """Returns the name of the index that a recommendation drops, or None."""
    found = re.match(r'DROP INDEX (?:CONCURRENTLY )?(?:"?\w+"?\.)?"?(\w+)"?;?$', one_line(row["proposed"].get("statement")))
    return found[1] if found and row["kind"] == "index" else None


def created(row):
    """Returns the name of the index that a recommendation creates, or None."""
    found = re.match(r'CREATE INDEX (?:CONCURRENTLY )?"?(\w+)"? ON ', one_line(row["proposed"].get("statement")))
    return found[1] if found and row["kind"] == "index" else None


def answers(row, fault):
    """Whether a recommendation, applied, ends this fault or a part of it."""
    if row["kind"] == "index":
        surplus = [index["name"] for index in fault["drops"]] if not fault["creates"] else []
        return dropped(row) in surplus if dropped(row) else any(is_form(row["proposed"], wanted) for wanted in forms(fault))
    statement = one_line(row["current"].get("statement"))
    return (row["evidence"].get("pattern") == PATTERNS.get(fault["name"], "none") and bool(fault["statement"])
            and bool(re.search(fault["statement"], statement)))


def found(rows, faults):
    """Returns fault -> the recommendations that answer it. A fault with several statements is found when each has one."""
    result = {}
    for fault in faults:
        own = [row for row in rows if answers(row, fault)]
        loops = alternatives(fault["statement"]) if PATTERNS.get(fault["name"]) == "n_plus_one" else []
        texts = [one_line(row["current"].get("statement")) for row in own]
        missing = [part for part in loops if not any(re.search(part, text) for text in texts)]
        result[fault["name"]] = [] if missing else own
    return result


def proposals(review, advice):
    """Returns the recommendations on indexes and statements of both ways, each change once, with its way in `way`: `review` or `service`.

    `review`: rows of the review of exports; `advice`: rows of the service.
    """
    kept = {}
    for way, rows in (("review", review), ("service", advice)):
        for row in rows:
            if row.get("kind") in ("index", "query") and isinstance(row.get("proposed"), dict):
                what = form(row["current"].get("statement")) if row["kind"] == "query" else row["target"].partition(":")[2]
                kept.setdefault((row["kind"], row["evidence"].get("pattern"), what), {**row, "way": way})
    return list(kept.values())
