//! What `bench/http/run.sh` starts:
//!
//! ```text
//! bench-http serve HOST:PORT FOLDER                         an application with Doorward inside, beside axum's hello
//! bench-http fill  FOLDER SESSIONS                          a database of so many accounts, each with a session
//! bench-http ask   HOST:PORT PATH BEARER CLIENTS SECONDS    a closed loop of GETs; BEARER may be -
//! bench-http refresh HOST:PORT TOKENS CLIENTS SECONDS       a closed loop of refreshes, with the file's tokens in turn
//! ```
//!
//! `ask` and `refresh` print one JSON object.

mod application;
mod client;
mod exchange;
mod fill;

use client::Idle;

/// As in the binary that is shipped, and for axum's hello too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

/// For the benchmark and for nothing else.
const SECRET: &str = "a secret for the benchmark and for nothing else";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", address, folder] => application::serve(address, folder),
        ["fill", folder, sessions] => fill::fill(folder, sessions.parse()?),
        ["ask", address, path, bearer, clients, seconds] => {
            let exchanges = exchange::reads(path, bearer, clients.parse()?);
            print(client::run(address, exchanges, seconds.parse()?, Idle::Look)?.summary())
        }
        ["refresh", address, tokens, clients, seconds] => {
            let exchanges = exchange::refreshes(&std::fs::read_to_string(tokens)?, clients.parse()?)?;
            let seen = client::run(address, exchanges, seconds.parse()?, Idle::Sleep)?;
            std::fs::write(tokens, exchange::tokens(&seen.exchanges))?;
            print(seen.summary())
        }
        _ => Err("usage: see the top of main.rs".into()),
    }
}

fn print(summary: serde_json::Value) -> Result<(), Failure> {
    println!("{summary}");
    Ok(())
}
