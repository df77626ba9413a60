//! Answers that others have published, found by every kernel that this processor has.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test's failures are panics; it tells what it ran")]

use doorward_argon2id::{Inputs, Kernel, Parameters, Workspace};

/// Every kernel that the processor has, having told which these are.
fn kernels() -> Vec<Kernel> {
    let (supported, lacking): (Vec<_>, Vec<_>) = Kernel::ALL.into_iter().partition(|kernel| kernel.is_supported());
    println!("kernels exercised: {supported:?}; this processor lacks: {lacking:?}");
    assert!(supported.iter().all(|kernel| kernel.is_available()), "a kernel failed its self-test");
    supported
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(inputs: Inputs<'_>, [memory_kib, iterations, lanes]: [u32; 3], tag: &str) {
    let parameters = Parameters::new(memory_kib, iterations, lanes).unwrap();
    let mut workspace = Workspace::with_memory(memory_kib).unwrap();
    for kernel in kernels() {
        let mut found = [0; 32];
        workspace.hash_with(kernel, &inputs, parameters, &mut found).unwrap();
        assert_eq!(hexadecimal(&found), tag, "{kernel:?} {memory_kib} {iterations} {lanes}");
    }
}

/// RFC 9106 §5.3, with a secret and associated data.
#[test]
fn the_vector_of_the_rfc() {
    let inputs = Inputs { password: &[1; 32], salt: &[2; 16], secret: &[3; 8], associated_data: &[4; 12] };
    check(inputs, [32, 3, 4], "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}

/// The Argon2id answers of the reference implementation's test program.
#[test]
fn the_reference_implementations_own() {
    let answers = [
        ("password", "somesalt", [1 << 16, 2, 1], "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        ("password", "somesalt", [1 << 18, 2, 1], "78fe1ec91fb3aa5657d72e710854e4c3d9b9198c742f9616c2f085bed95b2e8c"),
        ("password", "somesalt", [1 << 8, 2, 1], "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        ("password", "somesalt", [1 << 8, 2, 2], "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
        ("password", "somesalt", [1 << 16, 1, 1], "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        ("password", "somesalt", [1 << 16, 4, 1], "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"),
        (
            "differentpassword",
            "somesalt",
            [1 << 16, 2, 1],
            "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
        ),
        ("password", "diffsalt", [1 << 16, 2, 1], "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c"),
    ];
    for (password, salt, cost, tag) in answers {
        let inputs = Inputs { password: password.as_bytes(), salt: salt.as_bytes(), ..Inputs::default() };
        check(inputs, cost, tag);
    }
}

/// Asked of the processor itself: a kernel that is no longer found would otherwise be missed by no test.
#[test]
#[cfg(target_arch = "x86_64")]
fn every_kernel_of_this_processor_is_exercised() {
    let has = |kernel| kernels().contains(&kernel);
    let is_modelled = cfg!(doorward_avx512_model);
    assert_eq!(has(Kernel::Avx512), std::arch::is_x86_feature_detected!("avx512f") || is_modelled);
    assert_eq!(has(Kernel::Avx2), std::arch::is_x86_feature_detected!("avx2"));
    assert!(has(Kernel::Portable));
}
