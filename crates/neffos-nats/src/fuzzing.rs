//! The properties that fuzzers test on arbitrary bytes from a NATS server, and on arbitrary URLs. For the program
//! `nats` in `fuzz`, and for tests.

use bytes::{Bytes, BytesMut};

use crate::address::Address;
use crate::wire::{self, Broken, Said};

/// Checks that bytes are read alike however they are split, that a message survives encoding and decoding, and that a
/// URL shows no password.
///
/// # Panics
///
/// When one of these does not hold.
pub fn nats(data: &[u8]) {
    let whole = read([data]);
    assert_eq!(read(data.chunks(1)), whole, "byte by byte");
    assert_eq!(read(data.chunks(7)), whole, "cut after each seventh byte");
    let text = String::from_utf8_lossy(data);
    let (subject, payload) = text.split_once('\n').unwrap_or((&text, ""));
    arrives(subject, payload.as_bytes());
    shows_no_password(&text);
}

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Said>, Option<Broken>) {
    let (mut arrived, mut heard) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        arrived.extend_from_slice(chunk);
        loop {
            match wire::read(&mut arrived) {
                Ok(Some(said)) => heard.push(said),
                Ok(None) => break,
                Err(broken) => return (heard, Some(broken)),
            }
        }
    }
    (heard, None)
}

/// Checks that a message arrives on the subject on which it was published.
fn arrives(subject: &str, payload: &[u8]) {
    if !wire::is_subject(subject) {
        return;
    }
    let mut line = BytesMut::new();
    wire::write_publish(subject, payload, &mut line);
    let published = line.split_off(b"PUB ".len());
    let head = published.iter().position(|byte| *byte == b' ').expect("a length stands behind the subject");
    let mut said = BytesMut::from(&b"MSG "[..]);
    said.extend_from_slice(&published[..head]);
    said.extend_from_slice(b" 1");
    said.extend_from_slice(&published[head..]);
    let message = Said::Message { subject: subject.to_owned(), payload: Bytes::copy_from_slice(payload) };
    assert_eq!(wire::read(&mut said), Ok(Some(message)));
    assert!(said.is_empty(), "{said:?} is left");
}

/// Checks a password with any text after it, or as its continuation.
fn shows_no_password(rest: &str) {
    for url in [format!("nats://ada:{PASSWORD}@{rest}"), format!("ada:{PASSWORD}{rest}@host")] {
        let shown = match Address::read_all(&url) {
            Ok(addresses) => format!("{addresses:?} {}", addresses[0]),
            Err(refusal) => refusal.to_string(),
        };
        assert!(!shown.contains(PASSWORD) || rest.contains(PASSWORD), "{shown}");
    }
}

const PASSWORD: &str = "s3cr3t-w0rd";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_fuzz_corpus_keeps_every_property() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/nats");
        let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        // Files that a fuzzer adds have names of forty digits.
        let named: Vec<_> = paths.filter(|path| path.file_name().unwrap().len() != 40).collect();
        assert!(!named.is_empty(), "nothing in {}", folder.display());
        for path in named {
            println!("{}", path.display());
            super::nats(&fs::read(path).unwrap());
        }
    }
}
