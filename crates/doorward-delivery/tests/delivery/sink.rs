//! A mail server that keeps what it gets: RFC 5321 as far as a submitting client goes, STARTTLS (RFC 3207), AUTH PLAIN
//! and LOGIN (RFC 4954). Used by the tests of this crate and of the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How the server behaves. May be changed while it runs.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    /// STARTTLS is offered with this certificate.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Nothing is taken without this name and password.
    pub(crate) login: Option<(String, String)>,
    /// What is answered to `RCPT TO` for addresses that contain the text.
    pub(crate) refused: Vec<(&'static str, &'static str)>,
    /// Hangs up at once.
    pub(crate) is_down: bool,
    /// How long it thinks before it takes a letter.
    pub(crate) delay: Duration,
    /// Takes the letter and hangs up without saying so.
    pub(crate) forgets_to_answer: bool,
}

/// A letter as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
    pub(crate) was_secured: bool,
    pub(crate) user: Option<String>,
}

pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    mail: Arc<Mutex<Vec<Mail>>>,
    manners: Arc<Mutex<Manners>>,
    commands: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    pub(crate) fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sink = Self {
            address: listener.local_addr().unwrap(),
            mail: Arc::default(),
            manners: Arc::new(Mutex::new(manners)),
            commands: Arc::default(),
        };
        let (mail, manners, commands) = (Arc::clone(&sink.mail), Arc::clone(&sink.manners), Arc::clone(&sink.commands));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mail, present) = (Arc::clone(&mail), Arc::clone(&manners));
                let manners = present.lock().unwrap().clone();
                let commands = Arc::clone(&commands);
                // A client that hangs up ends its conversation and nothing else.
                std::thread::spawn(move || {
                    stream.and_then(|stream| Conversation { mail, manners, present, commands }.hold(stream))
                });
            }
        });
        sink
    }

    pub(crate) fn behave(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }

    pub(crate) fn mail(&self) -> Vec<Mail> {
        self.mail.lock().unwrap().clone()
    }

    /// Every command but those that hold a secret.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }

    /// Waits until so many letters have come.
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "bounds a wait for another process")]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Mail> {
        let start = Instant::now();
        while self.mail().len() < count {
            assert!(start.elapsed() < PATIENCE, "{count} letters were to come: {:?}", self.mail());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.mail()
    }
}

