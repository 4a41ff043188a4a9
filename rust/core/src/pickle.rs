//! Converts a fast pickle, with large buffers out of band, to a portable pickle, with aligned
//! buffers in band.
//!
//! With `buffer_callback`, an object is pickled as a stream that requests its buffers one by one
//! (`NEXT_BUFFER`). This stream is the fast pickle. The portable pickle contains the buffer in
//! place of each request, as a `BYTEARRAY8`, or as a `BINBYTES8` if the buffer was marked as
//! read-only. Any unpickler makes the same object from both pickles. Operations without effect are
//! inserted before each buffer, so that the buffer starts at a multiple of [`ALIGNMENT`].

use std::collections::BTreeSet;

use crate::store::Span;

/// The pickle protocol that is written: the first one that supports out-of-band buffers.
pub const PROTOCOL: u8 = 5;

/// The alignment of a buffer in bytes: a cache line, which the widest instructions of a processor
/// need.
pub const ALIGNMENT: usize = 64;

// Opcodes, with their names in Python's `pickletools`.
pub(crate) const STOP: u8 = b'.';
const POP: u8 = b'0';
const REDUCE: u8 = b'R';
const GLOBAL: u8 = b'c';
const BINGET: u8 = b'h';
const LONG_BINGET: u8 = b'j';
const BINUNICODE: u8 = b'X';
const PROTO: u8 = 0x80;
const TUPLE2: u8 = 0x86;
const SHORT_BINUNICODE: u8 = 0x8c;
const BINUNICODE8: u8 = 0x8d;
const STACK_GLOBAL: u8 = 0x93;
const MEMOIZE: u8 = 0x94;
const NONE: u8 = b'N';
const SHORT_BINBYTES: u8 = b'C';
const BINBYTES8: u8 = 0x8e;
const FRAME: u8 = 0x95;
const BYTEARRAY8: u8 = 0x96;
const NEXT_BUFFER: u8 = 0x97;
const READONLY_BUFFER: u8 = 0x98;

/// The length in bytes of an opcode that is followed by a buffer, including the buffer's length
/// field.
const OPENING: usize = 1 + 8;

/// A portable pickle, whose buffers are in band.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The bytes of the pickle without the contents of the buffers.
    opcodes: Vec<u8>,
    /// The number of bytes of `opcodes` before each buffer.
    cuts: Vec<usize>,
    /// The positions of the buffers, in the order in which the stream requests them.
    pub spans: Vec<Span>,
}

impl Body {
    /// Makes a portable pickle of a stream and the lengths of its buffers, in order. Returns none
    /// if the stream is not a pickle of protocol 5 that requests that number of buffers.
    pub fn of(stream: &[u8], lengths: &[usize]) -> Option<Self> {
        let mut body = Self::default();
        let mut lengths = lengths.iter();
        let mut before = 0; // the total length of the buffers so far
        let mut at = 0;
        while at < stream.len() {
            let opcode = stream[at];
            let end = at.checked_add(operation(&stream[at..])?)?;
            match opcode {
                // Frames are optional, and a frame must not contain a large buffer.
                FRAME => {}
                NEXT_BUFFER => {
                    let length = *lengths.next()?;
                    let is_read_only = stream.get(end) == Some(&READONLY_BUFFER);
                    body.align(before);
                    body.opcodes.push(if is_read_only { BINBYTES8 } else { BYTEARRAY8 });
                    body.opcodes.extend((length as u64).to_le_bytes());
                    body.cuts.push(body.opcodes.len());
                    body.spans.push(Span { offset: (body.opcodes.len() + before) as u64, length: length as u64 });
                    before = before.checked_add(length)?;
                    at = end + usize::from(is_read_only);
                    continue;
                }
                READONLY_BUFFER => return None,
                _ => body.opcodes.extend_from_slice(stream.get(at..end)?),
            }
            at = end;
        }
        (lengths.next().is_none() && body.opcodes.last() == Some(&STOP)).then_some(body)
    }

    /// Returns the bytes of the pickle in pieces, which alternate between opcodes and buffers.
    pub fn pieces<'a>(&'a self, buffers: &[&'a [u8]]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::with_capacity(2 * buffers.len() + 1);
        let mut start = 0;
        for (&cut, buffer) in self.cuts.iter().zip(buffers) {
            pieces.extend([&self.opcodes[start..cut], buffer]);
            start = cut;
        }
        pieces.push(&self.opcodes[start..]);
        pieces
    }

    /// Adds operations without effect, so that the payload of the next operation is aligned.
    fn align(&mut self, before: usize) {
        let missing = (self.opcodes.len() + before + OPENING).wrapping_neg() % ALIGNMENT;
        match missing {
            0 => {}
            2 => self.opcodes.extend([NONE, POP]),
            // Push a short string of zeros and drop it. If only one byte is missing, the string is
            // longer by one alignment unit.
            _ => {
                let length = if missing < 3 { missing + ALIGNMENT } else { missing } - 3;
                self.opcodes.extend([SHORT_BINBYTES, length as u8]);
                self.opcodes.resize(self.opcodes.len() + length, 0);
                self.opcodes.push(POP);
            }
        }
    }
}

