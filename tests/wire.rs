//! An abort reaches the wire: what an owner ends has closed its socket before the owner runs on.
//!
//! These tests use real time, as few here do, because their subject is real sockets on loopback, and
//! the kernel knows no virtual clock. None needs anything to be fast: each waits for what the server
//! has seen, and [`HANG`] only turns a hang into a failure.

mod executors;

use std::{
    future::Future,
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use executors::Executor;
use futures::{AsyncReadExt, AsyncWriteExt};
use socket2::SockRef;
use tenure::{Backoff, Error, Limit, OwnedFuture, Scope, time::TestClock};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Longer than anything here takes, on however busy a machine.
const HANG: Duration = Duration::from_secs(30);

/// What a busy machine may add to a round trip: the kernel hands loopback packets on in the
/// background when it is busy, so those of a ping can overtake those of a close on another core.
const SCHEDULING: Duration = Duration::from_millis(20);

executors::on_every_executor! {
    async fn an_abort_closes_a_hundred_sockets_within_a_round_trip(executor: Executor) {
        abort_a_hundred(executor, request).await;
    }
}

mod an_abort_closes_a_hundred_tokio_sockets_within_a_round_trip {
    use super::*;

    #[test]
    fn on_tokio_current_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(abort_a_hundred(Executor::TokioCurrentThread, request));
    }

    #[test]
    fn on_tokio_multi_thread() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_io().build().unwrap();
        runtime.block_on(abort_a_hundred(Executor::TokioMultiThread, request));
    }

    async fn request(server: SocketAddr) -> io::Result<Vec<u8>> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::TcpStream::connect(server).await?;
        socket.write_all(REQUEST).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

async fn abort_a_hundred<F>(
    executor: Executor,
    request: impl Fn(SocketAddr) -> F + Copy + Send + 'static,
) where
    F: Future<Output = io::Result<Vec<u8>>> + Send + 'static,
{
    let mut server = SilentServer::start().await;
    let address = server.address;
    let scope = Scope::new("requests");
    let limit = Limit::new(100);

    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let answer = (move || request(address))
                .with_timeout(2 * HANG)
                .retry(Backoff::exponential())
                .limit(&limit)
                .in_scope(&scope);
            executor.spawn(answer)
        })
        .collect();
    server.ask_until_requests(100).await;
    assert_eq!(limit.active(), 100);

    let mut round_trip = Duration::ZERO;
    for _ in 0..10 {
        let begun = Instant::now();
        let seen = server.ask().await;
        round_trip = round_trip.max(begun.elapsed());
        assert_eq!(seen, Seen { opened: 100, requests: 100, closed: 0 });
    }

    assert!(scope.abort("user hit stop"));
    scope.close().await;
    assert_eq!((limit.active(), limit.waiting(), scope.members()), (0, 0, 0));

    let seen = server.ask_until_closed(100, round_trip + SCHEDULING).await;
    assert_eq!(seen, Seen { opened: 100, requests: 100, closed: 100 });

    for task in tasks {
        assert_eq!(task.await.unwrap_err().to_string(), "user hit stop (in `requests`)");
    }
}

#[test]
fn a_timeout_closes_the_socket_of_each_attempt() {
    smol::block_on(async {
        let mut server = SilentServer::start().await;
        let address = server.address;

        let aborted = (|| request(address))
            .with_timeout(Duration::from_millis(50))
            .retry(Backoff::fixed(Duration::from_millis(1)).attempts(3))
            .await
            .unwrap_err();

        assert!(aborted.is_timeout());
        let seen = server.ask_until_closed(3, SCHEDULING).await;
        assert_eq!((seen.opened, seen.closed), (3, 3));
    });
}

