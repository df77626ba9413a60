//! A client of one request a connection, with nothing between the test and the wire.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Sends requests to a server. The address is all it knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
    pub(crate) body: Value,
}

#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Client {
    /// The raw answer to raw bytes, read until the server closes.
    pub(crate) fn raw(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// `Err` when the connection broke before a whole answer came.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        body: Option<Value>,
    ) -> std::io::Result<Answer> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        if let Some(token) = bearer {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        Answer::read(&self.raw(format!("{request}\r\n{body}").as_bytes())?)
    }

    pub(crate) fn send(&self, method: &str, path: &str, bearer: Option<&str>, body: Option<Value>) -> Answer {
        self.try_send(method, path, bearer, body).unwrap()
    }

    pub(crate) fn get(&self, path: &str, bearer: Option<&str>) -> Answer {
        self.send("GET", path, bearer, None)
    }

    pub(crate) fn me(&self, access: &str) -> Answer {
        self.get("/auth/me", Some(access))
    }

    pub(crate) fn register(&self, email: &str, password: &str) -> Answer {
        self.send("POST", "/auth/register", None, Some(json!({"email": email, "password": password})))
    }

    pub(crate) fn login(&self, email: &str, password: &str) -> Answer {
        self.send("POST", "/auth/login", None, Some(json!({"email": email, "password": password})))
    }

    pub(crate) fn refresh(&self, token: &str) -> Answer {
        self.try_refresh(token).unwrap()
    }

    pub(crate) fn try_refresh(&self, token: &str) -> std::io::Result<Answer> {
        self.try_send("POST", "/auth/refresh", None, Some(json!({"refresh_token": token})))
    }

    pub(crate) fn logout(&self, token: &str) -> Answer {
        self.send("POST", "/auth/logout", None, Some(json!({"refresh_token": token})))
    }
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> std::io::Result<Self> {
        let broken = || std::io::Error::other("no whole answer");
        let text = String::from_utf8_lossy(bytes);
        let (head, text) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
        let announced = header(head, "content-length").and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length != text.len()) {
            return Err(broken());
        }
        let body = serde_json::from_str(text).unwrap_or(Value::Null);
        Ok(Self { status, head: head.to_owned(), text: text.to_owned(), body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn tokens(&self) -> Tokens {
        let text = |name: &str| match self.body[name].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no tokens: {} {}", self.status, self.text),
        };
        Tokens { access: text("access_token"), refresh: text("refresh_token") }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
