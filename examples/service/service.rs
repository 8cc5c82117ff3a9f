//! The service: who owns whom, and how it ends.
//!
//! ```text
//! `service`                  a Scope: aborted and closed on Ctrl-C
//!   `127.0.0.1:4711`         a Scope in it, for each connection, which ends with it
//!     its task               a member of that
//!       its requests         children of a nursery in that task, aborted when the client hangs up
//! ```

use std::{
    future::pending, io, marker::PhantomData, net::SocketAddr, str::SplitWhitespace, time::Duration,
};

use futures::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt,
    io::{BufReader, WriteHalf},
    lock::Mutex,
};
use tenure::{
    AbortHandle, Aborted, Limit, OwnedFuture, Owner, Scope,
    scope::{Reaper, StillOpen},
    time::TimerHandle,
};

use crate::{
    log::{CONNECTION, Log},
    runtime::Runtime,
};

/// How long requests may go on by themselves once all is to end, and how long they then have to be gone.
const GRACE: Duration = Duration::from_millis(500);
const LAST: Duration = Duration::from_secs(1);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);

pub(crate) struct Service<R: Runtime> {
    address: SocketAddr,
    listener: R::Listener,
    scope: Scope,
    reaper: Reaper,
    shared: Shared,
    runtime: PhantomData<R>,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    log: Log,
    /// So many requests are worked on at once.
    limit: Limit,
    /// Aborted when no more requests are read.
    closing: AbortHandle,
}

impl<R: Runtime> Service<R> {
    pub(crate) async fn start(address: SocketAddr, log: Log) -> io::Result<Self> {
        let (listener, address) = R::listen(address).await?;
        log.say(format!("listens on {address}, on {}", R::NAME));
        let scope = Scope::new("service");
        let (opened, reaper) = (log.clone(), Reaper::new());
        // It was opened first, so it is closed last.
        scope.defer(move |_| opened.say("the database is closed"));
        let shared = Shared { log, limit: Limit::new(4), closing: AbortHandle::new() };
        Ok(Self { address, listener, scope, reaper, shared, runtime: PhantomData })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the first Ctrl-C, and then shuts down in order; the second one ends the process.
    pub(crate) async fn run_until_ctrl_c(self) -> io::Result<()> {
        let mut ctrl_c = R::ctrl_c()?;
        // Says goodbye for connections that have ended by themselves: there, nobody waits for it.
        R::spawn(self.reaper.run());
        let accepting = self.accept().with_abort(&self.shared.closing);
        let stop = async {
            R::next_ctrl_c(&mut ctrl_c).await;
            self.shared.closing.abort("Ctrl-C");
        };
        let (accepted, ()) = futures::join!(accepting, stop);
        let why = accepted.expect_err("it goes on until it is aborted");
        self.shared.log.say(format!("shuts down: {why}"));

        R::spawn(async move {
            R::next_ctrl_c(&mut ctrl_c).await;
            std::process::exit(130);
        });
        self.shut_down().await;
        // Those who have just hung up are said goodbye to as well.
        self.reaper.drain().await;
        Ok(())
    }

    /// Lets what runs end by itself for a while, then ends it, and says who had to be ended.
    async fn shut_down(&self) {
        let log = &self.shared.log;
        let report = match self.scope.close_within(GRACE).await {
            Ok(report) => report,
            Err(open) => {
                log.say(format!("after {GRACE:?}, {open}"));
                self.scope.abort("the grace is over");
                match self.scope.close_within(LAST).await {
                    Ok(report) => report,
                    Err(open) => return stuck(log, &open),
                }
            }
        };
        log.say(report.to_string());
    }

    /// Accepts connections, for ever.
    async fn accept(&self) {
        for number in 1.. {
            let (socket, peer) = match R::accept(&self.listener).await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of sockets, most likely: some will come free.
                    self.shared.log.say(format!("can't accept: {error}"));
                    TimerHandle::default().sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            let scope = Scope::builder(peer.to_string())
                .child_of(&self.scope)
                .value(&CONNECTION, number)
                .reaper(&self.reaper)
                .build();
            // The task has the scope, which ends with it.
            let connection = Connection { scope: scope.clone(), shared: self.shared.clone() };
            let task = connection.serve(socket).named(peer.to_string());
            R::spawn(task.in_scope(&scope));
        }
    }
}

fn stuck(log: &Log, open: &StillOpen) {
    log.say(format!("gives up: {open}"));
}

struct Connection {
    scope: Scope,
    shared: Shared,
}

enum Request {
    Work(Duration),
    Save(Duration),
    Stubborn,
    Quit,
}

impl Connection {
    async fn serve<S>(self, socket: S)
    where
        S: futures::AsyncRead + futures::AsyncWrite + Unpin + Send + 'static,
    {
        let log = &self.shared.log;
        log.say("connected");
        let farewell = log.clone();
        self.scope.defer_async(async move |why: Option<Aborted>| {
            let why = why.map_or("done".to_owned(), |why| why.to_string());
            farewell.say(format!("says goodbye: {why}"));
        });

        let (reader, writer) = socket.split();
        let (mut lines, writer) = (BufReader::new(reader).lines(), Mutex::new(writer));
        let requests = tenure::scope(async |n| {
            n.on_close(|report| log.say(format!("its requests: {report}")));
            loop {
                let line = match lines.next().with_abort(&self.shared.closing).await {
                    Ok(Some(Ok(line))) => line,
                    // No more are read, but those that were are seen through.
                    Err(_) => break,
                    Ok(Some(Err(error))) if error.kind() == io::ErrorKind::InvalidData => {
                        tell(&writer, "that isn't text").await;
                        continue;
                    }
                    Ok(None | Some(Err(_))) => {
                        n.abort("the client has hung up");
                        break;
                    }
                };
                match Request::parse(&line) {
                    Some(Request::Quit) => break,
                    Some(request) => drop(n.spawn(self.answer(line, request, &writer))),
                    None => tell(&writer, "work TIME, save TIME, stubborn or quit").await,
                }
            }
        });
        if let Err(aborted) = requests.await {
            log.say(format!("ends early: {aborted}"));
        }
    }

