//! A whole server and a whole client, whose peers do anything. `fuzz/fuzz_targets` has a program for each. The tests
//! here run over `fuzz/corpus`.
//!
//! - `session.rs`: [`session`], a server; `client.rs`: [`client`].
//! - `stranger.rs`: a peer that sends anything; `neighbour.rs`: a peer that keeps the rules, and must not notice the
//!   stranger.
//! - `script.rs`: a fuzzer's bytes as steps; `inspector.rs`: the rules for frames that the library sends.
//!
//! Each promise uses the public API only. Promises about private code are in a `fuzzing.rs` of the library.

mod client;
mod inspector;
mod neighbour;
mod script;
mod session;
mod stranger;

pub use client::client;
pub use session::session;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Runs `promise` over each file of `fuzz/corpus` with a short name: seeds and former findings. A fuzzer adds many
    /// other files, whose names have forty digits.
    fn keeps_its_promise(target: &str, promise: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().len() == 40 {
                continue;
            }
            println!("{}", path.display());
            promise(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "nothing in {}", folder.display());
    }

    #[test]
    fn a_server_keeps_its_promise_over_the_corpus() {
        keeps_its_promise("session", super::session);
    }

    #[test]
    fn a_client_keeps_its_promise_over_the_corpus() {
        keeps_its_promise("client", super::client);
    }
}
