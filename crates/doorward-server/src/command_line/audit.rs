//! `audit …`: what happened, as it was recorded.

use clap::{Arg, ArgMatches, Command, value_parser};
use doorward::audit::EventKind;
use doorward::{Timestamp, UserId};

use super::{group, leaf, with_settings};
use crate::settings::Scope;

/// What is to be done about the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTask {
    /// Print the events that match, one JSON object a line.
    Export {
        /// Only of this account.
        user: Option<UserId>,
        /// Only of this kind.
        kind: Option<EventKind>,
        /// Only from this moment on.
        since: Option<Timestamp>,
        /// Only from before this moment.
        until: Option<Timestamp>,
    },
}

pub(super) fn command() -> Command {
    let moment = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("MOMENT").value_parser(read_moment).help(help)
    };
    let user = Arg::new("user")
        .long("user")
        .value_name("ID")
        .value_parser(value_parser!(i64).range(1..))
        .help("Only events of the account of this number");
    let kind = Arg::new("type")
        .long("type")
        .value_name("TYPE")
        .value_parser(read_kind)
        .help("Only events of this type, such as login_refused");
    let example = "Example:\n  doorward audit export > events.jsonl\n  \
                   doorward audit export --type login_refused --since 2026-01-01T00:00:00Z";
    let export = leaf("export", "Print events, the latest first, one JSON object a line", example)
        .arg(user)
        .arg(kind)
        .arg(moment("since", "Only events from this moment on (RFC 3339)"))
        .arg(moment("until", "Only events from before this moment"));
    group("audit", "Read the audit trail", "Example:\n  doorward audit export")
        .subcommand(with_settings(export, Scope::Everywhere))
}

pub(super) fn task(leaf: &ArgMatches) -> AuditTask {
    AuditTask::Export {
        user: leaf.get_one("user").copied().and_then(UserId::new),
        kind: leaf.get_one("type").copied(),
        since: leaf.get_one("since").copied(),
        until: leaf.get_one("until").copied(),
    }
}

fn read_kind(text: &str) -> Result<EventKind, String> {
    EventKind::from_name(text).ok_or_else(|| {
        let known: Vec<_> = EventKind::all().map(EventKind::as_str).collect();
        format!("there is no such type; there are {}", known.join(", "))
    })
}

fn read_moment(text: &str) -> Result<Timestamp, String> {
    let moment: jiff::Timestamp = text.parse().map_err(|_| "not a moment such as 2026-01-31T12:00:00Z".to_owned())?;
    Ok(Timestamp::from_micros(moment.as_microsecond()))
}
