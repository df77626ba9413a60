//! The binary started in a folder of its own, and a client that speaks just enough HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;

/// Only against hanging for ever; no test is about it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Settings under which a hash costs next to nothing.
pub(crate) const CHEAP: [&str; 6] =
    ["--password-hash-memory-kib", "64", "--password-hash-iterations", "1", "--password-hash-lanes", "1"];

/// For tests that register or log in more often than anybody should.
pub(crate) const UNLIMITED: [&str; 2] = ["--rate-limit-enabled", "false"];

/// A folder in which the binary runs.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with an empty database in it.
    pub(crate) fn with_database() -> Self {
        let home = Self::new();
        home.run(&["migrate"]).done();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.path().join("doorward-data").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// The binary with these arguments, in this folder, with no environment but what is added.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with_environment(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
        Outcome::of(&self.command(arguments).envs(environment.iter().copied()).output().unwrap())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Outcome::of(&child.wait_with_output().unwrap())
    }

    /// `serve` on a free port with cheap hashes, once it says that it listens.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with_full_hashes(&[&CHEAP[..], arguments].concat())
    }

    /// `serve` on a free port with the hashes of the settings, once it says that it listens.
    pub(crate) fn serve_with_full_hashes(&self, arguments: &[&str]) -> Server {
        self.serve_with_environment(arguments, &[])
    }

    /// The same with an environment.
    pub(crate) fn serve_with_environment(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let all = [&["serve", "--bind", "127.0.0.1:0", "--log-format", "json"], arguments].concat();
        let mut command = self.command(&all);
        let mut child = command.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut server = Server { child, lines, log: Vec::new() };
        server.wait_for_event("listening");
        server
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What the command said by the way on standard error: its database, and a secret that it made.
    pub(crate) said: String,
}

impl Outcome {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let is_said = |line: &&str| {
            ["doorward: database ", "doorward: made a secret in "].iter().any(|said| line.starts_with(said))
        };
        let stderr = text(&output.stderr);
        let (said, stderr): (Vec<_>, Vec<_>) = stderr.split_inclusive('\n').partition(is_said);
        Self {
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: stderr.concat(),
            said: said.concat(),
        }
    }

    /// Standard output of a command that did what it should.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// The reason of a refusal: exit status 1 and one line.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.status, Some(1), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr
    }
}

/// A running server and what it has logged.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    pub(crate) log: Vec<Value>,
}

impl Server {
    /// Reads the log until a line of that event. Every line on the way must be a JSON object.
    #[track_caller]
    pub(crate) fn wait_for_event(&mut self, event: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {event} in {:?}", self.log));
            let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            assert!(entry.is_object(), "{line}");
            self.log.push(entry.clone());
            if entry["event"] == event {
                return entry;
            }
        }
    }

    /// The address in the log line of that event.
    pub(crate) fn address(&self, event: &str) -> SocketAddr {
        let entry = self.log.iter().find(|entry| entry["event"] == event).unwrap();
        let message = entry["message"].as_str().unwrap();
        let (_, address) = message.split_once("://").unwrap();
        address.split('/').next().unwrap().parse().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address("listening")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(self.address("listening"), path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.client().send("POST", path, None, Some(body.clone()));
        (answer.status, answer.body)
    }

    pub(crate) fn client(&self) -> Client {
        Client { address: self.address("listening") }
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process on the spot, as a power cut would end it but for the page cache.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to stop: the exit status, and all that was ever logged, a line an entry.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let status = self.wait();
        let lines: Vec<_> = self.log.iter().map(Value::to_string).collect();
        (status, lines.join("\n"))
    }

    pub(crate) fn signal(&self, name: &str) {
        // The shell's own kill: a bare system has no other.
        let sent = Command::new("sh").args(["-c", &format!("kill {name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end: the exit status. What was logged last is in the log then.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let status = self.child.wait().unwrap().code();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.log.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}")));
        }
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = Client { address }.get(path, None);
    (answer.status, answer.text)
}

/// Reads to the end of the connection.
pub(crate) fn read_response(stream: &mut TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no response: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
