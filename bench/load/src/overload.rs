//! Everybody logs in at once, while others go on as ever: `/health` and a refresh are asked every 20 ms whatever
//! comes back, and their latency counts from the moment at which they were to be sent.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::Failure;
use crate::dialect::{Dialect, Operation};
use crate::http::Connection;
use crate::state::{Account, State};

const INTERVAL: Duration = Duration::from_millis(20);
/// Probes before the rush, for comparison.
const CALM: Duration = Duration::from_secs(1);
/// How many probes of a kind may be under way; a later one waits, and its latency says so.
const PROBERS: usize = 64;
/// When a client of ours gives up.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Plan {
    pub address: String,
    pub dialect: Dialect,
    pub logins: usize,
    /// How long the probes go on after the rush began; they end two seconds after the last login too.
    pub seconds: f64,
    /// Whose memory is watched, with its children's.
    pub process: u32,
}

/// Seconds since the rush began, milliseconds it took, and the status or the fault.
type Row = (f64, f64, String);

#[derive(Debug, Default)]
struct Intended {
    moments: RefCell<VecDeque<Instant>>,
    arrived: Notify,
    is_over: Cell<bool>,
}

pub async fn run(plan: Plan, state: State) -> Result<Value, Failure> {
    let begin = Instant::now() + CALM;
    let end = begin + Duration::from_secs_f64(plan.seconds);
    let over = Rc::new(RefCell::new(end));
    let rush = async {
        let rows = logins(&plan, &state, begin).await;
        let mut over = over.borrow_mut();
        *over = (*over).min(Instant::now() + Duration::from_secs(2));
        rows
    };
    let (logins, health, refresh, memory) = tokio::join!(
        rush,
        probes(&plan, Operation::Health, vec![Account::default(); PROBERS], begin, &over),
        probes(&plan, Operation::Refresh, state.accounts.clone(), begin, &over),
        memory(plan.process, begin, &over),
    );
    Ok(json!({ "logins": logins, "health": health, "refresh": refresh, "memory": memory }))
}

async fn logins(plan: &Plan, state: &State, begin: Instant) -> Vec<Row> {
    let accounts = state.accounts.iter().cycle().take(plan.logins);
    let end = begin + Duration::from_secs_f64(plan.seconds);
    join_all(accounts.map(async |account| {
        sleep_until(begin).await;
        let mut connection = Connection::new(&plan.address);
        ask(plan, &mut connection, Operation::Login, &mut account.clone(), (begin, begin), end).await
    }))
    .await
}

/// One prober an account, so that no token is used twice.
async fn probes(
    plan: &Plan,
    operation: Operation,
    accounts: Vec<Account>,
    begin: Instant,
    over: &RefCell<Instant>,
) -> Vec<Row> {
    let intended = Intended::default();
    let rows = RefCell::new(Vec::new());
    let probers = join_all(accounts.into_iter().take(PROBERS).map(async |mut account| {
        let mut connection = Connection::new(&plan.address);
        loop {
            intended.arrived.notified().await;
            let next = intended.moments.borrow_mut().pop_front();
            let Some(moment) = next else {
                if intended.is_over.get() {
                    return;
                }
                continue;
            };
            let row = ask(plan, &mut connection, operation, &mut account, (moment, begin), moment + PATIENCE).await;
            rows.borrow_mut().push(row);
            if !intended.moments.borrow().is_empty() {
                intended.arrived.notify_one();
            }
        }
    }));
    let clock = async {
        let mut moment = begin - CALM + INTERVAL;
        while moment < *over.borrow() {
            sleep_until(moment).await;
            intended.moments.borrow_mut().push_back(moment);
            intended.arrived.notify_one();
            moment += INTERVAL;
        }
        // What is under way may end; who waits for a probe is told that none comes.
        intended.is_over.set(true);
        for _ in 0..20 {
            intended.arrived.notify_waiters();
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = clock => {}
        _ = probers => {}
    }
    rows.take()
}

async fn ask(
    plan: &Plan,
    connection: &mut Connection,
    operation: Operation,
    account: &mut Account,
    (moment, begin): (Instant, Instant),
    end: Instant,
) -> Row {
    let request = plan.dialect.request(operation, account);
    let outcome = match timeout_at(end, connection.ask(&request)).await {
        Ok(Ok(answer)) => {
            plan.dialect.learn(operation, &answer, account);
            answer.status.to_string()
        }
        Ok(Err(error)) => format!("{:?}", error.kind()),
        Err(_) => {
            *connection = Connection::new(&plan.address);
            "no answer".to_owned()
        }
    };
    let since = if moment >= begin { (moment - begin).as_secs_f64() } else { -(begin - moment).as_secs_f64() };
    (since, moment.elapsed().as_secs_f64() * 1e3, outcome)
}

/// Seconds since the rush began, and bytes.
async fn memory(process: u32, begin: Instant, over: &RefCell<Instant>) -> Vec<(f64, u64)> {
    let start = begin - CALM;
    let mut rows = Vec::new();
    while Instant::now() < *over.borrow() {
        rows.push((start.elapsed().as_secs_f64() - CALM.as_secs_f64(), resident(process)));
        sleep(Duration::from_millis(100)).await;
    }
    rows
}

/// The resident memory of a process and of those that it started.
fn resident(process: u32) -> u64 {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let pages: u64 = read("statm").split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let children = read(&format!("task/{process}/children"));
    pages * 4096 + children.split_whitespace().filter_map(|child| child.parse().ok()).map(resident).sum::<u64>()
}
