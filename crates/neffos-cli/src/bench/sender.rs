//! The sender, on a separate thread: a websocket, or requests to the HTTP API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::clock;
use super::fleet::{Berth, Fleet, Observer, Place, Reading};
use super::ground::{Ground, TICK};
use super::options::BroadcastArgs;
use super::poster::Poster;
use super::talk::{Heard, Part, Role, Tongue};
use super::wire::{Stamp, TEXT, put_frame};

/// The messages to send, and their times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) messages: u32,
    size: usize,
    gap: Duration,
}

impl Plan {
    pub(super) fn of(args: &BroadcastArgs) -> Self {
        let gap = args.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self { messages: args.messages, size: args.size, gap }
    }

    pub(super) fn lasts(&self) -> Duration {
        self.gap * self.messages
    }

    /// Returns the body of one message. Its stamp has the time at which the message is due: without a rate, now.
    fn body(&self, number: u32, epoch: u64) -> String {
        let nanos = if self.gap.is_zero() { clock::now() } else { epoch + clock::as_nanos(self.gap * number) };
        Stamp { number, nanos }.body(self.size)
    }
}

/// A way to send messages.
pub(super) trait Voice: Send {
    /// Sends each message when it is due, and counts the messages that were handed over in `sent`.
    fn send_all(&mut self, plan: &Plan, sent: &AtomicU32) -> Result<(), String>;

    /// Fails when the server refused a message after it was sent.
    fn look(&mut self) -> Result<(), String>;
}

/// Opens the sender: a connection, unless the arguments name an HTTP API.
pub(super) fn open(ground: &mut Ground, args: &BroadcastArgs) -> Result<Box<dyn Voice>, String> {
    let tongue = ground.target.script.tongue.clone();
    if let Some(api) = &args.api {
        return Ok(Box::new(Poster::open(api, args, tongue, ground.patience)?));
    }
    let mut fleet = ground.senders_fleet()?;
    let part = Part { role: Role::Sends, rooms: args.room.iter().cloned().collect() };
    ground.open(&mut fleet, [Berth { part, reading: Reading::Always }])?;
    Ok(Box::new(Sender { fleet, tongue }))
}

/// Sends each request after the response to the previous one, and not before it is due.
impl Voice for Poster {
    fn send_all(&mut self, plan: &Plan, sent: &AtomicU32) -> Result<(), String> {
        wait_precisely();
        let (start, epoch) = (Instant::now(), clock::now());
        for number in 0..plan.messages {
            let due = plan.gap * number;
            while let Some(left) = (start + due).checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                std::thread::park_timeout(left);
            }
            self.post(&plan.body(number, epoch))?;
            sent.store(number + 1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A websocket.
struct Sender {
    fleet: Fleet,
    tongue: Arc<dyn Tongue>,
}

impl Voice for Sender {
    /// A message of a burst is due when the socket takes it. Messages that are due at the same time are sent together.
    fn send_all(&mut self, plan: &Plan, sent: &AtomicU32) -> Result<(), String> {
        wait_precisely();
        let (start, epoch) = (Instant::now(), clock::now());
        let mut frames = Vec::new();
        for number in 0..plan.messages {
            let due = plan.gap * number;
            if start + due > Instant::now() || frames.len() > TOGETHER {
                self.hand_over(&mut frames)?;
                sent.store(number, Ordering::Relaxed);
                self.wait_until(start + due)?;
            }
            let body = plan.body(number, epoch);
            put_frame(&mut frames, TEXT, self.tongue.message(number, &body).as_bytes());
        }
        self.hand_over(&mut frames)?;
        sent.store(plan.messages, Ordering::Relaxed);
        self.drain(0)
    }

    fn look(&mut self) -> Result<(), String> {
        self.turn(Duration::ZERO)
    }
}

impl Sender {
    fn hand_over(&mut self, frames: &mut Vec<u8>) -> Result<(), String> {
        if !frames.is_empty() {
            self.fleet.send(0, frames)?;
            frames.clear();
        }
        self.turn(Duration::ZERO)?;
        self.drain(UNSENT)
    }

    /// Waits until at most `most` bytes wait for the socket.
    fn drain(&mut self, most: usize) -> Result<(), String> {
        while self.fleet.unsent(0) > most {
            self.turn(TICK)?;
        }
        Ok(())
    }

    /// Waits in the event loop, and for the last part outside: the clock of the loop is too coarse for it.
    fn wait_until(&mut self, due: Instant) -> Result<(), String> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            match left.checked_sub(LAST) {
                Some(wait) => self.turn(wait)?,
                None => std::thread::park_timeout(left),
            }
        }
    }

    fn turn(&mut self, wait: Duration) -> Result<(), String> {
        let mut refusal = Refusal::default();
        self.fleet.turn(&mut refusal, wait)?;
        if self.fleet.left() > 0 {
            return Err("the server closed the connection that sends".to_owned());
        }
        refusal.0.map_or(Ok(()), |reason| Err(format!("the server refused a message: {reason}")))
    }
}

/// A sender that is sending, or has finished.
pub(super) struct Sending {
    thread: Option<JoinHandle<Result<Box<dyn Voice>, String>>>,
    /// How many messages were handed over.
    sent: Arc<AtomicU32>,
    /// The finished sender, and its end time. The connection stays open: closing it before its answers are read would
    /// reset it, and lose the messages that are on their way.
    done: Option<(Box<dyn Voice>, u64)>,
}

impl Sending {
    pub(super) fn start(mut voice: Box<dyn Voice>, plan: Plan) -> Self {
        let sent = Arc::<AtomicU32>::default();
        let noted = sent.clone();
        let thread = std::thread::spawn(move || voice.send_all(&plan, &noted).map(|()| voice));
        Self { thread: Some(thread), sent, done: None }
    }

    /// Returns how many messages were sent so far.
    pub(super) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns when the sender finished, if it has. Fails if it could not send, or if the server refused a message.
    pub(super) fn look(&mut self) -> Result<Option<u64>, String> {
        if let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) {
            let voice = thread.join().map_err(|_| "the sender panicked".to_owned())??;
            self.done = Some((voice, clock::now()));
        }
        let Some((voice, ended)) = &mut self.done else { return Ok(None) };
        voice.look()?;
        Ok(Some(*ended))
    }
}

/// Makes short waits precise. By default, the system rounds waits up by 50 microseconds, which would count as latency
/// of the server. If the call is not permitted, the rounding stays.
fn wait_precisely() {
    #[cfg(target_os = "linux")]
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).ok();
}

/// Records only the refusal of a message.
#[derive(Default)]
struct Refusal(Option<String>);

impl Observer for Refusal {
    fn hear(&mut self, _at: Place, heard: Heard<'_>, _out: &mut Vec<u8>) {
        if let Heard::Refusal(reason) = heard {
            self.0 = Some(String::from_utf8_lossy(reason).into_owned());
        }
    }
}

/// The last part of a wait, outside the event loop, which waits for whole milliseconds.
const LAST: Duration = Duration::from_millis(2);
/// How many bytes of a burst may wait for the sender's socket.
const UNSENT: usize = 64 * 1024;
/// How many bytes of a burst are handed to the socket together.
const TOGETHER: usize = 16 * 1024;
