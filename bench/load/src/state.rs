//! What the client knows of each account, between calls.

use serde::{Deserialize, Serialize};

use crate::Failure;

/// One account and its session. What proves it is a bearer token and a refresh token, or a cookie.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Account {
    pub email: String,
    pub access: String,
    pub refresh: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub accounts: Vec<Account>,
}

impl State {
    pub fn read(file: &str) -> Result<Self, Failure> {
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }

    pub fn write(&self, file: &str) -> Result<(), Failure> {
        Ok(std::fs::write(file, serde_json::to_vec(self)?)?)
    }
}
