//! Delivers what Doorward's outbox holds: mail over SMTP, webhooks over HTTP.
