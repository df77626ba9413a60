//! What `scripts/instruction-gates` counts: does one thing so many times, `instructions THING TIMES`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use doorward::account::Record;
use doorward::password::{HashParameters, HashingPool, PoolSettings};
use doorward::session::{NewSession, RefreshRules, RotationAttempt, Session, SessionId, decide};
use doorward::testing::MemoryStore;
use doorward::token::access::{AccessTokenRules, Subject};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward::{Auth, Role, Timestamp, UserId, create_access_token, decode_access_token, generate_refresh_token};
use doorward_argon2id::{Inputs, Kernel, Parameters, Workspace};
use doorward_axum::{JsonBody, LoginRequest};

const SECRET: &str = "kF4vT0x9Qm2ZrL7uYc1WbN8sHj5DgEaP";

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let thing = arguments.next().unwrap_or_default();
    let times: u32 = arguments.next().ok_or("instructions THING TIMES")?.parse()?;
    match thing.as_str() {
        "verify-token" => verify_token(times),
        "sign-token" => sign_token(times),
        "decide-rotation" => decide_rotation(times),
        "read-login-body" => read_login_body(times),
        "argon2id-avx2" => argon2id(Kernel::Avx2, times),
        "argon2id-portable" => argon2id(Kernel::Portable, times),
        _ => Err(format!("nothing of the name {thing:?}").into()),
    }
}

struct Tokens {
    keyring: Keyring,
    rules: AccessTokenRules,
    subject: Subject,
    now: Timestamp,
}

impl Tokens {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let keyring = Keyring::new(SecretKey::new(SECRET)?, Vec::new());
        let user_id = UserId::new(42).ok_or("not positive")?;
        let subject = Subject { user_id, role: Role::User, session: Some(SessionId::generate()?) };
        Ok(Self { keyring, rules: AccessTokenRules::default(), subject, now: Timestamp::from_seconds(1_700_000_000) })
    }
}

fn verify_token(times: u32) -> Outcome {
    let Tokens { keyring, rules, subject, now } = Tokens::new()?;
    let token = create_access_token(subject, &keyring, &rules, now)?;
    for _ in 0..times {
        black_box(decode_access_token(black_box(token.reveal()), &keyring, &rules, now)?);
    }
    Ok(())
}

fn sign_token(times: u32) -> Outcome {
    let Tokens { keyring, rules, subject, now } = Tokens::new()?;
    for _ in 0..times {
        black_box(create_access_token(black_box(subject), &keyring, &rules, now)?);
    }
    Ok(())
}

fn decide_rotation(times: u32) -> Outcome {
    let now = Timestamp::from_seconds(1_700_000_000);
    let rules = RefreshRules::default();
    let token = generate_refresh_token()?;
    let new = NewSession {
        id: SessionId::generate()?,
        handle: token.handle(),
        current: token.hash(),
        created_at: now,
        expires_at: now.plus(rules.lifetime),
        device: None,
        address: None,
    };
    let session = Session::open(&new, UserId::new(42).ok_or("not positive")?);
    let successor = token.successor()?;
    let attempt = RotationAttempt {
        handle: token.handle(),
        presented: token.hash(),
        successor: successor.hash(),
        sealed_successor: None,
        now: now.plus(Duration::from_secs(60)),
        address: None,
        on_reuse: Record::default(),
        rules,
    };
    for _ in 0..times {
        black_box(decide(black_box(&session), true, black_box(&attempt)));
    }
    Ok(())
}

fn read_login_body(times: u32) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let keyring = Keyring::new(SecretKey::new(SECRET)?, Vec::new());
    let pool = HashingPool::start(PoolSettings::new(HashParameters::new(64, 1, 1)?))?;
    let auth = Arc::new(Auth::new(Arc::new(MemoryStore::new()), pool, keyring));
    runtime.block_on(async {
        for _ in 0..times {
            let body = r#"{"email":"ada@example.com","password":"correct horse battery staple"}"#;
            let request =
                Request::post("/auth/login").header("content-type", "application/json").body(Body::from(body))?;
            let read = JsonBody::<LoginRequest>::from_request(request, &auth).await;
            black_box(read.map_err(|_| "refused")?);
        }
        Ok(())
    })
}

/// 64 blocks, one pass, one lane.
fn argon2id(kernel: Kernel, times: u32) -> Outcome {
    let parameters = Parameters::new(64, 1, 1)?;
    let mut workspace = Workspace::with_memory(parameters.memory_kib())?;
    let inputs = Inputs { password: b"correct horse", salt: b"sixteen bytes...", ..Inputs::default() };
    let mut tag = [0; 32];
    for _ in 0..times {
        workspace.hash_with(kernel, black_box(&inputs), parameters, &mut tag)?;
    }
    Ok(())
}
