//! As much of HTTP/1.1 as the servers measured here speak.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is made when it is needed and kept while the server keeps it.
#[derive(Debug)]
pub struct Connection {
    address: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// `name=value; name=value`, as the next request sends them.
    pub cookies: String,
    pub body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Head {
    status: u16,
    length: usize,
    is_chunked: bool,
    is_last: bool,
    cookies: String,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Connection {
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None, buffer: Vec::with_capacity(4096) }
    }

    /// Connects, if it isn't.
    pub async fn open(&mut self) -> Result<(), Error> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
            self.buffer.clear();
        }
        Ok(())
    }

    /// Sends the request and reads the answer. After a failure the next one connects anew.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer, Error> {
        self.open().await?;
        let answer = self.exchange(request).await;
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Error> {
        let Some(stream) = self.stream.as_mut() else { return Err(ErrorKind::NotConnected.into()) };
        stream.write_all(request).await?;
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            read_more(stream, &mut self.buffer).await?;
        };
        let head = Head::parse(&self.buffer[..end]).ok_or(ErrorKind::InvalidData)?;
        self.buffer.drain(..end);
        let body = match head.is_chunked {
            true => read_chunks(stream, &mut self.buffer).await?,
            false => take(stream, &mut self.buffer, head.length).await?,
        };
        if head.is_last {
            self.stream = None;
        }
        Ok(Answer { status: head.status, cookies: head.cookies, body })
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut head = Self { status, ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.parse().ok()?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.is_chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                head.is_last = value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("set-cookie") {
                let separator = if head.cookies.is_empty() { "" } else { "; " };
                head.cookies.push_str(separator);
                head.cookies.push_str(value.split(';').next()?);
            }
        }
        Some(head)
    }
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Error> {
    match stream.read_buf(buffer).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn take(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize) -> Result<Vec<u8>, Error> {
    while buffer.len() < length {
        read_more(stream, buffer).await?;
    }
    Ok(buffer.drain(..length).collect())
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = find(buffer, b"\r\n") {
                break end;
            }
            read_more(stream, buffer).await?;
        };
        let line: Vec<u8> = buffer.drain(..end + 2).collect();
        let digits = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(digits.trim(), 16).map_err(|_| ErrorKind::InvalidData)?;
        let chunk = take(stream, buffer, size + 2).await?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
