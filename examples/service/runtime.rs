//! What the service needs of an executor: sockets, tasks and Ctrl-C.

use std::{future::Future, io, net::SocketAddr};

use futures::{AsyncRead, AsyncWrite};

pub(crate) trait Runtime: Send + Sync + 'static {
    const NAME: &str;

    type Listener: Send + Sync + 'static;
    type Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    type CtrlC: Send + 'static;

    fn listen(
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    fn accept(
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Socket, SocketAddr)>> + Send;

    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Socket>> + Send;

    fn spawn(task: impl Future<Output: Send> + Send + 'static);

    /// From now on Ctrl-C doesn't end the process.
    fn ctrl_c() -> io::Result<Self::CtrlC>;

    fn next_ctrl_c(signals: &mut Self::CtrlC) -> impl Future<Output = ()> + Send;
}
