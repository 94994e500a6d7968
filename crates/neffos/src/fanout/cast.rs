//! One broadcast: whom it is for, and its frames in the forms that its receivers take.

use std::sync::{Arc, Mutex};

use smol_str::SmolStr;

use super::Member;
use super::chunk::Chunk;
use super::counters::Tally;
use crate::lock::lock;
use crate::websocket::Packing;

/// Whom a broadcast is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Audience {
    pub(crate) namespace: SmolStr,
    pub(crate) room: Option<SmolStr>,
    pub(crate) id: Option<SmolStr>,
    pub(crate) except: Except,
}

/// Who is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Except {
    Nobody,
    Member(u64),
    Id(SmolStr),
}

/// One broadcast: frames that arrive together, and who gets them.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) audience: Audience,
    pub(crate) chunk: Chunk,
    /// The copy of one member alone: it asked, so its copy carries its token.
    pub(crate) private: Option<(u64, Chunk)>,
    /// What `chunk` is when it is compressed; none where that gains nothing.
    packed: Mutex<Vec<(Packing, Option<Chunk>)>>,
}

impl Cast {
    pub(crate) fn new(audience: Audience, chunk: Chunk, private: Option<(u64, Chunk)>) -> Self {
        Self { audience, chunk, private, packed: Mutex::default() }
    }

    /// The compressed form, which the first shard that needs it makes for all.
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

/// A run of broadcasts with one audience, joined, in each form that was asked for.
#[derive(Debug)]
pub(super) struct Forms<R> {
    run: R,
    plain: Chunk,
    packed: Vec<(Packing, Chunk)>,
    /// The copy of one member alone.
    private: Option<(u64, Chunk)>,
}

impl<R: AsRef<[Arc<Cast>]>> Forms<R> {
    /// None when the run is empty.
    pub(super) fn of(run: R) -> Option<Self> {
        let casts = run.as_ref();
        let private = casts.first()?.private.clone();
        let plain = match casts {
            [only] => only.chunk.clone(),
            several => Chunk::joined(several.iter().map(|cast| &cast.chunk)),
        };
        Some(Self { run, plain, packed: Vec::new(), private })
    }

    /// Offers each member what it takes; those to write to are added to `touched`.
    pub(super) fn offering<M: Member>(&mut self, touched: &mut Vec<Arc<M>>, tally: &mut Tally) -> impl FnMut(&Arc<M>) {
        |member| {
            if member.offer(self.of_member(&**member), tally) {
                touched.push(member.clone());
            }
        }
    }

    /// What `member` gets.
    fn of_member(&mut self, member: &impl Member) -> &Chunk {
        let is_asker = self.private.as_ref().is_some_and(|(key, _)| *key == member.key());
        match member.packing() {
            None if is_asker => self.private.as_ref().map_or(&self.plain, |(_, own)| own),
            None => &self.plain,
            Some(packing) if is_asker => self.packed_private(packing),
            Some(packing) => self.packed(packing),
        }
    }

    /// Only one member is asked for here, and once.
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
