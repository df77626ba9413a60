//! Mail and webhooks, made of the settings.

use std::net::SocketAddr;
use std::sync::Arc;

use doorward::Auth;
use doorward_delivery::{Links, Mail, MailTransport, Templates, Webhooks, Worker};

use crate::failure::Failure;
use crate::settings::{Delivery, Settings};

/// How letters become mail; `listening` is where links lead when nothing else is set.
pub(crate) fn mail(settings: &Settings, service: &str, listening: SocketAddr) -> Result<Mail, Failure> {
    let Delivery { smtp, from, letters_in_log, .. } = &settings.delivery;
    let transport = match smtp {
        Some(smtp) => MailTransport::smtp(smtp).map_err(|reason| Failure::new(format!("smtp_url: {reason}")))?,
        None if *letters_in_log => MailTransport::Log,
        None => MailTransport::Nowhere,
    };
    Ok(Mail {
        transport,
        templates: templates(settings)?,
        links: links(settings, listening)?,
        from: from.clone(),
        service: service.to_owned(),
    })
}

/// The templates of the program, with the operator's in the place of some.
pub(crate) fn templates(settings: &Settings) -> Result<Templates, Failure> {
    let templates = settings.delivery.template_dir.as_deref().map_or_else(Templates::built_in, Templates::from_folder);
    templates.map_err(|fault| Failure::new(format!("mail_template_dir: {fault}")))
}

/// Where links lead: as set, or to where the service listens.
pub(crate) fn links(settings: &Settings, listening: SocketAddr) -> Result<Links, Failure> {
    if let Some(links) = &settings.delivery.links {
        return Ok(links.clone());
    }
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let base = if listening.ip().is_unspecified() {
        format!("{scheme}://localhost:{}", listening.port())
    } else {
        format!("{scheme}://{listening}")
    };
    Links::new(&base).map_err(Failure::because)
}

/// Where events go, if anywhere.
pub(crate) fn webhooks(settings: &Settings) -> Result<Option<Webhooks>, Failure> {
    let made =
        settings.delivery.webhook.as_ref().map(|receiver| Webhooks::new(&receiver.url, receiver.secrets.clone()));
    made.transpose().map_err(|reason| Failure::new(format!("webhook_url: {reason}")))
}

/// The worker of the outbox.
pub(crate) fn worker(settings: &Settings, auth: &Arc<Auth>, listening: SocketAddr) -> Result<Worker, Failure> {
    let mail = mail(settings, &auth.account_rules().service_name, listening)?;
    Ok(Worker::new(Arc::clone(auth), mail, webhooks(settings)?))
}
