//! Hashes one password twice in the same memory, and tells which kernel did it.
#![expect(clippy::print_stdout, reason = "an example shows what it got")]

use doorward_argon2id::{Inputs, Kernel, Parameters, Workspace};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // RFC 9106's second recommended option: 64 MiB, three passes, four lanes.
    let parameters = Parameters::new(64 * 1024, 3, 4)?;
    let mut workspace = Workspace::with_memory(parameters.memory_kib())?;
    let inputs = Inputs { password: b"correct horse", salt: b"sixteen bytes...", ..Inputs::default() };
    let mut stored = [0; 32];
    workspace.hash(&inputs, parameters, &mut stored)?;
    let mut tag = [0; 32];
    workspace.hash(&inputs, parameters, &mut tag)?;
    workspace.wipe();
    println!("{:?}: {}", Kernel::detect(), if tag == stored { "it is the same password" } else { "it is another" });
    Ok(())
}
