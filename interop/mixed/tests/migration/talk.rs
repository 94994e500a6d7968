//! The broadcasts: a task for each server that broadcasts numbers, one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mixed::call;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

/// The broadcasts of all servers.
pub(crate) struct Talk {
    speakers: Vec<Speaker>,
    is_over: Arc<AtomicBool>,
}

struct Speaker {
    /// When the broadcast of each number began.
    said: Arc<Mutex<Vec<Instant>>>,
    task: JoinHandle<()>,
}

/// While this is held, a server does not broadcast.
pub(crate) struct Turn(OwnedMutexGuard<Vec<Instant>>);

impl Turn {
    /// Returns the last number that was broadcast.
    pub(crate) fn last(&self) -> usize {
        self.0.len().checked_sub(1).expect("something was said")
    }
}

/// All numbers that were broadcast, with their times.
pub(crate) struct Said(Vec<Vec<Instant>>);

impl Talk {
    pub(crate) fn begin(addresses: Vec<String>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let speakers = addresses.into_iter().enumerate();
        let speakers = speakers.map(|(sender, address)| Speaker::begin(sender, address, is_over.clone()));
        Self { speakers: speakers.collect(), is_over }
    }

    /// Waits until the current broadcast is done, and holds the next one.
    pub(crate) async fn hold(&self, server: usize) -> Turn {
        Turn(self.speakers[server].said.clone().lock_owned().await)
    }

    pub(crate) async fn end(self) -> Said {
        self.is_over.store(true, Ordering::Relaxed);
        let mut said = Vec::new();
        for speaker in self.speakers {
            speaker.task.await.unwrap();
            said.push(speaker.said.lock().await.clone());
        }
        Said(said)
    }
}

impl Speaker {
    fn begin(sender: usize, address: String, is_over: Arc<AtomicBool>) -> Self {
        let said = Arc::<Mutex<Vec<Instant>>>::default();
        let saying = said.clone();
        let task = tokio::spawn(async move {
            let mut beat = interval(BEAT);
            while !is_over.load(Ordering::Relaxed) {
                beat.tick().await;
                let mut said = saying.lock().await;
                let body = format!("{sender} {}", said.len());
                said.push(Instant::now());
                call(&address, "bcast", &[("ns", "default"), ("event", "said"), ("body", &body)]).await;
            }
        });
        Self { said, task }
    }
}

impl Said {
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    pub(crate) fn senders(&self) -> usize {
        self.0.len()
    }

    /// Returns the last number of a sender.
    pub(crate) fn last(&self, sender: usize) -> usize {
        self.0[sender].len() - 1
    }

    /// Returns when the broadcast of a number began.
    pub(crate) fn at(&self, sender: usize, number: usize) -> Instant {
        self.0[sender][number]
    }
}

const BEAT: Duration = Duration::from_millis(10);
