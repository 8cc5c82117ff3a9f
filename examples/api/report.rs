//! What the program prints.

use std::{
    io::{self, Write},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use comfy_table::{CellAlignment, Table, TableComponent, presets};

use crate::{
    books::{Seen, Terms},
    client::Tally,
};

/// What is there to be had, and gives out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Requests,
    Tokens,
    AtOnce,
}

/// One round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) sent: usize,
    pub(crate) violations: usize,
    pub(crate) tokens: u64,
    pub(crate) answered: usize,
    pub(crate) failed: usize,
    pub(crate) cool_downs: usize,
    pub(crate) longest_wait: Duration,
    /// How much was had of what was allowed, and what that was. It isn't known of a round that was stopped.
    pub(crate) share: Option<f64>,
    pub(crate) bound: Bound,
}

impl Bound {
    /// The part that was had of what `terms` allow in `time`.
    pub(crate) fn share(self, from: &Seen, to: &Seen, time: Duration, terms: &Terms) -> f64 {
        let (had, allowed) = match self {
            Self::Requests => ((to.let_in - from.let_in) as f64, terms.requests as f64),
            Self::Tokens => (to.tokens as f64 - from.tokens as f64, terms.tokens as f64),
            Self::AtOnce => {
                let all = time * terms.at_once as u32;
                return (to.work - from.work).div_duration_f64(all);
            }
        };
        had / (allowed * time.div_duration_f64(terms.window))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::AtOnce => "at once",
        }
    }
}

impl Row {
    pub(crate) fn new(
        name: &'static str,
        (before, after): (&Seen, &Seen),
        tally: &Tally,
        (bound, share): (Bound, Option<f64>),
    ) -> Self {
        Self {
            name,
            sent: after.arrived - before.arrived,
            violations: after.violations - before.violations,
            tokens: after.tokens - before.tokens,
            answered: tally.answered.load(Relaxed),
            failed: tally.failed.load(Relaxed),
            cool_downs: tally.cool_downs.load(Relaxed),
            longest_wait: tally.longest_wait(),
            share,
            bound,
        }
    }

    fn cells(&self) -> [String; 9] {
        [
            self.name.to_owned(),
            self.sent.to_string(),
            self.answered.to_string(),
            self.failed.to_string(),
            self.violations.to_string(),
            self.cool_downs.to_string(),
            self.tokens.to_string(),
            match self.share {
                Some(share) => format!("{:.1} % of {}", 100.0 * share, self.bound.name()),
                None => "stopped".to_owned(),
            },
            format!("{} ms", self.longest_wait.as_millis()),
        ]
    }
}

pub(crate) fn print(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '-');
    table.set_style(TableComponent::MiddleHeaderIntersections, ' ');
    table.set_header([
        "round",
        "sent",
        "answered",
        "failed",
        "violations",
        "cool-downs",
        "tokens",
        "reached",
        "longest wait",
    ]);
    table.add_rows(rows.iter().map(Row::cells));
    for numbers in 1..=8 {
        if let Some(column) = table.column_mut(numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(out, "{}", table.trim_fmt())
}
