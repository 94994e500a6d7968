//! The reason for the end of a link. The first task that notices the end sets it.

use std::sync::Arc;

use neffos::LinkError;
use tokio::sync::watch;

/// The end of a link, with its reason once it has ended. Clones belong to the same link.
#[derive(Debug, Clone)]
pub(crate) struct End(watch::Sender<Option<Arc<str>>>);

impl End {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Ends the link for this reason, unless it has ended already.
    pub(crate) fn because(&self, reason: impl AsRef<str>) {
        self.0.send_if_modified(|end| {
            let is_first = end.is_none();
            end.get_or_insert_with(|| reason.as_ref().into());
            is_first
        });
    }

    /// Waits until the link has ended, and returns the reason.
    pub(crate) async fn reason(&self) -> LinkError {
        let mut end = self.0.subscribe();
        let reason = end.wait_for(Option::is_some).await;
        // The wait cannot fail, because this holds a sender.
        reason.ok().and_then(|reason| reason.as_deref().map(LinkError::from)).unwrap_or_else(|| "it was dropped".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_counts() {
        let end = End::new();
        end.because("one");
        end.clone().because("other");
        assert_eq!(end.reason().await.to_string(), "one");
    }
}
