//! The task that applies the pending entries of a shard. It runs only while there are any.

use std::sync::Arc;

use tokio::runtime::Id;
use tokio::task::yield_now;

use super::Member;
use super::shard::Shard;

pub(super) struct Dispatcher<M: Member> {
    shard: Arc<Shard<M>>,
    runtime: Option<Id>,
    /// The members to write to, and the number of those already written to.
    due: Vec<Arc<M>>,
    written: usize,
    is_done: bool,
}

impl<M: Member> Dispatcher<M> {
    /// Starts a dispatcher on the runtime of the latest connection; the shard has marked it as running. Without a
    /// running runtime, the work is done before this function returns.
    pub(super) fn start(shard: Arc<Shard<M>>) {
        let runtime = shard.runtimes().latest();
        let id = runtime.as_ref().map(tokio::runtime::Handle::id);
        let mut dispatcher = Self { shard, runtime: id, due: Vec::new(), written: 0, is_done: false };
        match runtime {
            Some(runtime) => drop(runtime.spawn(dispatcher.run())),
            None => dispatcher.run_here(),
        }
    }

    async fn run(mut self) {
        while !self.is_done {
            while self.shard.step(&mut self.due) {
                self.write_to_all().await;
            }
            self.is_done = self.shard.rest();
        }
    }

    fn run_here(&mut self) {
        while !self.is_done {
            while self.shard.step(&mut self.due) {
                self.shard.write(&self.due);
                self.due.clear();
            }
            self.is_done = self.shard.rest();
        }
    }

    /// Writes to all due members. It yields to other tasks of this worker after each group, and also if there is no
    /// member.
    async fn write_to_all(&mut self) {
        loop {
            let end = self.due.len().min(self.written + MEMBERS_PER_TURN);
            self.shard.write(&self.due[self.written..end]);
            self.written = end;
            yield_now().await;
            if end == self.due.len() {
                break;
            }
        }
        self.due.clear();
        self.written = 0;
    }
}

/// A runtime that shuts down drops its tasks or refuses new ones. Another runtime takes over then.
impl<M: Member> Drop for Dispatcher<M> {
    fn drop(&mut self) {
        if self.is_done || std::thread::panicking() {
            return;
        }
        self.shard.give_back(self.due.drain(self.written..));
        if let Some(id) = self.runtime {
            self.shard.runtimes().remove(id);
        }
        Self::start(self.shard.clone());
    }
}

/// How many members are written to before the task yields.
const MEMBERS_PER_TURN: usize = 64;
