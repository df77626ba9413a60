//! The README's first five minutes, line by line as a newcomer types them.

use std::process::{Command, Stdio};

use crate::application::Home;

/// A command and what the README says that it prints, `…` standing for anything.
struct Step {
    command: String,
    expected: String,
}

fn steps() -> Vec<Step> {
    let readme = include_str!("../../../../README.md");
    let block = readme.split("<!-- tested: the first five minutes -->").nth(1).unwrap();
    let block = block.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), expected: String::new() }),
            (None, Some(step)) if step.command.ends_with('\\') => {
                step.command.truncate(step.command.len() - 1);
                step.command.push_str(line.trim_start().trim_start_matches("> "));
            }
            (None, Some(step)) => step.expected.push_str(&format!("{line}\n")),
            (None, None) => panic!("output before the first command: {line}"),
        }
    }
    steps
}

#[test]
fn every_line_does_what_the_readme_says() {
    let steps = steps();
    assert!(steps.len() >= 6, "{}", steps.len());
    let home = Home::new();
    let server = home.serve(&[]);
    let here = server.client().address.to_string();
    let mark = "--- end of step ---";
    let mut script = String::from("set -u\n");
    for step in &steps {
        let command = step
            .command
            .replace("localhost:8000", &here)
            .replace("cargo run --release --quiet --", env!("CARGO_BIN_EXE_doorward"));
        script.push_str(&format!("{command}\necho; echo '{mark}'\n"));
    }
    let output =
        Command::new("bash").args(["-c", &script]).current_dir(home.path()).stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let outputs: Vec<_> = printed.split(mark).collect();
    assert_eq!(outputs.len(), steps.len() + 1, "{printed}\n{errors}");
    for (step, printed) in steps.iter().zip(outputs) {
        let (expected, printed) = (step.expected.trim(), printed.trim());
        assert!(matches(expected, printed), "$ {}\nexpected: {expected}\nprinted: {printed}\n{errors}", step.command);
    }
}

/// Whether `text` is `pattern`, `…` standing for anything within a line.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<_>, Vec<_>) = (pattern.lines().collect(), text.lines().collect());
    pattern.len() == text.len()
        && pattern.iter().zip(text).all(|(pattern, line)| matches_line(pattern.trim_end(), line.trim_end()))
}

fn matches_line(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
