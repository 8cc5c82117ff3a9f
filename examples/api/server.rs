//! A server on loopback that holds its clients to what it has announced.

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::RETRY_AFTER,
    server::conn::http1,
    service::service_fn,
};
use smol::{
    Timer,
    net::{TcpListener, TcpStream},
};
use smol_hyper::rt::FuturesIo;
use tenure::{OwnedFuture, Scope};

use crate::books::{Books, Seen, Terms};

pub(crate) struct Server {
    address: SocketAddr,
    scope: Scope,
    books: SharedBooks,
}

type SharedBooks = Arc<Mutex<Books>>;

impl Server {
    pub(crate) async fn start(terms: Terms) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (scope, books) = (Scope::new("server"), Arc::new(Mutex::new(Books::new(terms))));
        let accepting = accept(listener, scope.clone(), books.clone());
        smol::spawn(accepting.in_scope(&scope)).detach();
        Ok(Self { address, scope, books })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn seen(&self) -> Seen {
        open(&self.books).seen()
    }

    pub(crate) async fn stop(self) {
        self.scope.abort("closing time");
        self.scope.close().await;
    }
}

fn open(books: &SharedBooks) -> MutexGuard<'_, Books> {
    books.lock().expect("nobody panics while it is held")
}

async fn accept(listener: TcpListener, scope: Scope, books: SharedBooks) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                smol::spawn(serve(socket, books.clone()).in_scope(&scope)).detach();
            }
            // Out of sockets, most likely: some will come free.
            Err(_) => drop(Timer::after(Duration::from_millis(10)).await),
        }
    }
}

async fn serve(socket: TcpStream, books: SharedBooks) {
    let service = service_fn(move |request| answer(request, books.clone()));
    let connection = http1::Builder::new().serve_connection(FuturesIo::new(socket), service);
    // A client that hangs up has had enough.
    drop(connection.await);
}

/// One that is under way, until it is answered or its client hangs up.
struct UnderWay {
    books: SharedBooks,
    number: usize,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        open(&self.books).end();
    }
}

/// `/10/40?72`: an answer that takes 10 ms and uses 40 tokens, and for which up to 72 are to be counted until then.
async fn answer(
    request: Request<Incoming>,
    books: SharedBooks,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some((millis, uses, most)) = parse(&request) else {
        return Ok(reply(StatusCode::BAD_REQUEST, String::new()));
    };
    let arrived = open(&books).arrive(most);
    let number = match arrived {
        Ok(number) => number,
        Err(wait) => {
            let mut refused = reply(StatusCode::TOO_MANY_REQUESTS, String::new());
            // Whole seconds are all that the header knows.
            let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
            refused.headers_mut().insert(RETRY_AFTER, seconds.into());
            return Ok(refused);
        }
    };
    let under_way = UnderWay { books, number };
    match number {
        // It has its bad moments, as all have.
        _ if number % 211 == 210 => pending().await,
        _ if number % 97 == 96 => return Ok(reply(StatusCode::SERVICE_UNAVAILABLE, String::new())),
        _ => {}
    }
    Timer::after(Duration::from_millis(millis)).await;
    // All of it before the client is told.
    open(&under_way.books).used(under_way.number, uses);
    drop(under_way);
    Ok(reply(StatusCode::OK, uses.to_string()))
}

fn parse(request: &Request<Incoming>) -> Option<(u64, u64, u64)> {
    let (millis, uses) = request.uri().path().strip_prefix('/')?.split_once('/')?;
    Some((millis.parse().ok()?, uses.parse().ok()?, request.uri().query()?.parse().ok()?))
}

fn reply(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
