#!/usr/bin/env python3
"""Counts a city's published file without the program, so that its statistics can be compared with something.

    python3 tests/count_statistics.py boston   data/boston/requests_2011-07_to_10.csv.gz
    python3 tests/count_statistics.py montreal data/montreal/rats_2016-2017.json.gz
    python3 tests/count_statistics.py boston   … --from 2011-07-01 --until 2011-08-01

Prints one JSON object. Words are those of the file; months and days are local, as the file writes them. `--from` is
inclusive, `--until` is not. It shares no code with Guichet and uses nothing but the standard library.

    opened, closed      requests by month of opening and of closing
    open                still open at the end of the file
    type, channel, area requests by word, the empty word being ""
    verdict             by the city's own judgement
    promises            for requests with a due date: kept (closed at it or before), missed (closed after it), owed (open)
    promises_by_month   the same by month of the due date
    delay_seconds       from opening to closing by type: median and 90th percentile (nearest rank), wall clock
"""

import argparse
import collections
import csv
import gzip
import io
import json
from datetime import datetime


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


def nearest_rank(values, hundredths):
    """The smallest value that at least so many hundredths of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * hundredths // 100) - 1)]


def count(requests):
    counts = {
        name: collections.Counter()
        for name in ("opened", "closed", "type", "channel", "area", "verdict", "promises")
    }
    promises_by_month = collections.defaultdict(collections.Counter)
    delays = collections.defaultdict(list)
    total = 0
    for request in requests:
        total += 1
        opened, due, closed = (request[name] for name in ("opened", "due", "closed"))
        counts["opened"][opened[:7]] += 1
        if closed:
            counts["closed"][closed[:7]] += 1
            delay = datetime.fromisoformat(closed) - datetime.fromisoformat(opened)
            delays[request["type"]].append(int(delay.total_seconds()))
        for name in ("type", "channel", "area", "verdict"):
            counts[name][request[name].strip()] += 1
        if due:
            counts["promises"][judge(due, closed)] += 1
            promises_by_month[due[:7]][judge(due, closed)] += 1
    return {
        "requests": total,
        "open": total - sum(counts["closed"].values()),
        **{name: dict(sorted(counter.items())) for name, counter in counts.items()},
        "promises_by_month": {month: dict(sorted(of.items())) for month, of in sorted(promises_by_month.items())},
        "delay_seconds": {
            name: {"requests": len(of), "p50": nearest_rank(of, 50), "p90": nearest_rank(of, 90)}
            for name, of in sorted(delays.items())
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("city", choices=["boston", "montreal"])
    parser.add_argument("file")
    parser.add_argument("--from", dest="first", default="")
    parser.add_argument("--until", default="9999")
    asked = parser.parse_args()
    opened = gzip.open if asked.file.endswith(".gz") else open
    with opened(asked.file, "rt", encoding="utf-8", newline="") as file:
        requests = {"boston": boston, "montreal": montreal}[asked.city](file.read())
        wanted = (request for request in requests if asked.first <= request["opened"] < asked.until)
        print(json.dumps(count(wanted), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
