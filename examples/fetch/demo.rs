//! What the tool does without arguments: it fetches from a server of its own that misbehaves.

use std::{
    io::{self, Write},
    net::TcpListener,
    num::{NonZeroU32, NonZeroUsize},
    process::ExitCode,
    time::Duration,
};

use crate::{args::Settings, fetch_all, server::Server};

/// In an order in which the last one is cut short by the deadline.
const PATHS: [&str; 11] = [
    "hangs",
    "drips",
    "slow",
    "fast",
    "large",
    "busy-twice",
    "resets-once",
    "missing",
    "moved",
    "endless",
    "hangs?until-the-deadline",
];

pub(crate) async fn run() -> io::Result<ExitCode> {
    let settings = Settings {
        concurrency: NonZeroUsize::MIN.saturating_add(2),
        timeout: Duration::from_millis(600),
        attempts: NonZeroU32::MIN.saturating_add(2),
        back_off: Duration::from_millis(50),
        deadline: Duration::from_millis(2100),
        max_bytes: 1_000_000,
        verbose: false,
    };
    let server = Server::start().await?;
    let mut inputs: Vec<_> =
        PATHS.iter().map(|path| format!("http://{}/{path}", server.address())).collect();
    inputs.insert(5, format!("http://{}/nobody-there", deserted()?));
    inputs.insert(9, "no url at all".to_owned());

    let mut out = io::stdout();
    let Settings { concurrency, attempts, timeout, deadline, .. } = &settings;
    writeln!(
        out,
        "A server that misbehaves, on {}. Fetching {} URLs from it, {concurrency} at once, {attempts} \
         attempts of {timeout:?} each, {deadline:?} for all.\n",
        server.address(),
        inputs.len(),
    )?;

    fetch_all(&inputs, &settings).await?.print(&mut out)?;

    let seen = server.stop().await;
    writeln!(out, "\nThe server saw {seen}.")?;
    writeln!(out, "The failures are part of the demo: exit status 0. See --help for more.")?;
    Ok(ExitCode::SUCCESS)
}

/// An address on which nobody listens any more.
fn deserted() -> io::Result<std::net::SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
