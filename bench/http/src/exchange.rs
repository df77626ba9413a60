//! What one client asks, again and again.

use std::collections::VecDeque;

use memchr::memmem::find;

use crate::Failure;

const LABEL: &[u8] = b"\"refresh_token\":\"";

/// A request, and for a refresh the place of its token and the tokens whose turn is yet to come.
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    place: usize,
    tokens: VecDeque<String>,
}

/// The same read for every client.
pub(crate) fn reads(path: &str, bearer: &str, clients: usize) -> Vec<Exchange> {
    let authorization = if bearer == "-" { String::new() } else { format!("Authorization: Bearer {bearer}\r\n") };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n").into_bytes();
    (0..clients).map(|_| Exchange { request: request.clone(), place: 0, tokens: VecDeque::new() }).collect()
}

/// Refreshes; the lines of `tokens` are dealt out to the clients.
pub(crate) fn refreshes(tokens: &str, clients: usize) -> Result<Vec<Exchange>, Failure> {
    let mut hands = vec![VecDeque::new(); clients];
    tokens.lines().enumerate().for_each(|(index, token)| hands[index % clients].push_back(token.to_owned()));
    hands
        .into_iter()
        .map(|mut tokens| {
            let first = tokens.pop_front().ok_or("fewer tokens than clients")?;
            let body = format!("{{\"refresh_token\":\"{first}\"}}");
            let head = format!(
                "POST /auth/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n",
                body.len()
            );
            let place = head.len() + LABEL.len() + 1;
            Ok(Exchange { request: [head, body].concat().into_bytes(), place, tokens })
        })
        .collect()
}

/// Every token that is good now, a line each.
pub(crate) fn tokens(exchanges: &[Exchange]) -> String {
    let lines = exchanges.iter().flat_map(|exchange| {
        let current = String::from_utf8_lossy(exchange.current()).into_owned();
        std::iter::once(current).chain(exchange.tokens.iter().cloned())
    });
    lines.map(|token| token + "\n").collect()
}

impl Exchange {
    /// The token in the request.
    fn current(&self) -> &[u8] {
        self.request.get(self.place..).and_then(|rest| rest.strip_suffix(b"\"}")).unwrap_or_default()
    }

    /// Puts the next token into the request and the answer's at the end of the row. Whether the answer had what it
    /// should.
    pub(crate) fn learn(&mut self, body: &[u8]) -> bool {
        if self.place == 0 {
            return !body.is_empty();
        }
        let Some(start) = find(body, LABEL).map(|start| start + LABEL.len()) else { return false };
        let length = self.current().len();
        let Some(fresh) = body.get(start..start + length) else { return false };
        self.tokens.push_back(String::from_utf8_lossy(fresh).into_owned());
        if let Some(next) = self.tokens.pop_front() {
            self.request[self.place..self.place + length].copy_from_slice(next.as_bytes());
        }
        true
    }
}
