//! Logs: on standard error, as text or as a JSON object a line, and panics among them.

mod gathered;
mod json_lines;
mod text_lines;

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use self::gathered::Gathered;
use self::json_lines::{JsonLines, JsonMembers};
use self::text_lines::TextLines;
use crate::failure::Failure;
use crate::settings::{LogFormat, Settings};

/// How long the last lines are waited for, should nobody read them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Logging under way. What was logged is written when this is dropped, at the latest.
#[must_use]
pub(crate) struct Logging(Gathered);

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.flush(PATIENCE);
    }
}

/// Starts logging as the settings say. Once a process.
///
/// # Errors
///
/// [`Failure`] when somebody else has started logging, or the system gives no thread.
pub(crate) fn start(settings: &Settings) -> Result<Logging, Failure> {
    let filter = EnvFilter::try_new(&settings.log_filter).map_err(Failure::because)?;
    let is_terminal = io::stderr().is_terminal();
    let lines = Gathered::into(io::stderr()).map_err(Failure::because)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone()).with_ansi(is_terminal);
    let as_json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    let started = if as_json {
        builder.event_format(JsonLines).fmt_fields(JsonMembers).try_init()
    } else {
        builder.event_format(TextLines).try_init()
    };
    started.map_err(Failure::because)?;
    let logging = Logging(lines.clone());
    std::panic::set_hook(Box::new(move |panic| {
        log_panic(panic);
        // It may be the last that the process does.
        lines.flush(PATIENCE);
    }));
    Ok(logging)
}

/// Where it happened and nothing more: a panic's message may hold what a client sent.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(event = "panic", location, "a defect of the program: please report it");
}
