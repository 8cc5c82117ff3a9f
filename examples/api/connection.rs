//! Connections that are kept, and one question at a time on each.

use std::{
    fmt, io,
    net::{Shutdown, SocketAddr},
    pin::pin,
    sync::Mutex,
    time::Duration,
};

use futures::{
    AsyncReadExt,
    future::{Either, select},
};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{HOST, RETRY_AFTER},
};
use smol::net::TcpStream;
use smol_hyper::rt::FuturesIo;

/// What is asked: how long the answer takes, how many tokens it uses, and how many it may at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) millis: u64,
    pub(crate) uses: u64,
    pub(crate) most: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum AskError {
    /// 429: not before so long.
    TooMany(Duration),
    Status(StatusCode),
    Connect(io::Error),
    Broken(hyper::Error),
    /// It isn't what was asked for.
    Nonsense,
}

pub(crate) struct Pool {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// Driven by whoever waits for an answer.
    driver: http1::Connection<FuturesIo<TcpStream>, Empty<Bytes>>,
    socket: TcpStream,
    /// Nothing is under way on it.
    is_idle: bool,
    /// The tokens that the last answer has used, or may have.
    pub(crate) cost: u64,
}

impl Pool {
    /// So many connections, opened beforehand: no request has to wait for one to be opened.
    pub(crate) async fn open(address: SocketAddr, count: usize) -> Result<Self, AskError> {
        let mut idle = Vec::new();
        for _ in 0..count {
            idle.push(Connection::open(address).await?);
        }
        Ok(Self { address, idle: Mutex::new(idle) })
    }

    pub(crate) async fn take(&self) -> Result<Connection, AskError> {
        let idle = self.idle.lock().expect("nobody panics while it is held").pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Connection::open(self.address).await,
        }
    }

    /// Keeps it for the next one. Where something is still under way on it, hangs up, and waits until the server has
    /// noticed: until then it counts as one more at once.
    pub(crate) async fn put_back(&self, connection: Connection) {
        if connection.is_idle {
            self.idle.lock().expect("nobody panics while it is held").push(connection);
            return;
        }
        let Connection { sender, driver, mut socket, .. } = connection;
        drop((sender, driver));
        let mut rest = [0; 1024];
        if socket.shutdown(Shutdown::Write).is_ok() {
            while let Ok(1..) = socket.read(&mut rest).await {}
        }
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, AskError> {
        let socket = TcpStream::connect(address).await.map_err(AskError::Connect)?;
        // Or a request may lie about until something that was sent before has arrived.
        socket.set_nodelay(true).map_err(AskError::Connect)?;
        let (sender, driver) =
            http1::handshake(FuturesIo::new(socket.clone())).await.map_err(AskError::Broken)?;
        Ok(Self { sender, driver, socket, is_idle: true, cost: 0 })
    }

    /// How many tokens the answer has used.
    pub(crate) async fn ask(&mut self, question: Question) -> Result<u64, AskError> {
        let Question { millis, uses, most } = question;
        let request = Request::get(format!("/{millis}/{uses}?{most}"))
            .header(HOST, "localhost")
            .body(Empty::new())
            .map_err(|_| AskError::Nonsense)?;

        let Self { sender, driver, is_idle, cost, .. } = self;
        (*is_idle, *cost) = (false, most);
        let exchange = async {
            sender.ready().await?;
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok((head, body.collect().await?.to_bytes()))
        };
        let answered = match select(pin!(exchange), &mut *driver).await {
            Either::Left((answered, _)) => {
                *is_idle = answered.is_ok();
                answered
            }
            // Closed, but what came before that may still have to be read.
            Either::Right((_, exchange)) => exchange.await,
        };
        let (head, body) = answered.map_err(AskError::Broken)?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        match head.status {
            StatusCode::OK => {
                let used = text(&body).and_then(|used| used.parse().ok());
                *cost = used.unwrap_or(most);
                used.ok_or(AskError::Nonsense)
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = head.headers.get(RETRY_AFTER).map(|value| value.as_bytes());
                let seconds = seconds.and_then(text).and_then(|seconds| seconds.parse().ok());
                Err(AskError::TooMany(Duration::from_secs(seconds.unwrap_or(1))))
            }
            status => Err(AskError::Status(status)),
        }
    }
}

impl AskError {
    /// Whether it may be over when it is tried again.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::TooMany(_) | Self::Connect(_) | Self::Broken(_) => true,
            Self::Status(status) => status.is_server_error(),
            Self::Nonsense => false,
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(wait) => write!(f, "too many requests: not before {wait:?}"),
            Self::Status(status) => write!(f, "the server says {status}"),
            Self::Connect(error) => write!(f, "can't connect: {error}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Nonsense => f.write_str("that isn't an answer"),
        }
    }
}
