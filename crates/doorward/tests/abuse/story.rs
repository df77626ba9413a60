//! The attacker's story: what gets through in so much time, against what the guide states.
//!
//! Real use cases on a store in memory; only the clock is moved, so a month takes seconds and always comes to the
//! same.

#[path = "codes.rs"]
mod codes;
#[path = "letters.rs"]
mod letters;
#[path = "networks.rs"]
mod networks;

use std::fmt::Write;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use doorward::error::Fault;
use doorward::limits::RateLimited;
use doorward::login::LoginError;
use doorward::password::{HashParameters, HashingPool, NewPassword, Password, PasswordPolicy, PoolSettings};
use doorward::register::RegisterError;
use doorward::testing::{MemoryStore, TestClock, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, Clock, EmailAddress, Origin, Timestamp};

const PASSWORD: &str = "correct horse battery staple";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOST_TRIES: usize = 100_000;
const OWNER: &str = "ada@example.com";
const HOME: u32 = 0xc000_0207;
const BOTNET: u32 = 0xc633_0000;

/// One line of the report: what was tried, what got through, and what was stated.
pub(crate) struct Count {
    pub(crate) what: &'static str,
    tried: usize,
    pub(crate) through: usize,
    pub(crate) stated: usize,
}

pub(crate) struct World {
    pub(crate) auth: Auth,
    clock: Arc<TestClock>,
}

enum Tried {
    Checked { is_right: bool },
    Refused(Duration),
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock::default());
        let parameters = HashParameters::new(8, 1, 1).unwrap();
        let settings = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) };
        let keyring = Keyring::new(SecretKey::new("wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd").unwrap(), Vec::new());
        let pool = HashingPool::start(settings).unwrap();
        let auth = block_on(Auth::open(Arc::new(MemoryStore::new()), pool, keyring))
            .unwrap()
            .with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let world = Self { auth, clock };
        assert_eq!(world.register(OWNER, 1), Some(true));
        world
    }

    fn login(&self, email: &str, password: &str, from: u32) -> Tried {
        self.login_from(email, password, from.to_be_bytes().into())
    }

    fn login_from(&self, email: &str, password: &str, address: IpAddr) -> Tried {
        let origin = Origin::unknown().with_address(Some(address));
        let email = EmailAddress::parse(email).unwrap();
        let password = Password::new(password.to_owned()).unwrap();
        match block_on(self.auth.login(&email, &password, origin)) {
            Ok(_) => Tried::Checked { is_right: true },
            Err(LoginError::InvalidCredentials) => Tried::Checked { is_right: false },
            Err(LoginError::Fault(Fault::Limited(RateLimited { retry_after }))) => Tried::Refused(retry_after),
            Err(error) => unreachable!("{error}"),
        }
    }

    fn ask_to_recover(&self, email: &str, address: IpAddr) -> Tried {
        let origin = Origin::unknown().with_address(Some(address));
        match block_on(self.auth.request_recovery(&EmailAddress::parse(email).unwrap(), origin)) {
            Ok(()) => Tried::Checked { is_right: true },
            Err(Fault::Limited(RateLimited { retry_after })) => Tried::Refused(retry_after),
            Err(error) => unreachable!("{error}"),
        }
    }

    /// Whether an account was made; `None` when the limit refused.
    fn register(&self, email: &str, from: u32) -> Option<bool> {
        let password =
            NewPassword::new(Password::new(PASSWORD.to_owned()).unwrap(), PasswordPolicy::default()).unwrap();
        match block_on(self.auth.register(EmailAddress::parse(email).unwrap(), &password, origin(from))) {
            Ok(_) => Some(true),
            Err(RegisterError::AddressTaken) => Some(false),
            Err(RegisterError::Fault(Fault::Limited(_))) => None,
            Err(error) => unreachable!("{error}"),
        }
    }

    /// Whether the owner gets in at once with the right password.
    fn owner_gets_in(&self, from: u32) -> bool {
        matches!(self.login(OWNER, PASSWORD, from), Tried::Checked { is_right: true })
    }

    /// Tries `act` with 0, 1, 2… until `time` is over, waiting just as long as it must.
    fn for_a_time(&self, time: Duration, act: impl Fn(usize) -> Tried) -> (usize, usize) {
        let end = self.clock.now().plus(time);
        let (mut tried, mut through) = (0, 0);
        // Should the limits be broken, the story still comes to an end.
        while self.clock.now() < end && tried < MOST_TRIES {
            match act(tried) {
                Tried::Checked { .. } => through += 1,
                Tried::Refused(wait) => self.clock.advance(wait),
            }
            tried += 1;
        }
        (tried, through)
    }

    /// The same, and at the end whatever is free at that moment is used up once more.
    fn keep_busy(&self, time: Duration, act: impl Fn(usize) -> Tried) {
        let (tried, _) = self.for_a_time(time, &act);
        let more = tried + 1000;
        for number in tried..more {
            act(number);
        }
    }

    fn guess_from_the_next_of_many(&self, next: &AtomicU32) -> Tried {
        let from = BOTNET + next.fetch_add(1, Ordering::Relaxed) % 1000;
        match self.login(OWNER, "a wrong guess", from) {
            // Somebody else's wait is over sooner: the next one tries a little later.
            Tried::Refused(_) => Tried::Refused(Duration::from_secs(60)),
            checked => checked,
        }
    }
}

