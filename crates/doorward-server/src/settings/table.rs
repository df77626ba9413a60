//! Every setting in one table: the command line, the reference and the checks are made from it.

/// One setting, spelled the same in the file, in the environment (upper case) and as a flag (kebab case).
#[derive(Debug)]
pub struct Setting {
    /// Its name in `doorward.toml`.
    pub key: &'static str,
    /// What holds when nobody says otherwise. `None`: nothing, or derived as the help says.
    pub default: Option<&'static str>,
    /// A value that would do, for errors and help.
    pub example: &'static str,
    /// One line for a person.
    pub help: &'static str,
    /// How much of it may be shown.
    pub secrecy: Secrecy,
    /// Which commands take it as a flag.
    pub scope: Scope,
    /// Whether it holds several values: a TOML array, or text separated by commas.
    pub is_list: bool,
}

/// How much of a setting may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// All of it.
    Public,
    /// All but the password in a URL. May come from a file named by `KEY_FILE`.
    Url,
    /// Nothing. May come from a file named by `KEY_FILE`.
    Secret,
}

/// Which commands take a setting as a flag. File and environment hold for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every command that needs settings.
    Everywhere,
    /// `serve` and `config`.
    Serving,
}

impl Setting {
    /// The name of its environment variable.
    pub fn variable(&self) -> String {
        self.key.to_uppercase()
    }

