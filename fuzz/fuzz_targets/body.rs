//! Bodies of requests, through the whole router: never a 500, never anything but JSON in the one shape of errors.
#![no_main]

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use doorward::Auth;
use doorward::password::{HashParameters, HashingPool, PoolSettings};
use doorward::testing::{MemoryStore, block_on};
use doorward::token::keyring::{Keyring, SecretKey};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower::ServiceExt;

const PATHS: [&str; 4] = ["/auth/refresh", "/auth/logout", "/auth/login", "/auth/register"];

static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let parameters = HashParameters::new(8, 1, 1).unwrap();
    let pool = PoolSettings { workers: NonZeroUsize::MIN, ..PoolSettings::new(parameters) };
    let keyring = Keyring::new(SecretKey::new("wAyJ2tq8Zk5vN0xR7mB4cH9eL1gT6uPd").unwrap(), Vec::new());
    let pool = HashingPool::start(pool).unwrap();
    let auth = block_on(Auth::open(Arc::new(MemoryStore::new()), pool, keyring)).unwrap();
    doorward_axum::router(Arc::new(auth), &Default::default())
});

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
}

fuzz_target!(|data: &[u8]| {
    let Some((&path, body)) = data.split_first() else { return };
    let path = PATHS[usize::from(path) % PATHS.len()];
    let request = Request::post(path).header("content-type", "application/json").body(Body::from(body.to_vec())).unwrap();
    RUNTIME.with(|runtime| runtime.block_on(check(request)));
});

async fn check(request: Request<Body>) {
    let response = ROUTER.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    assert!([200, 201, 204, 401, 409, 413, 422].contains(&status), "{status}");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    if status >= 400 {
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        assert!(body["code"].is_string() && !body["detail"].is_null());
    }
}
