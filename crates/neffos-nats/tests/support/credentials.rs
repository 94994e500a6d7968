//! Keys of NATS, and tokens that an operator and an account sign with them. A credentials file has a user's token and
//! key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::BASE32_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair};

pub(crate) struct Keys {
    of: u8,
    seed: [u8; 32],
}

/// The settings with which a NATS server trusts an operator, and the account that signs for its users.
pub(crate) struct Credentials {
    pub(crate) config: String,
    account: Keys,
}

/// Returns an operator with one account.
pub(crate) fn credentials() -> Credentials {
    let (operator, account) = (Keys { of: OPERATOR, seed: [100; 32] }, Keys { of: ACCOUNT, seed: [101; 32] });
    let operators = operator.token(&operator, r#""type":"operator""#);
    let limits = r#""subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1"#;
    let accounts = operator.token(&account, &format!(r#""limits":{{{limits}}},"type":"account""#));
    let preload = format!("resolver_preload {{ {}: \"{accounts}\" }}", account.public());
    Credentials { config: format!("operator: \"{operators}\"\nresolver: MEMORY\n{preload}\n"), account }
}

/// Returns another account, which no server knows.
pub(crate) fn stranger() -> Credentials {
    Credentials { config: String::new(), account: Keys { of: ACCOUNT, seed: [102; 32] } }
}

impl Credentials {
    /// Returns the credentials file of one of the account's users.
    pub(crate) fn file(&self, user: u8) -> String {
        let user = Keys::user(user);
        let token = self.account.token(&user, r#""pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user""#);
        let section = |title, text| format!("-----BEGIN {title}-----\n{text}\n------END {title}------\n\n");
        section("NATS USER JWT", &token) + &section("USER NKEY SEED", &user.seed())
    }
}

impl Keys {
    pub(crate) fn user(number: u8) -> Self {
        Self { of: USER, seed: [number; 32] }
    }

    /// Returns the secret key: `SU…`.
    pub(crate) fn seed(&self) -> String {
        written(&[SEED | (self.of >> 5), self.of << 3], &self.seed)
    }

    /// Returns the public key: `U…`.
    pub(crate) fn public(&self) -> String {
        written(&[self.of], self.pair().public_key().as_ref())
    }

    /// Returns the claims of this key about `subject`, signed.
    fn token(&self, subject: &Self, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let body = format!(
            r#"{{"jti":"X","iat":1700000000,"iss":"{}","name":"n","sub":"{}","nats":{{{claims},"version":2}}}}"#,
            self.public(),
            subject.public()
        );
        let signed = encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#) + "." + &encode(&body);
        let signature = URL_SAFE_NO_PAD.encode(self.pair().sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).unwrap()
    }
}

fn written(prefix: &[u8], key: &[u8]) -> String {
    let mut bytes = [prefix, key].concat();
    let checksum = bytes.iter().fold(0_u16, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| if sum >> 15 == 1 { (sum << 1) ^ 0x1021 } else { sum << 1 })
    });
    bytes.extend(checksum.to_le_bytes());
    BASE32_NOPAD.encode(&bytes)
}

const SEED: u8 = 18 << 3;
const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;