    /// Its flag without the dashes before it.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// The setting of that key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

const PLAIN: Setting = Setting {
    key: "",
    default: None,
    example: "",
    help: "",
    secrecy: Secrecy::Public,
    scope: Scope::Serving,
    is_list: false,
};

/// All settings, in the order in which people meet them.
pub static SETTINGS: [Setting; 51] = [
    Setting {
        key: "bind",
        default: Some("127.0.0.1:8000"),
        example: "127.0.0.1:8000",
        help: "Address and port to listen on; port 0 takes a free one",
        ..PLAIN
    },
    Setting {
        key: "tls_certificate_file",
        example: "/etc/doorward/fullchain.pem",
        help: "Certificate chain in PEM, the server's own first, for TLS and HTTP/2; read again when it changes \
               [default: none, plain HTTP]",
        ..PLAIN
    },
    Setting {
        key: "tls_key_file",
        example: "/etc/doorward/privkey.pem",
        help: "Private key of that certificate, in PEM; set both or neither",
        ..PLAIN
    },
    Setting {
        key: "data_dir",
        default: Some("./doorward-data"),
        example: "/var/lib/doorward",
        help: "Folder of the embedded database and of a secret made on first start (mode 0700)",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "database_url",
        example: "sqlite:///var/lib/doorward/doorward.db",
        help: "Where accounts and sessions are kept [default: sqlite://<data_dir>/doorward.db]",
        secrecy: Secrecy::Url,
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "database_pool_size",
        default: Some("16"),
        example: "16",
        help: "PostgreSQL: connections at most, beside one that listens for what other nodes end",
        ..PLAIN
    },
    Setting {
        key: "database_connect_timeout_seconds",
        default: Some("5"),
        example: "5",
        help: "PostgreSQL: how long making a connection may take",
        ..PLAIN
    },
    Setting {
        key: "database_acquire_timeout_seconds",
        default: Some("2"),
        example: "2",
        help: "PostgreSQL: how long a request waits for a free connection; then it is told 503",
        ..PLAIN
    },
    Setting {
        key: "database_statement_timeout_seconds",
        default: Some("10"),
        example: "10",
        help: "PostgreSQL: how long the server may work on a statement; then the request is told 503",
        ..PLAIN
    },
    Setting {
        key: "secret_key",
        example: "what `openssl rand -base64 48` prints",
        help: "Signs access tokens, 32 bytes or more; prefer SECRET_KEY_FILE, other users of the machine can see a flag \
               [default: made on first start in <data_dir>/secret.key]",
        secrecy: Secrecy::Secret,
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "secret_key_previous",
        example: "the secret_key before this one",
        help: "Older secrets whose tokens are still accepted, separated by commas",
        secrecy: Secrecy::Secret,
        scope: Scope::Everywhere,
        is_list: true,
        ..PLAIN
    },
    Setting {
        key: "sealing_key",
        example: "what `openssl rand -base64 48` prints",
        help: "Seals what the database keeps sealed, in the place of secret_key: for when other services have that to \
               verify tokens [default: secret_key]",
        secrecy: Secrecy::Secret,
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "sealing_key_previous",
        example: "the sealing_key before this one, or a secret_key that leaked",
        help: "Older secrets that open what is sealed and verify no token, separated by commas",
        secrecy: Secrecy::Secret,
        scope: Scope::Everywhere,
        is_list: true,
        ..PLAIN
    },
    Setting {
        key: "access_token_expire_minutes",
        default: Some("15"),
        example: "15",
        help: "How long an access token is good",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "refresh_token_expire_days",
        default: Some("7"),
        example: "7",
        help: "How long a refresh token is good, from its issue",
        ..PLAIN
    },
    Setting {
        key: "refresh_reuse_grace_seconds",
        default: Some("0"),
        example: "10",
        help: "How long a spent refresh token may come back and get the same successor; 0: never",
        ..PLAIN
    },
    Setting {
        key: "session_idle_minutes",
        example: "30",
        help: "How long a session may go without a refresh; no longer than a refresh token is good in any case \
               [default: as long as a refresh token is good]",
        ..PLAIN
    },
    Setting {
        key: "session_absolute_days",
        example: "30",
        help: "How long a session lives at most, however much it is used [default: without end]",
        ..PLAIN
    },
    Setting {
        key: "reauthentication_minutes",
        default: Some("10"),
        example: "10",
        help: "How long after a login or POST /auth/reauthenticate administrators may change accounts",
        ..PLAIN
    },
    Setting {
        key: "admins_require_second_factor",
        default: Some("false"),
        example: "true",
        help: "Whether administrators do nothing as such before they have a second factor",
        ..PLAIN
    },
    Setting {
        key: "service_name",
        default: Some("Doorward"),
        example: "Analytical Engines",
        help: "What people know the service by: in letters, in authenticators, and as a password that is refused",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "return_url",
        example: "https://app.example.com/login",
        help: "Where the pages that letters lead to send people on when they are done",
        ..PLAIN
    },
    Setting {
        key: "password_min_length",
        default: Some("8"),
        example: "15",
        help: "The fewest characters of a new password; NIST asks for 15 where there is no second factor",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "password_max_length",
        default: Some("1024"),
        example: "1024",
        help: "The most bytes of a new password, in UTF-8",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "password_blocklist_enabled",
        default: Some("true"),
        example: "true",
        help: "Whether new passwords are refused that leaked most often, or are the address or the service's name",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "password_pepper",
        example: "what `openssl rand -base64 48` prints",
        help: "Mixed into new password hashes, 32 bytes or more: without it a stolen database gives no password away, \
               and whoever loses it logs nobody in; prefer PASSWORD_PEPPER_FILE [default: none]",
        secrecy: Secrecy::Secret,
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "password_pepper_previous",
        example: "the password_pepper before this one",
        help: "Older peppers of hashes that are made anew at the next login, separated by commas",
        secrecy: Secrecy::Secret,
        scope: Scope::Everywhere,
        is_list: true,
        ..PLAIN
    },
    Setting {
        key: "password_hash_memory_kib",
        default: Some("65536"),
        example: "65536",
        help: "Argon2id: memory of one hash, in KiB",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "password_hash_iterations",
        default: Some("3"),
        example: "3",
        help: "Argon2id: passes over the memory",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "password_hash_lanes",
        default: Some("4"),
        example: "4",
        help: "Argon2id: lanes of the memory",
        scope: Scope::Everywhere,
        ..PLAIN
    },
    Setting {
        key: "password_hash_budget_mib",
        example: "512",
        help: "Memory that hashing may use in all [default: one hash a core]",
        ..PLAIN
    },
    Setting {
        key: "allowed_origins",
        example: "https://app.example.com",
        help: "Origins whose pages may call from a browser, separated by commas",
        is_list: true,
        ..PLAIN
    },
    Setting {
        key: "trusted_proxies",
        example: "10.0.0.0/8",
        help: "Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas; `10.0.0.1 forwarded` \
               for one that writes Forwarded (RFC 7239)",
        is_list: true,
        ..PLAIN
    },
    Setting {
        key: "rate_limit_enabled",
        default: Some("true"),
        example: "true",
        help: "Whether login, registration and recovery are limited; false is for load tests",
        ..PLAIN
    },
    Setting {
        key: "audit_keep_days",
        example: "365",
        help: "How long events are kept; an erased person's go with the others [default: for ever]",
        ..PLAIN
    },
    Setting {
        key: "public_url",
        example: "https://auth.example.com",
        help: "Where people reach the service: what links in letters begin with, never what a request says \
               [default: where it listens]",
        ..PLAIN
    },
    Setting {
        key: "account_pages",
        default: Some("true"),
        example: "true",
        help: "Whether the pages are served that links in letters lead to; false when a front end has its own",
        ..PLAIN
    },
    Setting {
        key: "email_verification",
        default: Some("off"),
        example: "required",
        help: "off; on: a letter at registration; required: and nobody gets in before it is answered",
        ..PLAIN
    },
    Setting {
        key: "mail",
        default: Some("log"),
        example: "smtp",
        help: "How letters leave: smtp; log writes them with their links into the log, where it is said and not only the default",
        ..PLAIN
    },
    Setting {
        key: "smtp_url",
        example: "smtp://user:password@mail.example.com:587",
        help: "The mail server: smtp:// insists on STARTTLS unless it ends in ?tls=none or ?tls=opportunistic, smtps:// is \
               TLS at once; ?ca=FILE trusts that authority alone",
        secrecy: Secrecy::Url,
        ..PLAIN
    },
    Setting { key: "mail_from", example: "Example <auth@example.com>", help: "Whom letters are from", ..PLAIN },
    Setting {
        key: "mail_template_dir",
        example: "/etc/doorward/mail",
        help: "Folder with templates that take the place of those of the same names in the program",
        ..PLAIN
    },
    Setting {
        key: "webhook_url",
        example: "https://app.example.com/hooks/auth",
        help: "Where every security event is posted to, signed (Standard Webhooks)",
        secrecy: Secrecy::Url,
        ..PLAIN
    },
    Setting {
        key: "webhook_secret",
        example: "what `echo whsec_$(openssl rand -base64 32)` prints",
        help: "Signs webhooks: whsec_ and base64 of 24 to 64 bytes; several, separated by commas, while one is exchanged",
        secrecy: Secrecy::Secret,
        is_list: true,
        ..PLAIN
    },
    Setting {
        key: "max_connections",
        default: Some("4096"),
        example: "4096",
        help: "Connections served at once; one more is told 503",
        ..PLAIN
    },
    Setting {
        key: "header_timeout_seconds",
        default: Some("15"),
        example: "15",
        help: "How long the head of a request may take, and a new connection, TLS included, until its first",
        ..PLAIN
    },
    Setting {
        key: "idle_timeout_seconds",
        default: Some("75"),
        example: "75",
        help: "How long a connection may stay open between two requests, and wait with a part of an answer that the client doesn't take; longer than a proxy's keep-alive before it",
        ..PLAIN
    },
    Setting {
        key: "shutdown_grace_seconds",
        default: Some("30"),
        example: "30",
        help: "How long requests under way may take to finish after SIGTERM",
        ..PLAIN
    },
    Setting {
        key: "metrics_bind",
        example: "127.0.0.1:9000",
        help: "Address and port of the Prometheus metrics [default: none]",
        ..PLAIN
    },
    Setting {
        key: "log_level",
        default: Some("info"),
        example: "info",
        help: "error, warn, info, debug, trace or off, also by module: info,doorward=debug",
        ..PLAIN
    },
    Setting {
        key: "log_format",
        default: Some("auto"),
        example: "json",
        help: "text, json, or auto: text on a terminal, json otherwise. Logs go to stderr",
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_plain() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert!(setting.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", setting.key);
            assert!(SETTINGS[..index].iter().all(|other| other.key != setting.key), "{} stands twice", setting.key);
            assert!(!setting.help.is_empty() && !setting.example.is_empty());
        }
    }
}
