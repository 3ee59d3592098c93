//! Generations: the tables of one read model as one version of the code filled them, and how far.
//!
//! A read model is (name, version, generation). A generation is filled beside the one that serves and switched in when
//! it has caught up; it is never migrated. The registry is itself a table of the organisation's read database, so that
//! rows and checkpoint change in one transaction. Start at [`switch`].

use db::{Db, DbError, Dialect, Dialects, Kind, Statement, Tx};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Column, Row, Shape, model::Model, row, views};

/// What a generation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being filled; nobody reads it.
    Building,
    Serving,
    /// A newer version serves; kept, and kept current by processes of the older version while any runs.
    Retired,
    /// Its tables are gone. The row stays until the next number of its version is given out, so that none is used again.
    Dropped,
}

row! {
    /// One generation and its checkpoint: epoch, position and hash of the last event that its rows hold.
    pub struct Generation in read_model {
        key { name: String, version: i64, generation: i64 }
        state: State,
        epoch: Uuid,
        position: i64,
        /// Absent at position 0.
        hash: Option<[u8; 32]>,
        /// Why it stopped, and at which event.
        failure: Option<String>,
        failed_at: Option<i64>,
        /// The plain names of its tables, with commas: another version of the code may have others.
        tables: String,
    }
}

impl Generation {
    /// The table of this generation: `deadline_queue_v1_g2`.
    pub(crate) fn table(&self, shape: &Shape) -> String {
        self.table_named(shape.table)
    }

    fn table_named(&self, name: &str) -> String {
        format!("{name}_v{}_g{}", self.version, self.generation)
    }
}

/// Makes the registry where there is none.
pub(crate) async fn prepare(db: &Db) -> Result<(), DbError> {
    let shape = &Generation::SHAPE;
    let sql = create_table(db.dialect(), shape, shape.table, "create table if not exists")
        + "create unique index if not exists read_model_key on read_model (name, version, generation);\n";
    match db.script(&sql).await {
        // Two processes made it at once.
        Err(error) if error.is_unique_violation() => Ok(()),
        answer => answer,
    }
}

pub(crate) async fn all(db: &Db) -> Result<Vec<Generation>, DbError> {
    db.fetch_all(all_statement()).await
}

pub(crate) fn all_statement() -> Statement {
    Statement::new("select @columns from read_model order by name, version, generation", vec![])
        .fill("@columns", &Generation::SHAPE.column_list())
}

/// The generation that a process of `version` reads and keeps current.
pub(crate) fn current(all: &[Generation], name: &str, version: i64) -> Option<Generation> {
    let own = || all.iter().filter(|generation| generation.name == name && generation.version == version);
    own()
        .find(|generation| generation.state == State::Serving)
        .or_else(|| own().rev().find(|generation| generation.state == State::Retired))
        .cloned()
}

/// A new generation at position 0, with empty tables that have no index yet.
pub(crate) async fn begin(db: &Db, model: &'static dyn Model, epoch: Uuid) -> Result<Generation, DbError> {
    loop {
        let begun = db.write(move |tx| Box::pin(begin_in(tx, model, epoch))).await;
        match begun {
            // Another process took the number.
            Err(error) if error.is_unique_violation() => {}
            answer => return answer,
        }
    }
}

async fn begin_in(tx: &mut Tx, model: &'static dyn Model, epoch: Uuid) -> Result<Generation, DbError> {
    let (name, version) = (model.name(), model.version());
    take_all(tx, name).await?;
    let last: Option<(i64,)> = tx
        .fetch_optional(Statement::new(
            "select coalesce(max(generation), 0) from read_model where name = $1 and version = $2",
            vec![name.into(), version.into()],
        ))
        .await?;
    let generation = Generation {
        name: name.to_owned(),
        version,
        generation: last.map_or(0, |(last,)| last) + 1,
        state: State::Building,
        epoch,
        position: 0,
        hash: None,
        failure: None,
        failed_at: None,
        tables: model.shapes().iter().map(|shape| shape.table).collect::<Vec<_>>().join(","),
    };
    // Otherwise a version that is filled in vain, again and again, would leave a row each time.
    tx.execute(Statement::new(
        "delete from read_model where name = $1 and version = $2 and state = 'dropped'",
        vec![name.into(), version.into()],
    ))
    .await?;
    tx.insert_rows("read_model", &Generation::SHAPE.db_columns(), vec![generation.values()], db::OnConflict::Fail)
        .await?;
    let dialect = tx.dialect();
    let tables: String = model
        .shapes()
        .iter()
        .map(|shape| create_table(dialect, shape, &generation.table(shape), "create table"))
        .collect();
    tx.script(&tables).await?;
    Ok(generation)
}

