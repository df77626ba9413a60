//! A short form of the simulation: some seeds, the ones that found something once among them. `docs/reports/simulation.md`
//! says what the long form does.

use doorward_simulation::live;

#[test]
fn what_is_promised_holds_in_every_episode() {
    for seed in 1..=12 {
        if let Err(violation) = live(seed, 2_000) {
            panic!("seed {seed}, step {}: {}\n{}", violation.step, violation.what, violation.trace.join("\n"));
        }
    }
}

#[test]
fn a_seed_comes_to_the_same_each_time() {
    assert_eq!(live(7, 300), live(7, 300));
}
