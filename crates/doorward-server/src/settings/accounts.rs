//! Settings of sessions, events, passwords and peppers.

use std::time::Duration;

use axum::http::Uri;
use doorward::AccountRules;
use doorward::password::{PASSWORD_MAX_BYTES, PasswordPolicy};
use doorward::session::RefreshRules;

use super::Secret;
use super::valid::{Door, secret, yes_or_no};

/// No password policy asks for more than this many characters.
const LONGEST_MINIMUM: u32 = 64;
/// No service's name is longer, in characters.
const LONGEST_NAME: usize = 64;
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// The secrets under which the store keeps its data key sealed.
#[derive(Debug, Clone)]
pub struct SealingSettings {
    /// In the place of the secret that signs. `None`: that one.
    pub current: Option<Secret>,
    /// Older ones that still open.
    pub previous: Vec<Secret>,
}

/// The secrets that are mixed into password hashes.
#[derive(Debug, Clone)]
pub struct PepperSettings {
    /// Of new hashes.
    pub current: Option<Secret>,
    /// Of older ones.
    pub previous: Vec<Secret>,
}

pub(super) fn refresh_rules(door: &mut Door<'_>) -> Option<RefreshRules> {
    let lifetime_days = door.number("refresh_token_expire_days", 1..=3650);
    let grace_seconds = door.number("refresh_reuse_grace_seconds", 0..=300);
    let idle_minutes = door.optional_number("session_idle_minutes", 1..=5_256_000);
    let absolute_days = door.optional_number("session_absolute_days", 1..=3650);
    let seconds = |unit: u64, count: u32| Duration::from_secs(unit * u64::from(count));
    Some(RefreshRules {
        lifetime: seconds(DAY, lifetime_days?),
        idle: idle_minutes?.map(|minutes| seconds(MINUTE, minutes)),
        absolute: absolute_days?.map(|days| seconds(DAY, days)),
        reuse_grace: Duration::from_secs(u64::from(grace_seconds?)),
    })
}

/// How long events are kept; the inner `None`: for ever.
#[expect(clippy::option_option, reason = "a fault and an unset setting are different things")]
pub(super) fn events_kept(door: &mut Door<'_>) -> Option<Option<Duration>> {
    let days = door.optional_number("audit_keep_days", 1..=36_500)?;
    Some(days.map(|days| Duration::from_secs(DAY * u64::from(days))))
}

pub(super) fn account_rules(door: &mut Door<'_>) -> Option<AccountRules> {
    let service_name = door.read("service_name", service_name);
    let return_url = door.optional("return_url", web_address);
    let recent_minutes = door.number("reauthentication_minutes", 1..=1440);
    let admins_require = door.read("admins_require_second_factor", yes_or_no);
    let password_policy = password_policy(door);
    let mut rules = AccountRules::default();
    rules.service_name = service_name?;
    rules.return_url = return_url?;
    rules.recent_for = Duration::from_secs(MINUTE * u64::from(recent_minutes?));
    rules.admins_require_second_factor = admins_require?;
    rules.password_policy = password_policy?;
    Some(rules)
}

fn password_policy(door: &mut Door<'_>) -> Option<PasswordPolicy> {
    let most = u32::try_from(PASSWORD_MAX_BYTES).unwrap_or(u32::MAX);
    let min_length = door.number("password_min_length", 8..=LONGEST_MINIMUM);
    // NIST SP 800-63B-4, 3.1.1.2: at least 64 characters are to be taken.
    let max_length = door.number("password_max_length", 64..=most);
    let refuses_common = door.read("password_blocklist_enabled", yes_or_no);
    let mut policy = PasswordPolicy::default();
    policy.min_code_points = usize::try_from(min_length?).ok()?;
    policy.max_bytes = usize::try_from(max_length?).ok()?;
    policy.refuses_common = refuses_common?;
    Some(policy)
}

/// An address that a person's browser may be sent to, and nothing that a script or a file could hide behind.
fn web_address(text: &str) -> Result<String, String> {
    let problem = || "is no address such as https://app.example.com/login".to_owned();
    let uri: Uri = text.parse().map_err(|_| problem())?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
    if is_web && !has_user { Ok(text.to_owned()) } else { Err(problem()) }
}

fn service_name(text: &str) -> Result<String, String> {
    let is_name = !text.trim().is_empty()
        && text.chars().count() <= LONGEST_NAME
        && !text.chars().any(|character| character.is_control() || character == ':');
    if is_name {
        Ok(text.trim().to_owned())
    } else {
        Err(format!("is not a name of 1 to {LONGEST_NAME} characters without a colon"))
    }
}

/// A sealing key that signs, too, would part nothing from nothing.
pub(super) fn sealing(door: &mut Door<'_>, signing: &[Secret]) -> Option<SealingSettings> {
    let current = door.optional("sealing_key", secret)?;
    let previous = door.list("sealing_key_previous", secret)?;
    if current.iter().any(|sealing| signing.iter().any(|signing| signing.bytes() == sealing.bytes())) {
        door.fault("sealing_key", "is refused: it is a secret_key, too".to_owned());
        return None;
    }
    Some(SealingSettings { current, previous })
}

/// Peppers that sign or seal, too, are refused: whoever has the one must not have the other.
pub(super) fn peppers(door: &mut Door<'_>, keys: &[Secret]) -> Option<PepperSettings> {
    let current = door.optional("password_pepper", secret)?;
    let previous = door.list("password_pepper_previous", secret)?;
    for (key, mut peppers) in [
        ("password_pepper", current.iter().collect::<Vec<_>>()),
        ("password_pepper_previous", previous.iter().collect()),
    ] {
        peppers.retain(|pepper| keys.iter().any(|key| key.bytes() == pepper.bytes()));
        if !peppers.is_empty() {
            door.fault(key, "is refused: it is a secret_key or sealing_key, too".to_owned());
            return None;
        }
    }
    Some(PepperSettings { current, previous })
}
