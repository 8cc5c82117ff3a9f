use alloc::vec::Vec;
use core::{error, fmt};

use crate::{
    abort::{Name, quoted},
    owner::core::{Core, Stage, Tasks},
    sync::Arc,
};

/// What is left of a scope that could not close in time: see [`Scope::close_within`](super::Scope::close_within).
///
/// A member that lives on though the scope was aborted is one that nobody polls, or whose
/// [grace](crate::grace) isn't over.
#[derive(Clone, Debug)]
pub struct StillOpen {
    scope: Option<Name>,
    members: usize,
    alive: Vec<Alive>,
}

/// A member of a scope that has a name, and neither has ended nor was dropped.
///
/// ```
/// use tenure::{OwnedFuture, Scope, scope::Progress};
///
/// let scope = Scope::new("ingest");
/// let _reader = std::future::pending::<()>().named("reader").in_scope(&scope);
///
/// let alive = scope.alive();
/// assert_eq!((alive[0].name(), alive[0].progress()), ("reader", Progress::NeverPolled));
/// assert_eq!(alive[0].to_string(), "`reader` was never polled");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    name: Name,
    progress: Progress,
}

/// How far a member has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Progress {
    /// It was never polled.
    NeverPolled,
    /// It was polled, and is pending. Where the scope was aborted: it wasn't polled since.
    Pending,
    /// It knows that it is to end, and takes its time.
    Ending,
}

impl StillOpen {
    pub(super) fn of(core: &Arc<Core>) -> Self {
        let family = Tasks::family(core);
        // A scope below is a member, too.
        let members = family.iter().map(|core| core.members()).sum::<usize>();
        let members = members.saturating_sub(family.len() - 1);
        let alive = family.iter().flat_map(|core| Alive::of(core)).collect();
        Self { scope: core.name.clone(), members, alive }
    }

    /// How many members live on, in the scope and in those below it.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members
    }

    /// Those of them that have a [name](crate::OwnedFuture::named).
    #[must_use]
    pub fn alive(&self) -> &[Alive] {
        &self.alive
    }
}

impl Alive {
    pub(super) fn of(core: &Core) -> impl Iterator<Item = Self> + use<> {
        let named = core.tasks().map(Tasks::named).unwrap_or_default();
        named.into_iter().map(|(name, stage)| {
            let progress = match stage {
                Stage::New => Progress::NeverPolled,
                Stage::Begun => Progress::Pending,
                Stage::Ending | Stage::Ended(_) => Progress::Ending,
            };
            Self { name, progress }
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How far it has got.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }
}

impl fmt::Display for Alive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let progress = match self.progress {
            Progress::NeverPolled => "was never polled",
            Progress::Pending => "is pending",
            Progress::Ending => "takes its time to end",
        };
        write!(f, "{} {progress}", quoted(&self.name))
    }
}

impl fmt::Display for StillOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, members, alive } = self;
        match scope {
            Some(scope) => write!(f, "{} is still open", quoted(scope))?,
            None => f.write_str("still open")?,
        }
        let mut separator = ": ";
        for member in alive {
            write!(f, "{separator}{member}")?;
            separator = ", ";
        }
        match members.saturating_sub(alive.len()) {
            0 if separator == ": " => f.write_str(": its clean-up is not done"),
            0 => Ok(()),
            1 => write!(f, "{separator}1 member without a name"),
            more => write!(f, "{separator}{more} members without a name"),
        }
    }
}

impl error::Error for StillOpen {}
