//! Builds the C reference implementation from `ARGON2_SOURCE` for this machine's processor, as its makefile does.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-env-changed=ARGON2_SOURCE");
    let source = PathBuf::from(std::env::var_os("ARGON2_SOURCE").expect("ARGON2_SOURCE names its folder"));
    let files = ["argon2.c", "core.c", "blake2/blake2b.c", "thread.c", "encoding.c", "opt.c"];
    cc::Build::new()
        .files(files.map(|file| source.join("src").join(file)))
        .include(source.join("include"))
        .include(source.join("src"))
        .opt_level(3)
        .flag("-march=native")
        .flag("-pthread")
        .warnings(false)
        .compile("argon2reference");
}
