//! Sign-ins by SCRAM: identifies callers by the proof that they have a token.

use std::{net::IpAddr, sync::Arc, time::Instant};

use super::{
    Auth, Caller, Refusal, Scope,
    auth::{Stored, WRONG_DELAY, tag},
    scram::{ITERATIONS, Verifier},
};

/// What a client that signs in by SCRAM needs to compute its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramOffer {
    /// The salt.
    pub salt: Vec<u8>,
    /// Iterations of PBKDF2.
    pub iterations: u32,
}

impl Auth {
    /// Returns what a client that signs in by SCRAM needs to compute its proof. `user` selects the salt if it is the name of
    /// a token, in a file whose tokens have different ones.
    #[must_use]
    pub fn scram_offer(&self, user: &str) -> ScramOffer {
        let stored = self.0.stored.read();
        let named =
            stored.values().find(|stored| stored.token.name == user).and_then(|stored| stored.token.scram.as_ref());
        let verifier = named.or_else(|| stored.values().find_map(|stored| stored.token.scram.as_ref()));
        let (salt, iterations) =
            verifier.map_or_else(|| (self.0.salt.to_vec(), ITERATIONS), |known| (known.salt.clone(), known.iterations));
        ScramOffer { salt, iterations }
    }

    /// Whether some token can be used for a sign-in by SCRAM. The others were made by a release without it.
    #[must_use]
    pub fn has_scram(&self) -> bool {
        self.0.fixed.is_some() || self.0.stored.read().values().any(|stored| stored.token.scram.is_some())
    }

    /// Returns the names of the tokens with a scope that cannot be used for a sign-in by SCRAM.
    #[must_use]
    pub fn without_scram(&self, scope: Scope) -> Vec<String> {
        let stored = self.0.stored.read();
        let old = stored.values().filter(|stored| stored.token.scram.is_none() && stored.token.scopes.has(scope));
        let mut names: Vec<String> = old.map(|stored| stored.token.name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Returns the caller whose token gives this proof, and the server's signature. Wrong proofs are delayed and bounded
    /// like wrong tokens.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn identify_scram(
        &self,
        offer: &ScramOffer,
        auth_message: &[u8],
        proof: &[u8],
        from: Option<IpAddr>,
    ) -> Result<(Caller, [u8; 32]), Refusal> {
        if let Some(retry_after) = self.0.wrong.blocked_for(from, Instant::now()) {
            return Err(Refusal::TooMany { retry_after });
        }
        let fits = |verifier: &Verifier| verifier.salt == offer.salt && verifier.iterations == offer.iterations;
        if let Some((_, caller)) = &self.0.fixed
            && let Some(signature) = self.fixed_verifier(offer).and_then(|known| known.check(auth_message, proof))
        {
            return Ok((caller.clone(), signature));
        }
        let stored: Vec<Arc<Stored>> = self.0.stored.read().values().cloned().collect();
        let found = stored.iter().find_map(|stored| {
            let verifier = stored.token.scram.as_ref().filter(|verifier| fits(verifier))?;
            Some((stored.caller.clone(), verifier.check(auth_message, proof)?))
        });
        if let Some(found) = found {
            return Ok(found);
        }
        self.0.wrong.add(tag(&self.0.key, proof), from, Instant::now());
        if let Some(suppressed) = self.0.wrong.may_log(Instant::now()) {
            let from = from.map_or_else(|| "unknown".to_owned(), |from| from.to_string());
            tracing::warn!(target: "audit", from, suppressed, "a sign-in with a wrong token was refused");
        }
        tokio::time::sleep(WRONG_DELAY).await;
        Err(Refusal::Wrong)
    }

    /// Returns the verifier of `server.token` for a salt; the last one is remembered.
    fn fixed_verifier(&self, offer: &ScramOffer) -> Option<Arc<Verifier>> {
        let text = self.0.fixed_text.as_ref()?;
        let mut known = self.0.fixed_verifier.lock();
        let fitting = known.clone().filter(|known| known.salt == offer.salt && known.iterations == offer.iterations);
        let verifier =
            fitting.unwrap_or_else(|| Arc::new(Verifier::derive(text.expose(), &offer.salt, offer.iterations)));
        *known = Some(Arc::clone(&verifier));
        Some(verifier)
    }
}
