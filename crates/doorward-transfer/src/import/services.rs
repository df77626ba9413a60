//! Services by name: what their exports call things, and how those are read.

use doorward::Timestamp;
use serde_json::Value;

use super::Fields;
use super::usual;

/// A service whose accounts can be brought over by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Supabase: the table `auth.users`, or an export of it as CSV or JSON lines.
    Supabase,
    /// Keycloak: an export of a realm, one JSON document.
    Keycloak,
    /// Auth0: an export of users with their password hashes, JSON lines.
    Auth0,
    /// Firebase: the document of `firebase auth:export`, with the project's hash parameters.
    Firebase(FirebaseParameters),
    /// Django: the table `auth_user`, or an export of it.
    Django,
    /// FastAPI Users: the table `user`, or an export of it.
    FastapiUsers,
    /// devise, of Rails: the table `users`, or an export of it.
    Devise,
}

/// What a Firebase project hashes with, as its console shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirebaseParameters {
    signer_key: String,
    salt_separator: String,
    rounds: u32,
    memory_cost: u32,
}

impl FirebaseParameters {
    /// Reads `base64_signer_key`, `base64_salt_separator`, `rounds` and `mem_cost`, a line each, as the console shows
    /// them within `hash_config { … }`. `None` when one is missing.
    pub fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix(':'))?;
            Some(line.trim().trim_end_matches(',').trim_matches('"').to_owned())
        };
        Some(Self {
            signer_key: value("base64_signer_key")?,
            salt_separator: value("base64_salt_separator")?,
            rounds: value("rounds")?.parse().ok()?,
            memory_cost: value("mem_cost")?.parse().ok()?,
        })
    }

    /// The spelling under which such a hash is stored.
    fn stored(&self, salt: &str, tag: &str) -> String {
        let Self { signer_key, salt_separator, rounds, memory_cost } = self;
        // URL-safe in the export, and in the other alphabet everywhere else.
        let standard = |text: &str| text.replace('-', "+").replace('_', "/");
        format!(
            "$firebase-scrypt$m={memory_cost},r={rounds}${}${salt_separator}${signer_key}${}",
            standard(salt),
            standard(tag)
        )
    }
}

/// How a value is found by its name: as text, objects and lists as JSON.
pub(super) type Find<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Service {
    /// The names on the command line.
    pub const NAMES: [&'static str; 7] =
        ["supabase", "keycloak", "auth0", "firebase", "django", "fastapi-users", "devise"];

    /// The service of that name. Firebase is read with its project's parameters: [`Firebase`](Self::Firebase).
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "supabase" => Self::Supabase,
            "keycloak" => Self::Keycloak,
            "auth0" => Self::Auth0,
            "django" => Self::Django,
            "fastapi-users" => Self::FastapiUsers,
            "devise" => Self::Devise,
            _ => return None,
        })
    }

    /// The table of the accounts of the service of that name, where it keeps them in a database that people have.
    pub fn table_of(name: &str) -> Option<&'static str> {
        Some(match name {
            "supabase" => "auth.users",
            "django" => "auth_user",
            "fastapi-users" => "user",
            "devise" => "users",
            _ => return None,
        })
    }

    /// Whether the export of the service of that name is one JSON document with a list `users`.
    pub fn has_documents(name: &str) -> bool {
        matches!(name, "keycloak" | "firebase")
    }

    /// Whether its ids are names of its own making, which are never whole numbers.
    pub(super) const fn names_accounts(&self) -> bool {
        matches!(self, Self::Supabase | Self::Keycloak | Self::Auth0 | Self::Firebase(_))
    }

    /// The names without which a file or table is no such export.
    pub(super) const fn needed(&self) -> &'static [&'static str] {
        match self {
            Self::Supabase | Self::Devise => &["email", "encrypted_password"],
            Self::Django => &["email", "password"],
            Self::FastapiUsers => &["email", "hashed_password"],
            Self::Keycloak | Self::Auth0 | Self::Firebase(_) => &[],
        }
    }

    /// An account as it stands in an export.
    pub(super) fn fields(&self, find: Find<'_>, now: Timestamp) -> Result<Fields, String> {
        match self {
            Self::Supabase => supabase(find, now),
            Self::Keycloak => keycloak(find),
            Self::Auth0 => auth0(find),
            Self::Firebase(parameters) => firebase(find, parameters),
            Self::Django => Ok(django(find)),
            Self::FastapiUsers => Ok(fastapi_users(find)),
            Self::Devise => Ok(devise(find)),
        }
    }
}

/// Who is banned for a time that isn't over, or deleted, is no active account.
fn supabase(find: Find<'_>, now: Timestamp) -> Result<Fields, String> {
    let data = find("raw_user_meta_data").and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let name = |key| data.as_ref()?.get(key)?.as_str().map(str::to_owned);
    let is_banned = match filled(find, "banned_until") {
        None => false,
        Some(until) => super::check::moment(&until).ok_or("until when it is banned is no moment")? > now,
    };
    let is_active = !is_banned && filled(find, "deleted_at").is_none();
    Ok(Fields {
        id: find("id"),
        email: find("email"),
        hash: find("encrypted_password"),
        active: Some(is_active.to_string()),
        created: find("created_at"),
        name: name("full_name").or_else(|| name("name")),
        verified: filled(find, "email_confirmed_at").or_else(|| filled(find, "confirmed_at")),
        ..Fields::default()
    })
}

fn django(find: Find<'_>) -> Fields {
    Fields {
        id: find("id"),
        email: find("email"),
        hash: find("password"),
        role: admin_where(find, "is_superuser"),
        active: find("is_active"),
        created: find("date_joined"),
        name: full_name(find, ["first_name", "last_name"]),
        verified: None,
    }
}

