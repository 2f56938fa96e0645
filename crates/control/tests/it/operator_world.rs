//! Whoever runs the installation, signed in.

use std::sync::atomic::Ordering;

use domain::id::{SessionId, UserId};
use domain::people::secret::BearerSecret;
use domain::people::session::Lifetime;
use domain::time::AtUs;
use store::people::sessions::{self, Session};

use crate::people_world::Browser;
use crate::world::{World, entropy};

impl World {
    /// The operator, who also owns the first organization, with a browser.
    pub(crate) async fn operator(&self) -> Browser<'_> {
        self.signed_in(&self.made.user).await
    }

    /// Somebody with a browser, who came in without a password.
    pub(crate) async fn signed_in(&self, user: &UserId) -> Browser<'_> {
        let secret = BearerSecret::mint(entropy);
        let now = AtUs(self.now.load(Ordering::Relaxed));
        let session = Session {
            id: SessionId::random(entropy),
            user: user.clone(),
            lifetime: Lifetime {
                began_at: now,
                seen_at: now,
                proved_at: now,
            },
            method: "password".into(),
            second_factor: None,
            ip_address: None,
            user_agent: None,
        };
        let digest = secret.digest();
        let begin = move |tx: &mut store::Tx<'_>| sessions::begin(tx, &digest, &session);
        self.store.write(begin).await.unwrap();
        let mut browser = Browser::new(self);
        browser.cookie = Some(format!("farebox_session={}", secret.expose()));
        browser
    }
}
