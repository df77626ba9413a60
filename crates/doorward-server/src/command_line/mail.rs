//! `mail …`: look at letters, and see that they arrive.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::{group, leaf, serving_command, switch};

/// What is to be done about mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailTask {
    /// Show what letters look like.
    Preview {
        /// Which; all, if none is named.
        name: Option<String>,
        /// As HTML instead of text.
        html: bool,
        /// Into files of this folder instead of standard output.
        output: Option<PathBuf>,
    },
    /// Send a letter to this address.
    Test(String),
}

pub(super) fn command() -> Command {
    let name = Arg::new("name").value_name("NAME").help("The letter, such as recover; all of them if none is named");
    let output = Arg::new("output")
        .long("output")
        .value_name("FOLDER")
        .value_parser(value_parser!(PathBuf))
        .help("Write NAME.txt and NAME.html there instead of to standard output");
    let example = "Example:\n  doorward mail preview recover --html > recover.html\n  \
                   doorward mail preview --output previews --mail-template-dir templates";
    let preview = leaf("preview", "Show what letters look like", example)
        .arg(name)
        .arg(switch("html", "Print HTML instead of text"))
        .arg(output);
    let address = Arg::new("address").value_name("ADDRESS").required(true).help("Where to");
    let example = "Example:\n  doorward mail test ada@example.com";
    let test = leaf("test", "Send a letter that says that mail arrives", example).arg(address);
    group("mail", "Look at letters, and see that they arrive", "Example:\n  doorward mail preview recover")
        .subcommands([preview, test].map(serving_command))
}

pub(super) fn task(name: &str, leaf: &ArgMatches) -> Option<MailTask> {
    match name {
        "preview" => Some(MailTask::Preview {
            name: leaf.get_one("name").cloned(),
            html: leaf.get_flag("html"),
            output: leaf.get_one("output").cloned(),
        }),
        "test" => leaf.get_one("address").cloned().map(MailTask::Test),
        _ => None,
    }
}
