//! What the service does without arguments: it serves clients of its own, and is then stopped by Ctrl-C.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    process::{self, Command},
    time::Duration,
};

use futures::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt,
    io::{BufReader, Lines, ReadHalf, WriteHalf},
};
use tenure::time::TimerHandle;

use crate::{log::Log, runtime::Runtime, service::Service};

pub(crate) async fn run<R: Runtime>() -> io::Result<()> {
    let log = Log::default();
    let service = Service::<R>::start((Ipv4Addr::LOCALHOST, 0).into(), log.clone()).await?;
    let address = service.address();
    let (served, answers) = futures::join!(service.run_until_ctrl_c(), clients::<R>(address));
    served?;
    check(&log.lines(), &answers?)
}

/// Four clients, one after the other, the last two of which are there when it is stopped. What each was told.
async fn clients<R: Runtime>(address: SocketAddr) -> io::Result<[Vec<String>; 4]> {
    // It has all that it asked for.
    let mut patient = Client::<R>::connect(address).await?;
    patient.ask("work 60\nwork 30\nquit\n").await?;
    let patient = patient.until_closed().await;

    // It doesn't wait for it.
    let mut fickle = Client::<R>::connect(address).await?;
    fickle.ask("work 5000\n").await?;
    pause(50).await;
    drop(fickle);

    // One that will be done within the grace, and one that will not.
    let mut saving = Client::<R>::connect(address).await?;
    saving.ask("save 300\n").await?;
    let mut stubborn = Client::<R>::connect(address).await?;
    stubborn.ask("work 20\nstubborn\n").await?;
    pause(100).await;

    let pid = process::id().to_string();
    let raised = Command::new("kill").args(["-INT", &pid]).status()?;
    if !raised.success() {
        return Err(io::Error::other("could not send itself a Ctrl-C"));
    }
    let (saving, stubborn) = futures::join!(saving.until_closed(), stubborn.until_closed());
    Ok([patient, Vec::new(), saving, stubborn])
}

/// What must be said in which order: how each line begins, and what it has in it.
const IN_ORDER: [&[(&str, &str)]; 4] = [
    &[("[1] connected", ""), ("[1] its requests: ", "2 ran"), ("[1] says goodbye", "")],
    &[
        ("[2] connected", ""),
        ("[2] its requests: ", "the client has hung up; 1 aborted"),
        ("[2] says goodbye", ""),
    ],
    &[
        ("[3] connected", ""),
        ("shuts down: Ctrl-C", ""),
        ("[3] its requests: ", "1 ran"),
        ("the database is closed", ""),
    ],
    &[
        ("[4] connected", ""),
        ("shuts down: Ctrl-C", ""),
        ("after 500ms, `service` is still open: ", "is pending"),
        ("[4] its requests: ", "1 overran"),
        ("[4] says goodbye: the grace is over", ""),
        ("the database is closed", ""),
        ("`service` closed: the grace is over", "1 overran"),
    ],
];

/// That all has happened as it should.
fn check(log: &[String], [patient, _, saving, stubborn]: &[Vec<String>; 4]) -> io::Result<()> {
    for expected in IN_ORDER {
        let mut lines = log.iter();
        for (begins, has) in expected {
            if !lines.any(|line| line.starts_with(begins) && line.contains(has)) {
                let missing = format!("it has not said `{begins}..{has}` in its turn");
                return Err(io::Error::other(missing));
            }
        }
    }
    let told = [patient, saving, stubborn].map(|answers| answers.join(", "));
    let expected = ["work 30: done, work 60: done", "save 300: done", "work 20: done"];
    if told != expected {
        return Err(io::Error::other(format!("the clients were told {told:?}")));
    }
    println!("\nAll in order: {} clients were told what became of their requests.", told.len());
    Ok(())
}

struct Client<R: Runtime> {
    lines: Lines<BufReader<ReadHalf<R::Socket>>>,
    writer: WriteHalf<R::Socket>,
}

impl<R: Runtime> Client<R> {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let (reader, writer) = R::connect(address).await?.split();
        Ok(Self { lines: BufReader::new(reader).lines(), writer })
    }

    async fn ask(&mut self, requests: &str) -> io::Result<()> {
        self.writer.write_all(requests.as_bytes()).await
    }

    /// What it is told until the server closes the connection.
    async fn until_closed(self) -> Vec<String> {
        let answers = self.lines.filter_map(|line| std::future::ready(line.ok()));
        answers.collect().await
    }
}

async fn pause(millis: u64) {
    TimerHandle::default().sleep(Duration::from_millis(millis)).await;
}
