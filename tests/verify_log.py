#!/usr/bin/env python3
"""Verify a log of Guichet. Written from docs/log-format.md alone, with the standard library alone.

    verify_log.py sqlite:DIRECTORY SLUG
    verify_log.py postgres://USER@HOST/DATABASE SLUG      (reads through psql, which comes with PostgreSQL)

Exit code 0: all that the page demands holds. 3: something does not; findings come one a line. 1: it cannot be read.
"""
import datetime, hashlib, json, pathlib, re, shutil, sqlite3, struct, subprocess, sys

EPOCH = datetime.datetime(1970, 1, 1)
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
INSTANT = re.compile(rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z")


def queries(slug, text, instant, flag):
    here = f"where log = (select id from log_directory where slug = '{slug}')"
    name, id, epoch, at = text("name"), text("id"), text("epoch"), instant("recorded_at")
    return [
        f"select 'directory', {epoch} from log_directory where slug = '{slug}'",
        f"select 'head', {epoch}, position, hash, {at} from log_head {here}",
        f"select 'event', position, stream, revision, {text('stream_name')}, {id}, {text('kind')}, schema, payload, meta, {at}, hash"
        f" from event {here} order by position",
        f"select 'twin', stream, {id} from event {here} group by stream, id having count(*) > 1",
        f"select 'stream', {name}, first_position, truncated_before, {flag('tombstoned')} from stream {here} order by name",
        f"select 'operation', id, fingerprint, first_position, last_position from operation {here} order by 4, 5",
    ]


def sqlite_rows(directory, slug):
    """Text arrives as bytes: damaged, it may be no text, or another spelling of the same value."""
    log, server = ((pathlib.Path(directory) / file).resolve().as_uri() + "?mode=ro" for file in (f"{slug}/log.db", "server.db"))
    database = sqlite3.connect(log, uri=True, isolation_level=None)
    database.execute("attach ? as server", [server])
    database.text_factory = bytes
    database.execute("begin")
    for query in queries(slug, str, str, str):
        for table, *row in database.execute(query):
            yield table.decode(), row


def postgres_rows(url, slug):
    """COPY writes bytes as \\\\x…, null as \\N, numbers in decimal. Text is turned into bytes, so nothing needs unescaping."""
    if not shutil.which("psql"):
        sys.exit("psql is not on PATH: install PostgreSQL's client")
    text = "convert_to({}::text, 'UTF8')".format
    instant = ("convert_to(case when {0} between '0001-01-01 00:00:00+00' and '9999-12-31 23:59:59.999999+00' then to_char("
               "{0} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') else {0}::text end, 'UTF8')").format
    script = "set search_path = guichet; set bytea_output = hex; begin isolation level repeatable read read only;\n"
    script += "".join(f"copy ({query}) to stdout;\n" for query in queries(slug, text, instant, "{}::int".format))
    psql = subprocess.Popen(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True, encoding="ascii")
    psql.stdin.write(script)
    psql.stdin.close()
    for line in psql.stdout:
        table, *row = line.rstrip("\n").split("\t")
        yield table, [None if cell == "\\N" else bytes.fromhex(cell[3:]) if cell[:2] == "\\\\" else int(cell) for cell in row]
    if psql.wait():
        sys.exit("psql could not read the log")


def microseconds(instant):
    match = INSTANT.fullmatch(instant)
    try:
        return (datetime.datetime(*map(int, match.groups())) - EPOCH) // datetime.timedelta(microseconds=1) if match else None
    except ValueError:
        return None


def is_word(name, longest):
    try:
        return 1 <= len(name) <= longest and not re.search("[\0-\x1f\x7f-\x9f]", name.decode())
    except UnicodeDecodeError:
        return False


def truncation(payload):
    try:
        before = json.loads(payload.decode())["$tb"]
        return before if type(before) is int else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def header(position, stream, revision, id, kind, schema, at):
    fixed = struct.pack(">QQ16sIq", position, revision, bytes.fromhex(id.decode().replace("-", "")), schema, at)
    return b"".join([fixed, struct.pack(">I", len(stream)), stream, struct.pack(">I", len(kind)), kind])


def verify(slug, rows, wrong):
    """Calls wrong(place, what) for each violation; returns the counts of events and streams and the last position and hash."""
    directory, heads, streams = [], [], {}  # streams: name -> [first_position, revision, truncated_before, tombstoned]
    names = {}  # the position of a first event -> the name it gives
    last, hash, at, events, operations = 0, sha256(b"guichet-log-1\0", slug.encode()), 0, 0, 0
    unaccounted = set()
    for table, row in rows:
        if table == "directory":
            directory.append(*row)
        elif table == "head":
            heads.append(row)
        elif table == "event":
            position, number, revision, name, id, kind, schema, payload, meta, recorded_at, stored = row
            place, previous, then, now = f"position {position}", hash, at, microseconds(recorded_at)
            if (name == b"") != (revision != 0):
                wrong(place, "a stream's name stands in its first event and in no other")
            if name:
                if number != position or name in streams:
                    wrong(place, "begins a stream that has another number, or a name that was given before")
                names[position] = name
            elif number not in names:
                wrong(place, f"no earlier event begins a stream at position {number}")
            stream = name or names.get(number, b"")
            known = streams.setdefault(stream, [position, -1, 0, False]) if stream else [position, revision - 1, 0, False]
            if stream:
                unaccounted.add(stream)
            if position != last + 1:
                wrong(place, f"stands where position {last + 1} was due")
            if name and not is_word(name, 200) or not is_word(kind, 100) or len(payload) + len(meta) > 1048576:
                wrong(place, "a name or a size is outside of its limits")
            if now is None or now < then:
                wrong(place, "recorded_at is malformed or runs backwards")
            if revision != known[1] + 1:
                wrong(place, f"revision {revision} where {known[1] + 1} was due")
            if known[3]:
                wrong(place, "follows its stream's tombstone")
            if len(stored) != 32:
                wrong(place, "the stored hash has not 32 bytes")
            if now is None or not UUID.fullmatch(id) or not 0 <= schema < 2**15 or position < 0 or revision < 0:
                wrong(place, "a column is malformed")
            elif stream:
                head = header(position, stream, revision, id, kind, schema, now)
                if stored != sha256(b"guichet-event-1\0", previous, struct.pack(">I", len(head)), head, sha256(payload), sha256(meta)):
                    wrong(place, "the hash of what is stored is not the stored hash")
            known[1], known[3] = revision, known[3] or kind == b"$tombstone"
            if stream.startswith(b"$$$$") or stream.startswith(b"$$") and kind == b"$tombstone":
                wrong(place, "a metastream has no metastream and no tombstone")
            if kind == b"$metadata":
                before, target = truncation(payload), streams.get(stream[2:], [0, -1, 0, False])
                if not stream.startswith(b"$$") or before is None or not 0 <= before <= target[1] + 1:
                    wrong(place, "$metadata is misplaced or its $tb out of range")
                else:
                    target[2] = before
            last, hash, at, events = position, stored if len(stored) == 32 else hash, at if now is None else now, events + 1
        elif table == "twin":
            wrong(f"the stream of position {row[0]}", f"holds id {row[1]} more than once")
        elif table == "stream":
            name, *stored = row
            first, _, *hidden = streams.get(name, [None, None])
            if name not in unaccounted or stored != [first, *hidden]:
                wrong(f"stream {name}", f"its row says {stored}, its events {[first, *hidden]}")
            unaccounted.discard(name)
        elif table == "operation":
            id, fingerprint, first, end = row
            if len(id) != 32 or fingerprint is not None and len(fingerprint) != 32:
                wrong(f"operation {first}–{end}", "id or fingerprint has not 32 bytes")
            if not 1 <= first <= end <= (heads[0][1] if heads else last) or first <= operations:
                wrong(f"operation {first}–{end}", "its range leaves the log or overlaps another")
            operations = max(operations, end)
    for name in sorted(unaccounted):
        wrong(f"stream {name}", "has no row")
    if len(directory) != 1 or len(heads) != 1:
        wrong("log", f"{len(directory)} directory rows, {len(heads)} head rows")
    elif [heads[0][0], heads[0][1], heads[0][2], microseconds(heads[0][3])] != [directory[0], last, hash, at]:
        wrong("head", "epoch, position, hash or recorded_at differ from the directory or the last event")
    elif not UUID.fullmatch(directory[0]):
        wrong("log", "the epoch is malformed")
    return events, len(streams), last, hash.hex()


def main():
    if len(sys.argv) != 3 or not re.fullmatch("[a-z][a-z0-9_]{0,39}", sys.argv[2]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    database, slug = sys.argv[1:]
    rows = sqlite_rows(database[len("sqlite:"):], slug) if database.startswith("sqlite:") else postgres_rows(database, slug)
    count = 0

    def wrong(place, what):
        nonlocal count
        count += 1
        if count <= 20:
            print(f"{place}: {what}")

    try:
        events, streams, position, hash = verify(slug, rows, wrong)
    except sqlite3.Error as error:
        sys.exit(f"the log cannot be read: {error}")
    print(f"{events} events, {streams} streams, head {position} {hash}, {count} violations")
    sys.exit(3 if count else 0)


if __name__ == "__main__":
    main()