/// The indexes of a filled generation: made at once they cost less than row by row.
pub(crate) async fn index(db: &Db, model: &'static dyn Model, generation: &Generation) -> Result<(), DbError> {
    let cell = model.cell_shape().map(|shape| shape.table);
    let indexes: String = model
        .shapes()
        .iter()
        .map(|shape| create_indexes(shape, &generation.table(shape), cell == Some(shape.table)))
        .collect();
    db.script(&indexes).await
}

/// The checkpoint's compare-and-swap: false if another worker, or a switch, was first.
pub(crate) async fn advance(tx: &mut Tx, from: &Generation, to: &Generation) -> Result<bool, DbError> {
    let moved = tx
        .execute(Statement::new(
            "update read_model
             set position = $6, hash = $7, failure = null, failed_at = null
             where name = $1 and version = $2 and generation = $3 and epoch = $4 and position = $5
               and state <> 'dropped'",
            vec![
                from.name.as_str().into(),
                from.version.into(),
                from.generation.into(),
                from.epoch.into(),
                from.position.into(),
                to.position.into(),
                to.hash.value(),
            ],
        ))
        .await?;
    Ok(moved == 1)
}

/// Whether its tables are still there.
pub(crate) async fn is_alive(db: &Db, generation: &Generation) -> Result<bool, DbError> {
    let all = all(db).await?;
    Ok(all.iter().any(|row| row.key() == generation.key() && row.state != State::Dropped))
}

/// Writes down why a projection stopped, unless it has moved on meanwhile.
pub(crate) async fn stop(db: &Db, at: &Generation, failure: &str, failed_at: i64) -> Result<(), DbError> {
    db.execute(Statement::new(
        "update read_model
         set failure = $5, failed_at = $6
         where name = $1 and version = $2 and generation = $3 and position = $4",
        vec![
            at.name.as_str().into(),
            at.version.into(),
            at.generation.into(),
            at.position.into(),
            failure.into(),
            failed_at.into(),
        ],
    ))
    .await?;
    Ok(())
}

/// What became of an attempt to serve a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switched {
    Done,
    /// The generation that serves has gone further: catch up and try again.
    Behind,
    /// Another process has put one of the same version in service, or dropped this one.
    Superseded,
}

/// Lets a filled generation serve. In one transaction its predecessor of the same version is dropped, one of another
/// version is retired, and the analysts' views look at the new tables, with the grants they had.
///
/// `replacing`: the generation of this version that served when the filling began, if any.
pub(crate) async fn switch(
    db: &Db,
    model: &'static dyn Model,
    new: &Generation,
    replacing: Option<i64>,
) -> Result<Switched, DbError> {
    let new = new.clone();
    db.write(move |tx| Box::pin(switch_in(tx, model, new, replacing))).await
}

async fn switch_in(
    tx: &mut Tx,
    model: &'static dyn Model,
    new: Generation,
    replacing: Option<i64>,
) -> Result<Switched, DbError> {
    take_all(tx, &new.name).await?;
    let all: Vec<Generation> = tx.fetch_all(all_statement()).await?;
    let others = || all.iter().filter(|other| other.name == new.name && other.key() != new.key());
    let serving = others().find(|other| other.version == new.version && other.state == State::Serving);
    let alive = all.iter().any(|row| row.key() == new.key() && row.state == State::Building);
    if !alive || serving.map(|serving| serving.generation) != replacing {
        return Ok(Switched::Superseded);
    }
    // A diverged one is replaced whatever it says of itself.
    if others().any(|other| other.state == State::Serving && other.epoch == new.epoch && other.position > new.position)
    {
        return Ok(Switched::Behind);
    }
    let grants = views::grants(tx, model).await?;
    for other in others() {
        match other.state {
            State::Serving if other.version != new.version => set_state(tx, other, State::Retired).await?,
            State::Dropped => {}
            State::Building if other.version != new.version => {}
            State::Building | State::Serving | State::Retired => drop_in(tx, other).await?,
        }
    }
    fail::fail_point!("rebuild.in_switch");
    set_state(tx, &new, State::Serving).await?;
    for shape in model.shapes() {
        tx.script(&views::create(shape, &new.table(shape))).await?;
    }
    for grant in grants {
        tx.script(&grant).await?;
    }
    Ok(Switched::Done)
}

