use super::{
    Outcome,
    contest::{Subject, median},
};

/// How many times as much as the fastest peer ours may take, or how much.
pub(crate) struct Bar {
    pub(crate) contest: &'static str,
    ours: f64,
    /// Whose, and what it took.
    theirs: Option<(&'static str, f64)>,
    /// Which peers count, in words and by name, where not all do.
    among: Option<(&'static str, &'static [&'static str])>,
}

impl Bar {
    /// What `ours` was to take at most when the goals were set, over what the fastest peer then took:
    /// `theirs`, of `whose`.
    pub(crate) const fn new(
        contest: &'static str,
        ours: f64,
        whose: &'static str,
        theirs: f64,
    ) -> Self {
        Self { contest, ours, theirs: Some((whose, theirs)), among: None }
    }

    /// What ours may take on any machine, whatever the peers do.
    pub(crate) const fn itself(contest: &'static str, ours: f64) -> Self {
        Self { contest, ours, theirs: None, among: None }
    }

    /// Not all peers do the same: only `peers` count.
    pub(crate) const fn among(
        mut self,
        words: &'static str,
        peers: &'static [&'static str],
    ) -> Self {
        self.among = Some((words, peers));
        self
    }

    fn counts(&self, peer: &str) -> bool {
        self.among.is_none_or(|(_, peers)| peers.contains(&peer))
    }

    /// Prints the line, and tells whether the bar holds.
    pub(super) fn hold(&self, outcome: &Outcome) -> bool {
        let [ours, peers @ ..] = &*outcome.subjects else { unreachable!("we are always there") };
        let best = peers
            .iter()
            .filter(|peer| self.counts(peer.name))
            .min_by(|a, b| a.median().total_cmp(&b.median()))
            .expect("a bar is set against somebody");
        let words = match (self.among, self.theirs) {
            (Some((words, _)), _) => format!(", {words}"),
            (None, Some(_)) => String::new(),
            (None, None) => ", itself".into(),
        };
        let (ratio, bar, holds) = match self.theirs {
            Some((whose, theirs)) => {
                assert!(
                    self.counts(whose) && peers.iter().any(|peer| peer.name == whose),
                    "{whose} isn't there, by whom the bar of `{}` is set",
                    self.contest
                );
                let (ratio, bar) = (ratio(ours, best), self.ours / theirs);
                // Not the other way round: what is no number doesn't hold.
                (short(ratio), bar, ratio <= bar)
            }
            None => ("-".into(), self.ours, ours.median() <= self.ours),
        };
        println!(
            "{}{words}\t{:.2}\t{:.2}\t{}\t{ratio}\t{}\t{}",
            self.contest,
            ours.median(),
            best.median(),
            best.name,
            short(bar),
            if holds { "ok" } else { "SHORT" },
        );
        holds
    }
}

/// Of the rounds, not of the medians: in a round the machine is the same for both.
fn ratio(ours: &Subject, theirs: &Subject) -> f64 {
    median(ours.rounds.iter().zip(&theirs.rounds).map(|(ours, theirs)| ours / theirs))
}

/// Two digits at the least, of what is small too.
fn short(number: f64) -> String {
    match number.abs() < 0.1 && number != 0.0 {
        true => format!("{number:.4}"),
        false => format!("{number:.2}"),
    }
}
