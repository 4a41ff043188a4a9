//! The canonical encoding: equal values have the same bytes, independent of how they were built.
//!
//! Every node is self-delimiting and begins with a tag. [`Encoder::begin`] opens a composite, its
//! children are written, and [`Encoder::end`] closes it: a closed node of at most [`INLINE_LIMIT`]
//! bytes stays in place, a longer one is replaced by its digest. So a part that occurs twice,
//! shared or copied, has the same bytes twice, and a caller that remembers the [`Sealed`] form of a
//! part need not walk it again.
//!
//! A part that cannot be written yet (a function that is described later, an object that is being
//! walked) is a hole that refers to a node of the [`Graph`]. [`Encoder::finish`] computes the
//! digests of the graph and fills the holes.

use crate::digest::Digest;
use crate::domain::Domain;
use crate::graph::{Graph, Hole, Layout, NodeId, Settled, fill};
use crate::parallel;
use crate::snapshot::Snapshot;
use crate::tags;

use rustc_hash::FxHashMap;

/// The maximum length in bytes of a node that is inline in its parent. It is part of the format.
///
/// The limit is large enough that small records need no hash, and small enough that sharing cannot
/// make the encoding grow exponentially.
pub const INLINE_LIMIT: usize = 256;

/// The position where a composite began.
#[derive(Debug)]
pub struct Mark {
    start: usize,
    holes: usize,
}

/// The closed form of a node, which [`Encoder::put`] can write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// The node is inline. The caller walks it again, since it is short.
    Inline,
    /// The digest of a node that is longer than [`INLINE_LIMIT`].
    Digest(Digest),
    /// A node that contains a hole.
    Node(NodeId),
}

/// Writes one value.
#[derive(Debug)]
pub struct Encoder {
    buffer: Vec<u8>,
    holes: Vec<Hole>,
    graph: Graph,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// Makes an empty encoder.
    pub fn new() -> Self {
        // Room for a short value, so that the buffer need not grow.
        Self { buffer: Vec::with_capacity(INLINE_LIMIT), holes: Vec::new(), graph: Graph::default() }
    }

    /// Writes a node that consists of its tag: [`tags::NONE`], [`tags::TRUE`] and similar.
    pub fn atom(&mut self, tag: u8) {
        self.buffer.push(tag);
    }

