//! Hashes for as long as it is told to, on as many threads, and says how many there were. Asked a line at a time,
//! so that implementations can take turns: `NAME MEMORY_KIB ITERATIONS LANES THREADS SECONDS` gives
//! `HASHES SECONDS`.

#[path = "../reference.rs"]
mod reference;

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use doorward_argon2id::{Inputs, Kernel, Parameters, Workspace};

const INPUTS: Inputs<'_> =
    Inputs { password: b"correct horse battery staple", salt: b"sixteen bytes...", secret: &[], associated_data: &[] };

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [name, memory_kib, iterations, lanes, threads, seconds] = words[..] else { return Err("six words".into()) };
        let parameters =
            Parameters::new(memory_kib.parse()?, iterations.parse()?, lanes.parse()?).map_err(|_| "parameters")?;
        let time = Duration::from_secs_f64(seconds.parse()?);
        // Memory is touched and set aside before the clock starts.
        let barrier = std::sync::Barrier::new(threads.parse()?);
        let counts: Vec<(u64, Duration)> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads.parse().unwrap_or(1))
                .map(|_| scope.spawn(|| work(name, parameters, time, &barrier)))
                .collect();
            started.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let hashes: u64 = counts.iter().map(|(hashes, _)| hashes).sum();
        let longest = counts.iter().map(|(_, taken)| *taken).max().ok_or("no thread")?;
        println!("{hashes} {}", longest.as_secs_f64());
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn work(name: &str, parameters: Parameters, time: Duration, barrier: &std::sync::Barrier) -> (u64, Duration) {
    let mut hash = implementation(name, parameters);
    hash();
    barrier.wait();
    let start = Instant::now();
    let mut hashes = 0;
    while start.elapsed() < time {
        hash();
        hashes += 1;
    }
    (hashes, start.elapsed())
}

fn implementation(name: &str, parameters: Parameters) -> Box<dyn FnMut()> {
    let mut tag = [0; 32];
    let kernel = match name {
        "rustcrypto-reused" => Some(Kernel::Portable),
        "ours" => Some(Kernel::detect()),
        _ => None,
    };
    if let Some(kernel) = kernel {
        let mut workspace = Workspace::with_memory(parameters.memory_kib()).expect("there is memory");
        return Box::new(move || workspace.hash_with(kernel, &INPUTS, parameters, &mut tag).expect("valid"));
    }
    if name == "rustcrypto-fresh" {
        let (memory, iterations, lanes) = (parameters.memory_kib(), parameters.iterations(), parameters.lanes());
        let params = argon2::Params::new(memory, iterations, lanes, None).expect("valid");
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        return Box::new(move || argon2.hash_password_into(INPUTS.password, INPUTS.salt, &mut tag).expect("valid"));
    }
    let is_reused = name == "reference-reused";
    Box::new(move || reference::hash(&INPUTS, parameters, is_reused, &mut tag))
}
