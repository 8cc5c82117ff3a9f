//! What the tool is told.

use std::{
    io::{self, BufRead},
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use clap::Parser;

/// Fetches URLs over HTTP, many at once, and says in plain words what became of each.
///
/// Without any arguments it shows what it does on a server of its own.
#[derive(Debug, Parser)]
#[command(after_help = "Durations: 500ms, 2s, 1.5m; a bare number is in seconds.\n\
    Exit status: 0 when all were fetched, 1 when something failed, 2 when it could not begin.")]
pub(crate) struct Args {
    /// What to fetch; `-` reads from standard input, one a line, without blank lines and # comments
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,

    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// How many URLs are under way at once
    #[arg(long, default_value = "8", value_name = "COUNT")]
    pub(crate) concurrency: NonZeroUsize,

    /// How long one attempt may take, the whole body included
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Duration,

    /// How often each URL is tried: again after a lost connection, a timeout, a 429 and a 5xx
    #[arg(long, default_value = "4", value_name = "COUNT")]
    pub(crate) attempts: NonZeroU32,

    /// The longest wait before the second attempt; it doubles, and chance shortens it
    #[arg(long, default_value = "200ms", value_name = "TIME", value_parser = duration)]
    pub(crate) back_off: Duration,

    /// How long all of it may take
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = duration)]
    pub(crate) deadline: Duration,

    /// How large a body may be
    #[arg(long, default_value = "10000000", value_name = "BYTES")]
    pub(crate) max_bytes: u64,

    /// Tell of each retry as it happens, on standard error
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

impl Args {
    /// The URLs, those from standard input in place of each `-`.
    ///
    /// # Errors
    ///
    /// When standard input can't be read or has no URL in it.
    pub(crate) fn inputs(&self) -> io::Result<Vec<String>> {
        let mut inputs = Vec::new();
        for url in &self.urls {
            match url.as_str() {
                "-" => inputs.extend(from_lines(io::stdin().lock())?),
                _ => inputs.push(url.clone()),
            }
        }
        match inputs.is_empty() {
            true => Err(io::Error::other("there is no URL on standard input: nothing to fetch")),
            false => Ok(inputs),
        }
    }
}

fn from_lines(input: impl BufRead) -> io::Result<Vec<String>> {
    let mut urls = Vec::new();
    for line in input.lines() {
        let line = line.map_err(|error| {
            io::Error::new(error.kind(), format!("can't read standard input: {error}"))
        })?;
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            urls.push(line.to_owned());
        }
    }
    Ok(urls)
}

/// `500ms`, `2s`, `1.5m` or a bare number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit `{unit}`: it is one of ms, s, m and h")),
    };
    let number: f64 = number.parse().map_err(|_| "it begins with a number, as in 500ms or 2s")?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(Duration::ZERO) => Err("it must be longer than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("it is longer than time can be told".to_owned()),
    }
}
