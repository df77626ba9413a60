//! Every fault of a request at once, in the shape that FastAPI's clients know.

use std::sync::Arc;

use doorward::password::{NewPassword, PasswordRefused};
use doorward::{Auth, EmailAddress};
use serde::Serialize;
use serde_json::{Value, json};

use crate::json::Json;
use crate::schemas::read_password;

/// What is wrong with one field. Never repeats what was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldFault {
    /// The kind of fault, in Pydantic 2's vocabulary.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where: `body`, `query` or `path`, then the field's name.
    pub loc: Vec<&'static str>,
    /// A sentence for a person.
    pub msg: String,
    /// The bounds that were passed, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

impl FieldFault {
    fn new(kind: &'static str, loc: Vec<&'static str>, msg: impl Into<String>) -> Self {
        Self { kind, loc, msg: msg.into(), ctx: None }
    }

    fn with(self, ctx: Value) -> Self {
        Self { ctx: Some(ctx), ..self }
    }

    /// The field, or the whole body, is not there.
    pub fn missing(loc: Vec<&'static str>) -> Self {
        Self::new("missing", loc, "Field required")
    }

    /// The field is no string.
    pub fn string_type(loc: Vec<&'static str>) -> Self {
        Self::new("string_type", loc, "Input should be a valid string")
    }

    /// The string has fewer than `min` characters.
    pub fn string_too_short(loc: Vec<&'static str>, min: usize) -> Self {
        Self::new("string_too_short", loc, format!("String should have at least {min} characters"))
            .with(json!({ "min_length": min }))
    }

    /// The string has more than `max` bytes.
    pub fn string_too_long(loc: Vec<&'static str>, max: usize) -> Self {
        Self::new("string_too_long", loc, format!("String should have at most {max} bytes"))
            .with(json!({ "max_length": max }))
    }

    /// The string has more than `max` characters.
    pub fn too_many_characters(loc: Vec<&'static str>, max: usize) -> Self {
        Self::new("string_too_long", loc, format!("String should have at most {max} characters"))
            .with(json!({ "max_length": max }))
    }

    /// The value cannot be used, for this reason.
    pub fn value_error(loc: Vec<&'static str>, msg: &str, reason: &str) -> Self {
        Self::new("value_error", loc, format!("{msg}: {reason}")).with(json!({ "reason": reason }))
    }

    /// The password may not be chosen, for this reason.
    pub fn password(loc: Vec<&'static str>, refused: PasswordRefused) -> Self {
        match refused {
            PasswordRefused::TooShort { min_code_points } => Self::string_too_short(loc, min_code_points),
            PasswordRefused::TooLong { max_bytes } => Self::string_too_long(loc, max_bytes),
            other => Self::new("value_error", loc, format!("Value error, {other}"))
                .with(json!({ "reason": other.to_string() })),
        }
    }

    /// The body is not one well-formed JSON value.
    pub fn json_invalid() -> Self {
        Self::new("json_invalid", vec!["body"], "JSON decode error")
    }

    /// The body is JSON but no object.
    pub fn model_attributes_type() -> Self {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        Self::new("model_attributes_type", vec!["body"], msg)
    }

    /// The text is no integer.
    pub fn int_parsing(loc: Vec<&'static str>) -> Self {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        Self::new("int_parsing", loc, msg)
    }

    /// The number is under `min`.
    pub fn greater_than_equal(loc: Vec<&'static str>, min: u64) -> Self {
        Self::new("greater_than_equal", loc, format!("Input should be greater than or equal to {min}"))
            .with(json!({ "ge": min }))
    }

    /// The number is over `max`.
    pub fn less_than_equal(loc: Vec<&'static str>, max: u64) -> Self {
        Self::new("less_than_equal", loc, format!("Input should be less than or equal to {max}"))
            .with(json!({ "le": max }))
    }

    /// The text is none of the names that are `expected`.
    pub fn enumeration(loc: Vec<&'static str>, expected: &str) -> Self {
        Self::new("enum", loc, format!("Input should be {expected}")).with(json!({ "expected": expected }))
    }

    /// The text is no moment in time.
    pub fn datetime_parsing(loc: Vec<&'static str>) -> Self {
        let msg = "Input should be a valid datetime in the form of RFC 3339, as 2027-01-15T08:00:00Z";
        Self::new("datetime_parsing", loc, msg)
    }

