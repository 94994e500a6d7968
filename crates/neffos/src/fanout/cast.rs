//! One broadcast: its audience, and its frames in the forms that receivers need.

use std::sync::{Arc, Mutex};

use smol_str::SmolStr;

use super::Member;
use super::chunk::Chunk;
use super::counters::Tally;
use crate::lock::lock;
use crate::websocket::Packing;

/// The receivers of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audience {
    pub(crate) namespace: SmolStr,
    pub(crate) room: Option<SmolStr>,
    pub(crate) id: Option<SmolStr>,
    pub(crate) except: Except,
}

/// The connections that a broadcast leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Except {
    Nobody,
    Member(u64),
    Id(SmolStr),
}

/// One broadcast: frames that arrive together, and their audience.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) audience: Audience,
    pub(crate) chunk: Chunk,
    /// The copy for one member only: the member that asked, whose copy carries its token.
    pub(crate) private: Option<(u64, Chunk)>,
    /// The compressed forms of `chunk`. `None` where compression saves nothing.
    packed: Mutex<Vec<(Packing, Option<Chunk>)>>,
}

impl Cast {
    pub(crate) fn new(audience: Audience, chunk: Chunk, private: Option<(u64, Chunk)>) -> Self {
        Self { audience, chunk, private, packed: Mutex::default() }
    }

    /// Returns the compressed form. The first shard that needs it makes it for all shards.
    fn packed(&self, packing: Packing) -> Option<Chunk> {
        let mut packed = lock(&self.packed);
        if let Some((_, chunk)) = packed.iter().find(|(made, _)| *made == packing) {
            return chunk.clone();
        }
        let chunk = self.chunk.packed(packing);
        packed.push((packing, chunk.clone()));
        chunk
    }
}

/// Joined broadcasts with one audience, in each form that was needed so far.
#[derive(Debug)]
pub(super) struct Forms<R> {
    run: R,
    plain: Chunk,
    packed: Vec<(Packing, Chunk)>,
    /// The copy for one member only.
    private: Option<(u64, Chunk)>,
}

impl<R: AsRef<[Arc<Cast>]>> Forms<R> {
    /// Returns `None` if the run is empty.
    pub(super) fn of(run: R) -> Option<Self> {
        let casts = run.as_ref();
        let private = casts.first()?.private.clone();
        let plain = match casts {
            [only] => only.chunk.clone(),
            several => Chunk::joined(several.iter().map(|cast| &cast.chunk)),
        };
        Some(Self { run, plain, packed: Vec::new(), private })
    }

    /// Returns a function that offers each member its form, and adds the members to write to to `touched`.
    pub(super) fn offering<M: Member>(&mut self, touched: &mut Vec<Arc<M>>, tally: &mut Tally) -> impl FnMut(&Arc<M>) {
        |member| {
            if member.offer(self.of_member(&**member), tally) {
                touched.push(member.clone());
            }
        }
    }

    /// Returns the form for `member`.
    fn of_member(&mut self, member: &impl Member) -> &Chunk {
        let is_asker = self.private.as_ref().is_some_and(|(key, _)| *key == member.key());
        match member.packing() {
            None if is_asker => self.private.as_ref().map_or(&self.plain, |(_, own)| own),
            None => &self.plain,
            Some(packing) if is_asker => self.packed_private(packing),
            Some(packing) => self.packed(packing),
        }
    }

    /// Returns the compressed private copy. Only one member needs it, and only once.
    fn packed_private(&mut self, packing: Packing) -> &Chunk {
        self.private.as_mut().map_or(&self.plain, |(_, own)| {
            *own = own.packed(packing).unwrap_or_else(|| own.clone());
            own
        })
    }

    fn packed(&mut self, packing: Packing) -> &Chunk {
        let nth = self.packed.iter().position(|(made, _)| *made == packing).unwrap_or_else(|| {
            self.packed.push((packing, self.pack(packing)));
            self.packed.len() - 1
        });
        &self.packed[nth].1
    }

    fn pack(&self, packing: Packing) -> Chunk {
        let run = self.run.as_ref();
        let parts: Vec<_> = run.iter().map(|cast| cast.packed(packing)).collect();
        match &parts[..] {
            [Some(only)] => only.clone(),
            parts if parts.iter().all(Option::is_none) => self.plain.clone(),
            parts => Chunk::joined(parts.iter().zip(run).map(|(part, cast)| part.as_ref().unwrap_or(&cast.chunk))),
        }
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::*;
    use crate::websocket::{Compression, Kind, Role, Window, message};

    fn cast(body: &str) -> Arc<Cast> {
        let audience = Audience { namespace: "ns".into(), room: None, id: None, except: Except::Nobody };
        Arc::new(Cast::new(audience, Chunk::single(message(Role::Server, Kind::Text, body.as_bytes())), None))
    }

    fn address(chunk: &Chunk) -> *const u8 {
        chunk.bytes().as_ptr()
    }

    #[test]
    fn a_broadcast_is_compressed_once_for_all_shards_and_receivers() {
        let packing = Compression::default().packing(Window::LARGEST);
        let run = [cast(&"x".repeat(1000))];
        let [mut one, mut other] = [Forms::of(&run).unwrap(), Forms::of(&run).unwrap()];
        let first = address(one.packed(packing));
        assert_eq!([address(one.packed(packing)), address(other.packed(packing))], [first; 2]);
        assert!(one.packed(packing).len() < 100);
    }

    #[test]
    fn where_compressing_gains_nothing_there_is_one_form() {
        let packing = Compression::default().packing(Window::LARGEST);
        for run in [&[cast("small")][..], &[cast("a"), cast("b")]] {
            let mut forms = Forms::of(run).unwrap();
            assert_eq!(address(forms.packed(packing)), address(&forms.plain));
        }
    }
}
