//! Events as JSON, an object a line: timestamp, level, the event's fields, target, and the innermost span.
//!
//! What `tracing_subscriber` writes with `flatten_event` and without a span list, but written straight through: that
//! one reads the fields of the span back in for every line, which took as long as a request does besides.

use std::fmt::{self, Debug, Write};

use serde::de::IgnoredAny;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events.
pub(super) struct JsonLines;

/// Formats fields as members of an object, each with the comma that follows it.
pub(super) struct JsonMembers;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\",", metadata.level())?;
        JsonMembers.format_fields(writer.by_ref(), event)?;
        write!(writer, "\"target\":\"{}\"", metadata.target())?;
        if let Some(span) = context.lookup_current() {
            writer.write_str(",\"span\":{")?;
            if let Some(members) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(&members.fields)?;
            }
            write!(writer, "\"name\":\"{}\"}}", span.name())?;
        }
        writer.write_str("}\n")
    }
}

impl<'writer> FormatFields<'writer> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = Members { writer, written: Ok(()) };
        fields.record(&mut members);
        members.written
    }
}

struct Members<'writer> {
    writer: Writer<'writer>,
    written: fmt::Result,
}

impl Members<'_> {
    /// After a failure nothing more is written.
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        let write = || {
            write!(self.writer, "\"{}\":", name.strip_prefix("r#").unwrap_or(name))?;
            value(&mut self.writer)?;
            self.writer.write_char(',')
        };
        if self.written.is_ok() {
            self.written = write();
        }
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for the others.
        self.member(
            field,
            |writer| if value.is_finite() { write!(writer, "{value:?}") } else { writer.write_str("null") },
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // Details are JSON already.
        if field.name() == "details" && serde_json::from_str::<IgnoredAny>(value).is_ok() {
            return self.member(field, |writer| writer.write_str(value));
        }
        self.member(field, |writer| {
            writer.write_char('"')?;
            Escaped(writer).write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            write!(Escaped(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

/// The inside of a JSON string (RFC 8259, section 7).
struct Escaped<'a, 'writer>(&'a mut Writer<'writer>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            // Those bytes are characters of their own, and stand in no other.
            let (plain, special) = (&rest[..at], rest.as_bytes()[at]);
            self.0.write_str(plain)?;
            match special {
                b'"' => self.0.write_str("\\\"")?,
                b'\\' => self.0.write_str("\\\\")?,
                b'\n' => self.0.write_str("\\n")?,
                _ => write!(self.0, "\\u{special:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use serde_json::Value;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Page {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    impl Page {
        /// The lines without their moments.
        fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let line = |line: &str| {
                let mut line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
                let moment = line.as_object_mut().unwrap().remove("timestamp").unwrap();
                assert!(moment.as_str().unwrap().ends_with('Z'), "{moment}");
                line
            };
            text.lines().map(line).collect()
        }
    }

    fn say_everything() {
        tracing::info!(event = "plain", r#type = "raw", yes = true, below = -5_i64, above = u64::MAX, part = 0.5_f64);
        let error = io::Error::other("a \"quoted\" cause\nof two lines");
        tracing::warn!(event = "failed", %error, ?error, "{} and \\ and é and \u{1}", "text");
        tracing::error!(nothing = f64::NAN, none = Option::<u64>::None, some = Some(1_u64));
        let outer = tracing::info_span!("outer", request_id = "a1", %error);
        outer.in_scope(|| {
            tracing::info!(event = "within");
            tracing::info_span!("inner").in_scope(|| tracing::info!("deeper"));
        });
    }

    #[test]
    fn lines_say_what_those_of_tracing_subscriber_say() {
        let (ours, theirs) = (Page::default(), Page::default());
        let builder = tracing_subscriber::fmt().event_format(JsonLines).fmt_fields(JsonMembers);
        tracing::subscriber::with_default(builder.with_writer(ours.clone()).finish(), say_everything);
        let builder = tracing_subscriber::fmt().json().flatten_event(true).with_span_list(false);
        tracing::subscriber::with_default(builder.with_writer(theirs.clone()).finish(), say_everything);
        assert_eq!(ours.lines().len(), 5);
        assert_eq!(ours.lines(), theirs.lines());
    }

    #[test]
    fn every_character_is_written_so_that_it_is_read_again() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let page = Page::default();
        let builder = tracing_subscriber::fmt().event_format(JsonLines).fmt_fields(JsonMembers);
        tracing::subscriber::with_default(builder.with_writer(page.clone()).finish(), || tracing::info!(all));
        assert_eq!(page.lines()[0]["all"], all);
    }
}
