//! The README's first five minutes, and the guide's moves, line by line as a newcomer types them.

use std::process::{Command, Stdio};

use crate::application::Home;

/// A command and what the README says that it prints, `…` standing for anything.
pub(crate) struct Step {
    pub(crate) command: String,
    expected: String,
}

/// The commands of the blocks after that mark, in one row.
pub(crate) fn steps(page: &str, mark: &str) -> Vec<Step> {
    let mark = format!("<!-- tested: {mark} -->");
    let blocks = page.split(&mark).skip(1).map(|block| block.split("```console\n").nth(1).unwrap());
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks.flat_map(|block| block.split("```").next().unwrap().lines()) {
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
    let steps = steps(include_str!("../../../../README.md"), "the first five minutes");
    assert!(steps.len() >= 6, "{}", steps.len());
    let home = Home::new();
    let server = home.serve(&[]);
    let here = server.client().address.to_string();
    type_all(&home, &steps, &[("localhost:8000", &here), ("cargo run --release --quiet --", "doorward")]);
}

pub(crate) const GUIDE: &str = include_str!("../../../../docs/guide/migrating.md");

/// Types the commands of that block of the guide, with these replacements.
pub(crate) fn type_guide(home: &Home, mark: &str, replacements: &[(&str, &str)]) {
    type_all(home, &steps(GUIDE, mark), replacements);
}

#[test]
fn accounts_come_over_as_the_guide_says() {
    let home = Home::new();
    let steps = steps(GUIDE, "from another service");
    home.write("users.csv", &steps[0].expected);
    type_all(&home, &steps, &[]);
}

pub(crate) fn type_all(home: &Home, steps: &[Step], replacements: &[(&str, &str)]) {
    let mark = "--- end of step ---";
    let mut script = format!("set -u\ndoorward() {{ {} \"$@\"; }}\n", env!("CARGO_BIN_EXE_doorward"));
    for step in steps {
        let replaced = |command: String, (from, to): &(&str, &str)| command.replace(from, to);
        let command = replacements.iter().fold(step.command.clone(), replaced);
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
