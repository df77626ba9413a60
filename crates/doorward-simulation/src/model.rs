//! What was acknowledged, and what therefore has to hold.

use doorward::{Role, UserId};

/// Microseconds of the true time.
pub(crate) type Moment = u64;

/// Somebody with an account.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) role: Role,
    /// Since when the role is that.
    pub(crate) role_since: Moment,
    pub(crate) is_active: bool,
    /// Since when that is so.
    pub(crate) active_since: Moment,
}

/// A session that nobody has ended.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) number: u64,
    /// Whose, by their place in the list.
    pub(crate) person: usize,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) spent: Option<String>,
    /// Whether it may be refused though nobody ended it: a clock that had leapt was at work, or an end of it was lost in a
    /// restore that a node may remember.
    pub(crate) is_doubtful: bool,
}

/// A session whose end was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) number: u64,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) at: Moment,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) people: Vec<Person>,
    pub(crate) sessions: Vec<Session>,
    /// The latest last.
    pub(crate) ended: Vec<Ended>,
    /// Sessions that were ended, or may have been, in a history that is gone. A node may remember it.
    lost: Vec<u64>,
}

impl Model {
    pub(crate) fn end(&mut self, place: usize, at: Moment) {
        let Session { number, access, refresh, .. } = self.sessions.swap_remove(place);
        self.ended.push(Ended { number, access, refresh, at });
    }

    /// Gives up a session of which nobody knows what has become.
    pub(crate) fn lose(&mut self, place: usize) -> Session {
        let session = self.sessions.swap_remove(place);
        self.lost.push(session.number);
        session
    }

    pub(crate) fn end_all_of(&mut self, person: usize, at: Moment) {
        for place in (0..self.sessions.len()).rev() {
            if self.sessions[place].person == person {
                self.end(place, at);
            }
        }
    }

    /// Goes back to an older state. What was ended since is unknown to the store again, and may be remembered by a node.
    pub(crate) fn go_back_to(&mut self, older: Self) {
        let known = older.ended.len();
        let mut lost = std::mem::take(&mut self.lost);
        lost.extend(self.ended.iter().skip(known).map(|ended| ended.number));
        *self = Self { lost, ..older };
        for session in &mut self.sessions {
            session.is_doubtful |= self.lost.contains(&session.number);
        }
    }
}
