//! Logs: on standard error, as text or as a JSON object a line, and panics among them.

mod json_lines;

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

use self::json_lines::{JsonLines, JsonMembers};
use crate::failure::Failure;
use crate::settings::{LogFormat, Settings};

/// Starts logging as the settings say. Once a process.
///
/// # Errors
///
/// [`Failure`] when somebody else has started logging.
pub(crate) fn start(settings: &Settings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.log_filter).map_err(Failure::because)?;
    let is_terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(is_terminal);
    let as_json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    let started =
        if as_json { builder.event_format(JsonLines).fmt_fields(JsonMembers).try_init() } else { builder.try_init() };
    started.map_err(Failure::because)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Where it happened and nothing more: a panic's message may hold what a client sent.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(event = "panic", location, "a defect of the program: please report it");
}
