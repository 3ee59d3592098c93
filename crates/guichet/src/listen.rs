//! The accept loop. Our own, because `axum::serve` sets no timer: a client that sends one header byte a
//! minute would hold its connection for ever (hyper's header timeout is inert without one).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

/// Open connections; the next one waits in the kernel's queue.
const CONNECTIONS: usize = 4_096;
/// From the first byte of a request to the end of its headers.
const HEADERS: Duration = Duration::from_secs(10);
/// After a failed accept, so that a lack of file descriptors does not become a busy loop.
const BACK_OFF: Duration = Duration::from_millis(100);
/// What a request under way may still take once the server stops.
const FAREWELL: Duration = Duration::from_secs(10);

pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
}

/// Serves until `stop` is cancelled, then lets requests under way finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let open = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128).keep_alive_interval(HEADERS);

    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { break };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, or the peer is gone already: neither ends the loop.
                    tracing::warn!(%error, "accept failed");
                    let _ = tokio::time::timeout(BACK_OFF, stop.cancelled()).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = open.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(drive(connection, slot));
    }

    drop(listener);
    if tokio::time::timeout(FAREWELL, open.shutdown()).await.is_err() {
        tracing::warn!("some connections were still busy and have been closed");
    }
}

/// A connection's errors are its client's business: a reset, a timeout, bytes that are no HTTP.
async fn drive<E>(connection: impl Future<Output = Result<(), E>>, slot: OwnedSemaphorePermit) {
    let _ = connection.await;
    drop(slot);
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// Time stands still but where everybody waits; then it jumps to whoever waits least.
    #[tokio::test(start_paused = true)]
    async fn who_never_finishes_a_header_is_let_go() {
        let listener = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, Router::new(), stop.clone()));

        let mut slow = TcpStream::connect(address).await.expect("a connection");
        slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await.expect("half a header");
        let mut answer = Vec::new();
        let waited = tokio::time::timeout(HEADERS * 3, slow.read_to_end(&mut answer)).await;
        assert!(waited.is_ok(), "the connection is still held");

        stop.cancel();
        server.await.expect("no panic");
    }
}
