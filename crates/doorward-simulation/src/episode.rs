//! One life of a service, chosen by a seed: what its people, its attackers and its misfortunes do, step by step, and what
//! must hold after each step.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use doorward::password::{NewPassword, Password, PasswordPolicy};
use doorward::refresh::RefreshError;
use doorward::testing::{MemoryStore, block_on};
use doorward::{Auth, AuthenticateError, EmailAddress, Origin, Role};

use crate::dice::Dice;
use crate::model::{Model, Moment, Person, Session};
use crate::world::Node;

const PASSWORD: &str = "correct horse battery staple";
/// People with accounts, an administrator who stays one not counted.
const PEOPLE: usize = 4;
const MOST_SESSIONS: usize = 24;
/// After which time an acknowledged end is refused by every node that reaches the store, and by one that doesn't.
const REFUSED_AFTER: Moment = 250_000;
const REFUSED_AFTER_WITHOUT_STORE: Moment = 1_000_000;
/// How far a clock leaps at least, and less than twice as far, in microseconds: ahead and back by less than an access token lives and somewhat more, and ahead
/// by what housekeeping would go wrong over.
const LEAPS: [i64; 4] = [20 * MINUTE, 20 * MINUTE, -20 * MINUTE, 48 * 60 * MINUTE];
const MINUTE: i64 = 60 * 1_000_000;

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which episode.
    pub seed: u64,
    /// At which of its steps.
    pub step: u64,
    /// What was promised, and what was seen.
    pub what: String,
    /// The last steps before it.
    pub trace: Vec<String>,
}

/// How often what was done.
pub type Tally = BTreeMap<&'static str, u64>;

/// Lives an episode of that many steps.
///
/// # Errors
///
/// The first [`Violation`].
pub fn live(seed: u64, steps: u64) -> Result<Tally, Violation> {
    let mut episode = Episode::begin(seed);
    for step in 0..steps {
        let outcome = episode.step().and_then(|()| episode.check());
        if let Err(what) = outcome {
            return Err(Violation { seed, step, what, trace: episode.trace.into() });
        }
    }
    Ok(episode.tally)
}

struct Snapshot {
    store: MemoryStore,
    model: Model,
}

struct Episode {
    dice: Dice,
    store: Arc<MemoryStore>,
    nodes: [Node; 2],
    model: Model,
    snapshots: VecDeque<Snapshot>,
    now: Moment,
    numbers: u64,
    tally: Tally,
    trace: VecDeque<String>,
}

type Held = Result<(), String>;

impl Episode {
    fn begin(seed: u64) -> Self {
        let store = Arc::new(MemoryStore::new());
        let nodes = [Node::on(&store), Node::on(&store)];
        let mut episode = Self {
            dice: Dice::of(seed),
            store,
            nodes,
            model: Model::default(),
            snapshots: VecDeque::new(),
            now: 0,
            numbers: 0,
            tally: Tally::new(),
            trace: VecDeque::new(),
        };
        for number in 0..=PEOPLE {
            episode.welcome(number);
        }
        episode
    }

    /// An account for somebody, who logs in at home once and is known there from then on. The last is the administrator.
    #[expect(clippy::expect_used, reason = "nothing has gone wrong yet")]
    fn welcome(&mut self, number: usize) {
        let email = format!("person{number}@example.com");
        let auth = &self.nodes[0].auth;
        let password = NewPassword::new(password(), PasswordPolicy::default()).expect("good enough");
        block_on(auth.register(address(&email), &password, home(number))).expect("a new account");
        block_on(auth.login(&address(&email), password.password(), home(number))).expect("a first login");
        let user = block_on(auth.find_user_by_email(&address(&email))).ok().flatten().expect("it is there");
        if number == PEOPLE {
            block_on(auth.set_role(user.id, Role::Admin, Origin::operator())).expect("the first administrator");
            return;
        }
        let person = Person { id: user.id, email, role: Role::User, role_since: 0, is_active: true, active_since: 0 };
        self.model.people.push(person);
    }

