//! The mail that people got.

use std::sync::PoisonError;
use std::time::Duration;

use doorward::letter::Letter;
use doorward::outbox::{Delivery, MessageKind, Taking};
use doorward::{Clock, EmailAddress};

use crate::TestAuth;

/// How many messages are taken at once.
const BATCH: u32 = 100;

#[expect(clippy::expect_used, reason = "for tests: its failures are panics")]
impl TestAuth {
    /// Every letter that was written since the last call, the oldest first. None is sent.
    pub async fn take_letters(&self) -> Vec<Letter> {
        self.open_outbox().await;
        std::mem::take(&mut *self.mailbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every letter to `email` that was written since the last call, the oldest first. The others' stay.
    pub async fn take_letters_to(&self, email: &str) -> Vec<Letter> {
        self.open_outbox().await;
        let email = EmailAddress::parse(email).expect("a good address");
        let mut mailbox = self.mailbox.lock().unwrap_or_else(PoisonError::into_inner);
        let is_theirs = |letter: &mut Letter| EmailAddress::parse(&letter.to).is_ok_and(|to| to.key() == email.key());
        mailbox.extract_if(.., is_theirs).collect()
    }

    async fn open_outbox(&self) {
        loop {
            let now = self.clock().now();
            let mut messages = Vec::new();
            for kind in MessageKind::ALL {
                let taking = Taking { kind, now, leased_until: now.plus(Duration::from_secs(60)), limit: BATCH };
                messages.extend(self.store().take_messages(taking).await.expect("the store serves"));
            }
            if messages.is_empty() {
                return;
            }
            for message in messages {
                match message.kind {
                    MessageKind::Mail => {
                        let letter = self.auth().open_letter(&message).expect("a letter of this service");
                        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
                    }
                    // What the worker of the outbox does: the letter comes with the next look.
                    MessageKind::Recovery => {
                        self.auth().handle_recovery(&message).await.expect("the store serves");
                    }
                    MessageKind::Webhook => {}
                }
                self.store().settle_message(message.id, Delivery::Done).await.expect("the store serves");
            }
        }
    }
}
