//! The binary `doorward`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    doorward_server::run(std::env::args_os(), std::env::vars_os().collect())
}
