//! The closed loop: each client has one connection and one request under way.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::Failure;
use crate::dialect::{Dialect, Operation};
use crate::http::Connection;
use crate::state::{Account, State};

/// When a closed loop ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    Seconds(f64),
    Requests(usize),
}

/// What a client saw: when each answer came, how long it took, and what it was.
#[derive(Debug, Default)]
struct Seen {
    latencies: Vec<f64>,
    statuses: BTreeMap<String, usize>,
    last: Option<Instant>,
}

/// Makes accounts, sixteen at a time, and writes them into the file.
pub async fn prepare(address: &str, dialect: Dialect, file: &str, accounts: usize) -> Result<Value, Failure> {
    let start = Instant::now();
    let mut state = State { accounts: (0..accounts).map(new_account).collect() };
    for group in state.accounts.chunks_mut(16) {
        let made = join_all(group.iter_mut().map(|account| register(address, dialect, account))).await;
        made.into_iter().collect::<Result<Vec<()>, Failure>>()?;
    }
    state.write(file)?;
    Ok(json!({ "accounts": accounts, "seconds": start.elapsed().as_secs_f64() }))
}

fn new_account(number: usize) -> Account {
    Account { email: format!("person{number}@example.com"), ..Account::default() }
}

async fn register(address: &str, dialect: Dialect, account: &mut Account) -> Result<(), Failure> {
    let answer = Connection::new(address).ask(&dialect.request(Operation::Register, account)).await?;
    if !dialect.is_good(Operation::Register, &answer) {
        return Err(format!("register: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
    }
    dialect.learn(Operation::Register, &answer, account);
    Ok(())
}

/// Runs the loop with `clients` connections and writes the tokens back. Each client has an account of the file; of
/// a refresh, whose cost may depend on how many sessions take turns, its share of all accounts, one after the other.
/// More clients than accounts share accounts, which only operations that change no token allow.
pub async fn closed_loop(
    address: &str,
    dialect: Dialect,
    file: &str,
    operation: Operation,
    clients: usize,
    until: Until,
) -> Result<Value, Failure> {
    let mut state = State::read(file)?;
    if operation == Operation::Refresh && clients > state.accounts.len() {
        return Err("a refresh needs an account for each client".into());
    }
    let turns = if operation == Operation::Refresh { state.accounts.len() } else { clients };
    let mut shares: Vec<Vec<Account>> = vec![Vec::new(); clients];
    for (number, account) in state.accounts.iter().cycle().take(turns).enumerate() {
        shares[number % clients].push(account.clone());
    }
    let left = Rc::new(Cell::new(match until {
        Until::Requests(requests) => requests,
        Until::Seconds(_) => usize::MAX,
    }));
    let start = Instant::now();
    let end = match until {
        Until::Seconds(seconds) => start + Duration::from_secs_f64(seconds),
        Until::Requests(_) => start + Duration::from_secs(3600),
    };
    let asked = shares.into_iter().map(|share| client(address, dialect, operation, share, &left, end));
    let (seen, shares): (Vec<Seen>, Vec<Vec<Account>>) = join_all(asked).await.into_iter().unzip();
    if operation == Operation::Refresh {
        state.accounts = in_turns(shares);
        state.write(file)?;
    }
    Ok(summary(&seen, start, until))
}

/// The accounts of all shares so that those whose turn is next come first.
fn in_turns(shares: Vec<Vec<Account>>) -> Vec<Account> {
    let longest = shares.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|turn| shares.iter().filter_map(move |share| share.get(turn)).cloned()).collect()
}

async fn client(
    address: &str,
    dialect: Dialect,
    operation: Operation,
    mut share: Vec<Account>,
    left: &Cell<usize>,
    end: Instant,
) -> (Seen, Vec<Account>) {
    let mut connection = Connection::new(address);
    let mut seen = Seen::default();
    let mut turn = 0;
    while left.get() > 0 && Instant::now() < end {
        left.set(left.get() - 1);
        let count = share.len();
        let account = &mut share[turn % count];
        turn += 1;
        let request = dialect.request(operation, account);
        let sent = Instant::now();
        let answer = connection.ask(&request).await;
        let done = Instant::now();
        let status = match &answer {
            Ok(answer) if dialect.is_good(operation, answer) => "good".to_owned(),
            Ok(answer) => answer.status.to_string(),
            Err(error) => format!("{:?}", error.kind()),
        };
        *seen.statuses.entry(status).or_default() += 1;
        if let Ok(answer) = &answer {
            // What was asked in time but answered after it is learnt, not counted.
            if done <= end {
                seen.latencies.push((done - sent).as_secs_f64() * 1e3);
                seen.last = Some(done);
            }
            dialect.learn(operation, answer, account);
        }
    }
    let done = turn % share.len();
    share.rotate_left(done);
    (seen, share)
}

fn summary(seen: &[Seen], start: Instant, until: Until) -> Value {
    let mut latencies: Vec<f64> = seen.iter().flat_map(|seen| seen.latencies.iter().copied()).collect();
    latencies.sort_by(f64::total_cmp);
    let mut statuses = BTreeMap::new();
    for (status, count) in seen.iter().flat_map(|seen| &seen.statuses) {
        *statuses.entry(status.clone()).or_insert(0) += count;
    }
    let seconds = match until {
        Until::Seconds(seconds) => seconds,
        Until::Requests(_) => {
            seen.iter().filter_map(|seen| seen.last).max().map_or(0.0, |last| (last - start).as_secs_f64())
        }
    };
    json!({
        "requests": latencies.len(),
        "seconds": seconds,
        "rate": latencies.len() as f64 / seconds,
        "p50": quantile(&latencies, 0.5),
        "p99": quantile(&latencies, 0.99),
        "slowest": latencies.last(),
        "statuses": statuses,
    })
}

/// Of sorted values; nothing when there are none.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.clamp(1, sorted.len().max(1)) - 1).copied()
}
