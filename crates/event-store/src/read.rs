//! Every reading statement of a log. Its writes are in `db::append`.

use db::{Dialects, Statement, Value};

use crate::record::record_columns;
use crate::{Direction, Filter, From};

/// The name of the stream of event `e`: its own if it is the first, else that of the first.
macro_rules! name {
    () => {
        "case e.stream
            when e.position then e.stream_name
            else (select o.stream_name from event o where o.log = e.log and o.position = e.stream)
        end"
    };
}

/// A stream's visible events. Its row is read first, by name, whatever the planner thinks of the two tables: a key that is
/// compared with one value leaves the events in the order of their index.
macro_rules! visible {
    ($range:literal, $order:literal) => {
        concat!(
            "select ",
            record_columns!("cast($2 as text)"),
            " from event e
            where e.log = $1
                and e.stream = (select first_position from stream where log = $1 and name = $2 and not tombstoned)
                and e.revision >= (select truncated_before from stream where log = $1 and name = $2)
                and e.revision ",
            $range,
            " $3
            order by e.revision",
            $order,
            " limit $4"
        )
    };
}

pub(crate) fn stream(log: i32, stream: &str, from: From, direction: Direction, limit: usize) -> Statement {
    let sql = match direction {
        Direction::Forward => visible!(">=", ""),
        Direction::Backward => visible!("<=", " desc"),
    };
    let values = vec![log.into(), stream.into(), start(from, 0).into(), count(limit).into()];
    Statement::new(sql, values).by_key()
}

pub(crate) fn whole_stream(log: i32, stream: &str, until: i64) -> Statement {
    let sql = concat!(
        "select ",
        record_columns!("cast($2 as text)"),
        " from event e
        where e.log = $1
            and e.stream = (select first_position from stream where log = $1 and name = $2)
            and e.position <= $3
        order by e.revision"
    );
    Statement::new(sql, vec![log.into(), stream.into(), until.into()]).by_key()
}

/// Any text of a filtered read is a pair: the lists travel as JSON, whose functions each database names its own way.
macro_rules! filtered {
    ($columns:expr, $range:literal, $or:literal, $tail:literal, $prefixes:literal, $kinds:literal) => {
        Dialects {
            sqlite: concat!(
                "select ",
                $columns,
                " from event e where e.log = $1 and ",
                $range,
                " and (",
                $or,
                "($",
                $prefixes,
                " is null or exists (select 1 from json_each($",
                $prefixes,
                ") as prefix where substr(",
                name!(),
                ", 1, length(prefix.value)) = prefix.value)) and ($",
                $kinds,
                " is null or e.kind in (select value from json_each($",
                $kinds,
                ")))) ",
                $tail
            ),
            postgres: concat!(
                "select ",
                $columns,
                " from event e where e.log = $1 and ",
                $range,
                " and (",
                $or,
                "($",
                $prefixes,
                "::json is null or exists (select 1 from json_array_elements_text($",
                $prefixes,
                "::json) as prefix (value) where starts_with(",
                name!(),
                ", prefix.value))) and ($",
                $kinds,
                "::json is null or e.kind in (select json_array_elements_text($",
                $kinds,
                "::json)))) ",
                $tail
            ),
        }
    };
}

/// The log's events from a position on, that one included.
pub(crate) fn log(log: i32, from: From, direction: Direction, limit: usize, filter: &Filter) -> Statement {
    let mut values = vec![log.into(), start(from, 1).into(), count(limit).into()];
    if filter.is_all() {
        let sql = match direction {
            Direction::Forward => concat!(
                "select ",
                record_columns!(name!()),
                " from event e where e.log = $1 and e.position >= $2 order by e.position limit $3"
            ),
            Direction::Backward => concat!(
                "select ",
                record_columns!(name!()),
                " from event e where e.log = $1 and e.position <= $2 order by e.position desc limit $3"
            ),
        };
        return Statement::new(sql, values).by_key();
    }
    let sql = match direction {
        Direction::Forward => {
            filtered!(record_columns!(name!()), "e.position >= $2", "", "order by e.position limit $3", 4, 5)
        }
        Direction::Backward => {
            filtered!(record_columns!(name!()), "e.position <= $2", "", "order by e.position desc limit $3", 4, 5)
        }
    };
    values.extend(lists(filter));
    Statement::per_dialect(sql, values)
}

