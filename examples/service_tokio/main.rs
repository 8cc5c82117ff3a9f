//! The service of examples/service on Tokio: all but what is in this file is the same.
//!
//! ```text
//! cargo run --example service_tokio                              # a demo, with clients of its own
//! cargo run --example service_tokio -- --listen 127.0.0.1:7000   # then: nc 127.0.0.1 7000
//! ```

#[path = "../service/args.rs"]
mod args;
#[path = "../service/demo.rs"]
mod demo;
#[path = "../service/log.rs"]
mod log;
#[path = "../service/runtime.rs"]
mod runtime;
#[path = "../service/service.rs"]
mod service;

use std::{future::Future, io, net::SocketAddr, process::ExitCode};

use runtime::Runtime;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

#[tokio::main]
async fn main() -> ExitCode {
    args::run::<Tokio>().await
}

/// The service on Tokio.
struct Tokio;

impl Runtime for Tokio {
    const NAME: &str = "Tokio";

    type Listener = TcpListener;
    type Socket = Compat<TcpStream>;
    type CtrlC = Signal;

    async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &TcpListener) -> io::Result<(Compat<TcpStream>, SocketAddr)> {
        let (socket, peer) = listener.accept().await?;
        Ok((socket.compat(), peer))
    }

    async fn connect(address: SocketAddr) -> io::Result<Compat<TcpStream>> {
        TcpStream::connect(address).await.map(TcpStream::compat)
    }

    fn spawn(task: impl Future<Output: Send> + Send + 'static) {
        tokio::spawn(async move { drop(task.await) });
    }

    fn ctrl_c() -> io::Result<Signal> {
        signal(SignalKind::interrupt())
    }

    async fn next_ctrl_c(signals: &mut Signal) {
        signals.recv().await;
    }
}
