//! What users of the crate rely on besides the tags.
#![expect(clippy::unwrap_used, reason = "a test's failures are panics")]

use doorward_argon2id::{Assistance, Error, Inputs, Kernel, Parameters, Workspace};

const INPUTS: Inputs<'_> = Inputs { password: b"password", salt: b"somesalt", secret: &[], associated_data: &[] };

fn tag(workspace: &mut Workspace, kernel: Kernel, password: &[u8], parameters: Parameters) -> [u8; 32] {
    let mut tag = [0; 32];
    workspace.hash_with(kernel, &Inputs { password, ..INPUTS }, parameters, &mut tag).unwrap();
    tag
}

#[test]
fn one_workspace_serves_all_sizes_and_kernels_in_any_order() {
    let costs = [(8, 1, 1), (3000, 1, 3), (64, 3, 2), (3000, 2, 1), (1024, 1, 8)];
    let mut workspace = Workspace::with_memory(3000).unwrap();
    for round in 0..2 {
        for (memory_kib, iterations, lanes) in costs {
            let parameters = Parameters::new(memory_kib, iterations, lanes).unwrap();
            let mut fresh = Workspace::with_memory(memory_kib).unwrap();
            let expected = tag(&mut fresh, Kernel::Portable, b"password", parameters);
            for kernel in Kernel::available() {
                assert_eq!(tag(&mut workspace, kernel, b"password", parameters), expected, "{kernel:?} {round}");
            }
        }
        workspace.wipe();
    }
}

#[test]
fn threads_do_not_disturb_one_another() {
    let parameters = Parameters::new(512, 2, 4).unwrap();
    let mut workspace = Workspace::with_memory(512).unwrap();
    let expected: Vec<_> =
        (0u8..8).map(|password| tag(&mut workspace, Kernel::Portable, &[password], parameters)).collect();
    std::thread::scope(|scope| {
        for thread in 0u8..16 {
            let expected = &expected;
            scope.spawn(move || {
                let mut workspace = Workspace::with_memory(512).unwrap();
                for (password, expected) in (0u8..8).zip(expected).cycle().skip(thread.into()).take(40) {
                    for kernel in Kernel::available() {
                        assert_eq!(tag(&mut workspace, kernel, &[password], parameters), *expected, "{kernel:?}");
                    }
                }
            });
        }
    });
}

#[test]
fn a_workspace_moves_between_threads() {
    let parameters = Parameters::new(64, 1, 1).unwrap();
    let mut workspace = Workspace::with_memory(64).unwrap();
    let here = tag(&mut workspace, Kernel::detect(), b"password", parameters);
    let there = std::thread::spawn(move || tag(&mut workspace, Kernel::detect(), b"password", parameters));
    assert_eq!(there.join().unwrap(), here);
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    assert_eq!(Parameters::new(8, 1, 0), Err(Error::Lanes));
    assert_eq!(Parameters::new(u32::MAX, 1, 1 << 24), Err(Error::Lanes));
    assert_eq!(Parameters::new(15, 1, 2), Err(Error::TooLittleMemory));
    assert_eq!(Parameters::new(16, 0, 2), Err(Error::NoIterations));
    assert!(Parameters::new(u32::MAX, u32::MAX, Parameters::MAX_LANES).is_ok());

    let parameters = Parameters::new(64, 1, 1).unwrap();
    for kernel in Kernel::available() {
        let mut workspace = Workspace::with_memory(63).unwrap();
        let mut refusal = |inputs, tag: &mut [u8]| workspace.hash_with(kernel, &inputs, parameters, tag).unwrap_err();
        assert_eq!(refusal(INPUTS, &mut [0; 32]), Error::WorkspaceTooSmall);
        assert_eq!(refusal(INPUTS, &mut [0; 3]), Error::TagTooShort);
        assert_eq!(refusal(Inputs { salt: b"tooshrt", ..INPUTS }, &mut [0; 32]), Error::SaltTooShort);
        assert!(!workspace.is_dirty());
    }
}

#[test]
fn a_kernel_that_the_processor_lacks_is_refused() {
    let parameters = Parameters::new(64, 1, 1).unwrap();
    let mut workspace = Workspace::with_memory(64).unwrap();
    for kernel in Kernel::ALL {
        let outcome = workspace.hash_with(kernel, &INPUTS, parameters, &mut [0; 32]);
        let expected = if kernel.is_available() { Ok(()) } else { Err(Error::KernelUnavailable) };
        assert_eq!(outcome, expected, "{kernel:?}");
    }
}

/// What the memory's unused remainder holds makes no difference, nor does memory beyond the hash.
#[test]
fn a_remainder_of_memory_is_hashed_but_not_used() {
    for kernel in Kernel::available() {
        let tags = [64, 65, 71, 72].map(|memory_kib| {
            let mut workspace = Workspace::with_memory(memory_kib).unwrap();
            tag(&mut workspace, kernel, b"password", Parameters::new(memory_kib, 1, 2).unwrap())
        });
        assert!((1..4).all(|index| !tags[..index].contains(&tags[index])), "m itself is part of the tag");
    }
}

#[test]
fn inputs_do_not_print_what_they_hold() {
    let printed = format!("{:?}", Inputs { password: b"hunter2", secret: b"pepper", ..INPUTS });
    assert!(!printed.contains("hunter2") && !printed.contains("104") && printed.contains("password_length: 7"));
}

/// Threads that hash and threads that go from one hash to the next, help with it for a while and leave.
#[test]
fn helpers_come_and_go_among_many_hashes() {
    let parameters = Parameters::new(512, 2, 4).unwrap();
    let mut workspace = Workspace::with_memory(512).unwrap();
    let expected = tag(&mut workspace, Kernel::Portable, b"password", parameters);
    for kernel in Kernel::available() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (offer, offered) = std::sync::mpsc::channel::<std::sync::Arc<Assistance>>();
                scope.spawn(move || {
                    for (round, assistance) in (0u32..).zip(offered) {
                        assistance.assist(|| assistance.assisted_slices() > round % 9);
                    }
                });
                scope.spawn(move || {
                    let mut workspace = Workspace::with_memory(512).unwrap();
                    for _ in 0..30 {
                        let assistance = std::sync::Arc::new(Assistance::new());
                        offer.send(std::sync::Arc::clone(&assistance)).unwrap();
                        let mut tag = [0; 32];
                        workspace.assisted(&assistance).hash_with(kernel, &INPUTS, parameters, &mut tag).unwrap();
                        assert_eq!(tag, expected, "{kernel:?}");
                    }
                });
            }
        });
    }
}

#[test]
fn a_helper_is_sent_away_by_a_hash_that_never_begins() {
    let assistance = Assistance::new();
    let mut workspace = Workspace::with_memory(8).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| assistance.assist(|| false));
        let too_large = Parameters::new(64, 1, 4).unwrap();
        let outcome = workspace.assisted(&assistance).hash(&INPUTS, too_large, &mut [0; 32]);
        assert_eq!(outcome, Err(Error::WorkspaceTooSmall));
    });
    // And whoever comes later too.
    assistance.assist(|| false);
    assert!(!assistance.has_helper());
}
