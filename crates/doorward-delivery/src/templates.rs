//! What letters say: templates for text and HTML, each of which an operator can replace.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use doorward::letter::LetterContent;
use minijinja::{Environment, UndefinedBehavior, Value, context};

use crate::links::Links;
use crate::view::View;

/// The largest file that is read as a template, in bytes.
const FILE_LIMIT: u64 = 256 * 1024;
/// How much work one letter may be: an endless loop in a template must not hold up the others.
const FUEL: u64 = 200_000;

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../templates/", $name)))),+]
    };
}

/// Every template there is.
const BUILT_IN: [(&str, &str); 28] = built_in![
    "layout.html",
    "parts.html",
    "verify_email.txt",
    "verify_email.html",
    "recover.txt",
    "recover.html",
    "invitation.txt",
    "invitation.html",
    "change_email.txt",
    "change_email.html",
    "email_changed.txt",
    "email_changed.html",
    "password_changed.txt",
    "password_changed.html",
    "second_factor_enabled.txt",
    "second_factor_enabled.html",
    "second_factor_disabled.txt",
    "second_factor_disabled.html",
    "recovery_code_used.txt",
    "recovery_code_used.html",
    "email_change_requested.txt",
    "email_change_requested.html",
    "recovery_codes_renewed.txt",
    "recovery_codes_renewed.html",
    "administrator_changed.txt",
    "administrator_changed.html",
    "address_in_use.txt",
    "address_in_use.html",
];

/// The templates of letters.
///
/// Each letter has a file `NAME.txt`, which begins with a line `Subject: …` and an empty line, and a file `NAME.html`.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

/// A template that can't be used: which, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{template}: {reason}")]
pub struct TemplateFault {
    /// The file.
    pub template: String,
    /// What is wrong with it.
    pub reason: String,
}

impl TemplateFault {
    fn new(template: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { template: template.into(), reason: reason.into() }
    }
}

/// A letter ready to be sent.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "it holds a link that opens an account")]
pub struct Rendered {
    /// The subject: one line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For the others.
    pub html: String,
}

impl Templates {
    /// The templates that come with the program.
    ///
    /// # Errors
    ///
    /// None in a program that was tested.
    pub fn built_in() -> Result<Self, TemplateFault> {
        Self::with(BTreeMap::new())
    }

    /// The same with the files of `folder` in the place of those of the same names. A file whose name begins with `_`
    /// is for the others to include; any other name is a mistake. Each letter is rendered once to see that it can be.
    ///
    /// # Errors
    ///
    /// [`TemplateFault`]: the folder or a file can't be read, has a name that means nothing, or makes no letter.
    pub fn from_folder(folder: &Path) -> Result<Self, TemplateFault> {
        let unreadable = |error: std::io::Error| TemplateFault::new(folder.display().to_string(), error.to_string());
        let mut own = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if name.starts_with('.') {
                continue;
            }
            if !name.starts_with('_') && BUILT_IN.iter().all(|(known, _)| *known != name) {
                return Err(TemplateFault::new(path.display().to_string(), "no letter has a template of that name"));
            }
            let text = read(&path).map_err(|reason| TemplateFault::new(path.display().to_string(), reason))?;
            own.insert(name, text);
        }
        Self::with(own)
    }

    fn with(mut own: BTreeMap<String, String>) -> Result<Self, TemplateFault> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        for (name, text) in BUILT_IN {
            own.entry(name.to_owned()).or_insert_with(|| text.to_owned());
        }
        for (name, text) in own {
            let added = environment.add_template_owned(name.clone(), text);
            added.map_err(|error| TemplateFault::new(name, reason(&error)))?;
        }
        let templates = Self { environment };
        templates.check()?;
        Ok(templates)
    }

    fn check(&self) -> Result<(), TemplateFault> {
        let links = Links::new("https://example.com").map_err(|_| TemplateFault::new("links", "unreadable"))?;
        for name in LetterContent::NAMES {
            let view = View::sample(name, &links, "Example");
            let rendered = self.render(name, &view)?;
            for (template, part) in [("txt", &rendered.text), ("html", &rendered.html)] {
                // A letter without its link is of no use to anybody, unless it has something else to tell.
                if !view.code.is_empty() && !part.contains("/account/") {
                    return Err(TemplateFault::new(format!("{name}.{template}"), "the link is missing: {{ link }}"));
                }
            }
        }
        Ok(())
    }

    /// The letter of that name.
    ///
    /// # Errors
    ///
    /// [`TemplateFault`]: no such letter, or its templates make none.
    pub fn render(&self, name: &str, view: &View) -> Result<Rendered, TemplateFault> {
        let (text_name, html_name) = (format!("{name}.txt"), format!("{name}.html"));
        let text = self.part(&text_name, view, "")?;
        let without_subject = || TemplateFault::new(&text_name, "it doesn't begin with a line `Subject: …`");
        let (subject, text) = text.split_once('\n').ok_or_else(without_subject)?;
        let subject = subject.strip_prefix("Subject:").ok_or_else(without_subject)?;
        let subject: String = subject.trim().chars().filter(|character| !character.is_control()).collect();
        if subject.is_empty() {
            return Err(without_subject());
        }
        let html = self.part(&html_name, view, &subject)?;
        Ok(Rendered { subject, text: text.trim_start_matches(['\r', '\n']).to_owned(), html })
    }

    fn part(&self, name: &str, view: &View, subject: &str) -> Result<String, TemplateFault> {
        let fault = |error: minijinja::Error| TemplateFault::new(name, reason(&error));
        let template = self.environment.get_template(name).map_err(fault)?;
        // Written by us, for minijinja also escapes slashes: a link is to stand in a letter as people know it.
        let link = if name.ends_with(".html") {
            Value::from_safe_string(escaped(&view.link))
        } else {
            Value::from(&*view.link)
        };
        template
            .render(context! {
                subject,
                service => &*view.service, name => &*view.name, link, code => &*view.code,
                lifetime => &*view.lifetime, code_lifetime => &*view.code_lifetime,
                new_address => &*view.new_address, account => &*view.account, is_admin => view.is_admin,
                left => view.left, at => &*view.at,
            })
            .map_err(fault)
    }

    /// What a letter of that name could look like; `None` when there is none.
    pub fn preview(&self, name: &str, links: &Links, service: &str) -> Option<Result<Rendered, TemplateFault>> {
        LetterContent::NAMES.contains(&name).then(|| self.render(name, &View::sample(name, links, service)))
    }
}

/// Fit for the text and the quoted attributes of HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_LIMIT {
        return Err(format!("it has more than {FILE_LIMIT} bytes"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// What minijinja says, without the template's text around it.
fn reason(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{detail}{line}", error.kind())
}
