//! Accepts connections and serves HTTP/1 and HTTP/2 on them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::util::MapRequest;

use super::tls::Tls;

/// Bytes in flight on one stream before the sender waits: a full batch of tasks.
const STREAM_WINDOW: u32 = 4 << 20;
/// Bytes in flight on one connection.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Streams of one connection at once.
const STREAMS: u32 = 256;
/// Bytes of all headers of a request.
const HEADER_BYTES: u32 = 32 << 10;
/// How long a client may take to send its headers, once it has begun.
const HEADER_PATIENCE: Duration = Duration::from_secs(15);
/// How often a silent HTTP/2 connection is probed, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long to wait when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` turns true, then lets what is under way end within `drain`.
pub(super) async fn listen(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    mut stop: watch::Receiver<bool>,
    drain: Duration,
) {
    let connections = GracefulShutdown::new();
    let server = Server {
        builder: builder(HEADER_PATIENCE),
        router,
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection ended as it began");
                        continue;
                    }
                    let (tls, server) = (tls.clone(), server.clone());
                    spawn(stream, peer, tls, server, connections.watcher(), stop.clone());
                }
                Err(error) => pause(&error).await,
            },
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, connections.shutdown())
        .await
        .is_err()
    {
        tracing::info!("connections that were still open are closed");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn builder(header_patience: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_patience)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    builder
}

/// What every connection is served with.
#[derive(Clone)]
struct Server {
    builder: Builder<TokioExecutor>,
    router: Router,
}

/// Serves a connection beside the others: one that is slow to agree on keys holds nobody up, and not
/// the end of the server either.
fn spawn(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    server: Server,
    connections: Watcher,
    mut stop: watch::Receiver<bool>,
) {
    tokio::spawn(async move {
        let Some(tls) = tls else {
            return server.serve(stream, peer, connections).await;
        };
        let agreed = tokio::select! {
            agreed = tls.accept(stream) => agreed,
            () = stopped(&mut stop) => None,
        };
        if let Some(stream) = agreed {
            server.serve(stream, peer, connections).await;
        }
    });
}

impl Server {
    async fn serve<S>(self, stream: S, peer: SocketAddr, connections: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = MapRequest::new(self.router, move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let service = TowerToHyperService::new(service);
        let stream = TokioIo::new(stream);
        let connection = self.builder.serve_connection_with_upgrades(stream, service);
        if let Err(error) = connections.watch(connection.into_owned()).await {
            tracing::debug!(%error, "a connection ended with an error");
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What a client hears that sends `request` and then nothing, until the server hangs up.
    async fn heard(request: &str, header_patience: Duration) -> String {
        let server = Server {
            builder: builder(header_patience),
            router: Router::new(),
        };
        let (mut client, stream) = tokio::io::duplex(1 << 20);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let connections = GracefulShutdown::new();
        let served = tokio::spawn(server.serve(stream, peer, connections.watcher()));
        let sent = client.write_all(request.as_bytes()).await;
        sent.expect("there is room");
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.expect("a text");
        served.await.expect("it is over");
        heard
    }

    #[tokio::test]
    async fn who_does_not_finish_the_headers_is_hung_up_on() {
        let patience = Duration::from_millis(20);
        let heard = heard(
            "GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
            patience,
        )
        .await;
        assert!(!heard.contains("200"), "{heard}");
    }

    #[tokio::test]
    async fn a_request_with_too_many_headers_is_refused() {
        let headers = "x-more: 1\r\n".repeat(101);
        let request = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        let heard = heard(&request, HEADER_PATIENCE).await;
        assert!(heard.starts_with("HTTP/1.1 431 "), "{heard}");
    }
}