/// The objects that a pickle refers to by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names<'a> {
    /// Module and qualified name of each global object.
    pub globals: BTreeSet<(&'a str, &'a str)>,
    /// The arguments of each call with two arguments of which the second is a text, and the first a
    /// text or something else: a function that finds an object by its names.
    pub calls: BTreeSet<(Option<&'a str>, &'a str)>,
}

impl<'a> Names<'a> {
    /// Reads the names. Returns none if picklers of protocol 5 do not write such a pickle.
    pub fn of(pickle: &'a [u8]) -> Option<Self> {
        let mut names = Self::default();
        let mut memo = Vec::new();
        // The two objects that were pushed last, if they are texts.
        let mut pushed: [Option<&[u8]>; 2] = [None, None];
        let mut pair: Option<[Option<&[u8]>; 2]> = None;
        let mut at = 0;
        while at < pickle.len() {
            let opcode = pickle[at];
            let end = at.checked_add(operation(&pickle[at..])?)?;
            let argument = pickle.get(at + 1..end)?;
            let text = match opcode {
                FRAME | PROTO | MEMOIZE => {
                    if opcode == MEMOIZE {
                        memo.push(pushed[1]);
                    }
                    at = end;
                    continue;
                }
                SHORT_BINUNICODE => argument.get(1..),
                BINUNICODE => argument.get(4..),
                BINUNICODE8 => argument.get(8..),
                BINGET => *memo.get(usize::from(*argument.first()?))?,
                LONG_BINGET => *memo.get(u32::from_le_bytes(argument.try_into().ok()?) as usize)?,
                STACK_GLOBAL => {
                    names.globals.insert((utf8(pushed[0]?)?, utf8(pushed[1]?)?));
                    None
                }
                GLOBAL => {
                    let (module, name) = utf8(argument)?.trim_end().split_once('\n')?;
                    names.globals.insert((module, name));
                    None
                }
                REDUCE => {
                    if let Some([first, Some(second)]) = pair {
                        names.calls.insert((first.and_then(utf8), utf8(second)?));
                    }
                    None
                }
                _ => None,
            };
            pair = (opcode == TUPLE2).then_some(pushed);
            pushed = [pushed[1], text];
            at = end;
        }
        Some(names)
    }
}

fn utf8(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}

/// Returns the length in bytes of the first operation of a pickle, opcode and argument. Returns
/// none if picklers of protocol 5 do not write the opcode, or if the length field of the argument
/// is cut off.
fn operation(pickle: &[u8]) -> Option<usize> {
    let (opcode, argument) = pickle.split_first()?;
    let line = |text: &[u8]| text.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
    let counted = |width: usize| {
        let mut length = [0; 8];
        length[..width].copy_from_slice(argument.get(..width)?);
        usize::try_from(u64::from_le_bytes(length)).ok()?.checked_add(width)
    };
    let length = match *opcode {
        b'('
        | b'.'
        | b'0'
        | b'1'
        | b'2'
        | b'N'
        | REDUCE
        | b'a'
        | b'b'
        | b'd'
        | b'}'
        | b'e'
        | b'l'
        | b']'
        | b'o'
        | b's'
        | b't'
        | b')'
        | b'u'
        | 0x81
        | 0x85..=0x89
        | 0x8f..=0x94
        | NEXT_BUFFER
        | READONLY_BUFFER => 0,
        b'K' | BINGET | PROTO | 0x82 => 1,
        b'M' | 0x83 => 2,
        b'J' | LONG_BINGET | 0x84 => 4,
        b'G' | FRAME => 8,
        SHORT_BINBYTES | 0x8a | SHORT_BINUNICODE => counted(1)?,
        b'B' | BINUNICODE | 0x8b => counted(4)?,
        BINBYTES8 | BINUNICODE8 | BYTEARRAY8 => counted(8)?,
        // GLOBAL: a module and a name.
        GLOBAL => {
            let first = line(argument)?;
            first + line(&argument[first..])?
        }
        _ => return None,
    };
    length.checked_add(1)
}

