//! Prints the table of docs/reports/argon2id.md: one hash, on one thread, in milliseconds of the thread's processor
//! time, so that other work on the machine counts less. Implementations take turns; a ratio is the median of the
//! ratios of neighbouring turns.

mod reference;

use doorward_argon2id::{Inputs, Kernel, Parameters, Workspace};

const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: &[u8] = b"sixteen bytes...";
const INPUTS: Inputs<'_> = Inputs { password: PASSWORD, salt: SALT, secret: &[], associated_data: &[] };
const COSTS: [[u32; 3]; 3] = [[65536, 3, 4], [19456, 2, 1], [47104, 1, 1]];

type Hash = Box<dyn FnMut() -> [u8; 32]>;

fn main() {
    let turns = std::env::args().nth(1).map_or(15, |turns| turns.parse().expect("a number of turns"));
    println!("| memory KiB, t, p | implementation | median ms | fastest ms | times as long as ours, pair by pair |");
    println!("| --- | --- | --- | --- | --- |");
    for cost in COSTS {
        measure(cost, turns);
    }
}

fn measure(cost: [u32; 3], turns: usize) {
    let mut implementations = implementations(cost);
    let mut times = vec![Vec::new(); implementations.len()];
    let expected = reference_with(false, cost)();
    // The first turn warms up.
    for turn in 0..=turns {
        for ((name, hash), times) in implementations.iter_mut().zip(&mut times) {
            let start = processor_milliseconds();
            let tag = hash();
            let time = processor_milliseconds() - start;
            assert_eq!(tag, expected, "{name}");
            if turn > 0 {
                times.push(time);
            }
        }
    }
    let [memory_kib, iterations, lanes] = cost;
    for ((name, _), own) in implementations.iter().zip(&times) {
        let ratio = median(own.iter().zip(&times[0]).map(|(time, ours)| time / ours));
        let fastest = own.iter().copied().fold(f64::INFINITY, f64::min);
        let middle = median(own.iter().copied());
        println!("| {memory_kib}, {iterations}, {lanes} | {name} | {middle:.2} | {fastest:.2} | {ratio:.2} |");
    }
}

/// The first is the kernel that is used here.
fn implementations(cost: [u32; 3]) -> Vec<(String, Hash)> {
    let [memory_kib, iterations, lanes] = cost;
    let ours = Kernel::available().filter(|kernel| *kernel != Kernel::Portable);
    let mut all: Vec<(String, Hash)> =
        ours.map(|kernel| (format!("doorward-argon2id, {kernel:?}"), ours_with(kernel, cost))).collect();
    all.push(("`argon2` 0.6, memory reused on huge pages".to_owned(), ours_with(Kernel::Portable, cost)));
    all.push((
        "`argon2` 0.6, memory fresh".to_owned(),
        Box::new(move || {
            let params = argon2::Params::new(memory_kib, iterations, lanes, None).expect("valid");
            let mut tag = [0; 32];
            argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
                .hash_password_into(PASSWORD, SALT, &mut tag)
                .expect("valid");
            tag
        }),
    ));
    all.push(("C reference, memory reused on huge pages".to_owned(), reference_with(true, cost)));
    all.push(("C reference, memory fresh".to_owned(), reference_with(false, cost)));
    all
}

fn ours_with(kernel: Kernel, [memory_kib, iterations, lanes]: [u32; 3]) -> Hash {
    let parameters = Parameters::new(memory_kib, iterations, lanes).expect("valid");
    let mut workspace = Workspace::with_memory(memory_kib).expect("there is memory");
    Box::new(move || {
        let mut tag = [0; 32];
        workspace.hash_with(kernel, &INPUTS, parameters, &mut tag).expect("valid");
        tag
    })
}

fn reference_with(is_reused: bool, [memory_kib, iterations, lanes]: [u32; 3]) -> Hash {
    let parameters = Parameters::new(memory_kib, iterations, lanes).expect("valid");
    Box::new(move || {
        let mut tag = [0; 32];
        reference::hash(&INPUTS, parameters, is_reused, &mut tag);
        tag
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn processor_milliseconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid place for the time.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