/// Makes a certificate for localhost in `folder` and a configuration that uses it. The certificate is its own authority,
/// `root.pem`.
pub(crate) fn certificate(folder: &Path) -> Arc<ServerConfig> {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "7", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "mail.key", "-out", "root.pem"])
        .current_dir(folder)
        .output()
        .expect("this test needs openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let chain = vec![CertificateDer::from_pem_file(folder.join("root.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("mail.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

struct Conversation {
    mail: Arc<Mutex<Vec<Mail>>>,
    manners: Manners,
    /// As they are now: a client may keep the connection for long.
    present: Arc<Mutex<Manners>>,
    commands: Arc<Mutex<Vec<String>>>,
}

/// What has been said so far.
#[derive(Default)]
struct Said {
    user: Option<String>,
    to: Vec<String>,
}

impl Conversation {
    fn hold(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        if self.manners.is_down {
            return Ok(());
        }
        stream.write_all(b"220 sink ESMTP\r\n")?;
        let mut reader = BufReader::new(stream.try_clone()?);
        if !self.talk(&mut reader, &mut stream, false)? {
            return Ok(());
        }
        let Some(tls) = &self.manners.tls else { return Ok(()) };
        let session = ServerConnection::new(Arc::clone(tls)).map_err(std::io::Error::other)?;
        let mut secured = BufReader::new(Both(StreamOwned::new(session, stream)));
        self.talk_secured(&mut secured)
    }

    fn talk_secured(&self, stream: &mut BufReader<Both>) -> std::io::Result<()> {
        let mut said = Said::default();
        loop {
            let Some(line) = read_line(stream)? else { return Ok(()) };
            let answer = self.answer(&line, &mut said, true, &mut |prompt| {
                stream.get_mut().write_all(prompt)?;
                read_all(stream, prompt)
            })?;
            stream.get_mut().write_all(answer.as_bytes())?;
            stream.get_mut().flush()?;
            if answer.is_empty() || answer.starts_with("221") {
                return Ok(());
            }
        }
    }

    /// Whether the client asked for TLS.
    fn talk(&self, reader: &mut impl BufRead, writer: &mut impl Write, is_secured: bool) -> std::io::Result<bool> {
        let mut said = Said::default();
        loop {
            let Some(line) = read_line(reader)? else { return Ok(false) };
            if line.eq_ignore_ascii_case("STARTTLS") && self.manners.tls.is_some() {
                self.commands.lock().unwrap().push(line);
                writer.write_all(b"220 go ahead\r\n")?;
                return Ok(true);
            }
            let answer = self.answer(&line, &mut said, is_secured, &mut |prompt| {
                writer.write_all(prompt)?;
                read_all(reader, prompt)
            })?;
            writer.write_all(answer.as_bytes())?;
            if answer.is_empty() || answer.starts_with("221") {
                return Ok(false);
            }
        }
    }

    /// The answer to a command; empty to hang up. `ask` prompts for more: lines of AUTH, or a letter.
    fn answer(
        &self,
        line: &str,
        said: &mut Said,
        is_secured: bool,
        ask: &mut dyn FnMut(&[u8]) -> std::io::Result<String>,
    ) -> std::io::Result<String> {
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        self.commands.lock().unwrap().push(if verb == "AUTH" { "AUTH".to_owned() } else { line.to_owned() });
        let needs_login = self.manners.login.is_some() && said.user.is_none();
        Ok(match verb.as_str() {
            "EHLO" => self.greeting(is_secured),
            "AUTH" => self.log_in(line, said),
            "MAIL" if needs_login => "530 5.7.0 authentication required\r\n".to_owned(),
            "RCPT" => {
                let refused = self.present.lock().unwrap().refused.clone();
                let refusal = refused.iter().find(|(part, _)| line.contains(part));
                match refusal {
                    Some((_, answer)) => format!("{answer}\r\n"),
                    None => {
                        let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                        said.to.push(address.to_owned());
                        "250 ok\r\n".to_owned()
                    }
                }
            }
            "DATA" => {
                let data = ask(b"354 go on\r\n")?;
                std::thread::sleep(self.manners.delay);
                let to = std::mem::take(&mut said.to);
                self.mail.lock().unwrap().push(Mail { to, data, was_secured: is_secured, user: said.user.clone() });
                if self.manners.forgets_to_answer { String::new() } else { "250 taken\r\n".to_owned() }
            }
            "MAIL" | "RSET" | "NOOP" => "250 ok\r\n".to_owned(),
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "502 not implemented\r\n".to_owned(),
        })
    }

    fn greeting(&self, is_secured: bool) -> String {
        let mut lines = vec!["sink", "8BITMIME", "SMTPUTF8"];
        if self.manners.tls.is_some() && !is_secured {
            lines.push("STARTTLS");
        }
        if self.manners.login.is_some() {
            lines.push("AUTH PLAIN LOGIN");
        }
        let last = lines.pop().unwrap();
        lines.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + &format!("250 {last}\r\n")
    }

    fn log_in(&self, line: &str, said: &mut Said) -> String {
        let given = line.split(' ').nth(2).and_then(|text| STANDARD.decode_to_vec(text).ok()).unwrap_or_default();
        let given = String::from_utf8(given).unwrap_or_default();
        let mut parts = given.split('\0').skip(1);
        let given = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default().to_owned());
        if self.manners.login.as_ref() == Some(&given) {
            said.user = Some(given.0);
            return "235 welcome\r\n".to_owned();
        }
        "535 5.7.8 who are you?\r\n".to_owned()
    }
}

/// A secured stream that is read through a buffer and written past it.
struct Both(StreamOwned<ServerConnection, TcpStream>);

impl Read for Both {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Both {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// A line without its end; `None` when the client has gone.
fn read_line(reader: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = reader.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// What comes after a prompt: a letter up to its lone dot, with the doubled dots undone.
fn read_all(reader: &mut impl BufRead, _: &[u8]) -> std::io::Result<String> {
    let mut data = String::new();
    while let Some(line) = read_line(reader)? {
        if line == "." {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
        data.push_str("\r\n");
    }
    Err(std::io::Error::other("the client hung up in the middle of a letter"))
}

impl Mail {
    /// The value of a header, unfolded.
    pub(crate) fn header(&self, name: &str) -> String {
        let head = self.data.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        found.unwrap_or_default()
    }

    /// The part of that content type, decoded.
    #[track_caller]
    pub(crate) fn part(&self, kind: &str) -> String {
        let mark = format!("Content-Type: {kind}");
        let (before, rest) = self.data.split_once(&mark).unwrap_or_else(|| panic!("no {kind} in {}", self.data));
        let boundary = before.trim_end().rsplit("\r\n").find(|line| line.starts_with("--")).unwrap();
        let (head, body) = rest.split_once("\r\n\r\n").unwrap();
        let body = body.split(boundary).next().unwrap();
        if head.contains("quoted-printable") {
            unquoted(body)
        } else if head.contains("base64") {
            unpacked(body)
        } else {
            body.to_owned()
        }
    }

    /// The first link in the text.
    #[track_caller]
    pub(crate) fn link(&self) -> String {
        let text = self.part("text/plain");
        text.lines()
            .find(|line| line.starts_with("http"))
            .unwrap_or_else(|| panic!("no link: {text}"))
            .trim()
            .to_owned()
    }

    /// What stands after `token=` in the link.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.link().split_once("token=").unwrap().1.to_owned()
    }

    /// The code in the text.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        let text = self.part("text/plain");
        let (_, rest) = text.split_once(": ").unwrap_or_else(|| panic!("no code: {text}"));
        rest.lines().next().unwrap().to_owned()
    }
}

fn unpacked(body: &str) -> String {
    let packed: String = body.split_whitespace().collect();
    String::from_utf8(STANDARD.decode_to_vec(packed).unwrap()).unwrap()
}

fn unquoted(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'=' {
            let (digits, behind) = after.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            rest = behind;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}
