//! The credentials of an account: made up from the seed, announced, replaced on request.

use serde::Serialize;

use crate::chance::Chance;
use crate::options::{Api, Options};
use crate::slack::Places;

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
    /// For Slack: a bot token and an incoming webhook, and what they can name.
    Slack {
        /// The bot token, `xoxb-…`.
        token: String,
        /// The address of the incoming webhook, which is a secret in reality; it posts to `channel`.
        webhook_url: String,
        /// A public channel that the bot is in.
        channel: String,
        /// Another one.
        second_channel: String,
        /// A public channel that the bot is not in: it takes the scope `chat:write.public`.
        public_channel: String,
        /// A private channel that the bot is not in, hence does not see.
        private_channel: String,
        /// A channel that was archived.
        archived_channel: String,
        /// A member, to whom the bot can send direct messages.
        user: String,
    },
}

impl Credentials {
    /// The credentials of an account after it was given new ones `rotation` times. A bot keeps its `client_id`.
    pub(crate) fn derive(options: &Options, account: u32, rotation: u32) -> Self {
        let Options { api, seed, .. } = *options;
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
            Api::Slack => {
                let places = Places::new(seed, account);
                let service = format!("B{}", identifier(&mut chance));
                let webhook = format!("/services/{}/{service}/{}", places.team, letters(&mut chance, 24));
                Self::Slack {
                    token: format!("xoxb-{}", letters(&mut chance, 40)),
                    webhook_url: format!("http://{}{webhook}", options.listen),
                    channel: places.channel,
                    second_channel: places.second_channel,
                    public_channel: places.public_channel,
                    private_channel: places.private_channel,
                    archived_channel: places.archived_channel,
                    user: places.user,
                }
            }
        }
    }

    /// The parts that a request shows to say whose it is.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::OpenTrain { token } => vec![token.clone()],
            Self::Zenzap { key, client_id, .. } => vec![key.clone(), client_id.clone()],
            Self::Slack { token, webhook_url, .. } => {
                vec![token.clone(), webhook_path(webhook_url).to_owned()]
            }
        }
    }
}

/// The id of the bot that an account of the team chat is.
pub(crate) fn bot_id(seed: u64, account: u32) -> String {
    format!("b@{}", Chance::new(seed, u64::from(account) << 8 | 0xB0).uuid())
}

/// The path of the address of a webhook.
pub(crate) fn webhook_path(url: &str) -> &str {
    url.find("/services/").map_or(url, |start| &url[start..])
}

/// The middle of an id of Slack: ten capital letters and digits.
pub(crate) fn identifier(chance: &mut Chance) -> String {
    const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..10).map(|_| char::from(LETTERS[chance.index(LETTERS.len())])).collect()
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
        for api in [Api::OpenTrain, Api::Zenzap, Api::Slack] {
            let options = Options::new(api);
            let first = Credentials::derive(&options, 0, 0);
            assert_eq!(first, Credentials::derive(&options, 0, 0));
            for other in [
                Credentials::derive(&Options { seed: 2, ..options.clone() }, 0, 0),
                Credentials::derive(&options, 1, 0),
                Credentials::derive(&options, 0, 1),
            ] {
                assert_ne!(first, other);
            }
        }
    }
}
