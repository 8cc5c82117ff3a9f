//! A server on loopback that has all the bad manners that a client meets.

use std::{
    convert::Infallible,
    fmt,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::LOCATION,
    server::conn::http1,
    service::service_fn,
};
use smol::{
    Timer,
    net::{TcpListener, TcpStream},
};
use smol_hyper::rt::FuturesIo;
use socket2::SockRef;
use tenure::{AbortHandle, OwnedFuture, Scope};

pub(crate) struct Server {
    address: SocketAddr,
    scope: Scope,
    accepting: AbortHandle,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    opened: AtomicUsize,
    closed: AtomicUsize,
    busy: AtomicUsize,
    reset: AtomicUsize,
}

/// What the server has seen of its clients.
#[derive(Debug)]
pub(crate) struct Seen {
    opened: usize,
    closed: usize,
}

impl Server {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let server = Self {
            address: listener.local_addr()?,
            scope: Scope::new("server"),
            accepting: AbortHandle::new(),
            state: Arc::default(),
        };
        let accept = accept(listener, server.scope.clone(), server.state.clone());
        smol::spawn(accept.with_abort(server.accepting.clone()).in_scope(&server.scope)).detach();
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets no more clients in, and waits until those that are there have gone by themselves. One
    /// that doesn't is counted as open, and then thrown out.
    pub(crate) async fn stop(self) -> Seen {
        self.accepting.abort("closing time");
        let patience = Duration::from_secs(1);
        let all_gone = self.scope.close().with_timeout(patience).await;
        let seen = Seen {
            opened: self.state.opened.load(Relaxed),
            closed: self.state.closed.load(Relaxed),
        };
        if all_gone.is_err() {
            self.scope.abort("closing time");
            self.scope.close().await;
        }
        seen
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opened, closed } = self;
        match opened.saturating_sub(*closed) {
            0 => write!(f, "{opened} connections opened, and all of them closed again"),
            left => write!(f, "{opened} connections opened, and {left} of them left open"),
        }
    }
}

async fn accept(listener: TcpListener, scope: Scope, state: Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                state.opened.fetch_add(1, Relaxed);
                smol::spawn(serve(socket, state.clone()).in_scope(&scope)).detach();
            }
            // Out of sockets, most likely: some will come free.
            Err(_) => drop(Timer::after(Duration::from_millis(10)).await),
        }
    }
}

/// One connection, until the client or the server has enough.
async fn serve(socket: TcpStream, state: Arc<State>) {
    let service = {
        let (socket, state) = (socket.clone(), state.clone());
        service_fn(move |request| answer(request, socket.clone(), state.clone()))
    };
    let connection = http1::Builder::new().serve_connection(FuturesIo::new(socket), service);
    // A client that hangs up is what this server is for, and no news.
    drop(connection.await);
    state.closed.fetch_add(1, Relaxed);
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    socket: TcpStream,
    state: Arc<State>,
) -> io::Result<Response<Body>> {
    let response = match request.uri().path() {
        "/fast" => text(StatusCode::OK, "here you are\n"),
        "/large" => Response::new(Full::from(vec![b'#'; 500_000]).boxed_unsync()),
        "/slow" => {
            Timer::after(Duration::from_millis(400)).await;
            text(StatusCode::OK, "sorry it took so long\n")
        }
        "/busy-twice" => match state.busy.fetch_add(1, Relaxed) {
            0 | 1 => text(StatusCode::SERVICE_UNAVAILABLE, "come back later\n"),
            _ => text(StatusCode::OK, "thank you for your patience\n"),
        },
        "/resets-once" => match state.reset.fetch_add(1, Relaxed) {
            0 => {
                // With no time to linger, closing it resets it.
                SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            _ => text(StatusCode::OK, "as if nothing had happened\n"),
        },
        "/moved" => {
            let mut response = text(StatusCode::FOUND, "elsewhere\n");
            response
                .headers_mut()
                .insert(LOCATION, hyper::header::HeaderValue::from_static("/fast"));
            response
        }
        "/hangs" => pending().await,
        "/endless" => body_of(stream::repeat(Bytes::from_static(&[b'~'; 16 * 1024]))),
        "/drips" => body_of(
            Timer::interval(Duration::from_millis(50)).map(|_| Bytes::from_static(b"drip\n")),
        ),
        _ => text(StatusCode::NOT_FOUND, "no such page\n"),
    };
    Ok(response)
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(text).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn body_of(chunks: impl futures::Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    Response::new(StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync())
}
