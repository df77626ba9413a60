//! Argon2id of any parameters and lengths, on every kernel, alone and with a helper, against RustCrypto's `argon2`.
#![no_main]

use std::cell::RefCell;

use doorward_argon2id::{Assistance, Inputs, Kernel, Parameters, Workspace};
use libfuzzer_sys::{Corpus, fuzz_target};

/// The largest hash, in KiB: small, for speed.
const MEMORY_KIB: u32 = 512;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::with_memory(MEMORY_KIB).unwrap());
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((head, rest)) = data.split_at_checked(9) else { return Corpus::Reject };
    let memory_kib = u32::from(u16::from_le_bytes([head[0], head[1]])) % (MEMORY_KIB + 1);
    let [iterations, lanes, tag_length] = [head[2] % 5, head[3] % 34, head[4]];
    let (iterations, lanes) = (u32::from(iterations), u32::from(lanes));
    let mut rest = rest;
    let mut take = |length: u8| {
        let (taken, left) = rest.split_at(usize::from(length).min(rest.len()));
        rest = left;
        taken
    };
    // `argon2` takes 32 bytes of associated data at most.
    let (salt, secret, associated_data) = (take(head[5]), take(head[6]), take(head[7] % 33));
    let inputs = Inputs { password: rest, salt, secret, associated_data };
    let mut expected = vec![0; tag_length.into()];
    let oracle = oracle(&inputs, [memory_kib, iterations, lanes], &mut expected);
    let parameters = Parameters::new(memory_kib, iterations, lanes);
    assert_eq!(parameters.is_ok() && salt.len() >= 8 && tag_length >= 4, oracle, "one takes what the other refuses");
    let Ok(parameters) = parameters else { return Corpus::Keep };
    WORKSPACE.with_borrow_mut(|workspace| {
        for kernel in Kernel::available() {
            let mut tag = vec![0; tag_length.into()];
            assert_eq!(workspace.hash_with(kernel, &inputs, parameters, &mut tag).is_ok(), oracle);
            assert!(!oracle || tag == expected, "{kernel:?}");
            if head[8] & 1 == 1 {
                let stays_for = u32::from(head[8] >> 1) % 17;
                assert_eq!(with_a_helper(workspace, kernel, &inputs, parameters, (&mut tag, stays_for)), oracle);
                assert!(!oracle || tag == expected, "{kernel:?} with a helper");
            }
        }
    });
    Corpus::Keep
});

fn with_a_helper(
    workspace: &mut Workspace,
    kernel: Kernel,
    inputs: &Inputs<'_>,
    parameters: Parameters,
    (tag, stays_for): (&mut [u8], u32),
) -> bool {
    let assistance = Assistance::new();
    tag.fill(0);
    std::thread::scope(|scope| {
        scope.spawn(|| assistance.assist(|| assistance.assisted_slices() >= stays_for));
        while stays_for > 0 && !assistance.has_helper() {
            std::thread::yield_now();
        }
        workspace.assisted(&assistance).hash_with(kernel, inputs, parameters, tag).is_ok()
    })
}

fn oracle(inputs: &Inputs<'_>, [memory_kib, iterations, lanes]: [u32; 3], tag: &mut [u8]) -> bool {
    let Ok(data) = argon2::AssociatedData::new(inputs.associated_data) else { return false };
    let params = argon2::ParamsBuilder::new()
        .m_cost(memory_kib)
        .t_cost(iterations)
        .p_cost(lanes)
        .data(data)
        .output_len(tag.len())
        .build();
    let Ok(params) = params else { return false };
    let (algorithm, version) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13);
    argon2::Argon2::new_with_secret(inputs.secret, algorithm, version, params)
        .is_ok_and(|argon2| argon2.hash_password_into(inputs.password, inputs.salt, tag).is_ok())
}