    fn step(&mut self) -> Held {
        let time = match self.dice.under(100) {
            0..70 => self.dice.under(60_000),
            70..97 => 60_000 + self.dice.under(400_000),
            _ => 1_000_000 + self.dice.under(60_000_000),
        };
        self.now += time;
        self.nodes.iter_mut().for_each(|node| node.pass(Duration::from_micros(time)));
        let node = self.dice.place(2);
        match self.dice.under(100) {
            0..16 => self.log_in(node),
            16..40 => self.refresh(node),
            40..52 => self.log_out(node),
            52..54 => self.log_out_everywhere(node),
            54..57 => self.replay(node),
            57..60 => self.switch(node),
            60..65 => self.change_role(node),
            65..75 => self.guess(node),
            75..77 => self.leap(node),
            77..81 => self.correct(node),
            81..85 => self.back_up(),
            85..87 => self.restore(),
            87..90 => self.cut(node),
            90..95 => self.heal(node),
            95..96 => self.kill(node),
            96..98 => self.lose_an_answer(node),
            _ => self.purge(node),
        }
    }

    fn note(&mut self, what: &'static str, about: impl std::fmt::Display) {
        *self.tally.entry(what).or_default() += 1;
        if self.trace.len() == 40 {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:>13} us: {what} {about}", self.now));
    }

    /// Whether that node has to do what it is asked, if what it is asked is right.
    fn is_sound(&self, node: usize) -> bool {
        !self.nodes[node].link.is_cut() && !self.nodes[node].has_leapt()
    }

    fn log_in(&mut self, node: usize) -> Held {
        let person = self.dice.place(PEOPLE);
        if self.model.sessions.len() >= MOST_SESSIONS {
            return Ok(());
        }
        self.note("login", format_args!("of {person} on {node}"));
        let Person { email, is_active, .. } = &self.model.people[person];
        let outcome = block_on(self.nodes[node].auth.login(&address(email), &password(), home(person)));
        match outcome {
            Ok(_) if !is_active => Err("somebody deactivated got in".to_owned()),
            Ok(tokens) => {
                self.numbers += 1;
                self.model.sessions.push(Session {
                    number: self.numbers,
                    person,
                    access: tokens.access_token.reveal().to_owned(),
                    refresh: tokens.refresh_token.reveal().to_string(),
                    spent: None,
                    is_doubtful: self.nodes[node].has_leapt(),
                });
                Ok(())
            }
            Err(_) if !is_active => Ok(()),
            Err(_) if !self.is_sound(node) => Ok(()),
            Err(error) => Err(format!("the owner at home doesn't get in: {error}")),
        }
    }

    fn refresh(&mut self, node: usize) -> Held {
        let Some(place) = self.some_session() else { return Ok(()) };
        let session = self.model.sessions[place].clone();
        self.note("refresh", format_args!("of session {} on {node}", session.number));
        match block_on(self.nodes[node].auth.refresh(&session.refresh, home(session.person))) {
            Ok(tokens) => {
                let kept = &mut self.model.sessions[place];
                kept.spent = Some(std::mem::replace(&mut kept.refresh, tokens.refresh_token.reveal().to_string()));
                kept.access = tokens.access_token.reveal().to_owned();
                kept.is_doubtful |= self.nodes[node].has_leapt();
                Ok(())
            }
            Err(RefreshError::Fault(_)) if !self.is_sound(node) => Ok(()),
            Err(_) if session.is_doubtful || self.nodes[node].has_leapt() => {
                self.model.lose(place);
                Ok(())
            }
            Err(error) => Err(format!("the refresh token of session {} is refused: {error}", session.number)),
        }
    }

    fn log_out(&mut self, node: usize) -> Held {
        let Some(place) = self.some_session() else { return Ok(()) };
        let session = self.model.sessions[place].clone();
        self.note("logout", format_args!("of session {} on {node}", session.number));
        match block_on(self.nodes[node].auth.logout(&session.refresh, home(session.person))) {
            Ok(()) => {
                self.model.end(place, self.now);
                Ok(())
            }
            Err(_) if !self.is_sound(node) => Ok(()),
            Err(error) => Err(format!("a logout fails: {error}")),
        }
    }

    fn log_out_everywhere(&mut self, node: usize) -> Held {
        let person = self.dice.place(PEOPLE);
        self.note("logout_all", format_args!("of {person} on {node}"));
        let id = self.model.people[person].id;
        match block_on(self.nodes[node].auth.logout_all(id, home(person))) {
            Ok(()) => self.model.end_all_of(person, self.now),
            Err(_) if !self.is_sound(node) => {}
            Err(error) => return Err(format!("a logout everywhere fails: {error}")),
        }
        Ok(())
    }

