//! A closed-loop HTTP load: each connection sends its next request when the last is answered.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::bench::report::Histogram;

/// What one run of a load saw.
pub(crate) struct Seen {
    pub per_second: f64,
    pub histogram: Histogram,
}

/// Makes the n-th request of a connection.
pub(crate) type Make = Arc<dyn Fn(usize, usize) -> Request<Full<Bytes>> + Send + Sync>;

/// Sends requests over `connections` for `time`; any answer but 2xx is an error.
pub(crate) async fn run(address: SocketAddr, connections: usize, time: Duration, make: Make) -> anyhow::Result<Seen> {
    let start = Instant::now();
    let mut tasks = Vec::with_capacity(connections);
    for connection in 0..connections {
        tasks.push(tokio::spawn(one(address, connection, start + time, make.clone())));
    }
    let mut histogram = Histogram::new();
    let mut answered = 0_usize;
    for task in tasks {
        let (count, own) = task.await.context("a connection of the load stopped")??;
        answered += count;
        histogram.add(&own);
    }
    Ok(Seen { per_second: answered as f64 / start.elapsed().as_secs_f64(), histogram })
}

async fn one(address: SocketAddr, connection: usize, until: Instant, make: Make) -> anyhow::Result<(usize, Histogram)> {
    let stream = TcpStream::connect(address).await.context("connect")?;
    stream.set_nodelay(true).context("connect")?;
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await.context("connect")?;
    let driver = tokio::spawn(driver);
    let mut histogram = Histogram::new();
    let mut count = 0;
    while Instant::now() < until {
        let sent = Instant::now();
        let answer = sender.send_request(make(connection, count)).await.context("send a request")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("read an answer")?.to_bytes();
        ensure!(status.is_success(), "answered {status}: {}", String::from_utf8_lossy(&body));
        histogram.record(sent.elapsed());
        count += 1;
    }
    driver.abort();
    Ok((count, histogram))
}
