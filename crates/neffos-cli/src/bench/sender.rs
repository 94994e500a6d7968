//! The connection that sends, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::clock;
use super::fleet::{Berth, Fleet, Observer, Place, Reading};
use super::ground::{Ground, TICK};
use super::options::BroadcastArgs;
use super::talk::{Heard, Part, Role, Tongue};
use super::wire::{Stamp, TEXT, put_frame};

/// What is sent, and when.
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
}

pub(super) struct Sender {
    fleet: Fleet,
    tongue: Arc<dyn Tongue>,
    /// How many messages were handed to the socket.
    sent: Arc<AtomicU32>,
}

impl Sender {
    pub(super) fn open(ground: &mut Ground, args: &BroadcastArgs) -> Result<Self, String> {
        let mut fleet = ground.senders_fleet()?;
        let part = Part { role: Role::Sends, rooms: args.room.iter().cloned().collect() };
        ground.open(&mut fleet, [Berth { part, reading: Reading::Always }])?;
        Ok(Self { fleet, tongue: ground.target.script.tongue.clone(), sent: Arc::default() })
    }

    /// Sends everything at the time it is meant for; a burst is meant for the moment at which the socket takes it. What is due at
    /// the same time goes out together.
    fn send_all(&mut self, plan: &Plan) -> Result<(), String> {
        // The system rounds waits up by 50 microseconds otherwise, which would count as the server's. Without leave, it stays so.
        #[cfg(target_os = "linux")]
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).ok();
        let (start, epoch) = (Instant::now(), clock::now());
        let mut frames = Vec::new();
        for number in 0..plan.messages {
            let due = plan.gap * number;
            if start + due > Instant::now() || frames.len() > TOGETHER {
                self.hand_over(&mut frames, number)?;
                self.wait_until(start + due)?;
            }
            let nanos = if plan.gap.is_zero() { clock::now() } else { epoch + clock::as_nanos(due) };
            let body = Stamp { number, nanos }.body(plan.size);
            put_frame(&mut frames, TEXT, self.tongue.message(number, &body).as_bytes());
        }
        self.hand_over(&mut frames, plan.messages)?;
        self.drain(0)
    }

    fn hand_over(&mut self, frames: &mut Vec<u8>, sent: u32) -> Result<(), String> {
        if !frames.is_empty() {
            self.fleet.send(0, frames)?;
            frames.clear();
            self.sent.store(sent, Ordering::Relaxed);
        }
        self.turn(Duration::ZERO)?;
        self.drain(UNSENT)
    }

    /// Until no more than `most` bytes wait for the socket.
    fn drain(&mut self, most: usize) -> Result<(), String> {
        while self.fleet.unsent(0) > most {
            self.turn(TICK)?;
        }
        Ok(())
    }

    /// Waits in the loop, and for the last of it, which the loop's clock cannot divide, outside.
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

/// A sender at work, and after it.
pub(super) struct Sending {
    thread: Option<JoinHandle<Result<Sender, String>>>,
    sent: Arc<AtomicU32>,
    /// It stays: a connection that is closed before its answers are read is reset, and takes what is on its way with it.
    done: Option<(Sender, u64)>,
}

impl Sending {
    pub(super) fn start(mut sender: Sender, plan: Plan) -> Self {
        let sent = sender.sent.clone();
        let thread = std::thread::spawn(move || sender.send_all(&plan).map(|()| sender));
        Self { thread: Some(thread), sent, done: None }
    }

    /// How many messages were sent so far.
    pub(super) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// When it had sent everything, if it has. Fails when it could not, or when something it sent was not wanted.
    pub(super) fn look(&mut self) -> Result<Option<u64>, String> {
        if let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) {
            let sender = thread.join().map_err(|_| "the sender panicked".to_owned())??;
            self.done = Some((sender, clock::now()));
        }
        let Some((sender, ended)) = &mut self.done else { return Ok(None) };
        sender.turn(Duration::ZERO)?;
        Ok(Some(*ended))
    }
}

/// Hears only that a message was not wanted.
#[derive(Default)]
struct Refusal(Option<String>);

impl Observer for Refusal {
    fn hear(&mut self, _at: Place, heard: Heard<'_>, _out: &mut Vec<u8>) {
        if let Heard::Refusal(reason) = heard {
            self.0 = Some(String::from_utf8_lossy(reason).into_owned());
        }
    }
}

/// The loop waits for whole milliseconds.
const LAST: Duration = Duration::from_millis(2);
/// How much of a burst may wait for the sender's socket.
const UNSENT: usize = 64 * 1024;
/// How much of a burst is handed to the socket at once.
const TOGETHER: usize = 16 * 1024;
