//! Request bodies: bounded in size and time, JSON by their own word, every fault collected.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use doorward::Auth;
use http_body_util::BodyExt;

use crate::error::ApiError;
use crate::validation::{Fields, FromFields};

/// The largest body that is read, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;
/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a body that is too large is read and thrown away, so that the client gets to see the answer.
const DRAIN_LIMIT: usize = 16 * 1024 * 1024;

/// A JSON body read into a schema. Refuses with 413, 415, or 422 and every fault at once. What a new password must be
/// is asked of the `Auth` in the application's state.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: FromFields,
    Arc<Auth>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let is_json = is_json(&parts.headers)?;
        let bytes = read(&parts.headers, body).await?;
        // Without a word about its type an empty body is no body; anything else is not JSON.
        if !is_json && !bytes.is_empty() {
            return Err(ApiError::unsupported_media_type());
        }
        Fields::read(&bytes, Arc::from_ref(state)).map(Self).map_err(ApiError::validation)
    }
}

/// Whether the headers call the body JSON; an error when they call it something else.
fn is_json(headers: &HeaderMap) -> Result<bool, ApiError> {
    let unsupported = || Err(ApiError::unsupported_media_type());
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return unsupported();
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(first) = types.next() else { return Ok(false) };
    if types.next().is_some() {
        return unsupported();
    }
    match first.to_str() {
        Ok(text) if names_json(text) => Ok(true),
        _ => unsupported(),
    }
}

/// `application/json` or `application/…+json`, in no character set but UTF-8 (RFC 8259, section 8.1).
fn names_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|subtype| subtype.len() > 5 && subtype.ends_with("+json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// Reads a whole body within the limits.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let announced = body.size_hint().lower();
    // A client that asks first, or announces more than is worth reading, is answered at once.
    if announced > BODY_LIMIT as u64 && (headers.contains_key(EXPECT) || announced > DRAIN_LIMIT as u64) {
        return Err(ApiError::payload_too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, collect(body)).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::request_timeout()),
    }
}

async fn collect(mut body: Body) -> Result<Bytes, ApiError> {
    let mut kept = Vec::new();
    let mut seen = 0usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::bad_request())?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= BODY_LIMIT {
            kept.extend_from_slice(data);
        } else if seen > DRAIN_LIMIT {
            break;
        }
    }
    if seen > BODY_LIMIT { Err(ApiError::payload_too_large()) } else { Ok(kept.into()) }
}

#[cfg(test)]
mod tests {
    use super::names_json;

    #[test]
    fn json_by_its_content_type() {
        for text in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/problem+json",
        ] {
            assert!(names_json(text), "{text}");
        }
        for text in [
            "",
            "text/plain",
            "text/json",
            "application/xml",
            "application/jsonp",
            "application/+json",
            "application/json;charset=utf-16",
            "multipart/form-data; boundary=application/json",
            "text/plain, application/json",
        ] {
            assert!(!names_json(text), "{text}");
        }
    }
}