    /// A thief comes with a token that its owner has spent.
    fn replay(&mut self, node: usize) -> Held {
        let Some(place) = self.some_session() else { return Ok(()) };
        let Session { number, spent: Some(spent), .. } = self.model.sessions[place].clone() else { return Ok(()) };
        self.note("replay", format_args!("of session {number} on {node}"));
        match block_on(self.nodes[node].auth.refresh(&spent, elsewhere(&mut self.dice))) {
            Ok(_) => Err(format!("session {number} has two live tokens")),
            Err(RefreshError::Reused) => {
                self.model.end(place, self.now);
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    fn switch(&mut self, node: usize) -> Held {
        let place = self.dice.place(PEOPLE);
        let Person { id, role, is_active, .. } = self.model.people[place].clone();
        if role == Role::Admin {
            return Ok(());
        }
        self.note(if is_active { "deactivation" } else { "reactivation" }, format_args!("of {place} on {node}"));
        let auth = &self.nodes[node].auth;
        let done = match is_active {
            true => block_on(auth.deactivate(id, Origin::operator())),
            false => block_on(auth.reactivate(id, Origin::operator())),
        };
        match done {
            Ok(_) => {
                let person = &mut self.model.people[place];
                (person.is_active, person.active_since) = (!is_active, self.now);
                if is_active {
                    self.model.end_all_of(place, self.now);
                }
                Ok(())
            }
            Err(_) if !self.is_sound(node) => Ok(()),
            Err(error) => Err(format!("an administrator's act fails: {error}")),
        }
    }

    fn change_role(&mut self, node: usize) -> Held {
        let place = self.dice.place(PEOPLE);
        let Person { id, role, is_active, .. } = self.model.people[place].clone();
        let role = if role == Role::Admin { Role::User } else { Role::Admin };
        if !is_active {
            return Ok(());
        }
        self.note("role", format_args!("{role} for {place} on {node}"));
        match block_on(self.nodes[node].auth.set_role(id, role, Origin::operator())) {
            Ok(_) => {
                let person = &mut self.model.people[place];
                (person.role, person.role_since) = (role, self.now);
                Ok(())
            }
            Err(_) if !self.is_sound(node) => Ok(()),
            Err(error) => Err(format!("an administrator's act fails: {error}")),
        }
    }

    fn guess(&mut self, node: usize) -> Held {
        let person = self.dice.place(PEOPLE);
        self.note("guess", format_args!("at {person} on {node}"));
        let email = address(&self.model.people[person].email);
        let wrong = guess();
        match block_on(self.nodes[node].auth.login(&email, &wrong, elsewhere(&mut self.dice))) {
            Ok(_) => Err("a wrong password got in".to_owned()),
            Err(_) => Ok(()),
        }
    }

    fn leap(&mut self, node: usize) -> Held {
        if !self.nodes[node].has_leapt() {
            let least = LEAPS[self.dice.place(LEAPS.len())];
            let micros = least + least.signum() * i64::try_from(self.dice.under(least.unsigned_abs())).unwrap_or(0);
            if self.nodes[node].would_be_believed(micros) {
                return Ok(());
            }
            self.note("leap", format_args!("of {node} by {micros} us"));
            self.nodes[node].leap(micros);
        }
        Ok(())
    }

    fn correct(&mut self, node: usize) -> Held {
        if self.nodes[node].has_leapt() {
            self.note("correction", node);
            self.nodes[node].correct();
        }
        Ok(())
    }

    fn back_up(&mut self) -> Held {
        self.note("backup", "");
        if self.snapshots.len() == 3 {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(Snapshot { store: self.store.backup(), model: self.model.clone() });
        Ok(())
    }

    /// A copy of the database takes its place, or a standby that lagged is promoted.
    fn restore(&mut self) -> Held {
        if self.snapshots.is_empty() {
            return Ok(());
        }
        let place = self.dice.place(self.snapshots.len());
        self.note("restore", place);
        let Snapshot { store, model } = &self.snapshots[place];
        self.store.restore_telling(store);
        self.model.go_back_to(model.clone());
        // Who is what again is known to a node when it next looks.
        for person in &mut self.model.people {
            (person.role_since, person.active_since) = (self.now, self.now);
        }
        self.snapshots.truncate(place + 1);
        Ok(())
    }

    fn cut(&mut self, node: usize) -> Held {
        self.note("cut", node);
        self.nodes[node].link.cut(true);
        Ok(())
    }

    fn heal(&mut self, node: usize) -> Held {
        self.note("heal", node);
        self.nodes[node].link.cut(false);
        Ok(())
    }

    fn kill(&mut self, node: usize) -> Held {
        self.note("kill", node);
        self.nodes[node].restart();
        Ok(())
    }

    /// A session is used, and nobody learns what came of it.
    fn lose_an_answer(&mut self, node: usize) -> Held {
        let Some(place) = self.some_session() else { return Ok(()) };
        let session = self.model.lose(place);
        self.note("lost answer", format_args!("about session {} on {node}", session.number));
        self.nodes[node].link.lose_writes(true);
        let outcome = block_on(self.nodes[node].auth.refresh(&session.refresh, home(session.person)));
        self.nodes[node].link.lose_writes(false);
        match outcome {
            Ok(_) => Err("what was not done is acknowledged".to_owned()),
            Err(_) => Ok(()),
        }
    }

    fn purge(&mut self, node: usize) -> Held {
        self.note("purge", node);
        let _ = block_on(self.nodes[node].auth.purge());
        Ok(())
    }

    fn some_session(&mut self) -> Option<usize> {
        let count = self.model.sessions.len();
        (count > 0).then(|| self.dice.place(count))
    }

    /// What holds after each step, for some of what it holds for.
    fn check(&mut self) -> Held {
        for node in 0..2 {
            for _ in 0..3 {
                self.check_an_ended(node)?;
            }
            self.check_a_living(node)?;
        }
        Ok(())
    }

    fn bound(&self, node: usize) -> Moment {
        if self.nodes[node].link.is_cut() { REFUSED_AFTER_WITHOUT_STORE } else { REFUSED_AFTER }
    }

    fn check_an_ended(&mut self, node: usize) -> Held {
        // The latest matter most.
        let latest = self.model.ended.len().min(12);
        if latest == 0 {
            return Ok(());
        }
        let place = self.model.ended.len() - 1 - self.dice.place(latest);
        let ended = &self.model.ended[place];
        if self.now < ended.at + self.bound(node) {
            return Ok(());
        }
        let auth: &Auth = &self.nodes[node].auth;
        if block_on(auth.authenticate(&ended.access)).is_ok() {
            return Err(format!("node {node} lets session {} in, which was ended at {} us", ended.number, ended.at));
        }
        if self.dice.under(8) == 0 && block_on(auth.refresh(&ended.refresh, Origin::unknown())).is_ok() {
            return Err(format!("the ended session {} is refreshed", ended.number));
        }
        Ok(())
    }

    fn check_a_living(&mut self, node: usize) -> Held {
        let Some(place) = self.some_session() else { return Ok(()) };
        let session = &self.model.sessions[place];
        let person = &self.model.people[session.person];
        match block_on(self.nodes[node].auth.authenticate(&session.access)) {
            Ok(identity) => {
                let is_known = self.now >= person.role_since + self.bound(node);
                if is_known && !session.is_doubtful && identity.role != person.role {
                    return Err(format!(
                        "node {node} takes {} for {}, who is {}",
                        person.email, identity.role, person.role
                    ));
                }
                Ok(())
            }
            // Its fifteen minutes are over, or it can't be sure.
            Err(AuthenticateError::Expired) => Ok(()),
            Err(_) if session.is_doubtful || !self.is_sound(node) => Ok(()),
            // It has not looked since they were reactivated elsewhere.
            Err(_) if self.now < person.active_since + self.bound(node) => Ok(()),
            Err(error) => Err(format!("node {node} refuses session {}, which lives: {error}", session.number)),
        }
    }
}

#[expect(clippy::expect_used, reason = "made of constants")]
fn address(email: &str) -> EmailAddress {
    EmailAddress::parse(email).expect("an address")
}

#[expect(clippy::expect_used, reason = "a constant")]
fn password() -> Password {
    Password::new(PASSWORD.to_owned()).expect("short enough")
}

#[expect(clippy::expect_used, reason = "a constant")]
fn guess() -> Password {
    Password::new("a wrong guess".to_owned()).expect("short enough")
}

fn home(person: usize) -> Origin<'static> {
    let last = u8::try_from(person).unwrap_or(u8::MAX);
    Origin::unknown().with_address(Some([192, 0, 2, last].into()))
}

fn elsewhere(dice: &mut Dice) -> Origin<'static> {
    let [third, last, ..] = dice.next().to_le_bytes();
    Origin::unknown().with_address(Some([198, 51, third, last].into()))
}