    /// Writes an int that fits 64 bits.
    pub fn int(&mut self, value: i64) {
        let (node, length) = int(value);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&node);
        self.buffer.truncate(start + length);
    }

    /// Writes an int of any size, which is given as little-endian two's complement. Removes
    /// redundant sign bytes.
    pub fn big_int(&mut self, twos_complement: &[u8]) {
        let mut bytes = twos_complement;
        while let [rest @ .., before, last] = bytes {
            let sign = if before & 0x80 == 0 { 0x00 } else { 0xFF };
            if *last != sign {
                break;
            }
            bytes = &bytes[..=rest.len()];
        }
        if bytes.len() <= 8 {
            let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xFF } else { 0x00 };
            let mut word = [sign; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.int(i64::from_le_bytes(word));
        } else {
            self.blob(tags::BIG_INT, bytes);
        }
    }

    /// Writes a float.
    pub fn float(&mut self, value: f64) {
        self.buffer.extend_from_slice(&float(value));
    }

    /// Writes a complex number.
    pub fn complex(&mut self, real: f64, imaginary: f64) {
        self.buffer.push(tags::COMPLEX);
        self.buffer.extend_from_slice(&canonical_bits(real));
        self.buffer.extend_from_slice(&canonical_bits(imaginary));
    }

    /// Writes a tag, a length and bytes: for a str, bytes, bytearray or buffer.
    pub fn blob(&mut self, tag: u8, bytes: &[u8]) -> Sealed {
        if bytes.len() < 0x80 {
            self.buffer.reserve(2 + bytes.len());
            self.buffer.extend_from_slice(&[tag, bytes.len() as u8]);
            self.buffer.extend_from_slice(bytes);
            return Sealed::Inline;
        }
        let (header, length) = header(tag, bytes.len() as u64);
        if length + bytes.len() <= INLINE_LIMIT {
            let start = self.buffer.len();
            self.buffer.extend_from_slice(&header);
            self.buffer.truncate(start + length);
            self.buffer.extend_from_slice(bytes);
            Sealed::Inline
        } else {
            let sealed = Sealed::Digest(Domain::Node.hash_parts(&header[..length], bytes));
            self.put(sealed);
            sealed
        }
    }

    /// Writes `length` bytes like [`Encoder::blob`]. `pieces` passes them in pieces to the function
    /// that it gets.
    pub fn blob_in_pieces(&mut self, tag: u8, length: usize, pieces: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Sealed {
        if length <= INLINE_LIMIT {
            let mut whole = Vec::with_capacity(length);
            pieces(&mut |piece| whole.extend_from_slice(piece));
            return self.blob(tag, &whole);
        }
        let (header, header_length) = header(tag, length as u64);
        let mut hasher = Domain::Node.hasher();
        hasher.update(&header[..header_length]);
        pieces(&mut |piece| parallel::update(&mut hasher, piece));
        let sealed = Sealed::Digest(Digest(hasher.finalize().into()));
        self.put(sealed);
        sealed
    }

    /// Opens a composite of `count` children.
    pub fn begin(&mut self, tag: u8, count: usize) -> Mark {
        let mark = self.mark();
        if count < 0x80 {
            self.buffer.extend_from_slice(&[tag, count as u8]);
            return mark;
        }
        let (header, length) = header(tag, count as u64);
        // Copying a fixed length and truncating is faster than copying a variable length.
        self.buffer.extend_from_slice(&header);
        self.buffer.truncate(mark.start + length);
        mark
    }

    /// Returns the current position, for [`Encoder::abandon`].
    pub fn mark(&self) -> Mark {
        Mark { start: self.buffer.len(), holes: self.holes.len() }
    }

    /// Returns the position between two children, for [`Encoder::end_unordered`].
    pub fn boundary(&self) -> Boundary {
        Boundary { offset: self.buffer.len(), holes: self.holes.len() }
    }

    /// Closes a composite whose children are ordered.
    ///
    /// `cycle`: the node that was reserved when the composite turned out to contain itself.
    pub fn end(&mut self, mark: Mark, cycle: Option<NodeId>) -> Sealed {
        if self.holes.len() == mark.holes { self.seal(&mark) } else { self.close(mark, cycle, Layout::Ordered) }
    }

    /// Closes a composite whose children are unordered: the elements of a set, the items of a dict.
    ///
    /// `boundaries`: the start of each child, in the order in which they were written, and the end
    /// of the last one.
    pub fn end_unordered(&mut self, mark: Mark, boundaries: &[Boundary], cycle: Option<NodeId>) -> Sealed {
        if self.holes.len() == mark.holes {
            self.sort(boundaries);
            return self.seal(&mark);
        }
        let children = boundaries.iter().map(|boundary| (boundary.offset - mark.start, boundary.holes - mark.holes));
        let layout = Layout::Unordered(children.collect());
        self.close(mark, cycle, layout)
    }

    /// Reserves a node, which can be referred to before its content is known.
    pub fn reserve(&mut self) -> NodeId {
        self.graph.add()
    }

    /// Moves the bytes since `mark` into a reserved node. Such a node always counts by its digest,
    /// even if it is short.
    pub fn define(&mut self, mark: Mark, node: NodeId) {
        self.move_to(&mark, node, Layout::Ordered, true);
    }

    /// Moves the closed node since `mark` into a reserved node. If the closed node is a reference
    /// to that reserved node (`is_closed`), the reference is dropped instead.
    pub fn fill(&mut self, mark: Mark, node: NodeId, is_closed: bool) {
        if is_closed && self.holes.len() > mark.holes {
            self.abandon(&mark);
        } else {
            self.move_to(&mark, node, Layout::Ordered, false);
        }
    }

    /// Returns the bytes since a boundary.
    pub fn since(&self, start: Boundary) -> &[u8] {
        &self.buffer[start.offset..]
    }

    /// Writes a closed node again, which is inline.
    pub fn put_short(&mut self, node: &[u8]) {
        self.buffer.extend_from_slice(node);
    }

    /// Writes a closed node again, which is not inline.
    pub fn put(&mut self, sealed: Sealed) {
        match sealed {
            Sealed::Inline => debug_assert!(false, "an inline node has to be walked again"),
            Sealed::Digest(digest) => self.buffer.extend_from_slice(&digest_token(digest)),
            Sealed::Node(node) => self.holes.push(Hole { offset: self.buffer.len(), node }),
        }
    }

    /// Removes the bytes since `mark`, for a value that was refused.
    pub fn abandon(&mut self, mark: &Mark) {
        self.buffer.truncate(mark.start);
        self.holes.truncate(mark.holes);
    }

    /// Returns the digest of the encoding.
    pub fn finish(self, domain: Domain) -> Digest {
        domain.hash(&self.into_bytes())
    }

    /// Fills all holes. Returns false if that takes too long, see [`Settled::is_complete`].
    #[inline]
    pub fn fill_holes(&mut self) -> bool {
        self.holes.is_empty() || self.fill_some()
    }

    #[cold]
    fn fill_some(&mut self) -> bool {
        let settled = std::mem::take(&mut self.graph).settle();
        self.buffer = fill(&self.buffer, 0, &self.holes, |node| settled.token(node));
        self.holes.clear();
        settled.is_complete()
    }

    /// Returns the complete encoding, which [`Encoder::finish`] hashes.
    #[inline]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.fill_holes();
        self.buffer
    }

    /// Computes the digests of the reserved nodes, once all of them are defined.
    pub fn settle(self) -> Settled {
        self.graph.settle()
    }

    /// Returns the result of `hash_value` for the one closed value since `mark`; `None` if it has
    /// holes.
    pub fn digest_since(&self, mark: &Mark) -> Option<Digest> {
        (self.holes.len() == mark.holes).then(|| Domain::Value.hash(&self.buffer[mark.start..]))
    }

    /// Returns the reserved nodes that the bytes since `mark` refer to directly or through
    /// composites.
    pub fn definitions_since(&self, mark: &Mark) -> Vec<NodeId> {
        self.graph.definitions_below(self.holes[mark.holes..].iter().map(|hole| hole.node))
    }

    /// Copies the one closed value since `mark`, for [`Encoder::replay`].
    pub fn snapshot_since(&self, mark: &Mark) -> Snapshot {
        let holes: Vec<Hole> = self.holes[mark.holes..]
            .iter()
            .map(|hole| Hole { offset: hole.offset - mark.start, node: hole.node })
            .collect();
        let (composites, definitions) = self.graph.below(&holes);
        Snapshot { content: self.buffer[mark.start..].to_vec(), holes, composites, definitions }
    }

    /// Writes a snapshot. `definitions`: the nodes in this encoder that replace the definitions of
    /// the snapshot, in the same order.
    pub fn replay(&mut self, snapshot: &Snapshot, definitions: &[NodeId]) {
        let mut names: FxHashMap<NodeId, NodeId> =
            snapshot.definitions.iter().copied().zip(definitions.iter().copied()).collect();
        self.graph.add_copies(&snapshot.composites, &mut names);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&snapshot.content);
        self.holes
            .extend(snapshot.holes.iter().map(|hole| Hole { offset: start + hole.offset, node: names[&hole.node] }));
    }

    fn seal(&mut self, mark: &Mark) -> Sealed {
        let node = &self.buffer[mark.start..];
        if node.len() <= INLINE_LIMIT {
            return Sealed::Inline;
        }
        let sealed = Sealed::Digest(Domain::Node.hash(node));
        self.buffer.truncate(mark.start);
        self.put(sealed);
        sealed
    }

    fn close(&mut self, mark: Mark, cycle: Option<NodeId>, layout: Layout) -> Sealed {
        let node = cycle.unwrap_or_else(|| self.graph.add());
        self.move_to(&mark, node, layout, false);
        let sealed = Sealed::Node(node);
        self.put(sealed);
        sealed
    }

    fn move_to(&mut self, mark: &Mark, node: NodeId, layout: Layout, definition: bool) {
        let holes = self.holes.split_off(mark.holes);
        let holes = holes.into_iter().map(|hole| Hole { offset: hole.offset - mark.start, ..hole });
        let content = self.buffer.split_off(mark.start);
        self.graph.define(node, content, holes.collect(), layout, definition);
    }

    fn sort(&mut self, boundaries: &[Boundary]) {
        let [first, _, .., last] = boundaries else { return };
        let buffer = &self.buffer;
        let children = boundaries.windows(2).map(|pair| &buffer[pair[0].offset..pair[1].offset]);
        if children.clone().is_sorted() {
            return;
        }
        let mut children: Vec<&[u8]> = children.collect();
        children.sort_unstable();
        let sorted = children.concat();
        debug_assert_eq!(last.offset, buffer.len());
        self.buffer.truncate(first.offset);
        self.buffer.extend_from_slice(&sorted);
    }
}