fn origin(from: u32) -> Origin<'static> {
    Origin::unknown().with_address(Some(IpAddr::from(from.to_be_bytes())))
}

fn somebody(number: usize) -> String {
    format!("person{number}@example.com")
}

/// Every figure of the report.
pub(crate) fn counts() -> Vec<Count> {
    let mut counts = vec![
        stuffing("Stuffing from one address, another account each time, for an hour", HOUR, 100 + 120),
        stuffing("The same for a day", DAY, 100 + 2880),
        spraying(),
        slow_guessing("Guessing one account from one address, as fast as may be, for a day", DAY, 13 + 48),
        slow_guessing("The same for 30 days", 30 * DAY, 13 + 30 * 48),
        patient(),
        many_on_one("Guessing one account from 1,000 addresses, for a day", DAY, 20 + 72),
        many_on_one("The same for 30 days", 30 * DAY, 20 + 30 * 72),
        nobody(),
        at_once(),
        registering(),
    ];
    counts.extend(codes::counts());
    counts.extend(letters::counts());
    counts.extend(networks::counts());
    counts
}

fn stuffing(what: &'static str, time: Duration, stated: usize) -> Count {
    let world = World::new();
    let (tried, through) = world.for_a_time(time, |number| world.login(&somebody(number), "leaked", BOTNET));
    Count { what, tried, through, stated }
}

fn spraying() -> Count {
    let world = World::new();
    let mut through = 0;
    for number in 0..30_000_u32 {
        let tried = world.login(&somebody(number as usize), "leaked", BOTNET + number % 200);
        through += usize::from(matches!(tried, Tried::Checked { .. }));
    }
    let what = "Stuffing from 200 addresses at once, 150 accounts each (the bound is each address' own)";
    Count { what, tried: 30_000, through, stated: 200 * 100 }
}

fn slow_guessing(what: &'static str, time: Duration, stated: usize) -> Count {
    let world = World::new();
    let (tried, through) = world.for_a_time(time, |_| world.login(OWNER, "a wrong guess", BOTNET));
    Count { what, tried, through, stated }
}

/// Slow enough to meet no limit: one guess each half hour is forgiven before the next.
fn patient() -> Count {
    let world = World::new();
    let mut through = 0;
    for _ in 0..48 {
        through += usize::from(matches!(world.login(OWNER, "a wrong guess", BOTNET), Tried::Checked { .. }));
        world.clock.advance(HOUR / 2);
    }
    Count { what: "One patient guess each half hour at one account, for a day", tried: 48, through, stated: 48 }
}

fn many_on_one(what: &'static str, time: Duration, stated: usize) -> Count {
    let world = World::new();
    let next = AtomicU32::new(0);
    let (tried, through) = world.for_a_time(time, |_| world.guess_from_the_next_of_many(&next));
    Count { what, tried, through, stated }
}

fn nobody() -> Count {
    let world = World::new();
    let (tried, through) = world.for_a_time(DAY, |_| world.login("nobody@example.com", "a wrong guess", BOTNET));
    Count { what: "An account that nobody has, from one address, for a day", tried, through, stated: 13 + 48 }
}

