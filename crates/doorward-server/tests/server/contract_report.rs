//! `docs/reports/contract.md` and `attacks.md` name tests: each must exist.

use std::path::{Path, PathBuf};

#[test]
fn every_test_that_the_reports_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = String::new();
    read_all(&root.join("crates"), &mut sources);
    let read = |name: &str| std::fs::read_to_string(root.join("docs/reports").join(name)).unwrap();
    let reports = read("contract.md") + &read("attacks.md");
    let named: Vec<_> = reports
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.trim_end_matches(" |").rsplit_once(" | "))
        .flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'))
        .collect();
    assert!(named.len() > 250, "{}", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

fn read_all(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