    /// One request, from its place in the queue to its answer.
    async fn answer<S: futures::AsyncWrite + Unpin>(
        &self,
        line: String,
        request: Request,
        writer: &Mutex<WriteHalf<S>>,
    ) {
        let limit = &self.shared.limit;
        let done = match request {
            Request::Work(time) => sleep(time).limit(limit).with_timeout(REQUEST).await,
            // Told that all is to end, it finishes first.
            Request::Save(time) => {
                sleep(time).limit(limit).with_grace(GRACE).with_timeout(REQUEST).await
            }
            Request::Stubborn => {
                let deaf = pending().named("stubborn").with_grace(GRACE / 5);
                deaf.limit(limit).with_timeout(REQUEST).await
            }
            Request::Quit => Ok(()),
        };
        match done {
            Ok(()) => tell(writer, &format!("{line}: done")).await,
            Err(aborted) => tell(writer, &format!("{line}: {aborted}")).await,
        }
    }
}

/// Waits on the timer of its owner.
async fn sleep(time: Duration) {
    let owner = Owner::current().expect("it is the beginning of a chain");
    if let Some(timer) = owner.timer() {
        timer.sleep(time).await;
    }
}

async fn tell<S: futures::AsyncWrite + Unpin>(writer: &Mutex<WriteHalf<S>>, line: &str) {
    let mut writer = writer.lock().await;
    // A client that has hung up isn't there to be told; the reader sees it.
    drop(writer.write_all(format!("{line}\n").as_bytes()).await);
    drop(writer.flush().await);
}

impl Request {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let request = match words.next()? {
            "work" => Self::Work(millis(&mut words)?),
            "save" => Self::Save(millis(&mut words)?),
            "stubborn" => Self::Stubborn,
            "quit" => Self::Quit,
            _ => return None,
        };
        words.next().is_none().then_some(request)
    }
}

fn millis(words: &mut SplitWhitespace<'_>) -> Option<Duration> {
    words.next()?.parse().ok().map(Duration::from_millis)
}