/// The wanted events after one position, up to another, that one in any case: a page for a follower.
pub(crate) fn page(log: i32, after: i64, until: i64, limit: usize, filter: &Filter) -> Statement {
    let mut values = vec![log.into(), after.into(), until.into(), count(limit).into()];
    values.extend(lists(filter));
    let sql = filtered!(
        record_columns!(name!()),
        "e.position > $2 and e.position <= $3",
        "e.position = $3 or ",
        "order by e.position limit $4",
        5,
        6
    );
    Statement::per_dialect(sql, values)
}

/// The wanted events after a position, for one long read.
pub(crate) fn scan(log: i32, after: i64, filter: &Filter) -> Statement {
    let mut values = vec![log.into(), after.into()];
    values.extend(lists(filter));
    let sql = filtered!(record_columns!(name!()), "e.position > $2", "", "order by e.position", 3, 4);
    Statement::per_dialect(sql, values)
}

/// Everything after a position, with the names of the streams that began before it; another name comes with its first event.
pub(crate) fn scan_all(log: i32, after: i64) -> Statement {
    let sql = concat!(
        "select ",
        record_columns!(concat!("case when e.stream > $2 then e.stream_name else ", name!(), " end")),
        ", e.stream from event e where e.log = $1 and e.position > $2 order by e.position"
    );
    Statement::new(sql, vec![log.into(), after.into()])
}

/// Every event up to a position, stream by stream; the name comes with the first event.
pub(crate) fn scan_streams(log: i32, until: i64) -> Statement {
    let sql = concat!(
        "select ",
        record_columns!("e.stream_name"),
        ", e.stream from event e where e.log = $1 and e.position <= $2 order by e.stream, e.revision"
    );
    Statement::new(sql, vec![log.into(), until.into()])
}

pub(crate) fn head(log: i32) -> Statement {
    Statement::new("select epoch, position, hash from log_head where log = $1", vec![log.into()]).by_key()
}

pub(crate) fn hash_at(log: i32, position: i64) -> Statement {
    Statement::new("select hash from event where log = $1 and position = $2", vec![log.into(), position.into()])
        .by_key()
}

pub(crate) fn stream_status(log: i32, stream: &str) -> Statement {
    Statement::new(
        "select
             (select revision from event where log = $1 and stream = first_position order by revision desc limit 1),
             truncated_before,
             tombstoned
         from stream
         where log = $1 and name = $2",
        vec![log.into(), stream.into()],
    )
    .by_key()
}

pub(crate) fn operation(log: i32, id: [u8; 32]) -> Statement {
    Statement::new(
        "select fingerprint, first_position, last_position from operation where log = $1 and id = $2",
        vec![log.into(), id.into()],
    )
    .by_key()
}

/// The last revision that each stream got between two positions.
pub(crate) fn revisions(log: i32, first: i64, last: i64) -> Statement {
    Statement::new(
        "select (select stream_name from event where log = $1 and position = written.stream), last
         from (
             select stream, max(revision) as last, min(position) as first
             from event
             where log = $1 and position between $2 and $3
             group by stream
         ) as written
         order by first",
        vec![log.into(), first.into(), last.into()],
    )
}

fn start(from: From, first: i64) -> i64 {
    match from {
        From::Start => first,
        From::End => i64::MAX,
        From::At(at) => at,
    }
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn lists(filter: &Filter) -> [Value; 2] {
    [&filter.prefixes, &filter.kinds]
        .map(|words| Value::Json((!words.is_empty()).then(|| serde_json::Value::from(words.clone()).to_string())))
}

/// For the test that has both databases prepare every statement.
#[doc(hidden)]
pub fn statements() -> Vec<Statement> {
    let some = Filter { prefixes: vec!["a-".to_owned()], kinds: vec!["a.b".to_owned()] };
    let mut all = vec![
        page(1, 0, 0, 1, &Filter::all()),
        scan(1, 0, &some),
        scan_all(1, 0),
        scan_streams(1, 1),
        whole_stream(1, "a-b", 1),
        head(1),
        hash_at(1, 1),
        stream_status(1, "a-b"),
        operation(1, [0; 32]),
        revisions(1, 1, 1),
    ];
    for direction in [Direction::Forward, Direction::Backward] {
        all.push(stream(1, "a-b", From::Start, direction, 1));
        all.push(log(1, From::End, direction, 1, &Filter::all()));
        all.push(log(1, From::At(1), direction, 1, &some));
    }
    all
}
