//! Tests of the engine, with members in memory.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::yield_now;

use super::*;
use crate::websocket::Packing;

pub(super) struct Probe {
    key: u64,
    id: Arc<str>,
    limits: OutboxLimits,
    outbox: Mutex<Outbox>,
    seen: Mutex<Vec<u8>>,
    /// The number of calls from the engine, of any kind.
    calls: AtomicUsize,
}

const LIMITS: OutboxLimits = OutboxLimits { messages: 100_000, bytes: usize::MAX, overflow: Overflow::DropNewest };

impl Probe {
    fn new(key: u64, id: &str) -> Arc<Self> {
        Self::limited(key, id, LIMITS)
    }

    pub(super) fn limited(key: u64, id: &str, limits: OutboxLimits) -> Arc<Self> {
        Arc::new(Self {
            key,
            id: id.into(),
            limits,
            outbox: Mutex::default(),
            seen: Mutex::default(),
            calls: AtomicUsize::new(0),
        })
    }

    fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the whole outbox to a socket that accepts everything.
    fn accept(&self, outbox: &mut Outbox, tally: &mut Tally) {
        outbox.begin_flush();
        while let Some(front) = outbox.front() {
            outbox.advance(front.len(), tally);
            lock(&self.seen).extend(front);
        }
    }

    pub(super) fn text(&self) -> String {
        self.write(&mut Tally::default());
        String::from_utf8(lock(&self.seen).clone()).unwrap()
    }
}

impl Member for Probe {
    fn key(&self) -> u64 {
        self.called();
        self.key
    }

    fn id(&self) -> &Arc<str> {
        self.called();
        &self.id
    }

    fn packing(&self) -> Option<Packing> {
        self.called();
        None
    }

    fn offer(&self, chunk: &Chunk, tally: &mut Tally) -> bool {
        self.called();
        lock(&self.outbox).offer(chunk, &self.limits, tally, |outbox, tally| self.accept(outbox, tally)) == Offer::Flush
    }

    fn offer_reply(&self, frame: Bytes) -> bool {
        self.called();
        let write = |outbox: &mut Outbox, tally: &mut Tally| self.accept(outbox, tally);
        lock(&self.outbox).offer_single(Chunk::single(frame), &self.limits, &mut Tally::default(), write)
            == Offer::Flush
    }

    fn write(&self, tally: &mut Tally) {
        self.called();
        self.accept(&mut lock(&self.outbox), tally);
    }
}

fn engine(shards: usize, ordered: bool) -> (Fanout<Probe>, Arc<str>) {
    (Fanout::new(NonZeroUsize::new(shards).unwrap(), ordered), "ns".into())
}

/// Removes all members, and waits until that is done.
async fn remove_all(engine: &Fanout<Probe>, everyone: &[Arc<Probe>]) {
    everyone.iter().for_each(|member| engine.remove(member, vec![("ns".into(), Vec::new())]));
    for member in everyone {
        engine.settled(&**member).await;
    }
}

pub(super) fn to(namespace: &'static str) -> Audience {
    Audience { namespace: namespace.into(), room: None, id: None, except: Except::Nobody }
}

pub(super) fn cast(audience: Audience, text: &str) -> Arc<Cast> {
    Arc::new(Cast::new(audience, Chunk::single(Bytes::copy_from_slice(text.as_bytes())), None))
}

#[tokio::test]
async fn a_broadcast_reaches_exactly_its_audience() {
    let (engine, ns) = engine(3, false);
    let everyone: Vec<_> = (0..6).map(|key| Probe::new(key, if key < 2 { "twin" } else { "other" })).collect();
    for member in &everyone {
        engine.insert(member);
    }
    for member in &everyone[..5] {
        engine.connect(member, &ns, None);
    }
    let room: Arc<str> = "room".into();
    for member in &everyone[1..3] {
        engine.join(member, &ns, &room, None);
    }
    engine.join(&everyone[5], &ns, &room, None);

    engine.broadcast(&cast(to("ns"), "a"));
    engine.broadcast(&cast(Audience { room: Some("room".into()), ..to("ns") }, "r"));
    engine.broadcast(&cast(Audience { id: Some("twin".into()), ..to("ns") }, "t"));
    engine.broadcast(&cast(Audience { id: Some("twin".into()), room: Some("room".into()), ..to("ns") }, "b"));
    engine.broadcast(&cast(Audience { except: Except::Member(3), ..to("ns") }, "m"));
    engine.broadcast(&cast(Audience { except: Except::Id("other".into()), ..to("ns") }, "i"));
    engine.broadcast(&cast(to("elsewhere"), "x"));
    for member in &everyone {
        engine.leave(member, &ns, &"nothing".into());
        engine.settled(&**member).await;
    }

    let texts: Vec<_> = everyone.iter().map(|member| member.text()).collect();
    assert_eq!(texts, ["atmi", "artbmi", "arm", "a", "am", ""]);
    assert_eq!((engine.count("ns", None), engine.count("ns", Some("room"))), (5, 2));
}

