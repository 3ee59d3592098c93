#!/usr/bin/env python3
"""Reduces a city's published extract to what this repository may carry.

    python3 data/reduce.py boston   boston_2011-07_a_10.csv.gz  data/boston/requests_2011-07_to_10.csv.gz
    python3 data/reduce.py montreal rats_2016-2017.json.gz      data/montreal/rats_2016-2017.json.gz

Columns are kept by an allow-list, never dropped by a deny-list: what a later extract adds stays out until
somebody looks at it. Free text, addresses, streets and postal codes are gone; coordinates keep three decimals,
about a hundred metres. Rows and their order are untouched. The same input gives the same bytes.
"""

import csv
import gzip
import hashlib
import io
import json
import sys
from decimal import ROUND_HALF_EVEN, Decimal

BOSTON_KEPT = [
    "case_enquiry_id", "open_dt", "target_dt", "closed_dt", "ontime", "case_status", "closure",
    "subject", "reason", "type", "queue", "department", "neighborhood", "ward", "source", "latitude", "longitude",
]

# What the city writes before the inspector's own words. Anything else a closure says is free text.
BOSTON_CLOSURES = [
    "Duplicate of Existing Case", "Internal Case",
    "Case Resolved", "Case Noted", "Case Invalid", "Case Scheduled", "Case Referred",
]

MONTREAL_KEPT = [
    "ID_UNIQUE", "NATURE", "ACTI_NOM", "TYPE_LIEU_INTERV", "LOC_ERREUR_GDT", "ARRONDISSEMENT", "ARRONDISSEMENT_GEO",
    "DDS_DATE_CREATION", "PROVENANCE_ORIGINALE", "PROVENANCE_TELEPHONE", "PROVENANCE_COURRIEL", "PROVENANCE_PERSONNE",
    "PROVENANCE_COURRIER", "PROVENANCE_TELECOPIEUR", "PROVENANCE_INSTANCE", "PROVENANCE_MOBILE",
    "PROVENANCE_MEDIASOCIAUX", "PROVENANCE_SITEINTERNET", "UNITE_RESP_PARENT", "LOC_LONG", "LOC_LAT",
]


def three_decimals(text):
    return str(Decimal(text).quantize(Decimal("0.001"), ROUND_HALF_EVEN)) if text.strip() else text


def closure(text):
    said = text.removeprefix("Case Closed").lstrip(". ")
    return next((known for known in BOSTON_CLOSURES if said.startswith(known)), "")


def boston(original):
    out = io.StringIO()
    writer = csv.DictWriter(out, BOSTON_KEPT, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in csv.DictReader(io.StringIO(original, newline="")):
        row["closure"] = closure(row["closure_reason"])
        row["latitude"] = three_decimals(row["latitude"])
        row["longitude"] = three_decimals(row["longitude"])
        writer.writerow(row)
    return out.getvalue()


def montreal(original):
    rows = []
    for row in json.loads(original):
        kept = {name: row[name] for name in MONTREAL_KEPT}
        for name in ("LOC_LONG", "LOC_LAT"):
            kept[name] = float(three_decimals(str(kept[name]))) if kept[name] != "" else ""
        rows.append(json.dumps(kept, ensure_ascii=False, separators=(",", ":")))
    return "[\n" + ",\n".join(rows) + "\n]\n"


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("boston", "montreal"):
        sys.exit(__doc__)
    city, source, target = sys.argv[1:]
    opened = gzip.open if source.endswith(".gz") else open
    with opened(source, "rb") as file:
        original = file.read()
    reduced = {"boston": boston, "montreal": montreal}[city](original.decode("utf-8")).encode("utf-8")
    with open(target, "wb") as file:
        # No name and no time in the header, so that the same input gives the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=9, mtime=0) as packed:
            packed.write(reduced)
    print(f"{len(original)} bytes in, sha256 {hashlib.sha256(original).hexdigest()}")
    print(f"{len(reduced)} bytes out, sha256 {hashlib.sha256(reduced).hexdigest()}")


if __name__ == "__main__":
    main()