/// SQLite has one writer anyway. In one order, so that no two wait for each other.
const TAKE_ALL: Dialects = Dialects {
    sqlite: "select generation from read_model where name = $1",
    postgres: "select generation from read_model where name = $1 order by version, generation for update",
};

/// On PostgreSQL this waits for whoever moves a checkpoint of the read model, and holds it back.
async fn take_all(tx: &mut Tx, name: &str) -> Result<(), DbError> {
    tx.fetch_all::<(i64,)>(Statement::per_dialect(TAKE_ALL, vec![name.into()])).await?;
    Ok(())
}

/// Gives up a generation that was never put in service.
pub(crate) async fn discard(db: &Db, generation: Generation) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            take_all(tx, &generation.name).await?;
            drop_in(tx, &generation).await
        })
    })
    .await
}

async fn drop_in(tx: &mut Tx, generation: &Generation) -> Result<(), DbError> {
    for name in generation.tables.split(',') {
        // The view may look at the table of one that served; a switch makes it again.
        if generation.state != State::Building {
            tx.script(&format!("drop view if exists {name};")).await?;
        }
        tx.script(&format!("drop table if exists {};", generation.table_named(name))).await?;
    }
    set_state(tx, generation, State::Dropped).await
}

async fn set_state(tx: &mut Tx, generation: &Generation, state: State) -> Result<(), DbError> {
    tx.execute(Statement::new(
        "update read_model set state = $4 where name = $1 and version = $2 and generation = $3",
        vec![
            generation.name.as_str().into(),
            generation.version.into(),
            generation.generation.into(),
            crate::column::word_of(&state).into(),
        ],
    ))
    .await?;
    Ok(())
}

fn create_table(dialect: Dialect, shape: &Shape, table: &str, create: &str) -> String {
    let columns: Vec<String> = shape
        .columns
        .iter()
        .map(|column| {
            let kind = match dialect {
                Dialect::Sqlite => column.kind.sqlite().to_owned(),
                Dialect::Postgres if column.kind == Kind::Text => "text collate \"C\"".to_owned(),
                Dialect::Postgres => column.kind.postgres().to_owned(),
            };
            let null = if column.nullable { "" } else { " not null" };
            format!("  {} {kind}{null}", column.name)
        })
        .collect();
    let strict = match dialect {
        Dialect::Sqlite => " strict",
        Dialect::Postgres => "",
    };
    format!("{create} {table} (\n{}\n){strict};\n", columns.join(",\n"))
}

/// The key is a unique index, which serves `on conflict` as a primary key would and can be made after the rows.
fn create_indexes(shape: &Shape, table: &str, is_cell: bool) -> String {
    let key = shape.key_names().join(", ");
    let mut sql = vec![format!("create unique index {table}_key on {table} ({key});")];
    sql.extend(shape.indexes.iter().map(|index| {
        let filter = index.filter.map(|filter| format!(" where {filter}")).unwrap_or_default();
        format!("create index {table}_{} on {table} ({}){filter};", index.name, index.columns)
    }));
    if is_cell {
        // Empty but for the moment between a counter's fall to zero and the deletion of its cell.
        sql.push(format!("create index {table}_zero on {table} ({key}) where {};", shape.zero()));
    }
    // So that the first queries are planned for the rows there are, not for the empty table of a moment ago.
    sql.push(format!("analyze {table};\n"));
    sql.join("\n")
}
