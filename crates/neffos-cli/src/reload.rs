//! Reads API keys and the certificate again at SIGHUP, and the certificate also when its files change.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::Keys;
use crate::config::Settings;
use crate::signals::Hangups;
use crate::tls::Certificate;

/// Runs until it is dropped. Files are read on a blocking thread, one set at a time.
pub(crate) async fn follow(mut hangups: Hangups, settings: Arc<Settings>, keys: Keys, tls: Option<Arc<Certificate>>) {
    let mut looks = interval(PAUSE);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_told = tokio::select! {
            () = hangups.next() => true,
            _ = looks.tick(), if tls.is_some() => false,
        };
        let (settings, keys, tls) = (settings.clone(), keys.clone(), tls.clone());
        let read = spawn_blocking(move || match is_told {
            true => all(&settings, &keys, tls.as_deref()),
            false => tls.iter().for_each(|certificate| certificate.follow()),
        });
        if read.await.is_err() {
            tracing::error!("reading settings again panicked");
        }
    }
}

fn all(settings: &Settings, keys: &Keys, tls: Option<&Certificate>) {
    tracing::info!("SIGHUP: reading API keys and the certificate again");
    match settings.read_api_keys() {
        // Without configured keys, the key from the start stays.
        Ok(read) if read.is_empty() => {}
        Ok(read) => {
            let count = read.len();
            keys.replace(read);
            tracing::info!(count, "API keys reloaded");
        }
        Err(failure) => tracing::error!(reason = failure.text(), "API keys not reloaded; the old ones stay"),
    }
    if let Some(certificate) = tls {
        certificate.reload();
    }
}

/// How often the files of the certificate are checked.
const PAUSE: Duration = Duration::from_secs(1);