#[tokio::test]
async fn a_member_gets_what_was_broadcast_while_it_belonged_and_nothing_else() {
    let (engine, ns) = engine(1, false);
    let (stays, goes) = (Probe::new(1, "stays"), Probe::new(2, "goes"));
    for member in [&stays, &goes] {
        engine.insert(member);
    }
    engine.connect(&stays, &ns, None);
    for nth in 0..9 {
        match nth {
            3 => engine.connect(&goes, &ns, Some(Bytes::from_static(b"<"))),
            6 => engine.disconnect(&goes, &ns, Vec::new()),
            _ => {}
        }
        engine.broadcast(&cast(to("ns"), &nth.to_string()));
    }
    engine.remove(&stays, vec![(ns, Vec::new())]);
    engine.settled(&*stays).await;
    assert_eq!(stays.text(), "012345678");
    assert_eq!(goes.text(), "<345");
}

#[tokio::test]
async fn a_removed_member_is_not_added_by_a_late_join() {
    let (engine, ns) = engine(2, false);
    let member = Probe::new(1, "late");
    engine.insert(&member);
    engine.connect(&member, &ns, None);
    engine.remove(&member, vec![(ns.clone(), Vec::new())]);
    engine.connect(&member, &ns, None);
    engine.join(&member, &ns, &"room".into(), None);
    engine.remove(&member, Vec::new());
    assert_eq!((engine.len(), engine.count("ns", None), engine.with_id("late").len()), (0, 0, 0));
}

