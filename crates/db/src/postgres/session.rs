//! One connection, and the statements it holds prepared.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt, future};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, RowStream, error::SqlState};

use super::value::{Parameter, type_of};
use super::{Options, PostgresError};
use crate::{DbError, Dialect, ReadRow, Row, Statement};

/// Texts are few: those of the program, once for each table of a read model.
const PREPARED: usize = 500;
/// A plan that is kept is made again at this use of its text, then at four times as many, and so on: it may have been made when the
/// table was known to be empty, and every index looked as good as the right one. Autovacuum would notice a minute later.
const PLANNED_AGAIN_AT: u64 = 64;

/// The asking half of a connection. Questions may be asked while others are being answered; answers come in their order.
pub(super) struct Link {
    client: Client,
    prepared: Mutex<HashMap<Box<str>, Prepared>>,
}

struct Prepared {
    statement: tokio_postgres::Statement,
    uses: u64,
    /// The use at which it is made again.
    until: u64,
}

/// The half of a connection that speaks with the socket; it ends with the connection.
pub(super) type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

impl Link {
    pub(super) async fn connect(options: &Options) -> Result<(Self, Driver), PostgresError> {
        let (client, driver) = options.connect().await?;
        Ok((Self { client, prepared: Mutex::default() }, Box::pin(driver)))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) async fn fetch_all<R: ReadRow>(&self, statement: &Statement) -> Result<Vec<R>, DbError> {
        let mut rows = pin!(self.query(statement).await?);
        let mut read = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(PostgresError::from)? {
            read.push(R::read(&Row::Postgres(&row))?);
        }
        Ok(read)
    }

    pub(super) async fn query(&self, statement: &Statement) -> Result<RowStream, PostgresError> {
        let prepared = self.prepare(statement).await?;
        let asked = self.client.query_raw(&prepared, statement.values().iter().map(Parameter)).await;
        asked.map_err(|error| self.understood(statement.sql(Dialect::Postgres), error))
    }

    async fn execute(&self, statement: &Statement) -> Result<u64, PostgresError> {
        let prepared = self.prepare(statement).await?;
        let done = self.client.execute_raw(&prepared, statement.values().iter().map(Parameter)).await;
        done.map_err(|error| self.understood(statement.sql(Dialect::Postgres), error))
    }

    async fn prepare(&self, statement: &Statement) -> Result<tokio_postgres::Statement, PostgresError> {
        let text = statement.sql(Dialect::Postgres);
        if let Some(prepared) = self.held(text) {
            return Ok(prepared);
        }
        let types: Vec<Type> = statement.values().iter().map(type_of).collect();
        self.prepare_anew(text, &types).await
    }

    /// Prepared once; where `types` says nothing of a parameter, the text does.
    async fn prepare_text(&self, text: &str, types: &[Type]) -> Result<tokio_postgres::Statement, PostgresError> {
        match self.held(text) {
            Some(prepared) => Ok(prepared),
            None => self.prepare_anew(text, types).await,
        }
    }

    async fn prepare_anew(&self, text: &str, types: &[Type]) -> Result<tokio_postgres::Statement, PostgresError> {
        let prepared = self.client.prepare_typed(text, types).await?;
        let mut held = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= PREPARED {
            // Only what is dropped is closed at the server; what is in use meanwhile stays until it is done.
            held.clear();
        }
        match held.get_mut(text) {
            Some(old) => old.statement = prepared.clone(),
            None => {
                held.insert(text.into(), Prepared { statement: prepared.clone(), uses: 0, until: PLANNED_AGAIN_AT });
            }
        }
        Ok(prepared)
    }

    /// None where it is to be prepared: for the first time, or again by this one of its users.
    fn held(&self, text: &str) -> Option<tokio_postgres::Statement> {
        let mut held = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = held.get_mut(text)?;
        prepared.uses += 1;
        if prepared.uses < prepared.until {
            return Some(prepared.statement.clone());
        }
        prepared.until = prepared.until.saturating_mul(4);
        None
    }

    /// A plan whose table was replaced beneath it is forgotten, so that the next try prepares again.
    fn understood(&self, text: &str, error: tokio_postgres::Error) -> PostgresError {
        if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) {
            self.prepared.lock().unwrap_or_else(PoisonError::into_inner).remove(text);
        }
        error.into()
    }
}

/// A connection that one user at a time has to himself. Whoever waits for an answer also works the socket, which spares the
/// switch to another task and back that an answer costs otherwise.
pub(crate) struct Session {
    link: Link,
    /// None once the connection has ended.
    driver: Option<Driver>,
}

