//! Fetches URLs over HTTP, many at once, and says in plain words what became of each.
//!
//! ```text
//! cargo run --example fetch                                  # a demo, with a server of its own
//! cargo run --example fetch -- https://example.org http://localhost:8080/health
//! cargo run --example fetch -- --timeout 2s --attempts 5 - < urls.txt
//! ```
//!
//! What the crate does for it is all in [`fetch_one`], and what that takes to end early, by Ctrl-C
//! or by a deadline, is in [`fetch_all`]. The rest is a plain command-line tool: `args` is what it is
//! told, `client` one request, `report` what it prints, `demo` and `server` what it does without
//! arguments.

mod args;
mod client;
mod demo;
mod explain;
mod progress;
mod report;
mod server;

use std::{env, io, process::ExitCode};

use args::{Args, Settings};
use async_signal::{Signal, Signals};
use clap::Parser;
use client::{Client, FetchError};
use futures::{StreamExt, future};
use futures_lite::FutureExt;
use progress::Progress;
use report::{Report, Row};
use tenure::{
    Backoff, Limit, OwnedFuture, Scope,
    retry::{Jitter, Retrying},
    time::Instant,
};

fn main() -> ExitCode {
    let exit = match env::args_os().len() {
        1 => smol::block_on(demo::run()),
        _ => run(&Args::parse()),
    };
    exit.unwrap_or_else(|error| match error.kind() {
        // Whoever read what this prints has seen enough.
        io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => {
            eprintln!("fetch: {error}");
            ExitCode::from(2)
        }
    })
}

fn run(args: &Args) -> io::Result<ExitCode> {
    let inputs = args.inputs()?;
    let report = smol::block_on(fetch_all(&inputs, &args.settings))?;
    report.print(&mut io::stdout().lock())?;
    Ok(if report.all_fetched() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fetches all of `inputs` under one owner. However that ends, there is a row for each.
async fn fetch_all(inputs: &[String], settings: &Settings) -> io::Result<Report> {
    let work = Work {
        client: Client::new(settings.max_bytes).map_err(io::Error::other)?,
        scope: Scope::new("fetch"),
        limit: Limit::new(settings.concurrency.get()),
        deadline: Instant::now() + settings.deadline,
        settings,
    };
    let ctrl_c = Signals::new([Signal::Int])?;

    let rows = future::join_all(inputs.iter().map(|input| fetch_one(input, &work)));
    let rows = rows.or(abort_on(ctrl_c, &work.scope)).await;

    // Each chain has ended, so this waits for nothing; it tells why, if the whole was aborted.
    let closed = work.scope.close().await;
    Ok(Report::new(rows, closed.aborted().cloned()))
}

/// What all the fetches share.
struct Work<'a> {
    client: Client,
    scope: Scope,
    limit: Limit,
    deadline: Instant,
    settings: &'a Settings,
}

/// One URL, from its place in the queue to its row in the report.
async fn fetch_one(input: &str, work: &Work<'_>) -> Row {
    let url = match client::parse(input) {
        Ok(url) => url,
        Err(why) => return Row::not_tried(input, why),
    };
    let Work { client, scope, limit, deadline, settings } = work;
    let progress = Progress::default();
    let back_off = Backoff::exponential()
        .first_delay(settings.back_off)
        .attempts(settings.attempts.get())
        .jitter(Jitter::Full);

    let note = |retrying: &Retrying<'_, FetchError>| {
        let why = explain::attempt_failed(&retrying.error);
        if settings.verbose {
            let Retrying { attempt, delay, .. } = retrying;
            eprintln!("{url}: attempt {attempt}: {why}; again in {delay:.0?}");
        }
        progress.will_retry(why);
    };

    #[rustfmt::skip]
    let outcome = (|| client.fetch(&url, &progress))    // a fresh request for each attempt
        .with_timeout(settings.timeout)                 // how long one attempt may take
        .retry(back_off)                                // after an error, or that timeout ...
        .when(FetchError::is_transient)                 // ... but a 404 stays one
        .on_retry(note)
        .limit(limit)                                   // one place, kept over all attempts
        .with_deadline(*deadline)                       // all of it, the wait for the place too
        .in_scope(scope)                                // one owner, whom Ctrl-C aborts
        .flatten()                                      // its own error, or why it was aborted
        .await;

    Row::tried(url.as_str(), &progress, outcome, settings)
}

/// Aborts `scope` at the first signal. It never ends: what it runs beside does.
async fn abort_on<T>(mut signals: Signals, scope: &Scope) -> T {
    if signals.next().await.is_some() {
        scope.abort("user hit Ctrl-C");
    }
    future::pending().await
}
