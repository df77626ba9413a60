//! How each kind of server is asked, and what is kept of its answer.

use crate::Failure;
use crate::http::Answer;
use crate::state::Account;

pub const PASSWORD: &str = "correct horse battery staple";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Doorward's routes, which the peers written here have too.
    Contract,
    /// A cookie for a session; what comes closest to a refresh is a new JWT for it.
    BetterAuth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Register,
    Login,
    Refresh,
    Read,
    Health,
}

impl Dialect {
    pub fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "contract" => Ok(Self::Contract),
            "better-auth" => Ok(Self::BetterAuth),
            _ => Err(format!("no such dialect: {text}").into()),
        }
    }

    /// The whole request.
    pub fn request(self, operation: Operation, account: &Account) -> Vec<u8> {
        let credential = format!(r#""email":"{}","password":"{PASSWORD}""#, account.email);
        let (access, refresh) = (&account.access, &account.refresh);
        match (self, operation) {
            (Self::Contract, Operation::Register) => post("/auth/register", &format!("{{{credential}}}")),
            (Self::Contract, Operation::Login) => post("/auth/login", &format!("{{{credential}}}")),
            (Self::Contract, Operation::Refresh) => {
                post("/auth/refresh", &format!(r#"{{"refresh_token":"{refresh}"}}"#))
            }
            (Self::Contract, Operation::Read) => get("/auth/me", &format!("Authorization: Bearer {access}\r\n")),
            (Self::Contract, Operation::Health) => get("/health", ""),
            (Self::BetterAuth, Operation::Register) => {
                post("/api/auth/sign-up/email", &format!(r#"{{"name":"Somebody",{credential}}}"#))
            }
            (Self::BetterAuth, Operation::Login) => post("/api/auth/sign-in/email", &format!("{{{credential}}}")),
            (Self::BetterAuth, Operation::Refresh) => get("/api/auth/token", &format!("Cookie: {access}\r\n")),
            (Self::BetterAuth, Operation::Read) => get("/api/auth/get-session", &format!("Cookie: {access}\r\n")),
            (Self::BetterAuth, Operation::Health) => get("/api/auth/ok", ""),
        }
    }

    /// Keeps the tokens of an answer that has some.
    pub fn learn(self, operation: Operation, answer: &Answer, account: &mut Account) {
        let gives_tokens = matches!(operation, Operation::Register | Operation::Login | Operation::Refresh);
        if !gives_tokens || !answer.is_success() {
            return;
        }
        match self {
            Self::Contract => {
                account.access = member(&answer.body, "access_token");
                account.refresh = member(&answer.body, "refresh_token");
            }
            Self::BetterAuth if operation == Operation::Refresh => {}
            Self::BetterAuth => account.access = answer.cookies.clone(),
        }
    }

    /// Whether the answer is what it should be, and not merely a 200.
    pub fn is_good(self, operation: Operation, answer: &Answer) -> bool {
        let has = |text: &str| answer.body.windows(text.len()).any(|window| window == text.as_bytes());
        answer.is_success()
            && match (self, operation) {
                (_, Operation::Read) => has("\"email\""),
                (Self::BetterAuth, Operation::Refresh) => has("\"token\""),
                (Self::Contract, Operation::Login | Operation::Refresh | Operation::Register) => has("refresh_token"),
                _ => true,
            }
    }
}

impl Operation {
    pub fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "login" => Ok(Self::Login),
            "refresh" => Ok(Self::Refresh),
            "read" => Ok(Self::Read),
            "health" => Ok(Self::Health),
            _ => Err(format!("no such operation: {text}").into()),
        }
    }
}

fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

/// The value of a string member, without reading the whole JSON: the client must cost little.
fn member(body: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(body);
    let Some((_, rest)) = text.split_once(&format!("\"{name}\":")) else { return String::new() };
    let Some((_, rest)) = rest.split_once('"') else { return String::new() };
    rest.split('"').next().unwrap_or_default().to_owned()
}
