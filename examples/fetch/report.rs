//! What the tool prints.

use std::{
    io::{self, Write},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, TableComponent, presets};
use hyper::StatusCode;
use tenure::{Aborted, Error};

use crate::{
    args::Settings,
    client::{FetchError, Page},
    explain::explain,
    progress::Progress,
};

/// A row for each URL, in the order they were given.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<Row>,
    aborted: Option<Aborted>,
}

/// What became of one URL.
#[derive(Debug)]
pub(crate) struct Row {
    url: String,
    status: Option<StatusCode>,
    bytes: u64,
    attempts: u32,
    time: Option<Duration>,
    fetched: bool,
    remark: String,
}

impl Row {
    /// Of something that can't be fetched.
    pub(crate) fn not_tried(input: &str, why: String) -> Self {
        // It may be anything, also what a terminal takes as a command.
        let url = input.replace(char::is_control, "\u{fffd}");
        Self { url, status: None, bytes: 0, attempts: 0, time: None, fetched: false, remark: why }
    }

    pub(crate) fn tried(
        url: &str,
        progress: &Progress,
        outcome: Result<Page, Error<FetchError>>,
        settings: &Settings,
    ) -> Self {
        let remark = match &outcome {
            Ok(Page { moved_to: Some(to) }) => format!("moved to {to} (not followed)"),
            Ok(Page { moved_to: None }) => String::new(),
            Err(error) => explain(error, progress, settings),
        };
        Self {
            url: url.to_owned(),
            status: progress.status(),
            bytes: progress.bytes(),
            attempts: progress.attempts(),
            time: progress.elapsed(),
            fetched: outcome.is_ok(),
            remark,
        }
    }

    fn cells(&self) -> [String; 7] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            if self.fetched { "ok" } else { "FAILED" }.to_owned(),
            self.url.clone(),
            or_dash(self.status.map(|status| status.as_u16().to_string())),
            or_dash(self.status.map(|_| self.bytes.to_string())),
            self.attempts.to_string(),
            or_dash(self.time.map(milliseconds)),
            self.remark.clone(),
        ]
    }
}

impl Report {
    pub(crate) fn new(rows: Vec<Row>, aborted: Option<Aborted>) -> Self {
        Self { rows, aborted }
    }

    pub(crate) fn all_fetched(&self) -> bool {
        self.rows.iter().all(|row| row.fetched)
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_style(TableComponent::HeaderLines, '-');
        table.set_style(TableComponent::MiddleHeaderIntersections, ' ');
        table.set_header(["", "URL", "status", "bytes", "attempts", "time", "remark"]);
        table.add_rows(self.rows.iter().map(Row::cells));
        for numbers in 2..=5 {
            if let Some(column) = table.column_mut(numbers) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(out, "{}", table.trim_fmt())?;
        writeln!(out, "\n{}", self.summary())
    }

    fn summary(&self) -> String {
        let fetched = self.rows.iter().filter(|row| row.fetched).count();
        let bytes: u64 = self.rows.iter().map(|row| row.bytes).sum();
        let attempts: u32 = self.rows.iter().map(|row| row.attempts).sum();
        let mut summary = format!(
            "{fetched} of {} fetched, {} failed; attempts: {attempts}, bytes: {bytes}",
            self.rows.len(),
            self.rows.len() - fetched,
        );
        if let Some(aborted) = &self.aborted {
            summary += &format!("; stopped early: {}", aborted.reason());
        }
        summary
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
