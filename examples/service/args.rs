//! What the service is told.

use std::{net::SocketAddr, process::ExitCode};

use clap::Parser;

use crate::{demo, log::Log, runtime::Runtime, service::Service};

/// Accepts connections, works for them, and shuts down in order on Ctrl-C.
///
/// Without an address it shows what it does, to clients of its own.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn run<R: Runtime>() -> ExitCode {
    let done = match Args::parse().listen {
        None => demo::run::<R>().await,
        Some(address) => match Service::<R>::start(address, Log::default()).await {
            Ok(service) => service.run_until_ctrl_c().await,
            Err(error) => Err(error),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("service: {error}");
            ExitCode::FAILURE
        }
    }
}
