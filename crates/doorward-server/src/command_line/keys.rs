//! `keys …`: the keys that the database keeps.

use clap::{ArgMatches, Command};

use super::{group, leaf, switch, with_settings};
use crate::settings::Scope;

/// What is to be done about keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysTask {
    /// Exchange the data key.
    RenewDataKey,
    /// Give up what no secret opens any more.
    ForgetSealed {
        /// It was said that this is meant.
        yes: bool,
    },
}

pub(super) fn command() -> Command {
    let renew = leaf(
        "renew-data-key",
        "Exchange the data key and seal everything anew, also while nodes serve",
        "Example:\n  doorward keys renew-data-key\n\nFor after a leak of the database together with the secret. It takes \
         some ten seconds, more where many people have authenticators, and may be run again if it was cut short.",
    );
    let forget = leaf(
        "forget-sealed",
        "Give up what no secret opens any more: second factors go, their owners are told by mail",
        "Example:\n  doorward keys forget-sealed --yes\n\nFor when the secret is lost that opened the data key, while \
         nobody serves.",
    )
    .arg(switch("yes", "Say that you mean it: the passwords of those people are enough then"));
    group("keys", "Look after the keys in the database", "Example:\n  doorward keys renew-data-key")
        .subcommand(with_settings(renew, Scope::Everywhere))
        .subcommand(with_settings(forget, Scope::Everywhere))
}

pub(super) fn task(name: &str, leaf: &ArgMatches) -> Option<KeysTask> {
    match name {
        "renew-data-key" => Some(KeysTask::RenewDataKey),
        "forget-sealed" => Some(KeysTask::ForgetSealed { yes: leaf.get_flag("yes") }),
        _ => None,
    }
}
