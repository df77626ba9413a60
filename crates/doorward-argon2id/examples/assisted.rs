//! Times one hash alone and with a helper, in turns, by the clock on the wall: for a machine that has nothing else to do.
//!
//! ```text
//! cargo run --release -p doorward-argon2id --example assisted -- [ROUNDS]
//! ```
#![expect(clippy::print_stdout, reason = "a command speaks to whoever called it")]
#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::error::Error;
use std::time::{Duration, Instant};

use doorward_argon2id::{Assistance, Inputs, Kernel, Parameters, Workspace};

fn main() -> Result<(), Box<dyn Error>> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(21), |rounds| rounds.parse())?;
    println!("{:?}, {rounds} rounds, medians", Kernel::detect());
    println!("| m KiB, t, p | alone ms | with a helper ms | of the time | half slices by the helper |");
    println!("| --- | --- | --- | --- | --- |");
    for (memory_kib, iterations, lanes) in
        [(65_536, 3, 4), (65_536, 3, 8), (65_536, 3, 2), (19_456, 2, 4), (4096, 1, 4), (1024, 1, 4)]
    {
        let parameters = Parameters::new(memory_kib, iterations, lanes)?;
        let mut workspace = Workspace::with_memory(memory_kib)?;
        workspace.touch();
        let (mut alone, mut together, mut ratios, mut slices) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..rounds {
            let first = time(&mut workspace, parameters, None)?;
            let assistance = Assistance::new();
            let second = std::thread::scope(|scope| {
                scope.spawn(|| assistance.assist(|| false));
                std::thread::sleep(Duration::from_micros(200));
                time(&mut workspace, parameters, Some(&assistance))
            })?;
            slices += assistance.assisted_slices();
            alone.push(first);
            together.push(second);
            ratios.push(second / first);
        }
        println!(
            "| {memory_kib}, {iterations}, {lanes} | {:.2} | {:.2} | {:.2} | {} of {} |",
            median(&mut alone),
            median(&mut together),
            median(&mut ratios),
            slices,
            rounds * 4 * iterations as usize,
        );
    }
    Ok(())
}

/// Milliseconds.
fn time(
    workspace: &mut Workspace,
    parameters: Parameters,
    assistance: Option<&Assistance>,
) -> Result<f64, doorward_argon2id::Error> {
    let inputs = Inputs { password: b"password", salt: b"sixteen bytes...", ..Inputs::default() };
    let mut tag = [0; 32];
    let start = Instant::now();
    match assistance {
        Some(assistance) => workspace.assisted(assistance).hash(&inputs, parameters, &mut tag)?,
        None => workspace.hash(&inputs, parameters, &mut tag)?,
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
