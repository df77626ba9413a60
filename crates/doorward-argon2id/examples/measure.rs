//! scratch
use doorward_argon2id::*;
fn cpu() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}
fn main() {
    for (m, t, p) in [(16, 4000, 1), (128, 500, 1), (128, 500, 4), (65536, 3, 4), (19456, 2, 1), (47104, 1, 1)] {
        let par = Parameters::new(m, t, p).unwrap();
        let inputs = Inputs { password: b"password", salt: b"somesaltsomesalt", ..Inputs::default() };
        let mut ws = Workspace::with_memory(m).unwrap();
        let mut tag = [0; 32];
        for k in Kernel::available() {
            let mut v = vec![];
            for _ in 0..9 {
                let s = cpu();
                ws.hash_with(k, &inputs, par, &mut tag).unwrap();
                v.push((cpu() - s) * 1e3);
            }
            v.sort_by(f64::total_cmp);
            println!(
                "{m}/{t}/{p} {k:?}: median {:.2} min {:.2} ms  {:.1} ns/block",
                v[4],
                v[0],
                v[0] * 1e6 / (m as f64 * t as f64)
            );
        }
    }
}
