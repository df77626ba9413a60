//! An HTTP server that keeps what it is sent and answers what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::sink::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Posted {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
    answers: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Answers the requests with `answers` in their order, and then with 204.
    pub(crate) fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            posted: Arc::default(),
            answers: Arc::new(Mutex::new(answers)),
        };
        let (posted, answers) = (Arc::clone(&receiver.posted), Arc::clone(&receiver.answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (posted, answers) = (Arc::clone(&posted), Arc::clone(&answers));
                std::thread::spawn(move || serve(stream, &posted, &answers));
            }
        });
        receiver
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, posted: &Mutex<Vec<Posted>>, answers: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let headers: Vec<_> = lines[1..]
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        posted.lock().unwrap().push(Posted { line: lines[0].clone(), headers, body });
        let answer = {
            let mut answers = answers.lock().unwrap();
            if answers.is_empty() { "204 No Content".to_owned() } else { answers.remove(0) }
        };
        write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n")?;
    }
}
