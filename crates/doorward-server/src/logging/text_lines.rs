//! Events for people at a terminal: the moment, the level, what happened, and the rest of it behind.
//!
//! `08:00:00.123 INFO  request  method=POST route=/auth/login status=200 request_id=…`. What happened is the message or,
//! without one, the event's name.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events. The level is coloured, and what is behind it dimmed, where the writer takes colours.
pub(super) struct TextLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let level = *event.metadata().level();
        let (colour, dim, plain) =
            if writer.has_ansi_escapes() { (colour_of(level), "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
        let what = match parts.message.as_str() {
            "" => std::mem::take(&mut parts.event),
            message => message.to_owned(),
        };
        writer.write_str(dim)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "{plain} {colour}{level:<5}{plain} {what}{dim}")?;
        let separator = if parts.event.is_empty() && parts.rest.is_empty() { "" } else { " " };
        writer.write_str(separator)?;
        if !parts.event.is_empty() {
            write!(writer, " event={}", parts.event)?;
        }
        writer.write_str(&parts.rest)?;
        if let Some(span) = context.lookup_current()
            && let Some(fields) = span.extensions().get::<FormattedFields<N>>()
        {
            write!(writer, " {fields}")?;
        }
        writeln!(writer, "{plain}")
    }
}

const fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

#[derive(Default)]
struct Parts {
    message: String,
    event: String,
    rest: String,
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "event" => value.clone_into(&mut self.event),
            "details" => {
                let _ = write!(self.rest, " details={}", value.escape_debug().to_string().replace("\\\"", "\""));
            }
            name if value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') && !value.is_empty() => {
                let _ = write!(self.rest, " {name}={value}");
            }
            name => {
                let _ = write!(self.rest, " {name}={value:?}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = field.name();
        // What people sent may be in it. A letter in the log has lines; nothing else does.
        let text: String =
            format!("{value:?}").chars().flat_map(|character| harmless(character, name == "message")).collect();
        match name {
            "message" => self.message = text,
            "event" => self.event = text,
            name => {
                let _ = write!(self.rest, " {name}={text}");
            }
        }
    }
}

/// The character, or what stands for one that moves the cursor.
fn harmless(character: char, has_lines: bool) -> impl Iterator<Item = char> {
    let is_control = character.is_control() && !(has_lines && character == '\n');
    let escaped = is_control.then(|| character.escape_default());
    let plain = (!is_control).then_some(character);
    escaped.into_iter().flatten().chain(plain)
}
