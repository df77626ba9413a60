//! What parameters cost on this machine.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::argon2id::Workspace;
use super::parameters::HashParameters;
use super::phc::SALT_LENGTH;

/// What parameters cost on this machine, found by hashing.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// One hash on one thread, the others idle: the median of several.
    pub one_hash: Duration,
    /// Hashes a second while every thread hashes.
    pub hashes_a_second: f64,
}

/// Hashes with `parameters` in the way a pool of `threads` does, each in memory of its own; but nobody helps with
/// another's hash. Takes as long as some seven hashes on each thread.
///
/// # Errors
///
/// The operating system's, when it gives no memory.
pub fn measure(parameters: HashParameters, threads: NonZeroUsize) -> io::Result<Measurement> {
    Ok(Measurement { one_hash: time_of_one_hash(parameters)?, hashes_a_second: hashes_a_second(parameters, threads)? })
}

/// The time of one hash on one thread, the others idle: the median of three, in memory that was used before.
///
/// # Errors
///
/// The operating system's, when it gives no memory.
pub fn time_of_one_hash(parameters: HashParameters) -> io::Result<Duration> {
    let mut workspace = Workspace::reserve(parameters.memory_kib())?;
    hash(&mut workspace, parameters)?;
    let mut times = [Duration::ZERO; 3];
    for time in &mut times {
        let start = now();
        hash(&mut workspace, parameters)?;
        *time = start.elapsed();
    }
    times.sort_unstable();
    Ok(times[1])
}

/// Which implementation of Argon2id hashes on this machine.
pub fn kernel() -> &'static str {
    match doorward_argon2id::Kernel::detect() {
        doorward_argon2id::Kernel::Avx512 => "AVX-512",
        doorward_argon2id::Kernel::Avx2 => "AVX2",
        doorward_argon2id::Kernel::Portable => "portable",
    }
}

fn hashes_a_second(parameters: HashParameters, threads: NonZeroUsize) -> io::Result<f64> {
    const EACH: u32 = 3;
    let workspaces: io::Result<Vec<_>> =
        (0..threads.get()).map(|_| Workspace::reserve(parameters.memory_kib())).collect();
    let start_together = Barrier::new(threads.get());
    let slowest = std::thread::scope(|scope| {
        let threads: Vec<_> = workspaces?
            .into_iter()
            .map(|mut workspace| {
                let start_together = &start_together;
                scope.spawn(move || {
                    let is_warm = hash(&mut workspace, parameters);
                    start_together.wait();
                    let start = now();
                    is_warm?;
                    (0..EACH).try_for_each(|_| hash(&mut workspace, parameters))?;
                    Ok(start.elapsed())
                })
            })
            .collect();
        let times = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread that hashed has panicked"))));
        times.collect::<io::Result<Vec<_>>>().map(|times| times.into_iter().max().unwrap_or_default())
    })?;
    let hashes = f64::from(EACH) * f64::from(u32::try_from(threads.get()).unwrap_or(u32::MAX));
    Ok(hashes / slowest.as_secs_f64().max(f64::MIN_POSITIVE))
}

fn hash(workspace: &mut Workspace, parameters: HashParameters) -> io::Result<()> {
    let hashed = workspace.hash(b"correct horse battery staple", &[0; SALT_LENGTH], parameters);
    hashed.map(drop).map_err(|_| io::Error::other("the engine refused the parameters"))
}

#[expect(clippy::disallowed_methods, reason = "measures how long a hash takes")]
fn now() -> Instant {
    Instant::now()
}
