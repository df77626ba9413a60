//! `mail preview` and `mail test`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use doorward::letter::LetterContent;
use doorward::{AccountRules, Clock, EmailAddress, SystemClock};
use doorward_delivery::{Rendered, Templates};

use super::output::print_line;
use crate::application::account_rules;
use crate::command_line::MailTask;
use crate::delivery;
use crate::failure::Failure;
use crate::settings::Settings;

pub(crate) fn run(settings: &Settings, task: &MailTask) -> Result<ExitCode, Failure> {
    match task {
        MailTask::Preview { name, html, output } => preview(settings, name.as_deref(), *html, output.as_deref())?,
        MailTask::Test(address) => test(settings, address)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn preview(settings: &Settings, name: Option<&str>, html: bool, output: Option<&Path>) -> Result<(), Failure> {
    let templates = delivery::templates(settings)?;
    let AccountRules { service_name, .. } = account_rules(settings);
    let names = LetterContent::NAMES;
    let wanted: Vec<_> = names.into_iter().filter(|known| name.is_none_or(|name| name == *known)).collect();
    if wanted.is_empty() {
        return Err(Failure::new(format!("there is no such letter; there are {}", names.join(", "))));
    }
    for name in wanted {
        let letter = rendered(settings, &templates, (name, &service_name))?;
        match output {
            Some(folder) => write(folder, name, &letter)?,
            None if html => print_line(&letter.html)?,
            None => print_line(&format!("Subject: {}\n\n{}\n", letter.subject, letter.text))?,
        }
    }
    Ok(())
}

fn rendered(settings: &Settings, templates: &Templates, (name, service): (&str, &str)) -> Result<Rendered, Failure> {
    let links = delivery::links(settings, settings.bind)?;
    let letter = templates.preview(name, &links, service).ok_or_else(|| Failure::new("there is no such letter"))?;
    letter.map_err(Failure::because)
}

fn write(folder: &Path, name: &str, letter: &Rendered) -> Result<(), Failure> {
    let text = format!("Subject: {}\n\n{}\n", letter.subject, letter.text);
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(folder.join(format!("{name}.txt")), text))
        .and_then(|()| fs::write(folder.join(format!("{name}.html")), &letter.html));
    written.map_err(|error| Failure::new(format!("cannot write to {}: {error}", folder.display())))
}

fn test(settings: &Settings, address: &str) -> Result<(), Failure> {
    let address = EmailAddress::parse(address).map_err(Failure::because)?;
    if settings.delivery.smtp.is_none() {
        return Err(Failure::new("mail is log: there is no mail server to try; set mail = smtp and smtp_url"));
    }
    let AccountRules { service_name, .. } = account_rules(settings);
    let now = SystemClock.now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::because)?;
    runtime.block_on(async {
        // Made in here: its pool of connections wants a runtime from the start to the end.
        let mail = delivery::mail(settings, &service_name, settings.bind)?;
        let id = format!("test-{}", now.micros());
        mail.send_test(address.as_str(), &id, now).await.map_err(Failure::because)
    })?;
    print_line("the mail server took the letter")
}
