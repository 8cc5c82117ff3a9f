//! A service that owns what it does: it accepts connections, works for them, and shuts down in order on Ctrl-C.
//!
//! ```text
//! cargo run --example service                              # a demo, with clients of its own
//! cargo run --example service -- --listen 127.0.0.1:7000   # then: nc 127.0.0.1 7000
//! cargo run --example service_tokio                        # the same on Tokio
//! ```
//!
//! One request a line: `work 500` takes half a second, `save 500` has time to finish when all is shut down, `stubborn`
//! never ends by itself, and `quit` lets what was asked for finish first.
//!
//! What the crate does for it is all in `service`. The rest: `runtime` is what it needs of an executor, `demo` what
//! it does without arguments, `args` what it is told, `log` what it says.

mod args;
mod demo;
mod log;
mod runtime;
mod service;

use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpStream as StdStream},
    process::ExitCode,
};

use async_signal::{Signal, Signals};
use futures::StreamExt;
use runtime::Runtime;
use smol::{
    Async,
    net::{TcpListener, TcpStream},
};

fn main() -> ExitCode {
    smol::block_on(args::run::<Smol>())
}

/// The service on smol.
struct Smol;

impl Runtime for Smol {
    const NAME: &str = "smol";

    type Listener = TcpListener;
    type Socket = TcpStream;
    type CtrlC = Signals;

    async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept().await
    }

    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        Async::<StdStream>::connect(address).await.map(TcpStream::from)
    }

    fn spawn(task: impl Future<Output: Send> + Send + 'static) {
        smol::spawn(task).detach();
    }

    fn ctrl_c() -> io::Result<Signals> {
        Signals::new([Signal::Int])
    }

    async fn next_ctrl_c(signals: &mut Signals) {
        signals.next().await;
    }
}
