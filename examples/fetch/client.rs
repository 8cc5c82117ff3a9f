//! One request over one connection.
//!
//! Nothing is spawned: the connection is driven by the future that waits for the answer. Whoever
//! drops that future closes the socket, and so an abort reaches the server.

use std::{error::Error as _, fmt, io, net::SocketAddr, pin::pin, sync::Arc};

use futures::future::{Either, select};
use futures_rustls::{
    TlsConnector,
    pki_types::ServerName,
    rustls::{self, ClientConfig, RootCertStore, crypto::ring},
};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{CONNECTION, HOST, LOCATION, USER_AGENT},
};
use smol::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use smol_hyper::rt::FuturesIo;
use url::{Host, Position, Url};

use crate::progress::Progress;

pub(crate) struct Client {
    tls: TlsConnector,
    max_bytes: u64,
}

/// An answer that is worth having.
#[derive(Debug)]
pub(crate) struct Page {
    /// Where the server sends us instead; it is not followed.
    pub(crate) moved_to: Option<String>,
}

/// Why there is none. An attempt that takes too long isn't here: time is the owner's affair.
#[derive(Debug)]
pub(crate) enum FetchError {
    Resolve(String, io::Error),
    Connect(SocketAddr, io::Error),
    Tls(io::Error),
    Broken(hyper::Error),
    Status(StatusCode),
    TooLarge(u64),
    Request(String),
}

/// A URL that can be fetched, or what is wrong with it.
pub(crate) fn parse(input: &str) -> Result<Url, String> {
    let url = Url::parse(input).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            "not a URL: it doesn't begin with http:// or https://".to_owned()
        }
        error => format!("not a URL: {error}"),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("can't fetch {}: URLs, only http: and https:", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("can't log in: a user in a URL is not supported".to_owned());
    }
    Ok(url)
}

impl Client {
    pub(crate) fn new(max_bytes: u64) -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), max_bytes })
    }

    /// One attempt.
    pub(crate) async fn fetch(&self, url: &Url, progress: &Progress) -> Result<Page, FetchError> {
        progress.begin_attempt();
        let socket = connect(url).await?;
        if url.scheme() == "http" {
            return self.exchange(socket, url, progress).await;
        }
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned())
                .map_err(|error| FetchError::Request(error.to_string()))?,
            Some(Host::Ipv4(ip)) => ServerName::from(std::net::IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => ServerName::from(std::net::IpAddr::V6(ip)),
            None => return Err(no_host()),
        };
        let socket = self.tls.connect(name, socket).await.map_err(FetchError::Tls)?;
        self.exchange(socket, url, progress).await
    }

    async fn exchange(
        &self,
        socket: impl AsyncRead + AsyncWrite + Unpin,
        url: &Url,
        progress: &Progress,
    ) -> Result<Page, FetchError> {
        let request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(USER_AGENT, "tenure-fetch")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| FetchError::Request(error.to_string()))?;
        let (mut sender, connection) =
            http1::handshake(FuturesIo::new(socket)).await.map_err(FetchError::Broken)?;

        let answer = async {
            let mut response = sender.send_request(request).await.map_err(FetchError::Broken)?;
            let status = response.status();
            progress.answered(status);
            let mut bytes = 0;
            while let Some(frame) = response.frame().await {
                let frame = frame.map_err(FetchError::Broken)?;
                bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                progress.received(bytes);
                if bytes > self.max_bytes {
                    return Err(FetchError::TooLarge(self.max_bytes));
                }
            }
            if status.is_client_error() || status.is_server_error() {
                return Err(FetchError::Status(status));
            }
            let location = response.headers().get(LOCATION).filter(|_| status.is_redirection());
            let moved_to = location.and_then(|to| to.to_str().ok()).map(str::to_owned);
            Ok(Page { moved_to })
        };
        match select(pin!(answer), pin!(connection)).await {
            Either::Left((page, _)) => page,
            // Closed, but what came before that may still have to be read.
            Either::Right((_, answer)) => answer.await,
        }
    }
}

async fn connect(url: &Url) -> Result<TcpStream, FetchError> {
    let port = url.port_or_known_default().ok_or_else(no_host)?;
    let addresses = match url.host() {
        Some(Host::Ipv4(ip)) => vec![SocketAddr::from((ip, port))],
        Some(Host::Ipv6(ip)) => vec![SocketAddr::from((ip, port))],
        Some(Host::Domain(name)) => smol::net::resolve((name, port))
            .await
            .map_err(|error| FetchError::Resolve(name.to_owned(), error))?,
        None => return Err(no_host()),
    };
    let mut failed = no_host();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = FetchError::Connect(address, error),
        }
    }
    Err(failed)
}

fn no_host() -> FetchError {
    FetchError::Request("it has no host to connect to".to_owned())
}

impl FetchError {
    /// Whether it may be over when it is tried again.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Resolve(..) | Self::Connect(..) => true,
            Self::Tls(error) => rustls_error(error).is_none(),
            Self::Broken(error) => !error.is_parse() && !error.is_user(),
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::TooLarge(_) | Self::Request(_) => false,
        }
    }
}

/// What TLS itself objects to, as opposed to the connection below it.
fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(name, error) => write!(f, "can't find {name}: {error}"),
            Self::Connect(address, error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    write!(f, "connection refused: nothing listens on {address}")
                }
                _ => write!(f, "can't connect to {address}: {error}"),
            },
            Self::Tls(error) => match rustls_error(error) {
                Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
                    f.write_str("the server doesn't speak TLS there; is it http: after all?")
                }
                Some(error) => write!(f, "no secure connection: {error}"),
                None => write!(f, "the connection broke in the TLS handshake: {error}"),
            },
            Self::Broken(error) if error.is_incomplete_message() => {
                f.write_str("the server hung up before it had answered")
            }
            Self::Broken(error) if error.is_parse() => {
                write!(f, "what the server sent isn't HTTP: {error}")
            }
            Self::Broken(error) => {
                let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
                match cause.map(io::Error::kind) {
                    Some(io::ErrorKind::ConnectionReset) => {
                        f.write_str("the server reset the connection")
                    }
                    _ => write!(f, "the connection broke: {error}"),
                }
            }
            Self::Status(status) => write!(f, "the server says {status}"),
            Self::TooLarge(max) => write!(f, "its body is larger than {max} bytes"),
            Self::Request(why) => write!(f, "can't ask for it: {why}"),
        }
    }
}
