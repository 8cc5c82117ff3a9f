//! Asks an API that allows so many requests and so many tokens a minute, and so many at once, for all that it allows.
//!
//! ```text
//! cargo run --example api                                    # three rounds, of which each has another bound
//! cargo run --example api -- --requests 500 --at-once 8      # other bounds
//! cargo run --example api -- --minute 60 --seconds 180       # a minute of a minute
//! cargo run --example api -- --count start --margin 50       # a request counts from its start, with a margin
//! cargo run --example api -- --provoke                       # a server that allows less than it announces
//! ```
//!
//! The server runs on another thread and counts for itself, in every span. What the crate does for the client, and what
//! one has to mind so that the two agree, is in `client`. The rest: `books` is how the server counts, `server` and
//! `connection` are the two ends of the wire, `args` is what the program is told, `report` what it prints.

mod args;
mod books;
mod client;
mod connection;
mod report;
mod server;

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use args::Args;
use async_signal::{Signal, Signals};
use books::Seen;
use clap::Parser;
use client::Client;
use connection::{Pool, Question};
use futures::{StreamExt, future};
use futures_lite::FutureExt;
use report::{Bound, Row};
use server::Server;
use tenure::{Limit, Scope, time::TimerHandle};

fn main() -> ExitCode {
    smol::block_on(run(&Args::parse())).unwrap_or_else(|error| match error.kind() {
        // Whoever read what this prints has seen enough.
        io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => {
            eprintln!("api: {error}");
            ExitCode::from(2)
        }
    })
}

/// Of which kind the questions are, and what bounds them.
struct Round {
    name: &'static str,
    bound: Bound,
    millis: u64,
    most: u64,
    heeds: bool,
}

const ROUNDS: [Round; 3] = [
    Round { name: "short", bound: Bound::Requests, millis: 10, most: 24, heeds: true },
    Round { name: "long", bound: Bound::Tokens, millis: 10, most: 72, heeds: true },
    Round { name: "slow", bound: Bound::AtOnce, millis: 600, most: 24, heeds: true },
];

const PROVOKED: [Round; 2] = [
    Round { name: "heeds it", bound: Bound::Requests, millis: 10, most: 24, heeds: true },
    Round { name: "does not", bound: Bound::Requests, millis: 10, most: 24, heeds: false },
];

async fn run(args: &Args) -> io::Result<ExitCode> {
    let (scope, mut out) = (Scope::new("api"), io::stdout());
    let ctrl_c = Signals::new([Signal::Int])?;
    let rounds = if args.provoke { &PROVOKED[..] } else { &ROUNDS };

    let (rows, seen) = all(rounds, args, &scope).or(abort_on(ctrl_c, &scope)).await?;
    let closed = scope.close().await;

    report::print(&rows, &mut out)?;
    let (terms, minute) = (args.enforced(), args.announced().window);
    writeln!(
        out,
        "\nThe most in any {minute:?}: {} of {} requests, {} of {} tokens; at once: {} of {}.",
        seen.most_requests,
        terms.requests,
        seen.most_tokens,
        terms.tokens,
        seen.most_at_once,
        terms.at_once,
    )?;
    if let Some(aborted) = closed.aborted() {
        writeln!(out, "Stopped early: {}.", aborted.reason())?;
        return Ok(ExitCode::FAILURE);
    }
    let is_well = if args.provoke { is_held_back(&rows, args) } else { is_exact(&rows) };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All that was allowed, or nearly, and nothing else.
fn is_exact(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.violations == 0 && row.share >= Some(0.95))
}

/// Who heeds a 429 is told so once more by each that was under way at the time, and no more.
fn is_held_back(rows: &[Row], args: &Args) -> bool {
    match rows {
        [heeds, does_not] => {
            let most = heeds.cool_downs * args.announced().at_once;
            (1..=most).contains(&heeds.violations) && heeds.violations < does_not.violations
        }
        _ => false,
    }
}

/// The rounds up to the last, or to that which was stopped, and what the server has seen.
async fn all(rounds: &[Round], args: &Args, scope: &Scope) -> io::Result<(Vec<Row>, Seen)> {
    let server = Server::start(args.enforced()).await?;
    let limit = client::limit(&args.announced(), args.margin);
    let mut rows = Vec::new();
    for round in rounds {
        rows.push(one(round, &server, &limit, args, scope).await?);
        if scope.is_aborted() {
            break;
        }
    }
    let seen = server.seen();
    server.stop().await;
    Ok((rows, seen))
}

async fn one(
    round: &Round,
    server: &Server,
    limit: &Limit,
    args: &Args,
    scope: &Scope,
) -> io::Result<Row> {
    let (terms, timer) = (args.announced(), TimerHandle::default());
    let pool = Pool::open(server.address(), terms.at_once).await;
    let pool = pool.map_err(|error| io::Error::other(error.to_string()))?;
    let client = Client::new(pool, limit.clone(), scope.clone(), args.count, round.heeds);
    let (before, asked) = (server.seen(), AtomicU64::new(0));
    let question = || {
        let number = asked.fetch_add(1, Relaxed);
        let uses = round.most - number % (round.most / 6 + 1);
        Question { millis: round.millis, uses, most: round.most }
    };
    let share = tenure::local_scope(async |n| {
        for _ in 0..args.users {
            n.spawn(client.user(&question));
        }
        // What was used before counts still.
        timer.sleep(terms.window).await;
        let (from, begun) = (server.seen(), Instant::now());
        timer.sleep(args.seconds).await;
        let share = round.bound.share(&from, &server.seen(), begun.elapsed(), &args.enforced());
        client.end();
        share
    });
    let share = share.in_scope(scope).await.ok();
    let seen = (&before, &server.seen());
    Ok(Row::new(round.name, seen, &client.tally, (round.bound, share)))
}

/// Aborts `scope` at the first signal. It never ends: what it runs beside does.
async fn abort_on<T>(mut signals: Signals, scope: &Scope) -> T {
    if signals.next().await.is_some() {
        scope.abort("user hit Ctrl-C");
    }
    future::pending().await
}
