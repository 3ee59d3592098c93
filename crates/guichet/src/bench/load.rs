//! Closed-loop load: each client does the next thing when the last is done. HTTP clients among them.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use crate::bench::report::{Histogram, Seen};

/// Somebody who does one thing after another.
pub(super) trait Client: Send + 'static {
    fn step(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Keeps every client busy for `time`; one that fails ends the run.
pub(super) async fn closed<C: Client>(clients: impl IntoIterator<Item = C>, time: Duration) -> anyhow::Result<Seen> {
    let start = Instant::now();
    let mut busy = JoinSet::new();
    for client in clients {
        busy.spawn(work(client, start + time));
    }
    let (mut steps, mut latency) = (0, Histogram::default());
    while let Some(done) = busy.join_next().await {
        let (own, seen) = done.context("a client of the load stopped")??;
        steps += own;
        latency.add(&seen);
    }
    Ok(Seen { per_second: steps as f64 / start.elapsed().as_secs_f64(), latency })
}

async fn work<C: Client>(mut client: C, until: Instant) -> anyhow::Result<(usize, Histogram)> {
    let (mut steps, mut latency) = (0, Histogram::default());
    while Instant::now() < until {
        let begun = Instant::now();
        client.step().await?;
        latency.record(begun.elapsed());
        steps += 1;
    }
    Ok((steps, latency))
}

/// Makes the n-th request of a connection.
pub(super) type Make = Arc<dyn Fn(usize, usize) -> Request<Full<Bytes>> + Send + Sync>;

/// One connection that is kept open; any answer but 2xx is an error.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    make: Make,
    number: usize,
    sent: usize,
}

/// Opens `connections` to one address.
pub(super) async fn connect(address: SocketAddr, connections: usize, make: &Make) -> anyhow::Result<Vec<Connection>> {
    let mut opened = Vec::with_capacity(connections);
    for number in 0..connections {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true).context("connect")?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.context("connect")?;
        // It ends with its sender.
        tokio::spawn(driver);
        opened.push(Connection { sender, make: make.clone(), number, sent: 0 });
    }
    Ok(opened)
}

impl Client for Connection {
    async fn step(&mut self) -> anyhow::Result<()> {
        let request = (self.make)(self.number, self.sent);
        self.sent += 1;
        self.sender.ready().await.context("wait for the connection")?;
        let answer = self.sender.send_request(request).await.context("send a request")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("read an answer")?.to_bytes();
        ensure!(status.is_success(), "answered {status}: {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}
