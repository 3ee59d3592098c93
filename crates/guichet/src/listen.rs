//! The accept loop. Our own, because `axum::serve` sets no timer: a client that sends one header byte a
//! minute would hold its connection for ever (hyper's header timeout is inert without one).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    service::{Service, service_fn},
};
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
        let asked = CancellationToken::new();
        let service = {
            let (asked, router) = (asked.clone(), TowerToHyperService::new(router.clone()));
            service_fn(move |request: Request<Incoming>| {
                asked.cancel();
                router.call(request)
            })
        };
        let connection = open.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(drive(connection, asked, slot));
    }

    drop(listener);
    if tokio::time::timeout(FAREWELL, open.shutdown()).await.is_err() {
        tracing::warn!("some connections were still busy and have been closed");
    }
}

/// A connection's errors are its client's business: a reset, a timeout, bytes that are no HTTP.
///
/// hyper's timer starts once it knows which HTTP it is spoken to in. Who says nothing, or no more than `PRI`, would hold a
/// slot for ever, and a few thousand of them every slot: the first request is waited for no longer than its headers.
async fn drive<E>(
    connection: impl Future<Output = Result<(), E>>,
    asked: CancellationToken,
    slot: OwnedSemaphorePermit,
) {
    tokio::pin!(connection);
    tokio::select! {
        _ = &mut connection => {}
        first = tokio::time::timeout(HEADERS, asked.cancelled()) => {
            if first.is_ok() {
                let _ = connection.await;
            }
        }
    }
    drop(slot);
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    /// Whether whoever sends these bytes, and nothing more, is let go. Time stands still but where everybody waits; then it
    /// jumps to whoever waits least.
    async fn is_let_go(bytes: &[u8]) -> bool {
        let listener = bind("127.0.0.1:0".parse().expect("an address")).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, Router::new(), stop.clone()));

        let mut slow = TcpStream::connect(address).await.expect("a connection");
        slow.write_all(bytes).await.expect("sent");
        let mut answer = Vec::new();
        let let_go = tokio::time::timeout(HEADERS * 2, slow.read_to_end(&mut answer)).await.is_ok();

        stop.cancel();
        server.await.expect("no panic");
        let_go
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_finishes_a_header_is_let_go() {
        assert!(is_let_go(b"GET / HTTP/1.1\r\nhost: ").await);
        let second = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: ";
        assert!(is_let_go(second).await, "a later request has no more time than the first");
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_let_go() {
        assert!(is_let_go(b"").await);
        assert!(is_let_go(b"PRI").await, "the beginning of HTTP/2");
    }
}
