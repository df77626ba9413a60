//! Every fault of a request at once, in the shape that FastAPI's clients know.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use doorward::password::{NewPassword, PasswordRefused};
use doorward::{Auth, EmailAddress};
use serde::Serialize;
use serde_json::{Value, json};

use crate::json::Json;
use crate::schemas::read_password;

/// Where something is: `body`, `query` or `path`, then names of fields and places in lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location(Vec<Step>);

/// A step on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Step {
    Field(&'static str),
    Place(usize),
}

impl Location {
    /// That of the field `name` of what is here.
    #[must_use]
    pub fn field(&self, name: &'static str) -> Self {
        self.further(Step::Field(name))
    }

    /// That of the value at `place`, counted from 0, of the list that is here.
    #[must_use]
    pub fn place(&self, place: usize) -> Self {
        self.further(Step::Place(place))
    }

    fn further(&self, step: Step) -> Self {
        Self(self.0.iter().copied().chain([step]).collect())
    }
}

impl From<Vec<&'static str>> for Location {
    fn from(names: Vec<&'static str>) -> Self {
        Self(names.into_iter().map(Step::Field).collect())
    }
}

/// What is wrong with one field. Never repeats what was sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldFault {
    /// The kind of fault, in Pydantic 2's vocabulary.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where.
    pub loc: Location,
    /// A sentence for a person.
    pub msg: String,
    /// The bounds that were passed, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Value>,
}

impl FieldFault {
    fn new(kind: &'static str, loc: impl Into<Location>, msg: impl Into<String>) -> Self {
        Self { kind, loc: loc.into(), msg: msg.into(), ctx: None }
    }

    fn with(self, ctx: Value) -> Self {
        Self { ctx: Some(ctx), ..self }
    }

    /// The field, or the whole body, is not there.
    pub fn missing(loc: impl Into<Location>) -> Self {
        Self::new("missing", loc, "Field required")
    }

    /// The field is no string.
    pub fn string_type(loc: impl Into<Location>) -> Self {
        Self::new("string_type", loc, "Input should be a valid string")
    }

    /// The string has fewer than `min` characters.
    pub fn string_too_short(loc: impl Into<Location>, min: usize) -> Self {
        Self::new("string_too_short", loc, format!("String should have at least {min} characters"))
            .with(json!({ "min_length": min }))
    }

    /// The string has more than `max` bytes.
    pub fn string_too_long(loc: impl Into<Location>, max: usize) -> Self {
        Self::new("string_too_long", loc, format!("String should have at most {max} bytes"))
            .with(json!({ "max_length": max }))
    }

    /// The string has more than `max` characters.
    pub fn too_many_characters(loc: impl Into<Location>, max: usize) -> Self {
        Self::new("string_too_long", loc, format!("String should have at most {max} characters"))
            .with(json!({ "max_length": max }))
    }

    /// The value cannot be used, for this reason.
    pub fn value_error(loc: impl Into<Location>, msg: &str, reason: &str) -> Self {
        Self::new("value_error", loc, format!("{msg}: {reason}")).with(json!({ "reason": reason }))
    }

    /// The password may not be chosen, for this reason.
    pub fn password(loc: impl Into<Location>, refused: PasswordRefused) -> Self {
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

    /// The body, or the field, is JSON but no object.
    pub fn model_attributes_type(loc: impl Into<Location>) -> Self {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        Self::new("model_attributes_type", loc, msg)
    }

    /// The text is no integer.
    pub fn int_parsing(loc: impl Into<Location>) -> Self {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        Self::new("int_parsing", loc, msg)
    }

    /// The number is under `min`.
    pub fn greater_than_equal(loc: impl Into<Location>, min: impl Into<Value> + Display + Copy) -> Self {
        Self::new("greater_than_equal", loc, format!("Input should be greater than or equal to {min}"))
            .with(json!({ "ge": min.into() }))
    }

    /// The number is over `max`.
    pub fn less_than_equal(loc: impl Into<Location>, max: impl Into<Value> + Display + Copy) -> Self {
        Self::new("less_than_equal", loc, format!("Input should be less than or equal to {max}"))
            .with(json!({ "le": max.into() }))
    }

    /// The text is none of the names that are `expected`.
    pub fn enumeration(loc: impl Into<Location>, expected: &str) -> Self {
        Self::new("enum", loc, format!("Input should be {expected}")).with(json!({ "expected": expected }))
    }

    /// The text is no moment in time.
    pub fn datetime_parsing(loc: impl Into<Location>) -> Self {
        let msg = "Input should be a valid datetime in the form of RFC 3339, as 2027-01-15T08:00:00Z";
        Self::new("datetime_parsing", loc, msg)
    }

    /// The value is no whole number.
    pub fn int_type(loc: impl Into<Location>) -> Self {
        Self::new("int_type", loc, "Input should be a valid integer")
    }

    /// The value is no number.
    pub fn float_type(loc: impl Into<Location>) -> Self {
        Self::new("float_type", loc, "Input should be a valid number")
    }

    /// The value is no list.
    pub fn list_type(loc: impl Into<Location>) -> Self {
        Self::new("list_type", loc, "Input should be a valid list")
    }

    /// The list has more than `max` values.
    pub fn too_long(loc: impl Into<Location>, max: usize) -> Self {
        Self::new("too_long", loc, format!("List should have at most {max} items")).with(json!({ "max_length": max }))
    }

    /// The value is no boolean.
    pub fn bool_parsing(loc: impl Into<Location>) -> Self {
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
    at: Location,
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
            _ => return Err(vec![FieldFault::model_attributes_type(vec!["body"])]),
        };
        Self::collect(members, auth)
    }

