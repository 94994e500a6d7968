//! One Redis of a node's link: a connection to publish, and one to subscribe.
//!
//! There are two, because Redis disconnects a subscriber that is too slow, and publications must not wait behind
//! received messages.

use std::sync::Arc;

use neffos::{Envelope, LinkError};
use redis::Pipeline;

use crate::address::{Host, Login};
use crate::dial::{Connection, Dialler, Purpose};
use crate::ears::Ears;
use crate::end::End;
use crate::names::Names;

#[derive(Debug)]
pub(crate) struct Shard {
    publishing: Connection,
    subscriptions: Connection,
    ears: Ears,
}

impl Shard {
    pub(crate) async fn dial(
        dialler: &Dialler,
        host: &Host,
        login: &Login,
        (ears, end): (&Ears, &End),
    ) -> Result<Self, LinkError> {
        let (publishing, subscriptions) = tokio::try_join!(
            dialler.dial(host, login, Purpose::Publishing, end),
            dialler.dial(host, login, Purpose::Subscriptions(ears.clone()), end),
        )?;
        let shard = Self { publishing, subscriptions, ears: ears.clone() };
        shard.check().await.map_err(|fault| format!("{host}: {fault}"))?;
        Ok(shard)
    }

    /// Checks that it is still a master. A demoted Redis accepts messages, but no subscriber receives them.
    pub(crate) async fn check(&self) -> Result<(), LinkError> {
        let greeting = self.publishing.greeting().await?;
        match (&*greeting.mode, &*greeting.role) {
            ("sentinel", _) => Err("that is a sentinel: say redis+sentinel://host:26379/service".into()),
            (_, "replica" | "slave") => {
                Err("that is a replica: messages published there do not reach its master".into())
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn publish(&self, names: &Names, envelopes: &[Envelope]) -> Result<(), LinkError> {
        let mut commands = Pipeline::with_capacity(envelopes.len());
        for envelope in envelopes {
            commands.cmd(names.publish()).arg(&*names.on_wire(&envelope.channel)).arg(&envelope.payload[..]);
        }
        self.publishing.run(&commands).await
    }

    /// Subscribes with one command for each channel, since channels of one shard may have different slots.
    pub(crate) async fn subscribe(&self, names: &Names, channels: &[Arc<str>]) -> Result<(), LinkError> {
        let mut commands = Pipeline::with_capacity(channels.len());
        for channel in channels {
            commands.cmd(names.subscribe()).arg(&*names.on_wire(channel));
        }
        self.subscriptions.run(&commands).await
    }

    pub(crate) async fn unsubscribe(&self, names: &Names, channels: &[Arc<str>]) -> Result<(), LinkError> {
        let mut commands = Pipeline::with_capacity(channels.len());
        for channel in channels {
            let name = names.on_wire(channel);
            commands.cmd(names.unsubscribe()).arg(&*name);
            self.ears.give_up(name.into_owned());
        }
        self.subscriptions.run(&commands).await
    }
}