#[test]
fn a_reset_is_an_error_that_is_tried_again() {
    let (address, outcomes) = serve(2, |attempt, mut socket| {
        if attempt == 1 {
            // With no time to linger, dropping it resets the connection.
            return SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
        socket.write_all(b"at last")
    });

    let mut errors = Vec::new();
    let answer = (|| request(address))
        .with_timeout(HANG)
        .retry(Backoff::fixed(Duration::from_millis(1)))
        .on_retry(|retrying| match &retrying.error {
            Error::Failed(error) => errors.push(error.kind()),
            Error::Aborted(aborted) => panic!("{aborted}"),
        });

    assert_eq!(smol::block_on(answer).unwrap().unwrap(), b"at last");
    assert_eq!(errors, [ErrorKind::ConnectionReset]);
    for _ in 0..2 {
        outcomes.recv_timeout(HANG).unwrap().unwrap();
    }
}

/// Time runs out when each attempt has read a megabyte, which a virtual clock makes sure of.
#[test]
fn a_timeout_cuts_a_body_that_never_ends_and_the_server_sees_it() {
    const MEGABYTE: usize = 1 << 20;
    let (address, outcomes) = serve(2, |_, mut socket| {
        loop {
            socket.write_all(&[b'~'; 16 * 1024])?;
        }
    });

    let clock = TestClock::new();
    let download = || async {
        let mut socket = connect(address).await?;
        let mut buffer = vec![0; 16 * 1024];
        let mut bytes = 0;
        loop {
            match socket.read(&mut buffer).await? {
                0 => return Ok::<_, io::Error>(bytes),
                more => bytes += more,
            }
            if bytes > MEGABYTE {
                clock.advance(Duration::from_secs(2));
                // A future that is never pending is never asked whether its time is over.
                futures_lite::future::yield_now().await;
            }
        }
    };
    let cut = download
        .with_timeout(Duration::from_secs(1))
        .retry(Backoff::fixed(Duration::ZERO).attempts(2))
        .with_timer(&clock);

    assert_eq!(smol::block_on(cut).unwrap_err().to_string(), "timed out after 1s");
    for _ in 0..2 {
        let error = outcomes.recv_timeout(HANG).unwrap().unwrap_err();
        let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
}

async fn connect(server: SocketAddr) -> io::Result<smol::net::TcpStream> {
    let mut socket = smol::net::TcpStream::connect(server).await?;
    socket.write_all(REQUEST).await?;
    Ok(socket)
}

async fn request(server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    connect(server).await?.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Serves so many connections, one after the other, and tells how each one ended.
fn serve(
    connections: usize,
    mut answer: impl FnMut(usize, TcpStream) -> io::Result<()> + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<io::Result<()>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for attempt in 1..=connections {
            let outcome = listener.accept().and_then(|(mut socket, _)| {
                socket.read_exact(&mut [0; REQUEST.len()])?;
                answer(attempt, socket)
            });
            // The test may have failed, and be gone.
            drop(tell.send(outcome));
        }
    });
    (address, told)
}

/// What a [`SilentServer`] has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    opened: usize,
    requests: usize,
    /// Connections that the client has closed or reset.
    closed: usize,
}

/// A server that reads requests and never answers.
///
/// It is one thread that looks at its sockets only when it is asked what it has seen, over a
/// connection of its own, and answers when it has looked at each of them. So whatever had reached the
/// sockets before the question did is in the answer.
struct SilentServer {
    address: SocketAddr,
    control: smol::net::TcpStream,
}

impl SilentServer {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let control_address = control.local_addr().unwrap();

        thread::spawn(move || {
            let (mut control, _) = control.accept().unwrap();
            control.set_nodelay(true).unwrap();
            let mut sockets = Sockets::default();
            while control.read_exact(&mut [0]).is_ok() {
                sockets.look(&listener);
                let Seen { opened, requests, closed } = sockets.seen;
                let seen = [opened, requests, closed].map(|count| u8::try_from(count).unwrap());
                control.write_all(&seen).unwrap();
            }
        });

        let control = smol::net::TcpStream::connect(control_address).await.unwrap();
        control.set_nodelay(true).unwrap();
        Self { address, control }
    }

    /// One round trip.
    async fn ask(&mut self) -> Seen {
        let mut seen = [0; 3];
        self.control.write_all(b"?").await.unwrap();
        self.control.read_exact(&mut seen).await.unwrap();
        let [opened, requests, closed] = seen.map(usize::from);
        Seen { opened, requests, closed }
    }

    async fn ask_until_requests(&mut self, requests: usize) {
        let begun = Instant::now();
        while self.ask().await.requests < requests {
            assert!(begun.elapsed() < HANG, "the requests don't arrive");
            smol::Timer::after(Duration::from_millis(1)).await;
        }
    }

    /// One round trip, and more only while `within` isn't over: the last answer.
    async fn ask_until_closed(&mut self, closed: usize, within: Duration) -> Seen {
        let begun = Instant::now();
        let mut seen = self.ask().await;
        while seen.closed < closed && begun.elapsed() < within {
            seen = self.ask().await;
        }
        seen
    }
}

/// The server's side of the connections, and how much of a request each has sent.
#[derive(Default)]
struct Sockets {
    open: Vec<(TcpStream, usize)>,
    seen: Seen,
}

impl Sockets {
    fn look(&mut self, listener: &TcpListener) {
        while let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true).unwrap();
            self.open.push((socket, 0));
            self.seen.opened += 1;
        }
        let seen = &mut self.seen;
        self.open.retain_mut(|(socket, received)| {
            loop {
                match socket.read(&mut [0; 1024]) {
                    Ok(bytes @ 1..) => {
                        *received += bytes;
                        seen.requests += usize::from(*received == REQUEST.len());
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                    // The end, or a reset.
                    Ok(0) | Err(_) => {
                        seen.closed += 1;
                        return false;
                    }
                }
            }
        });
    }
}