/// Returns whether bytes contain the bytes of `part`, which are at least two.
///
/// In Python, `part in bytes` takes as long as loading a small entry: the interpreter looks for a
/// number first, and drops the error.
pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    const BLOCK: usize = 64;
    let [first, second, ..] = part else { return part.is_empty() || bytes.contains(&part[0]) };
    let is_at = |at: usize| bytes[at] == *first && bytes.get(at + 1) == Some(second) && bytes[at..].starts_with(part);
    let places = bytes.len().saturating_sub(1);
    let mut start = 0;
    while start < places {
        // The last block overlaps the one before, so that each has the length for which the loop is compiled.
        let block = start.min(places.saturating_sub(BLOCK));
        start = block + BLOCK;
        // Comparing two bytes at every place of a block takes a few instructions of the processor.
        let begins = match (bytes[block..].first_chunk::<BLOCK>(), bytes[block + 1..].first_chunk::<BLOCK>()) {
            (Some(ones), Some(twos)) => {
                let pairs = ones.iter().zip(twos);
                pairs.fold(0, |begins, (one, two)| begins | (u8::from(one == first) & u8::from(two == second))) != 0
            }
            _ => true,
        };
        // The call that compares memory is only worth it where both bytes are there.
        if begins && (block..start.min(places)).any(is_at) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(stream: &[u8], buffers: &[&[u8]]) -> Option<Vec<u8>> {
        let lengths: Vec<_> = buffers.iter().map(|buffer| buffer.len()).collect();
        Body::of(stream, &lengths).map(|body| body.pieces(buffers).concat())
    }

    #[test]
    fn a_buffer_replaces_its_request() {
        let body = joined(b"\x80\x05\x97\x98\x85.", &[b"abc"]).unwrap();
        let start = body.len() - 2 - 3;
        assert_eq!(start % ALIGNMENT, 0);
        assert_eq!(&body[start..], b"abc\x85.");
        assert_eq!(&body[start - OPENING..start], b"\x8e\x03\0\0\0\0\0\0\0");
        let writable = joined(b"\x80\x05\x97.", &[b"abc"]).unwrap();
        assert_eq!(writable[start - OPENING], BYTEARRAY8);
    }

    #[test]
    fn every_buffer_is_aligned() {
        for front in 0..200_usize {
            let mut stream = b"\x80\x05\x95\0\0\0\0\0\0\0\0(".to_vec();
            stream.extend(std::iter::repeat_n(b'N', front));
            stream.extend(b"\x97\x97\x98\x97t.");
            let buffers: [&[u8]; 3] = [&vec![1; front], &[2; 7], &[]];
            let body = Body::of(&stream, &buffers.map(<[u8]>::len)).unwrap();
            let file = body.pieces(&buffers).concat();
            for (span, buffer) in body.spans.iter().zip(buffers) {
                assert_eq!(span.offset % ALIGNMENT as u64, 0);
                assert_eq!(&file[span.offset as usize..][..span.length as usize], buffer);
            }
            // The added operations cancel out, and no frame is left.
            let mut at = 0;
            while at < file.len() {
                assert_ne!(file[at], FRAME);
                at += operation(&file[at..]).unwrap();
            }
            assert_eq!(at, file.len());
        }
    }

    #[test]
    fn names_are_found() {
        // pickle.dumps([Fraction(1, 2), Decimal("1"), find("train", "Row"), "x"], 5)
        let stream = b"\x80\x05]\x94(\x8c\x09fractions\x94\x8c\x08Fraction\x94\x93\x94K\x01K\x02\x86\x94R\x94\
            h\x01\x8c\x04gcd2\x94\x93\x94cmath\ngcd\n)R\x94\
            \x8c\x05funes\x94\x95\0\0\0\0\0\0\0\0\x8c\x04find\x94\x93\x94\x8c\x05train\x94\x8c\x03Row\x94\x86\x94R\x94\
            N\x8c\x05other\x94\x86\x94R\x8c\x01x\x94\x8c\x01y\x94\x86\x94e.";
        let names = Names::of(stream).unwrap();
        let globals = [("fractions", "Fraction"), ("fractions", "gcd2"), ("funes", "find"), ("math", "gcd")];
        assert_eq!(names.globals, BTreeSet::from(globals));
        assert_eq!(names.calls, BTreeSet::from([(None, "other"), (Some("train"), "Row")]));
        for stream in [&b"\xff."[..], b"h\x00.", b"N\x93.", b"\x8c\x05ab"] {
            assert_eq!(Names::of(stream), None, "{stream:?}");
        }
    }

    #[test]
    fn invalid_streams_are_rejected() {
        for stream in
            [&b""[..], b"\x80\x05", b"\xff.", b"\x97", b"X\xff\xff\xff\xff.", b"\x98.", b"\x8e.", b"cx\n", b"N"]
        {
            assert_eq!(joined(stream, &[b"abc"]), None, "{stream:?}");
        }
        assert_eq!(joined(b"N.", &[b"abc"]), None);
        assert_eq!(joined(b"\x97\x97.", &[b"abc"]), None);
    }

    #[test]
    fn a_part_is_found_at_every_place() {
        for length in [4, 63, 64, 65, 66, 67, 68, 200] {
            for at in 0..length - 3 {
                let mut bytes = vec![b'd'; length];
                assert!(!contains(&bytes, b"dill"));
                bytes[at..at + 4].copy_from_slice(b"dill");
                assert!(contains(&bytes, b"dill"));
                assert!(!contains(&bytes[..at + 3], b"dill"));
            }
        }
        assert!(!contains(b"", b"dill"));
    }
}
