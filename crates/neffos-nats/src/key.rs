//! Keys of NATS: Ed25519, encoded in base 32 with their type and a checksum. Pure.

use data_encoding::BASE32_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// The key of a user, which only its seed can produce.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    /// Parses a seed, which begins with `SU`.
    ///
    /// # Errors
    ///
    /// The fault, without any part of the seed.
    pub(crate) fn from_seed(seed: &str) -> Result<Self, &'static str> {
        let bytes = BASE32_NOPAD.decode(seed.trim().as_bytes()).map_err(|_| "the seed of a key is not in base 32")?;
        let [first, second, seed @ .., low, high] = &bytes[..] else { return Err(NO_SEED) };
        if checksum(&bytes[..bytes.len() - 2]) != u16::from_le_bytes([*low, *high]) {
            return Err("the checksum of the seed of a key is wrong: it was mistyped or cut off");
        }
        // The second byte contains three bits of the type.
        let (kind, of_whom) = (first & 0xf8, (first & 0x07) << 5 | (second >> 3));
        if kind != SEED || of_whom != USER {
            return Err(NO_SEED);
        }
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| NO_SEED)
    }

    /// Returns the public key in the form of a server's configuration: it begins with `U`.
    pub(crate) fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.0.public_key().as_ref());
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        BASE32_NOPAD.encode(&bytes)
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(bytes).as_ref().to_vec()
    }
}

/// CRC-16/XMODEM.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum: u16, _| (sum << 1) ^ ((sum >> 15) * 0x1021))
    })
}

const SEED: u8 = 18 << 3;
const USER: u8 = 20 << 3;
const NO_SEED: &str = "this is not the seed of a user's key, which begins with SU";

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the seed of thirty-two zeros, with this type.
    fn seed(kind: u8) -> String {
        let mut bytes = vec![SEED | (kind >> 5), kind << 3];
        bytes.extend_from_slice(&[0; 32]);
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        BASE32_NOPAD.encode(&bytes)
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(checksum(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_seed_makes_a_key_with_its_public_half_and_signatures() {
        let key = Key::from_seed(&format!(" {}\n", seed(USER))).unwrap();
        assert!(key.public().starts_with('U') && key.public().len() == 56);
        assert_eq!(key.sign(b"nonce").len(), 64);
    }

    #[test]
    fn an_invalid_user_seed_is_refused() {
        let mistyped = seed(USER).replacen("AAAA", "AAAB", 1);
        let of_an_account = seed(0);
        let public = Key::from_seed(&seed(USER)).unwrap().public();
        for (text, reason) in
            [("", "SU"), ("no seed", "base 32"), (&mistyped, "checksum"), (&of_an_account, "SU"), (&public, "SU")]
        {
            let refusal = Key::from_seed(text).err().unwrap();
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }
}
