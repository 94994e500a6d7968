//! The shards of a link: one, or all shards of a cluster.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use neffos::LinkError;
use tokio::sync::OnceCell;

use crate::address::Login;
use crate::dial::Dialler;
use crate::ears::Ears;
use crate::end::End;
use crate::shard::Shard;
use crate::slots::Slots;

#[derive(Debug)]
pub(crate) enum Shards {
    One(Box<Shard>),
    Spread(Box<Spread>),
}

/// All shards of a cluster, each dialled at its first use.
#[derive(Debug)]
pub(crate) struct Spread {
    dialler: Dialler,
    login: Login,
    ears: Ears,
    end: End,
    slots: Slots,
    /// One for each master.
    shards: Vec<OnceCell<Shard>>,
}

impl Shards {
    /// Passes `things`, each with a channel, to the shards of their channels: to all shards concurrently, and to each
    /// shard in the given order.
    pub(crate) async fn hand_out<'a, T, F>(
        &'a self,
        things: Vec<T>,
        channel_of: impl Fn(&T) -> &str,
        act: impl Fn(&'a Shard, Vec<T>) -> F,
    ) -> Result<(), LinkError>
    where
        F: Future<Output = Result<(), LinkError>>,
    {
        let spread = match self {
            Self::One(shard) => return act(shard, things).await,
            Self::Spread(spread) => spread,
        };
        let mut shares = BTreeMap::<usize, Vec<T>>::new();
        for thing in things {
            shares.entry(spread.place_of(channel_of(&thing))?).or_default().push(thing);
        }
        let act = &act;
        let acts = shares.into_iter().map(|(place, share)| async move { act(spread.dial(place).await?, share).await });
        try_join_all(acts).await.map(drop)
    }

    /// Checks that all are still masters.
    pub(crate) async fn check(&self) -> Result<(), LinkError> {
        match self {
            Self::One(shard) => shard.check().await,
            Self::Spread(spread) => {
                let dialled = spread.shards.iter().filter_map(OnceCell::get);
                try_join_all(dialled.map(Shard::check)).await.map(drop)
            }
        }
    }
}

impl Spread {
    pub(crate) fn new(dialler: Dialler, login: Login, (ears, end): (Ears, End), slots: Slots) -> Self {
        let shards = slots.masters.iter().map(|_| OnceCell::new()).collect();
        Self { dialler, login, ears, end, slots, shards }
    }

    fn place_of(&self, channel: &str) -> Result<usize, LinkError> {
        self.slots.of(channel).ok_or_else(|| format!("no master has the slot of {channel:?}").into())
    }

    async fn dial(&self, place: usize) -> Result<&Shard, LinkError> {
        let host = &self.slots.masters[place];
        let dial = || Shard::dial(&self.dialler, host, &self.login, (&self.ears, &self.end));
        self.shards[place].get_or_try_init(dial).await
    }
}
