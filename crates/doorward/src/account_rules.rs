//! [`AccountRules`]: what a service decides about its accounts, beside tokens and limits.

use std::time::Duration;

use crate::auth::Auth;
use crate::password::PasswordPolicy;
use crate::verify_email::EmailVerification;

/// What a service decides about its accounts. One value of an [`Auth`], read by the use cases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountRules {
    /// What the service is called, in letters and in authenticators. `Doorward` unless said otherwise.
    pub service_name: String,
    /// Where the pages that letters lead to send people on when they are done: an address such as
    /// `https://app.example.com/login`. Nowhere by default.
    pub return_url: Option<String>,
    /// For how long after a proof of who they are a person may do what asks for a [recent](Auth::require_recent) one.
    /// Ten minutes by default.
    pub recent_for: Duration,
    /// What a new password must be.
    pub password_policy: PasswordPolicy,
    /// What is asked of the addresses of new accounts. Nothing by default.
    pub email_verification: EmailVerification,
    /// Whether administrators do nothing as such before they have a second factor. No by default.
    pub admins_require_second_factor: bool,
}

impl Default for AccountRules {
    fn default() -> Self {
        Self {
            service_name: "Doorward".to_owned(),
            return_url: None,
            recent_for: Duration::from_secs(10 * 60),
            password_policy: PasswordPolicy::default(),
            email_verification: EmailVerification::default(),
            admins_require_second_factor: false,
        }
    }
}

impl Auth {
    /// The same with other rules for accounts.
    #[must_use]
    pub fn with_account_rules(mut self, account_rules: AccountRules) -> Self {
        self.account_rules = account_rules;
        self
    }

    /// The rules for accounts.
    pub const fn account_rules(&self) -> &AccountRules {
        &self.account_rules
    }
}
