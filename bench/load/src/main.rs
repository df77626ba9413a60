//! The load client of `bench/`. It speaks HTTP/1.1 over kept-alive sockets on one thread, prints one JSON object,
//! and keeps what it knows of each account in a file from one call to the next:
//!
//! ```text
//! load prepare  HOST:PORT DIALECT STATE ACCOUNTS            makes accounts, each with a session
//! load closed   HOST:PORT DIALECT STATE OPERATION CLIENTS SECONDS   each client asks, waits, asks again
//! load counted  HOST:PORT DIALECT STATE OPERATION CLIENTS REQUESTS  the same until so many are answered
//! load overload HOST:PORT DIALECT STATE LOGINS SECONDS PROCESS      logins at once, and probes every 20 ms
//! ```
//!
//! OPERATION is login, refresh, read or health; DIALECT is contract (Doorward's routes) or better-auth.

mod dialect;
mod http;
mod overload;
mod run;
mod state;

use dialect::{Dialect, Operation};
use run::Until;
use state::State;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [command, address, dialect, file, rest @ ..] = text.as_slice() else {
        return Err("usage: load COMMAND HOST:PORT DIALECT STATE …".into());
    };
    let dialect = Dialect::parse(dialect)?;
    let result = match (*command, rest) {
        ("prepare", [accounts]) => run::prepare(address, dialect, file, accounts.parse()?).await?,
        ("closed" | "counted", [operation, clients, amount]) => {
            let until = match *command {
                "closed" => Until::Seconds(amount.parse()?),
                _ => Until::Requests(amount.parse()?),
            };
            let operation = Operation::parse(operation)?;
            run::closed_loop(address, dialect, file, operation, clients.parse()?, until).await?
        }
        ("overload", [logins, seconds, process]) => {
            let plan = overload::Plan {
                address: (*address).to_owned(),
                dialect,
                logins: logins.parse()?,
                seconds: seconds.parse()?,
                process: process.parse()?,
            };
            overload::run(plan, State::read(file)?).await?
        }
        _ => return Err("usage: see the top of main.rs".into()),
    };
    println!("{result}");
    Ok(())
}