#[tokio::test]
async fn the_asker_alone_sees_its_own_copy() {
    let (engine, ns) = engine(2, false);
    let both = [Probe::new(1, "asker"), Probe::new(2, "other")];
    for member in &both {
        engine.insert(member);
        engine.connect(member, &ns, None);
    }
    let mut copy = Arc::into_inner(cast(to("ns"), "plain")).unwrap();
    copy.private = Some((1, Chunk::single(Bytes::from_static(b"token"))));
    engine.broadcast(&Arc::new(copy));
    remove_all(&engine, &both).await;
    assert_eq!([both[0].text(), both[1].text()], ["token", "plain"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordered_broadcasts_arrive_at_all_members_in_one_order() {
    let (engine, ns) = engine(4, true);
    let engine = Arc::new(engine);
    let everyone: Vec<_> = (0..8).map(|key| Probe::new(key, "x")).collect();
    for member in &everyone {
        engine.insert(member);
        engine.connect(member, &ns, None);
    }
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let engine = engine.clone();
            tokio::task::spawn_blocking(move || {
                (0..500).for_each(|nth| engine.broadcast(&cast(to("ns"), &format!("{sender}.{nth};"))));
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    remove_all(&engine, &everyone).await;
    let first = everyone[0].text();
    assert_eq!(first.split(';').count(), 2001);
    assert!(everyone.iter().all(|member| member.text() == first));
    for sender in 0..4 {
        let prefix = format!("{sender}.");
        let own: Vec<_> = first.split(';').filter_map(|item| item.strip_prefix(&prefix)).collect();
        assert!(own.iter().enumerate().all(|(nth, item)| *item == nth.to_string()));
    }
}

#[tokio::test]
async fn members_that_share_an_id_are_added_and_removed_one_by_one() {
    let (engine, ns) = engine(1, false);
    let twins: Vec<_> = (0..3).map(|key| Probe::new(key, "twin")).collect();
    for member in &twins {
        engine.insert(member);
        engine.connect(member, &ns, None);
    }
    for (gone, left) in [(1, vec![0, 2]), (0, vec![2]), (0, vec![2]), (2, vec![])] {
        engine.remove(&twins[gone], vec![(ns.clone(), Vec::new())]);
        let mut keys: Vec<_> = engine.with_id("twin").iter().map(|member| member.key()).collect();
        keys.sort_unstable();
        assert_eq!(keys, left);
        assert_eq!((engine.len(), engine.all().len()), (left.len(), left.len()));
    }
}

#[tokio::test]
async fn a_broadcast_to_a_room_of_ten_touches_those_ten_however_many_are_connected() {
    for crowd in [10, 10_000] {
        let (engine, ns) = engine(2, false);
        let everyone: Vec<_> = (0..crowd).map(|key| Probe::new(key, "x")).collect();
        for member in &everyone {
            engine.insert(member);
            engine.connect(member, &ns, None);
            engine.join(member, &ns, &format!("room {}", member.key / 10).into(), None);
        }
        let room = crowd / 20;
        let expected: BTreeSet<_> = (room * 10..room * 10 + 10).collect();
        everyone.iter().for_each(|member| member.calls.store(0, Ordering::Relaxed));

        engine.broadcast(&cast(Audience { room: Some(format!("room {room}").into()), ..to("ns") }, "hello"));

        let calls = |member: &&Arc<Probe>| member.calls.load(Ordering::Relaxed) > 0;
        let touched: BTreeSet<_> = everyone.iter().filter(calls).map(|member| member.key).collect();
        assert_eq!(touched, expected);
        assert!(touched.iter().all(|key| lock(&everyone[*key as usize].seen).as_slice() == b"hello"));
    }
}

/// Creates an engine of one shard, with `size` members in a namespace.
fn hall(size: u64) -> (Fanout<Probe>, Arc<str>, Vec<Arc<Probe>>) {
    let (engine, ns) = engine(1, false);
    let everyone: Vec<_> = (0..size).map(|key| Probe::new(key, "x")).collect();
    for member in &everyone {
        engine.insert(member);
        engine.connect(member, &ns, None);
    }
    (engine, ns, everyone)
}

/// Returns how many members have received something.
fn reached(everyone: &[Arc<Probe>]) -> usize {
    everyone.iter().filter(|member| !lock(&member.seen).is_empty()).count()
}

#[tokio::test]
async fn the_first_of_many_members_are_written_to_before_the_others_are_visited() {
    let (engine, _, everyone) = hall(300);
    everyone.iter().for_each(|member| member.calls.store(0, Ordering::Relaxed));
    engine.broadcast(&cast(to("ns"), "a"));
    // The dispatcher takes its first step.
    yield_now().await;
    let looked_at = everyone.iter().filter(|member| member.calls.load(Ordering::Relaxed) > 0).count();
    assert!(looked_at < everyone.len() && looked_at == reached(&everyone), "{looked_at}");
}

#[tokio::test]
async fn joins_and_leaves_during_a_walk_change_no_members_messages() {
    let (engine, ns, everyone) = hall(300);
    let newcomer = Probe::new(1_000, "new");
    engine.insert(&newcomer);
    engine.broadcast(&cast(to("ns"), "a"));
    engine.broadcast(&cast(Audience { except: Except::Member(7), ..to("ns") }, "b"));
    yield_now().await;
    let halfway = reached(&everyone);
    assert!(0 < halfway && halfway < everyone.len(), "{halfway}");

    // A member that was reached and one that was not. Each time the last member takes the place of the leaving one.
    engine.disconnect(&everyone[0], &ns, Vec::new());
    engine.disconnect(&everyone[200], &ns, Vec::new());
    engine.connect(&newcomer, &ns, Some(Bytes::from_static(b"<")));
    engine.broadcast(&cast(to("ns"), "c"));
    engine.remove(&newcomer, vec![(ns, Vec::new())]);
    engine.settled(&*newcomer).await;

    for (member, text) in [(0, "ab"), (200, "ab"), (7, "ac"), (1, "abc"), (299, "abc")] {
        assert_eq!(everyone[member].text(), text, "of {member}");
    }
    let others = (0..300).filter(|nth| ![0, 200, 7].contains(nth));
    others.for_each(|nth| assert_eq!(everyone[nth].text(), "abc", "of {nth}"));
    assert_eq!(newcomer.text(), "<c");
}

#[test]
fn a_walk_visits_every_connection_once_with_any_shared_ids() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let (engine, _) = engine(3, false);
    let members: Vec<_> = (0..700).map(|key| Probe::new(key, &(key % 7 * key % 200).to_string())).collect();
    members.iter().for_each(|member| engine.insert(member));
    let mut cursor = Cursor::default();
    let steps: Vec<_> = std::iter::from_fn(|| engine.some(&mut cursor)).collect();
    assert!(steps.iter().all(|step| step.len() <= MEMBERS_PER_STEP));
    let passed: BTreeSet<_> = steps.iter().flatten().map(|member| member.key()).collect();
    assert_eq!((passed.len(), steps.iter().map(Vec::len).sum()), (700, 700_usize));
}
