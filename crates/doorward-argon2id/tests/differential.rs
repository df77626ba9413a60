//! Every kernel that this processor has against RustCrypto's `argon2`, over whatever proptest thinks of.
//!
//! `DOORWARD_ARGON2ID_CASES` sets how many cases, 256 if it is absent.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test's failures are panics; it tells what it ran, and takes the number of cases from outside"
)]

use std::cell::{Cell, RefCell};

use doorward_argon2id::{Assistance, Inputs, Kernel, Parameters, Workspace};
use proptest::collection::vec;
use proptest::prelude::*;

/// The largest hash of these tests, in KiB.
const MEMORY_KIB: u32 = 2000;

#[derive(Debug)]
struct Case {
    parameters: Parameters,
    password: Vec<u8>,
    salt: Vec<u8>,
    secret: Vec<u8>,
    associated_data: Vec<u8>,
    tag_length: usize,
}

impl Case {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            password: &self.password,
            salt: &self.salt,
            secret: &self.secret,
            associated_data: &self.associated_data,
        }
    }

    fn expected(&self) -> Vec<u8> {
        let params = argon2::ParamsBuilder::new()
            .m_cost(self.parameters.memory_kib())
            .t_cost(self.parameters.iterations())
            .p_cost(self.parameters.lanes())
            .data(argon2::AssociatedData::new(&self.associated_data).unwrap())
            .build()
            .unwrap();
        let mut tag = vec![0; self.tag_length];
        let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
        argon2::Argon2::new_with_secret(&self.secret, algorithm, version, params)
            .and_then(|argon2| argon2.hash_password_into(&self.password, &self.salt, &mut tag))
            .unwrap();
        tag
    }

    fn found(&self, kernel: Kernel, workspace: &mut Workspace) -> Vec<u8> {
        let mut tag = vec![0; self.tag_length];
        workspace.hash_with(kernel, &self.inputs(), self.parameters, &mut tag).unwrap();
        tag
    }
}

/// The tag found by two threads, the second of which leaves after `stays_for` half slices; and how many it filled.
fn found_together(case: &Case, kernel: Kernel, workspace: &mut Workspace, stays_for: u32) -> (Vec<u8>, u32) {
    let assistance = Assistance::new();
    let mut tag = vec![0; case.tag_length];
    std::thread::scope(|scope| {
        scope.spawn(|| assistance.assist(|| assistance.assisted_slices() >= stays_for));
        while stays_for > 0 && !assistance.has_helper() {
            std::thread::yield_now();
        }
        workspace.assisted(&assistance).hash_with(kernel, &case.inputs(), case.parameters, &mut tag).unwrap();
    });
    (tag, assistance.assisted_slices())
}

/// Any lanes to 20, so that more than one group of them is in lockstep; memory from the least, of any remainder.
fn parameters() -> impl Strategy<Value = Parameters> {
    (1u32..=20, 1u32..=4).prop_flat_map(|(lanes, iterations)| {
        let memory_kib = prop_oneof![8 * lanes..=8 * lanes + 64, 8 * lanes..=MEMORY_KIB];
        memory_kib.prop_map(move |memory_kib| Parameters::new(memory_kib, iterations, lanes).unwrap())
    })
}

fn bytes(lengths: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), lengths)
}

fn cases() -> impl Strategy<Value = Case> {
    (parameters(), bytes(0..=300), bytes(8..=300), bytes(0..=300), bytes(0..=32), 4usize..=200).prop_map(
        |(parameters, password, salt, secret, associated_data, tag_length)| Case {
            parameters,
            password,
            salt,
            secret,
            associated_data,
            tag_length,
        },
    )
}

/// Of one workspace, as hashes of all sizes use it one after the other.
fn compare(kernel: Kernel) {
    if !kernel.is_supported() {
        println!("NOT EXERCISED: this processor has no {kernel:?}");
        return;
    }
    assert!(kernel.is_available(), "{kernel:?} failed its self-test");
    let cases_wanted = std::env::var("DOORWARD_ARGON2ID_CASES").map_or(256, |cases| cases.parse().unwrap());
    let workspace = RefCell::new(Workspace::with_memory(MEMORY_KIB).unwrap());
    let (compared, assisted) = (Cell::new(0), Cell::new(0));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: cases_wanted,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&(cases(), 0u32..20), |(case, stays_for)| {
            compared.set(compared.get() + 1);
            let expected = case.expected();
            let workspace = &mut workspace.borrow_mut();
            prop_assert_eq!(case.found(kernel, workspace), &expected[..]);
            let (together, slices) = found_together(&case, kernel, workspace, stays_for);
            assisted.set(assisted.get() + slices);
            prop_assert_eq!(together, expected, "with a helper for {} slices", slices);
            Ok(())
        })
        .unwrap();
    println!(
        "{kernel:?}: {} cases, each alone and with a helper, who filled {} half slices; no mismatch",
        compared.get(),
        assisted.get()
    );
    assert!(kernel == Kernel::Portable || assisted.get() > 0, "no helper came to work");
}

#[test]
fn avx512_agrees() {
    compare(Kernel::Avx512);
}

#[test]
fn avx2_agrees() {
    compare(Kernel::Avx2);
}

#[test]
fn portable_agrees() {
    compare(Kernel::Portable);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Associated data past the 32 bytes that `argon2` takes, where there is no oracle: kernels against each other.
    #[test]
    fn kernels_agree_on_long_associated_data(mut case in cases(), associated_data in bytes(33..=300)) {
        case.associated_data = associated_data;
        let mut workspace = Workspace::with_memory(MEMORY_KIB).unwrap();
        let expected = case.found(Kernel::Portable, &mut workspace);
        for kernel in Kernel::available() {
            prop_assert_eq!(case.found(kernel, &mut workspace), &expected[..], "{:?}", kernel);
            // The portable one too: past those 32 bytes it is this crate's engine on plain integers.
            let (together, _) = found_together(&case, kernel, &mut workspace, u32::MAX);
            prop_assert_eq!(together, &expected[..], "{:?} with a helper", kernel);
        }
    }
}
