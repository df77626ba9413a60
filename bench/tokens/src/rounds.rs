//! The turns, and the table that they make.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const OURS: &str = "doorward";
const PEERS: [&str; 4] = [OURS, "jsonwebtoken, rust_crypto", "jsonwebtoken, aws_lc_rs", "jwt-simple"];
const TASKS: [&str; 2] = ["verify", "sign"];

struct Peer {
    name: String,
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Nanoseconds, a row a turn.
    turns: Vec<[f64; 2]>,
}

impl Peer {
    fn start(name: &str, command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the peer starts");
        let orders = process.stdin.take().expect("piped");
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        Self { name: name.to_owned(), process, orders, answers, turns: Vec::new() }
    }

    /// Nanoseconds of one `task`; `None` if the peer does not know it.
    fn measure(&mut self, task: &str) -> Option<f64> {
        writeln!(self.orders, "{task}").and_then(|()| self.orders.flush()).expect("the peer listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peer answers");
        line.trim().parse().ok()
    }
}

/// Prints the table: `turns` turns, in each of which every peer does both tasks. A script is `NAME=PROGRAM FILE`.
pub(crate) fn report(turns: usize, scripts: &[&str], token: &str, secret: &str) {
    let ourselves = std::env::current_exe().expect("a program");
    let mut peers: Vec<Peer> = PEERS
        .iter()
        .map(|name| Peer::start(name, Command::new(&ourselves).args(["peer", name, token, secret])))
        .chain(scripts.iter().map(|script| {
            let (name, command) = script.split_once('=').expect("NAME=PROGRAM FILE");
            let (program, file) = command.split_once(' ').expect("NAME=PROGRAM FILE");
            Peer::start(name, Command::new(program).args([file, token, secret]))
        }))
        .collect();
    let mut clockless = Vec::new();
    for _ in 0..turns {
        for peer in &mut peers {
            let measured = TASKS.map(|task| peer.measure(task).expect("every peer verifies and signs"));
            peer.turns.push(measured);
        }
        let ours = &mut peers[0];
        clockless.push(["verify*", "sign*", "mac"].map(|task| ours.measure(task).expect("ours")));
    }
    print(&peers, &clockless);
    for mut peer in peers {
        drop(peer.orders);
        peer.process.wait().expect("the peer ends");
    }
}

fn print(peers: &[Peer], clockless: &[[f64; 3]]) {
    println!("| | verify, ns | × doorward | sign, ns | × doorward |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let ours = &peers[0].turns;
    for peer in peers {
        let cells = [0, 1].map(|task| {
            let time = median(peer.turns.iter().map(|turn| turn[task]));
            let ratio = median(peer.turns.iter().zip(ours).map(|(theirs, ours)| theirs[task] / ours[task]));
            format!("{time:.0} | {ratio:.2}")
        });
        println!("| {} | {} |", peer.name, cells.join(" | "));
    }
    let [verify, sign, mac] = [0, 1, 2].map(|task| median(clockless.iter().map(|turn| turn[task])));
    println!("| doorward, the moment given | {verify:.0} | | {sign:.0} | |");
    println!("| HMAC alone, keyed and past the header | {mac:.0} | | {mac:.0} | |");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
