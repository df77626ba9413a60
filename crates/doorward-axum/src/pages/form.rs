//! What a form sends: `application/x-www-form-urlencoded`, on the account pages and nowhere else.

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use zeroize::Zeroizing;

use crate::body;
use crate::error::ApiError;

/// The fields of a form.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// The field `name`; empty when it wasn't sent. Of a field sent twice nothing is taken: two readers might take
    /// different ones.
    pub(super) fn field(&self, name: &str) -> &str {
        let mut found = self.0.iter().filter(|(field, _)| field == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => value,
            _ => "",
        }
    }

    /// The fields in a query or a body; `None` when they aren't well-formed.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let middle = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = (&pair[..middle], pair.get(middle + 1..).unwrap_or_default());
            Some((decoded(name)?.to_string(), decoded(value)?))
        });
        fields.collect::<Option<_>>().map(Self)
    }
}

fn decoded(encoded: &[u8]) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut rest = encoded;
    while let Some((first, mut after)) = rest.split_first() {
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, behind) = after.split_at_checked(2)?;
                let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
                let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                after = behind;
            }
            byte => bytes.push(*byte),
        }
        rest = after;
    }
    String::from_utf8(std::mem::take(&mut *bytes)).ok().map(Zeroizing::new)
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let mut types = parts.headers.get_all(CONTENT_TYPE).iter();
        let kind = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if types.next().is_some() || !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(ApiError::unsupported_media_type());
        }
        let bytes = body::read(&parts.headers, body).await?;
        Self::parse(&bytes).ok_or_else(ApiError::bad_request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_byte_for_byte() {
        let form = Form::parse(b"token=a-b_c&password=%20p%2Bw+%C3%A9%00&empty=&bare").unwrap();
        assert_eq!(form.field("token"), "a-b_c");
        assert_eq!(form.field("password"), " p+w \u{e9}\0");
        assert_eq!((form.field("empty"), form.field("bare"), form.field("none")), ("", "", ""));
    }

    #[test]
    fn what_is_not_well_formed_is_refused_and_twice_is_nothing() {
        for text in ["a=%", "a=%2", "a=%zz", "a=%+1", "a=%ff", "%=a"] {
            assert!(Form::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert_eq!(Form::parse(b"token=a&token=b").unwrap().field("token"), "");
    }
}