    fn collect<T: FromFields>(members: Vec<(String, Json)>, auth: Arc<Auth>) -> Result<T, Vec<FieldFault>> {
        let mut fields = Self { at: vec!["body"].into(), members, faults: Vec::new(), auth };
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
        read: impl FnOnce(String, Location) -> Result<T, FieldFault>,
    ) -> Option<T> {
        self.read_field(name, |value, loc| string_in(value, loc, read))
    }

    /// As [`string`](Self::string), for a field that may be missing or `null`: `Some(None)` when it is.
    pub fn optional_string<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(String, Location) -> Result<T, FieldFault>,
    ) -> Option<Option<T>> {
        self.optional(name, |fields| fields.string(name, read))
    }

    /// Reads a field that may be missing or `null`: `Some(None)` when it is, otherwise what `read` makes of it.
    ///
    /// ```
    /// # use doorward_axum::Fields;
    /// # fn example(fields: &mut Fields) -> Option<Option<i64>> {
    /// fields.optional("quantity", |fields| fields.integer("quantity", 1..=100))
    /// # }
    /// ```
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.member(name) {
            None | Some(Json::Null) => Some(None),
            Some(_) => read(self).map(Some),
        }
    }

    /// The whole number `name` within these bounds.
    pub fn integer(&mut self, name: &'static str, bounds: RangeInclusive<i64>) -> Option<i64> {
        self.read_field(name, |value, loc| match value {
            Json::Integer(value) if *value < *bounds.start() => {
                Err(FieldFault::greater_than_equal(loc, *bounds.start()))
            }
            Json::Integer(value) if *value > *bounds.end() => Err(FieldFault::less_than_equal(loc, *bounds.end())),
            Json::Integer(value) => Ok(*value),
            _ => Err(FieldFault::int_type(loc)),
        })
    }

    /// The number `name`, whole or not.
    #[expect(clippy::cast_precision_loss, reason = "who asks for a number of this type wants it as near as it gets")]
    pub fn number(&mut self, name: &'static str) -> Option<f64> {
        self.read_field(name, |value, loc| match value {
            Json::Integer(value) => Ok(*value as f64),
            Json::Number(value) => Ok(*value),
            _ => Err(FieldFault::float_type(loc)),
        })
    }

    /// The boolean `name`.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.read_field(name, |value, loc| match value {
            Json::Bool(value) => Ok(*value),
            _ => Err(FieldFault::bool_parsing(loc)),
        })
    }

    /// Whether the field is `true`; a field that is missing or `null` is `false`.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.optional(name, |fields| fields.boolean(name)).map(Option::unwrap_or_default)
    }

    /// The object `name`, as a schema of its own.
    pub fn object<T: FromFields>(&mut self, name: &'static str) -> Option<T> {
        let at = self.at.field(name);
        let mut value = self.take(name)?;
        self.object_in(&mut value, at)
    }

    /// The list `name` of up to `max` strings, of each of which `read` makes a value.
    pub fn strings<T>(
        &mut self,
        name: &'static str,
        max: usize,
        read: impl Fn(String, Location) -> Result<T, FieldFault>,
    ) -> Option<Vec<T>> {
        self.list(name, max, |fields, value, at| fields.note(string_in(value, at, &read)))
    }

    /// The list `name` of up to `max` objects, each of one schema.
    pub fn objects<T: FromFields>(&mut self, name: &'static str, max: usize) -> Option<Vec<T>> {
        self.list(name, max, Self::object_in)
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

    /// Every value of the list `name`; `None` when any has a fault.
    fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        mut read: impl FnMut(&mut Self, &mut Json, Location) -> Option<T>,
    ) -> Option<Vec<T>> {
        let at = self.at.field(name);
        let mut list = self.take(name)?;
        let Json::Array(values) = &mut list else { return self.note(Err(FieldFault::list_type(at))) };
        if values.len() > max {
            return self.note(Err(FieldFault::too_long(at, max)));
        }
        let read: Vec<_> =
            values.iter_mut().enumerate().map(|(place, value)| read(self, value, at.place(place))).collect();
        read.into_iter().collect()
    }

    fn object_in<T: FromFields>(&mut self, value: &mut Json, at: Location) -> Option<T> {
        let Json::Object(members) = value else { return self.note(Err(FieldFault::model_attributes_type(at))) };
        let members = std::mem::take(members);
        let mut inner = Self { at, members, faults: Vec::new(), auth: Arc::clone(&self.auth) };
        let read = T::from_fields(&mut inner);
        self.faults.append(&mut inner.faults);
        read
    }

    /// The value of the field `name`; that there is none is noted.
    fn take(&mut self, name: &'static str) -> Option<Json> {
        self.read_field(name, |value, _| Ok(std::mem::replace(value, Json::Null)))
    }

    fn read_field<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Json, Location) -> Result<T, FieldFault>,
    ) -> Option<T> {
        let at = self.at.field(name);
        let read = match self.member(name) {
            None => Err(FieldFault::missing(at)),
            Some(value) => read(value, at),
        };
        self.note(read)
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
    loc: Location,
    read: impl FnOnce(String, Location) -> Result<T, FieldFault>,
) -> Result<T, FieldFault> {
    match value {
        Json::String(text) => read(std::mem::take(text), loc),
        _ => Err(FieldFault::string_type(loc)),
    }
}
