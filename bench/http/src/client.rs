//! A closed loop over kept-alive connections on one thread, with as little between two requests as can be: it
//! shares the machine with what it measures.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use memchr::memmem::find;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use crate::Failure;
use crate::exchange::Exchange;

/// How much of the time, at its beginning, is not counted.
const WARM_UP: f64 = 0.15;

/// How long no answer at all may come.
const PATIENCE: Duration = Duration::from_secs(10);

struct Client {
    stream: TcpStream,
    exchange: Exchange,
    answer: Vec<u8>,
    sent: Instant,
}

/// What was seen after the warm-up.
pub(crate) struct Seen {
    pub(crate) exchanges: Vec<Exchange>,
    latencies: Vec<Duration>,
    faults: usize,
    seconds: f64,
}

/// What the client does while no answer is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Sleeps, and leaves the core to the server.
    Sleep,
    /// Goes on looking, on a core of its own. To wake a sleeper is the server's work and its core's time, and the
    /// slower a route, the more often the client would have fallen asleep.
    Look,
}

/// Asks for `seconds`, an exchange a connection.
pub(crate) fn run(address: &str, exchanges: Vec<Exchange>, seconds: f64, idle: Idle) -> Result<Seen, Failure> {
    let mut poll = Poll::new()?;
    let mut clients = connect(address, exchanges, &poll)?;
    let mut events = Events::with_capacity(clients.len());
    let start = Instant::now();
    let (begin, end) = (start + Duration::from_secs_f64(seconds * WARM_UP), start + Duration::from_secs_f64(seconds));
    let (mut latencies, mut faults) = (Vec::with_capacity(1 << 20), 0);
    let mut under_way = clients.len();
    clients.iter_mut().try_for_each(Client::ask)?;
    let mut answered = start;
    while under_way > 0 {
        poll.poll(&mut events, Some(if idle == Idle::Sleep { PATIENCE } else { Duration::ZERO }))?;
        if !events.is_empty() {
            answered = Instant::now();
        } else if answered.elapsed() >= PATIENCE {
            return Err("no answer for ten seconds".into());
        }
        for event in &events {
            let client = &mut clients[event.token().0];
            let Some(is_good) = client.take_answer()? else { continue };
            let now = Instant::now();
            if (begin..end).contains(&now) {
                latencies.push(now - client.sent);
                faults += usize::from(!is_good);
            }
            if now < end && is_good {
                client.ask()?;
            } else {
                under_way -= 1;
            }
        }
    }
    let seconds = (end - begin).as_secs_f64();
    Ok(Seen { exchanges: clients.into_iter().map(|client| client.exchange).collect(), latencies, faults, seconds })
}

fn connect(address: &str, exchanges: Vec<Exchange>, poll: &Poll) -> Result<Vec<Client>, Failure> {
    let mut clients = Vec::with_capacity(exchanges.len());
    for exchange in exchanges {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(clients.len()), Interest::READABLE)?;
        clients.push(Client { stream, exchange, answer: Vec::with_capacity(4096), sent: Instant::now() });
    }
    Ok(clients)
}

impl Client {
    fn ask(&mut self) -> Result<(), Failure> {
        self.sent = Instant::now();
        // A request is small and the one before it was answered: there is room for it.
        Ok(self.stream.write_all(&self.exchange.request)?)
    }

    /// Whether the answer was good, once it is there in full.
    fn take_answer(&mut self) -> Result<Option<bool>, Failure> {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(count) => self.answer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // Nothing can come behind an answer to the only request, so another read would only be told so.
            if let Some((head, length)) = head(&self.answer)
                && self.answer.len() >= head + length
            {
                let is_good = self.answer.starts_with(b"HTTP/1.1 200 ") && self.exchange.learn(&self.answer[head..]);
                self.answer.clear();
                return Ok(Some(is_good));
            }
        }
    }
}

/// The length of the head, its end included, and of the body.
fn head(answer: &[u8]) -> Option<(usize, usize)> {
    const NAME: &[u8] = b"content-length: ";
    let end = find(answer, b"\r\n\r\n")? + 4;
    let value = &answer[find(&answer[..end], NAME)? + NAME.len()..end];
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    Some((end, digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))))
}

impl Seen {
    pub(crate) fn summary(mut self) -> Value {
        self.latencies.sort_unstable();
        let quantile = |share: f64| {
            let index = (self.latencies.len() as f64 * share).ceil() as usize;
            self.latencies.get(index.max(1) - 1).map(|latency| latency.as_secs_f64() * 1e3)
        };
        json!({ "rate": self.latencies.len() as f64 / self.seconds, "p50": quantile(0.5), "p99": quantile(0.99),
                "slowest": quantile(1.0), "faults": self.faults })
    }
}
