#!/usr/bin/env python3
"""Counts a city's published file without the program, so that its statistics can be compared with something.

    python3 tests/count_statistics.py boston   data/boston/requests_2011-07_to_10.csv.gz
    python3 tests/count_statistics.py montreal data/montreal/rats_2016-2017.json.gz
    python3 tests/count_statistics.py boston   … --from 2011-07-01 --until 2011-08-01 --at '2011-10-01 00:00:00'

Prints one JSON object. Words are those of the file; months and days are local, as the file writes them. `--from` is
inclusive, `--until` is not. It shares no code with Guichet and uses nothing but the standard library, which holds no
time zones: the one rule that both cities have followed since 2007 is written out below.

    opened, closed      requests by month of opening and of closing
    open                still open at the end of the file
    type, channel, area requests by word, the empty word being ""
    verdict             by the city's own judgement
    promises            for requests with a due date: kept (closed at it or before), missed (closed after it), owed (open)
    promises_by_month   the same by month of the due date
    judged              the same by the city's verdict: how often its own word agrees with its own dates
    queue               still owed by type: open, and overdue, whose due date lies before `--at`
    delay               elapsed seconds from opening to closing: how many, median, 90th percentile (nearest rank)
    delay_by_type       the same by type
"""

import argparse
import collections
import csv
import gzip
import io
import json
from datetime import datetime, timedelta


def boston(text):
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield {
            "opened": row["open_dt"],
            "due": row["target_dt"],
            "closed": row["closed_dt"],
            "type": row["type"],
            "channel": row["source"],
            "area": row["neighborhood"],
            "verdict": row["ontime"],
        }


def montreal(text):
    for row in json.loads(text):
        yield {
            "opened": row["DDS_DATE_CREATION"].replace("T", " "),
            "due": "",
            "closed": "",
            "type": row["ACTI_NOM"],
            "channel": row["PROVENANCE_ORIGINALE"],
            "area": row["ARRONDISSEMENT_GEO"],
            "verdict": "",
        }


def judge(due, closed):
    """Fixed-width local times compare as text."""
    if not closed:
        return "owed"
    return "kept" if closed <= due else "missed"


def sunday(year, month, nth):
    first = datetime(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (nth - 1))


def elapsed(opened, closed):
    """Seconds between two wall clocks of the eastern time zone. What its autumn repeats is taken for the first time."""

    def universal(text):
        wall = datetime.fromisoformat(text)
        spring = sunday(wall.year, 3, 2) + timedelta(hours=3)
        autumn = sunday(wall.year, 11, 1) + timedelta(hours=2)
        return wall + timedelta(hours=4 if spring <= wall < autumn else 5)

    return int((universal(closed) - universal(opened)).total_seconds())


def nearest_rank(values, hundredths):
    """The smallest value that at least so many hundredths of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * hundredths // 100) - 1)]


def percentiles(delays):
    return {"requests": len(delays), "p50": nearest_rank(delays, 50), "p90": nearest_rank(delays, 90)}


def count(requests, at):
    counts = {
        name: collections.Counter()
        for name in ("opened", "closed", "type", "channel", "area", "verdict", "promises")
    }
    promises_by_month = collections.defaultdict(collections.Counter)
    judged = collections.defaultdict(collections.Counter)
    queue = collections.defaultdict(collections.Counter)
    delays = collections.defaultdict(list)
    total = 0
    for request in requests:
        total += 1
        opened, due, closed = (request[name] for name in ("opened", "due", "closed"))
        counts["opened"][opened[:7]] += 1
        if closed:
            counts["closed"][closed[:7]] += 1
            delays[request["type"]].append(elapsed(opened, closed))
        for name in ("type", "channel", "area", "verdict"):
            counts[name][request[name].strip()] += 1
        if due:
            judgement = judge(due, closed)
            counts["promises"][judgement] += 1
            promises_by_month[due[:7]][judgement] += 1
            judged[request["verdict"].strip()][judgement] += 1
            if judgement == "owed":
                queue[request["type"]]["open"] += 1
                queue[request["type"]]["overdue"] += due < at
    every_delay = [delay for of in delays.values() for delay in of]
    return {
        "requests": total,
        "open": total - sum(counts["closed"].values()),
        **{name: dict(sorted(counter.items())) for name, counter in counts.items()},
        **{
            name: {word: dict(sorted(of.items())) for word, of in sorted(counters.items())}
            for name, counters in (("promises_by_month", promises_by_month), ("judged", judged), ("queue", queue))
        },
        "delay": percentiles(every_delay) if every_delay else None,
        "delay_by_type": {name: percentiles(of) for name, of in sorted(delays.items())},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("city", choices=["boston", "montreal"])
    parser.add_argument("file")
    parser.add_argument("--from", dest="first", default="")
    parser.add_argument("--until", default="9999")
    parser.add_argument("--at", default="9999")
    asked = parser.parse_args()
    opened = gzip.open if asked.file.endswith(".gz") else open
    with opened(asked.file, "rt", encoding="utf-8", newline="") as file:
        requests = {"boston": boston, "montreal": montreal}[asked.city](file.read())
        wanted = (request for request in requests if asked.first <= request["opened"] < asked.until)
        print(json.dumps(count(wanted, asked.at), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
