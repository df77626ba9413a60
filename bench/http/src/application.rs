//! An application that has Doorward inside: its own route behind `CurrentUser`, with and without the layers that
//! Doorward's server puts around everything, Doorward's routes, and axum's hello that knows nothing of all that.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use doorward::Auth;
use doorward::password::{HashParameters, HashingPool, PoolSettings};
use doorward::token::keyring::{Keyring, SecretKey};
use doorward_axum::{CurrentUser, RouterOptions, routes, with_layers};
use doorward_sqlite::{SqliteOptions, SqliteStore};

use crate::{Failure, SECRET};

#[tokio::main]
pub(crate) async fn serve(address: &str, folder: &str) -> Result<(), Failure> {
    let store = SqliteStore::open(&Path::new(folder).join("doorward.db"), SqliteOptions::default())?;
    let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
    let auth = Auth::open(Arc::new(store), pool, Keyring::new(SecretKey::new(SECRET)?, Vec::new())).await?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(tcp_nodelay(listener), application(Arc::new(auth.danger_without_limits()))).await?;
    Ok(())
}

fn tcp_nodelay(listener: tokio::net::TcpListener) -> impl axum::serve::Listener<Addr = std::net::SocketAddr> {
    use axum::serve::ListenerExt;
    listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    })
}

fn application(auth: Arc<Auth>) -> Router {
    let guarded = |path| Router::new().route(path, get(greet));
    let hello = Router::new().route("/hello", get(async || "Hello, World!"));
    let bare = guarded("/guarded").merge(routes()).with_state(Arc::clone(&auth));
    let layered = guarded("/layered/guarded").route("/layered/hello", get(async || "Hello, World!"));
    hello.merge(bare).merge(with_layers(layered.with_state(auth), &RouterOptions::default()))
}

async fn greet(CurrentUser(identity): CurrentUser) -> String {
    format!("Hello, {}!", identity.user_id)
}
