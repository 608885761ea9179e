//! The credentials of an account: made up from the seed, announced, replaced on request.

use serde::Serialize;

use crate::chance::Chance;
use crate::options::Api;

/// What a client needs to be let in. None of it is a secret of anybody: it is derived from the seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Credentials {
    /// For the marketplace.
    OpenTrain {
        /// The bearer token, `ot_pat_…`.
        token: String,
    },
    /// For the team chat: a static key with its signing secret, and an OAuth client.
    Zenzap {
        /// The API key.
        key: String,
        /// The secret that signs requests made with the key.
        secret: String,
        /// The OAuth client, `b@<uuid>`; also the id of the bot.
        client_id: String,
        /// The secret of the OAuth client.
        client_secret: String,
    },
}

impl Credentials {
    /// The credentials of an account after it was given new ones `rotation` times. A bot keeps its `client_id`.
    pub(crate) fn derive(api: Api, seed: u64, account: u32, rotation: u32) -> Self {
        let stream = u64::from(account) << 8 | 0xC0;
        let mut chance = Chance::new(seed, stream | u64::from(rotation + 1) << 40);
        match api {
            Api::OpenTrain => Self::OpenTrain { token: format!("ot_pat_{}", letters(&mut chance, 32)) },
            Api::Zenzap => Self::Zenzap {
                key: format!("zk_{}", letters(&mut chance, 24)),
                secret: format!("zs_{}", letters(&mut chance, 40)),
                client_id: bot_id(seed, account),
                client_secret: format!("zc_{}", letters(&mut chance, 40)),
            },
        }
    }

    /// The parts that a request shows to say whose it is.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::OpenTrain { token } => vec![token.clone()],
            Self::Zenzap { key, client_id, .. } => vec![key.clone(), client_id.clone()],
        }
    }
}

/// The id of the bot that an account of the team chat is.
pub(crate) fn bot_id(seed: u64, account: u32) -> String {
    format!("b@{}", Chance::new(seed, u64::from(account) << 8 | 0xB0).uuid())
}

fn letters(chance: &mut Chance, length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..length).map(|_| char::from(LETTERS[chance.index(LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_follow_from_seed_account_and_rotation() {
        for api in [Api::OpenTrain, Api::Zenzap] {
            let first = Credentials::derive(api, 1, 0, 0);
            assert_eq!(first, Credentials::derive(api, 1, 0, 0));
            for other in [
                Credentials::derive(api, 2, 0, 0),
                Credentials::derive(api, 1, 1, 0),
                Credentials::derive(api, 1, 0, 1),
            ] {
                assert_ne!(first, other);
            }
        }
    }
}