/// A position between two children of an unordered composite.
#[derive(Clone, Copy, Debug)]
pub struct Boundary {
    offset: usize,
    holes: usize,
}

/// Returns the bytes by which a node refers to another one by its digest.
pub(crate) fn digest_token(digest: Digest) -> [u8; 33] {
    let mut token = [tags::DIGEST; 33];
    token[1..].copy_from_slice(&digest.0);
    token
}

/// Returns the node of an int that fits 64 bits, and its length in bytes.
pub(crate) fn int(value: i64) -> ([u8; 9], usize) {
    let significant = 64 - if value < 0 { value.leading_ones() } else { value.leading_zeros() };
    // One more bit for the sign, except for 0, which needs no bytes.
    let length = if value == 0 { 0 } else { (significant as usize + 8) / 8 };
    let mut node = [0; 9];
    node[0] = tags::INT + length as u8;
    node[1..].copy_from_slice(&value.to_le_bytes());
    (node, 1 + length)
}

/// Returns the node of a float.
pub(crate) fn float(value: f64) -> [u8; 9] {
    let mut node = [0; 9];
    node[0] = tags::FLOAT;
    node[1..].copy_from_slice(&canonical_bits(value));
    node
}

/// Returns a tag and a length or count in the shortest LEB128 form, and the number of bytes.
pub(crate) fn header(tag: u8, mut count: u64) -> ([u8; 11], usize) {
    let mut header = [tag; 11];
    let mut length = 1;
    loop {
        let low = (count & 0x7F) as u8;
        count >>= 7;
        header[length] = if count == 0 { low } else { low | 0x80 };
        length += 1;
        if count == 0 {
            return (header, length);
        }
    }
}

/// Returns the bits of a float, with one pattern for every NaN.
///
/// The bits of a NaN depend on the processor (0/0 is negative on x86-64 and positive on ARM), and
/// only `math.copysign` and `struct` show them.
fn canonical_bits(value: f64) -> [u8; 8] {
    let bits = if value.is_nan() { 0x7FF8_0000_0000_0000 } else { value.to_bits() };
    bits.to_le_bytes()
}
