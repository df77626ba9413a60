//! How the account pages look.

use std::fmt::{self, Display, Write};

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, X_FRAME_OPTIONS};
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// Nothing but the page's own style and the form's own address. `same-origin` forms only.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Text as it may stand in HTML, in an attribute too.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                other => formatter.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A page: what it is called, and what it says in HTML.
pub(super) struct Page<'a> {
    pub(super) service: &'a str,
    pub(super) heading: &'a str,
    pub(super) body: String,
}

impl Page<'_> {
    pub(super) fn answer(&self, status: StatusCode) -> Response {
        let Self { service, heading, body } = self;
        let (service, heading) = (Escaped(service), Escaped(heading));
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{heading} · {service}</title>\n\
             <link rel=\"stylesheet\" href=\"account.css\">\n</head>\n<body>\n<main>\n\
             <p class=\"service\">{service}</p>\n<h1>{heading}</h1>\n{body}</main>\n</body>\n</html>\n"
        );
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_FRAME_OPTIONS, "DENY"),
        ];
        (status, headers, html).into_response()
    }
}

/// What went well.
pub(super) fn notice(text: &str) -> String {
    format!("<p class=\"notice\" role=\"status\">{}</p>\n", Escaped(text))
}

/// What went wrong.
pub(super) fn fault(text: &str) -> String {
    format!("<p class=\"notice fault\" role=\"alert\">{}</p>\n", Escaped(text))
}

/// A refusal that says nothing of the form: what the service as a whole can't do now.
pub(super) fn refusal(service: &str, error: ApiError) -> Response {
    let refused = error.into_response();
    let status = refused.status();
    let text = match status {
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts. Wait a little and try again.",
        StatusCode::SERVICE_UNAVAILABLE => "The service is busy. Wait a moment and try again.",
        _ => "Something went wrong. Try again later.",
    };
    let mut page = Page { service, heading: "That did not work", body: fault(text) }.answer(status);
    if let Some(after) = refused.headers().get(RETRY_AFTER) {
        page.headers_mut().insert(RETRY_AFTER, after.clone());
    }
    page
}
