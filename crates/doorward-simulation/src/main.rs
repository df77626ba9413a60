//! `doorward-simulation STEPS [FIRST_SEED]` lives episodes and prints what was done in them; `doorward-simulation report
//! STEPS` prints the report; `doorward-simulation replay SEED` lives one episode again.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]

use std::process::ExitCode;

use doorward_simulation::{Tally, Violation, live};

/// Steps of an episode: what has grown since its begin slows it down.
const EPISODE: u64 = 2_000;

const HEAD: &str = include_str!("report.md");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    match (arguments.first().map(String::as_str), &numbers[..]) {
        (Some("replay"), [seed]) => replay(*seed),
        (Some("report"), [steps]) => {
            print!("{HEAD}");
            run(*steps, 1)
        }
        (_, [steps]) => run(*steps, 1),
        (_, [steps, first]) => run(*steps, *first),
        _ => {
            eprintln!("usage: doorward-simulation STEPS [FIRST_SEED] | report STEPS | replay SEED");
            ExitCode::from(2)
        }
    }
}

fn replay(seed: u64) -> ExitCode {
    match live(seed, EPISODE) {
        Ok(_) => ExitCode::SUCCESS,
        Err(violation) => fail(&violation),
    }
}

fn run(steps: u64, first: u64) -> ExitCode {
    let mut total = Tally::new();
    let episodes = steps.div_ceil(EPISODE);
    for seed in first..first + episodes {
        match live(seed, EPISODE) {
            Ok(tally) => tally.into_iter().for_each(|(what, count)| *total.entry(what).or_default() += count),
            Err(violation) => return fail(&violation),
        }
    }
    println!(
        "{} steps, seeds {first} to {}, {EPISODE} steps each. All promises held.\n",
        episodes * EPISODE,
        first + episodes - 1
    );
    println!("| step | times |\n| --- | --- |");
    for (what, count) in total {
        println!("| {what} | {count} |");
    }
    ExitCode::SUCCESS
}

fn fail(Violation { seed, step, what, trace }: &Violation) -> ExitCode {
    eprintln!("{}", trace.join("\n"));
    eprintln!("seed {seed}, step {step}: {what}");
    ExitCode::FAILURE
}
