use super::{Outcome, contest::median};

/// How many times as much as the fastest peer ours may take.
pub(crate) struct Bar {
    pub(crate) contest: &'static str,
    ours: f64,
    whose: &'static str,
    theirs: f64,
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
        Self { contest, ours, whose, theirs, among: None }
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
        assert!(
            self.counts(self.whose) && peers.iter().any(|peer| peer.name == self.whose),
            "{} isn't there, by whom the bar of `{}` is set",
            self.whose,
            self.contest
        );
        let ratio =
            median(ours.rounds.iter().zip(&best.rounds).map(|(ours, theirs)| ours / theirs));
        let bar = self.ours / self.theirs;
        // Not the other way round: what is no number doesn't hold.
        let holds = ratio <= bar;
        println!(
            "{}{}\t{:.2}\t{:.2}\t{}\t{ratio:.2}\t{bar:.2}\t{}",
            self.contest,
            self.among.map(|(words, _)| format!(", {words}")).unwrap_or_default(),
            ours.median(),
            best.median(),
            best.name,
            if holds { "ok" } else { "SHORT" },
        );
        holds
    }
}