    /// The value is no boolean.
    pub fn bool_parsing(loc: Vec<&'static str>) -> Self {
        Self::new("bool_parsing", loc, "Input should be a valid boolean, unable to interpret input")
    }
}

/// A schema that is read from the members of a JSON object.
pub trait FromFields: Sized {
    /// Whether a request without a body is refused; where it isn't, it is read as one without members.
    const NEEDS_BODY: bool = true;

    /// Reads what is there and notes every fault; `None` when there was one.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// The members of a request's object, and the faults found so far.
#[expect(missing_debug_implementations, reason = "any member may be a password")]
pub struct Fields {
    members: Vec<(String, Json)>,
    faults: Vec<FieldFault>,
    auth: Arc<Auth>,
}

impl Fields {
    /// Reads a schema out of a body.
    ///
    /// # Errors
    ///
    /// Every fault of the body.
    pub(crate) fn read<T: FromFields>(body: &[u8], auth: Arc<Auth>) -> Result<T, Vec<FieldFault>> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return if T::NEEDS_BODY { Err(missing_body()) } else { Self::collect(Vec::new(), auth) };
        }
        let mut json = Json::parse(body).map_err(|_| vec![FieldFault::json_invalid()])?;
        let members = match &mut json {
            Json::Object(members) => std::mem::take(members),
            Json::Null if T::NEEDS_BODY => return Err(missing_body()),
            Json::Null => Vec::new(),
            _ => return Err(vec![FieldFault::model_attributes_type()]),
        };
        Self::collect(members, auth)
    }

    fn collect<T: FromFields>(members: Vec<(String, Json)>, auth: Arc<Auth>) -> Result<T, Vec<FieldFault>> {
        let mut fields = Self { members, faults: Vec::new(), auth };
        match T::from_fields(&mut fields) {
            Some(value) if fields.faults.is_empty() => Ok(value),
            _ => Err(fields.faults),
        }
    }

    /// Takes the string `name` out and lets `read` make a value of it. A missing field, another type and
    /// the fault that `read` finds are noted.
    pub fn string<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(String, Vec<&'static str>) -> Result<T, FieldFault>,
    ) -> Option<T> {
        let read = match self.member(name) {
            None => Err(FieldFault::missing(vec!["body", name])),
            Some(value) => string_in(value, name, read),
        };
        self.note(read)
    }

    /// As [`string`](Self::string), for a field that may be missing or `null`: `Some(None)` when it is.
    pub fn optional_string<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(String, Vec<&'static str>) -> Result<T, FieldFault>,
    ) -> Option<Option<T>> {
        let read = match self.member(name) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => string_in(value, name, read).map(Some),
        };
        self.note(read)
    }

    /// Whether the field is `true`; a field that is missing or `null` is `false`.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        let read = match self.member(name) {
            None | Some(Json::Null) => Ok(false),
            Some(Json::Bool(value)) => Ok(*value),
            Some(_) => Err(FieldFault::bool_parsing(vec!["body", name])),
        };
        self.note(read)
    }

    /// Takes a new password out of the string `name`. Where the person's address is known already, what is easy to guess
    /// for them is refused here, too.
    pub fn new_password(&mut self, name: &'static str, email: Option<&EmailAddress>) -> Option<NewPassword> {
        let auth = Arc::clone(&self.auth);
        self.string(name, |text, loc| {
            let password = read_password(text, loc.clone())?;
            auth.new_password(password, email).map_err(|refused| FieldFault::password(loc, refused))
        })
    }

    /// Whether the field is there, `null` or not.
    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(member, _)| member == name)
    }

    fn member(&mut self, name: &str) -> Option<&mut Json> {
        self.members.iter_mut().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    fn note<T>(&mut self, read: Result<T, FieldFault>) -> Option<T> {
        read.map_err(|fault| self.faults.push(fault)).ok()
    }
}

fn missing_body() -> Vec<FieldFault> {
    vec![FieldFault::missing(vec!["body"])]
}

/// Takes the string out of `value` and reads it.
fn string_in<T>(
    value: &mut Json,
    name: &'static str,
    read: impl FnOnce(String, Vec<&'static str>) -> Result<T, FieldFault>,
) -> Result<T, FieldFault> {
    let loc = vec!["body", name];
    match value {
        Json::String(text) => read(std::mem::take(text), loc),
        _ => Err(FieldFault::string_type(loc)),
    }
}
