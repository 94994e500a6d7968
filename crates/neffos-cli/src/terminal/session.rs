//! Carries out commands on a connection, and writes the results to the transcript.

use std::future::poll_fn;
use std::task::Poll;

use neffos::{ClientSide, Conn, Error, Message, NsConn};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::command::{Act, Command, Target};
use super::happening::{Answer, Fault, Id, State, Status, Subject, What};
use super::transcript::Transcript;

pub(super) struct Session {
    conn: Conn<ClientSide>,
    url: String,
    state: State,
    told: Transcript,
    asks: JoinSet<()>,
    unread: Unread,
}

/// The command failed, and the transcript has the reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed;

/// The messages that the server may not have read yet.
#[derive(Debug, Default)]
struct Unread {
    messages: usize,
    bytes: usize,
    /// The namespace of the last message.
    namespace: String,
}

impl Session {
    pub(super) fn new(conn: Conn<ClientSide>, url: &str, told: Transcript) -> Self {
        Self {
            conn,
            url: url.to_owned(),
            state: State::Connected,
            told,
            asks: JoinSet::new(),
            unread: Unread::default(),
        }
    }

    /// Carries out a command. An ask is answered later, while other commands run.
    ///
    /// # Errors
    ///
    /// Fails if the command failed. The transcript then has the reason.
    pub(super) async fn execute(&mut self, Command { id, act }: Command) -> Result<(), Failed> {
        let subject = act.subject();
        let done = match act {
            Act::Send(message) => self.send(*message).await,
            Act::Ask(message) => return self.ask(id, *message).await,
            Act::Connect(namespace) => self.conn.connect(&namespace).await.map(drop).map_err(fault),
            Act::Disconnect(namespace) => self.disconnect(&namespace).await,
            Act::Join(target) => self.join(&target).await,
            Act::Leave(target) => self.leave(&target).await,
            Act::Status => {
                self.told.tell(What::Status { id, status: self.status() }).await;
                return Ok(());
            }
            Act::Quit => Ok(()),
        };
        let Err(fault) = done else {
            if let Some(id) = id {
                self.told.tell(What::Done(id)).await;
            }
            return Ok(());
        };
        let fault = match subject {
            Some(subject) => fault.about(subject),
            None => fault,
        };
        self.told.tell(What::Fault(fault.with_id(id))).await;
        Err(Failed)
    }

    /// Notes a change of the connection.
    pub(super) fn notice(&mut self, what: &What) {
        match what {
            What::Lost(_) => self.state = State::Lost,
            What::Back { .. } => self.state = State::Connected,
            What::Ended { .. } => self.state = State::Closed,
            _ => {}
        }
    }

    /// Waits until all asks are answered, and until the server has read all messages.
    pub(super) async fn settle(&mut self) {
        while self.asks.join_next().await.is_some() {}
        self.let_it_read().await;
    }

    /// Returns the connected namespaces and their rooms.
    pub(super) fn places(&self) -> Vec<(String, Vec<String>)> {
        let namespaces = self.conn.namespaces().into_iter().map(|namespace| {
            let rooms = namespace.rooms().into_iter().map(|room| room.name().to_owned());
            (namespace.name().to_owned(), rooms.collect())
        });
        namespaces.collect()
    }

    async fn send(&mut self, message: Message) -> Result<(), Fault> {
        self.conn.send(message.clone()).map_err(|err| match message.is_native() && err.is_bad_namespace() {
            true => Fault::new("native messages need the empty namespace, which is not connected", "bad_namespace"),
            false => Fault::of(&err),
        })?;
        // Servers do not acknowledge native messages.
        if !message.is_native() {
            self.unread.messages += 1;
            self.unread.bytes += message.body().len();
            message.namespace().clone_into(&mut self.unread.namespace);
        }
        self.told.tell(What::Sent(message)).await;
        if self.unread.messages >= MOST_UNREAD || self.unread.bytes >= MOST_UNREAD_BYTES {
            self.let_it_read().await;
        }
        Ok(())
    }

    /// Waits until the server has read all messages. Otherwise, a long file would fill the outbox.
    async fn let_it_read(&mut self) {
        let Unread { messages, namespace, .. } = std::mem::take(&mut self.unread);
        if messages > 0 {
            // An error means that the connection is lost, which is reported elsewhere.
            read_receipt(&self.conn, &namespace).await.ok();
        }
    }

    async fn ask(&mut self, id: Option<Id>, message: Message) -> Result<(), Failed> {
        while self.asks.try_join_next().is_some() {}
        if self.asks.len() >= MOST_ASKS {
            self.asks.join_next().await;
        }
        let (conn, told) = (self.conn.clone(), self.told.clone());
        told.tell(What::Sent(message.clone())).await;
        let mut asking = Box::pin(async move {
            let start = Instant::now();
            let what = match conn.ask(message.clone()).await {
                Ok(reply) => What::Answer(Box::new(Answer { id, asked: message, reply, took: start.elapsed() })),
                Err(err) => What::Fault(Fault::of(&err).with_id(id).about(Subject::of(&message))),
            };
            told.tell(what).await;
        });
        // The first poll sends the ask, before the next command.
        if poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await.is_pending() {
            self.asks.spawn(asking);
        }
        Ok(())
    }

    async fn disconnect(&self, namespace: &str) -> Result<(), Fault> {
        self.namespace(namespace)?.disconnect().await.map_err(fault)
    }

    async fn join(&self, target: &Target) -> Result<(), Fault> {
        self.namespace(&target.namespace)?.join(&target.room).await.map(drop).map_err(fault)
    }

    async fn leave(&self, target: &Target) -> Result<(), Fault> {
        let room = self.namespace(&target.namespace)?.room(&target.room);
        room.ok_or_else(|| Fault::new("the room is not joined", "bad_room"))?.leave().await.map_err(fault)
    }

    fn namespace(&self, name: &str) -> Result<NsConn<ClientSide>, Fault> {
        self.conn.namespace(name).ok_or_else(|| match self.state {
            State::Lost => Fault::new("the connection is lost and is being dialled again", "lost"),
            _ => Fault::new("the namespace is not connected", "bad_namespace"),
        })
    }

    fn status(&self) -> Status {
        Status { id: self.conn.id(), url: self.url.clone(), state: self.state, namespaces: self.places() }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn fault(err: Error) -> Fault {
    Fault::of(&err)
}

/// Waits until the server has read all messages to `namespace`, and has run their handlers. It asks the server to
/// connect the namespace again. The server acknowledges that after the messages before it.
///
/// # Errors
///
/// Fails if no reply comes.
pub(super) async fn read_receipt(conn: &Conn<ClientSide>, namespace: &str) -> Result<(), Error> {
    conn.ask(Message::new("_OnNamespaceConnect", "").in_namespace(namespace)).await.map(drop)
}

const MOST_UNREAD: usize = 256;
const MOST_UNREAD_BYTES: usize = 1024 * 1024;
/// The limit of open asks of a connection.
const MOST_ASKS: usize = 64;