fn at_once() -> Count {
    let world = World::new();
    let through = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for _ in 0..20 {
                    if matches!(world.login(OWNER, "a wrong guess", BOTNET), Tried::Checked { .. }) {
                        through.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let through = through.into_inner() as usize;
    Count { what: "1,000 wrong passwords at once for one account from one address", tried: 1000, through, stated: 5 }
}

fn registering() -> Count {
    let world = World::new();
    let (tried, through) = world.for_a_time(HOUR, |number| match world.register(&somebody(number), BOTNET) {
        Some(_) => Tried::Checked { is_right: true },
        None => Tried::Refused(Duration::from_secs(60)),
    });
    Count { what: "Registrations from one address for an hour", tried, through, stated: 20 + 20 }
}

/// What the owner meets meanwhile: the scene, and whether she gets in at once.
pub(crate) fn owners() -> Vec<(&'static str, bool)> {
    let mut scenes = Vec::new();
    let alone = World::new();
    assert!(alone.owner_gets_in(HOME));
    alone.keep_busy(3 * DAY, |_| alone.login(OWNER, "a wrong guess", BOTNET));
    let scene = "One address guesses for three days; she comes from where she logged in before";
    scenes.push((scene, alone.owner_gets_in(HOME)));
    scenes.push(("…from an address never seen", alone.owner_gets_in(HOME + 1)));
    scenes.push(("…from the guesser's own address", alone.owner_gets_in(BOTNET)));
    let many = World::new();
    assert!(many.owner_gets_in(HOME));
    let next = AtomicU32::new(0);
    many.keep_busy(DAY, |_| many.guess_from_the_next_of_many(&next));
    let scene = "1,000 addresses guess for a day; she comes from where she logged in before";
    scenes.push((scene, many.owner_gets_in(HOME)));
    scenes.push(("…from an address never seen", many.owner_gets_in(HOME + 1)));
    many.clock.advance(Duration::from_secs(20 * 60));
    scenes.push(("…the same 20 minutes after the attack's last guess", many.owner_gets_in(HOME + 1)));
    let house = World::new();
    assert!(house.owner_gets_in(HOME));
    house.keep_busy(HOUR, |number| house.login(&somebody(number), "leaked", HOME));
    let scene = "Somebody behind her own address tries other people's accounts for an hour";
    scenes.push((scene, house.owner_gets_in(HOME)));
    scenes.extend(codes::owners());
    scenes.extend(letters::owners());
    scenes.extend(networks::owners());
    scenes
}

/// `docs/reports/abuse.md`.
pub(crate) fn report() -> String {
    let mut text = String::from(
        "# The attacker's story\n\nMade by `cargo run -p doorward --example abuse_report > \
         docs/reports/abuse.md`: the use cases as they are served, with the default limits, under a clock that is \
         moved by hand, so it comes to the same on every machine. A test fails when this page is not what it comes \
         to, or a count passes what is stated. [What the limits are](../guide/abuse.md).\n\n\
         *Checked* is how many passwords were hashed and compared, living codes looked at, registrations or requests carried out. A \
         letter's code has eight digits: a guess is right once in a hundred million.\n\n\
         | attack | tried | checked | stated at most |\n| --- | --- | --- | --- |\n",
    );
    for Count { what, tried, through, stated } in counts() {
        writeln!(text, "| {what} | {tried} | {through} | {stated} |").unwrap();
    }
    text.push_str("\n## And the owner, meanwhile\n\nWith the right password, and the right code where there is a second factor, at the worst moment:\n\n| | gets in at once |\n| --- | --- |\n");
    for (scene, gets_in) in owners() {
        writeln!(text, "| {scene} | {} |", if gets_in { "yes" } else { "**no**" }).unwrap();
    }
    text.push_str(
        "\nEach *no* is a wait and no lock-out: at the guesser's own address at most 30 minutes for a password \
         and an hour for a code, from a new address under an attack from many at most 20 once the attack pauses (40 where \
         the attackers have her password and guess at codes), and as long as it goes on she has to be faster than it. \
         Where she logged in within 30 days she waits for nobody; sessions that are open go on. \
         Codes out of letters have one limit for all networks, at most an hour of waiting; links have none, and whoever \
         has letters sent to her sends her the links.\n\n\
         The thousand at once over real sockets, over two nodes on PostgreSQL, the made-up forwarding headers and the \
         million distinct keys are tests: `of_a_thousand_wrong_passwords_at_once_no_more_than_the_limit_are_checked`, \
         `guesses_over_two_nodes_are_counted_together`, `made_up_forwarding_headers_make_nobody_another`, \
         `a_million_distinct_keys_take_bounded_memory_and_open_no_door`.\n",
    );
    text
}
