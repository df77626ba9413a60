//! What was said about each setting, where, and which saying counts: file, then environment, then flag.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::fault::SettingFault;
use super::table::{SETTINGS, Secrecy, Setting};

/// The file that is read when none is named and it is there.
pub const DEFAULT_FILE: &str = "doorward.toml";

/// The environment variables of the process.
pub type Environment = HashMap<OsString, OsString>;

/// The text of a value, which may be a secret: wiped when dropped, and `Debug` shows nothing of it.
#[derive(Clone)]
pub struct RawText(Zeroizing<String>);

impl RawText {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RawText {
    fn from(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for RawText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RawText(…)")
    }
}

/// What the command line says about settings.
#[derive(Debug, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// Keys of settings and the values given.
    pub values: Vec<(&'static str, RawText)>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// The settings file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A file that an environment variable names.
    SecretFile(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Environment(name) | Self::SecretFile(name) => write!(formatter, "environment {name}"),
            Self::Flag(name) => write!(formatter, "flag --{name}"),
        }
    }
}

/// A value as it was written; a list has any number of parts, everything else one.
#[derive(Debug, Clone)]
pub struct RawValue {
    /// The texts.
    pub parts: Vec<RawText>,
    /// Where they were found.
    pub source: Source,
}

impl RawValue {
    fn new(setting: &Setting, text: &str, source: Source) -> Self {
        let parts = if setting.is_list {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(RawText::from).collect()
        } else {
            vec![text.into()]
        };
        Self { parts, source }
    }

    /// The text of a value that is no list.
    pub fn text(&self) -> &str {
        self.parts.first().map_or("", RawText::as_str)
    }
}

/// The saying that counts for each setting, and what could not be read.
#[derive(Debug, Default)]
pub struct RawSettings {
    values: BTreeMap<&'static str, RawValue>,
    /// What could not be read.
    pub faults: Vec<SettingFault>,
}

impl RawSettings {
    /// Collects defaults, file, environment and flags; the later wins.
    pub fn gather(flags: &Flags, environment: &Environment) -> Self {
        let mut raw = Self::default();
        for setting in &SETTINGS {
            if let Some(default) = setting.default {
                raw.set(setting, default, Source::Default);
            }
        }
        match &flags.config {
            Some(path) => raw.read_file(path),
            None if Path::new(DEFAULT_FILE).exists() => raw.read_file(Path::new(DEFAULT_FILE)),
            None => {}
        }
        for setting in &SETTINGS {
            raw.read_environment(setting, environment);
        }
        for (key, text) in &flags.values {
            if let Some(setting) = Setting::find(key) {
                raw.set(setting, text.as_str(), Source::Flag(setting.flag()));
            }
        }
        raw
    }

    /// What was said about a setting.
    pub fn value(&self, key: &str) -> Option<&RawValue> {
        self.values.get(key)
    }

    fn set(&mut self, setting: &Setting, text: &str, source: Source) {
        self.values.insert(setting.key, RawValue::new(setting, text, source));
    }

    fn read_file(&mut self, path: &Path) {
        let source = Source::File(path.to_owned());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) => return self.fault("config", source, format!("cannot be read: {error}"), "name a TOML file"),
        };
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                // Only the message and the line: the error's own rendering repeats the line, which may be a secret's.
                let start = error.span().map_or(0, |span| span.start);
                let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
                let problem = match harmless(error.message(), text.lines().nth(line - 1)) {
                    Some(reason) => format!("is not TOML in line {line}: {reason}"),
                    None => format!("is not TOML in line {line}"),
                };
                return self.fault("config", source, problem, "write lines such as: bind = \"127.0.0.1:8000\"");
            }
        };
        for (key, value) in &table {
            match Setting::find(key) {
                Some(setting) => self.read_entry(setting, value, source.clone()),
                None => self.unknown_key(key, source.clone()),
            }
        }
    }

    fn read_entry(&mut self, setting: &'static Setting, value: &toml::Value, source: Source) {
        match value {
            toml::Value::String(text) => self.set(setting, text, source),
            toml::Value::Integer(number) => self.set(setting, &number.to_string(), source),
            toml::Value::Boolean(answer) => self.set(setting, &answer.to_string(), source),
            toml::Value::Array(items) if setting.is_list && items.iter().all(toml::Value::is_str) => {
                let parts = items.iter().filter_map(toml::Value::as_str).map(RawText::from).collect();
                self.values.insert(setting.key, RawValue { parts, source });
            }
            _ => {
                let wanted =
                    if setting.is_list { "a text or a list of texts" } else { "a text, a number or true/false" };
                self.fault(setting.key, source, format!("is not {wanted}"), setting.example);
            }
        }
    }

    fn unknown_key(&mut self, key: &str, source: Source) {
        let nearest = SETTINGS.iter().min_by_key(|setting| strsim::damerau_levenshtein(setting.key, key));
        let nearest = nearest.map_or("", |setting| setting.key);
        self.faults.push(SettingFault {
            setting: key.escape_debug().to_string(),
            source,
            problem: "is no setting".to_owned(),
            remedy: format!("did you mean {nearest}?"),
        });
    }

    fn read_environment(&mut self, setting: &'static Setting, environment: &Environment) {
        let name = setting.variable();
        let direct = self.variable(setting, &name, environment);
        let file_name = format!("{name}_FILE");
        let named = match setting.secrecy {
            Secrecy::Public => None,
            Secrecy::Url | Secrecy::Secret => self.variable(setting, &file_name, environment),
        };
        match (direct, named) {
            (Some(_), Some(_)) => {
                let problem = format!("is set beside {file_name}");
                self.fault(setting.key, Source::Environment(name), problem, "set only one of the two");
            }
            (Some(text), None) => self.set(setting, text.as_str(), Source::Environment(name)),
            (None, Some(path)) => self.read_secret_file(setting, path.as_str(), Source::SecretFile(file_name)),
            (None, None) => {}
        }
    }

    /// A variable's value. An empty one counts as unset, but an empty secret is somebody's mistake.
    fn variable(&mut self, setting: &'static Setting, name: &str, environment: &Environment) -> Option<RawText> {
        let value = environment.get(&OsString::from(name))?;
        if value.is_empty() && !["SECRET_KEY", "PASSWORD_PEPPER"].contains(&name) {
            return None;
        }
        let text = value.to_str().map(RawText::from);
        if text.is_none() {
            let source = Source::Environment(name.to_owned());
            self.fault(setting.key, source, "is not UTF-8".to_owned(), setting.example);
        }
        text
    }

    fn read_secret_file(&mut self, setting: &'static Setting, path: &str, source: Source) {
        match std::fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => self.set(setting, text.trim_end_matches(['\r', '\n']), source),
            Err(error) => {
                let problem = format!("names a file that cannot be read: {error}");
                self.fault(setting.key, source, problem, "name a file that holds nothing but the value");
            }
        }
    }

    fn fault(&mut self, setting: &str, source: Source, problem: String, would_do: &str) {
        let remedy = would_do.to_owned();
        self.faults.push(SettingFault { setting: setting.to_owned(), source, problem, remedy });
    }
}
/// The reason that a file is not TOML, unless it says again what stands in that line: that may be a secret.
fn harmless<'a>(reason: &'a str, line: Option<&str>) -> Option<&'a str> {
    let value = line.unwrap_or_default().split_once('=').map_or(line.unwrap_or_default(), |(_, value)| value);
    let words = value.split(|character: char| !character.is_alphanumeric());
    let repeats = words.filter(|word| word.len() > 3).any(|word| reason.contains(word));
    (!repeats && !reason.contains('\n')).then_some(reason)
}