impl Session {
    pub(crate) async fn connect(options: &Options) -> Result<Self, PostgresError> {
        let (link, driver) = Link::connect(options).await?;
        Ok(Self { link, driver: Some(driver) })
    }

    /// Whether it still stands, as far as the socket has been told. Costs no trip.
    pub(super) fn is_alive(&mut self) -> bool {
        let ended = self
            .driver
            .as_mut()
            .is_none_or(|driver| driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        if ended {
            self.driver = None;
        }
        !ended
    }

    pub(super) async fn close(self) {
        let Self { link, driver } = self;
        // Without anybody left to ask, the driver says goodbye and ends.
        drop(link);
        if let Some(driver) = driver {
            let _ = driver.await; // it is over either way
        }
    }

    pub(super) async fn fetch_all<R: ReadRow>(&mut self, statement: &Statement) -> Result<Vec<R>, DbError> {
        drive(&mut self.driver, self.link.fetch_all(statement)).await
    }

    pub(super) async fn query(&mut self, statement: &Statement) -> Result<RowStream, PostgresError> {
        drive(&mut self.driver, self.link.query(statement)).await
    }

    /// The next row of a query of this session.
    pub(super) async fn next(
        &mut self,
        mut rows: Pin<&mut RowStream>,
    ) -> Result<Option<tokio_postgres::Row>, PostgresError> {
        Ok(drive(&mut self.driver, rows.try_next()).await?)
    }

    pub(super) async fn execute(&mut self, statement: &Statement) -> Result<u64, PostgresError> {
        drive(&mut self.driver, self.link.execute(statement)).await
    }

    pub(super) async fn prepare(&mut self, statement: &Statement) -> Result<(), PostgresError> {
        drive(&mut self.driver, self.link.prepare(statement)).await.map(drop)
    }

    /// Text of several statements without parameters.
    pub(super) async fn script(&mut self, text: &str) -> Result<(), PostgresError> {
        Ok(drive(&mut self.driver, self.link.client.batch_execute(text)).await?)
    }

    /// A script and a query in one trip. Only for scripts whose failure leaves the query harmless: it runs all the same.
    pub(super) async fn script_and_query(
        &mut self,
        script: &str,
        statement: &Statement,
    ) -> Result<RowStream, PostgresError> {
        let link = &self.link;
        let prepared = drive(&mut self.driver, link.prepare(statement)).await?;
        let both = future::join(link.client.batch_execute(script), async {
            let asked = link.client.query_raw(&prepared, statement.values().iter().map(Parameter)).await;
            asked.map_err(|error| link.understood(statement.sql(Dialect::Postgres), error))
        });
        let (begun, rows) = drive(&mut self.driver, both).await;
        begun?;
        rows
    }

    /// Every row of a text. Parameters that `types` does not reach are what the text casts them to.
    pub(crate) async fn rows(
        &mut self,
        text: &str,
        types: &[Type],
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, PostgresError> {
        let link = &self.link;
        let asked = async {
            let prepared = link.prepare_text(text, types).await?;
            link.client.query(&prepared, parameters).await.map_err(|error| link.understood(text, error))
        };
        drive(&mut self.driver, asked).await
    }

    /// The number of rows that a text touched, with parameters of these types.
    pub(super) async fn touched(
        &mut self,
        text: &str,
        types: &[Type],
        parameters: impl ExactSizeIterator<Item: tokio_postgres::types::BorrowToSql>,
    ) -> Result<u64, PostgresError> {
        let link = &self.link;
        let done = async {
            let prepared = link.prepare_text(text, types).await?;
            link.client.execute_raw(&prepared, parameters).await.map_err(|error| link.understood(text, error))
        };
        drive(&mut self.driver, done).await
    }

    /// Sends `chunks` as the input of a `copy … from stdin`; the number of rows it made.
    pub(super) async fn copy_in(
        &mut self,
        text: &str,
        chunks: impl Iterator<Item = Result<Bytes, PostgresError>>,
    ) -> Result<u64, PostgresError> {
        let link = &self.link;
        let copy = async {
            let prepared = link.prepare_text(text, &[]).await?;
            let mut sink = pin!(link.client.copy_in(&prepared).await?);
            for chunk in chunks {
                sink.send(chunk?).await?;
            }
            Ok(sink.finish().await?)
        };
        drive(&mut self.driver, copy).await
    }
}

/// Waits for `work` and works the socket meanwhile. An ended driver is dropped, which tells `work` that no answer will come.
async fn drive<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let Some(speaking) = driver else { return Poll::Pending };
        if speaking.as_mut().poll(context).is_ready() {
            *driver = None;
        }
        work.as_mut().poll(context)
    })
    .await
}