fn fastapi_users(find: Find<'_>) -> Fields {
    Fields {
        id: find("id"),
        email: find("email"),
        hash: find("hashed_password"),
        role: admin_where(find, "is_superuser"),
        active: find("is_active"),
        created: first(find, usual::CREATED),
        name: first(find, usual::NAME),
        verified: find("is_verified"),
    }
}

/// Whoever is locked stays locked out until an administrator says otherwise.
fn devise(find: Find<'_>) -> Fields {
    Fields {
        id: find("id"),
        email: find("email"),
        hash: find("encrypted_password"),
        role: admin_where(find, "admin"),
        active: Some(filled(find, "locked_at").is_none().to_string()),
        created: find("created_at"),
        name: first(find, usual::NAME),
        verified: filled(find, "confirmed_at"),
    }
}

fn auth0(find: Find<'_>) -> Result<Fields, String> {
    let within = |name: &str, key: &str| {
        let object = serde_json::from_str::<Value>(&find(name)?).ok()?;
        object.get(key)?.as_str().map(str::to_owned)
    };
    let is_blocked = find("blocked").as_deref() == Some("true");
    Ok(Fields {
        id: find("user_id").or_else(|| within("_id", "$oid")),
        email: find("email"),
        hash: find("passwordHash").or_else(|| find("password_hash")),
        active: Some((!is_blocked).to_string()),
        created: within("created_at", "$date").or_else(|| find("created_at")),
        // Without a name of its own Auth0 writes the address there.
        name: filled(find, "name").filter(|name| !name.contains('@')),
        verified: find("email_verified"),
        ..Fields::default()
    })
}

fn firebase(find: Find<'_>, parameters: &FirebaseParameters) -> Result<Fields, String> {
    let hash = match (filled(find, "passwordHash"), filled(find, "salt")) {
        (Some(tag), Some(salt)) => Some(parameters.stored(&salt, &tag)),
        // Who logs in by another provider has none.
        _ => None,
    };
    let is_disabled = find("disabled").as_deref() == Some("true");
    Ok(Fields {
        id: find("localId"),
        email: find("email"),
        hash,
        active: Some((!is_disabled).to_string()),
        created: milliseconds(find, "createdAt")?,
        name: filled(find, "displayName"),
        verified: find("emailVerified"),
        ..Fields::default()
    })
}

fn keycloak(find: Find<'_>) -> Result<Fields, String> {
    let roles: Vec<String> = find("realmRoles").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let role = if roles.iter().any(|role| role == "admin") { "admin" } else { "user" };
    Ok(Fields {
        id: find("id"),
        email: find("email"),
        hash: keycloak_hash(find)?,
        role: Some(role.to_owned()),
        active: find("enabled"),
        created: milliseconds(find, "createdTimestamp")?,
        name: full_name(find, ["firstName", "lastName"]),
        verified: find("emailVerified"),
    })
}

/// A credential of the type `password`, as the string that other libraries write for it.
fn keycloak_hash(find: Find<'_>) -> Result<Option<String>, String> {
    let unreadable = || "its password has a form that is not known".to_owned();
    let credentials: Vec<Value> =
        find("credentials").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let Some(password) = credentials.iter().find(|credential| credential["type"] == "password") else {
        return Ok(None);
    };
    let part = |name: &str| {
        let text = password[name].as_str().ok_or_else(unreadable)?;
        serde_json::from_str::<Value>(text).map_err(|_| unreadable())
    };
    let (secret, data) = (part("secretData")?, part("credentialData")?);
    let text = |value: &Value| value.as_str().map(|text| text.trim_end_matches('=').to_owned()).ok_or_else(unreadable);
    let (tag, salt) = (text(&secret["value"])?, text(&secret["salt"])?);
    let rounds = data["hashIterations"].as_u64().ok_or_else(unreadable)?;
    let algorithm = data["algorithm"].as_str().unwrap_or("pbkdf2");
    Ok(Some(match algorithm {
        "pbkdf2-sha256" | "pbkdf2-sha512" => format!("${algorithm}$i={rounds}${salt}${tag}"),
        "pbkdf2" => format!("$pbkdf2-sha1$i={rounds}${salt}${tag}"),
        "argon2" => {
            // Lists of one text each.
            let parameter =
                |name: &str| data["additionalParameters"][name][0].as_str().map(str::to_owned).ok_or_else(unreadable);
            let kind = format!("argon2{}", parameter("type")?);
            let version = if parameter("version")? == "1.0" { 16 } else { 19 };
            let (memory, lanes) = (parameter("memory")?, parameter("parallelism")?);
            format!("${kind}$v={version}$m={memory},t={rounds},p={lanes}${salt}${tag}")
        }
        _ => return Err(unreadable()),
    }))
}

fn filled(find: Find<'_>, name: &str) -> Option<String> {
    find(name).filter(|text| !text.trim().is_empty())
}

fn first(find: Find<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| filled(find, name))
}

fn admin_where(find: Find<'_>, name: &str) -> Option<String> {
    let is_admin = find(name).is_some_and(|text| super::check::truth(text.trim()) == Some(true));
    Some(if is_admin { "admin" } else { "user" }.to_owned())
}

fn full_name(find: Find<'_>, parts: [&str; 2]) -> Option<String> {
    let parts: Vec<_> = parts.iter().filter_map(|name| filled(find, name)).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Milliseconds since 1970, as a moment in words.
fn milliseconds(find: Find<'_>, name: &str) -> Result<Option<String>, String> {
    let Some(text) = filled(find, name) else { return Ok(None) };
    let moment = text.trim().parse().ok().and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok());
    moment.map(|moment| Some(moment.to_string())).ok_or_else(|| "when it was made is no moment".to_owned())
}
