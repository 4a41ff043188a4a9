//! The footer of an entry, which consists of tagged sections. `docs/format.md` lists the tags.

use std::num::NonZeroUsize;
use std::ops::Range;

use super::entry::{Damage, Span};
use super::trailer::number;
use crate::reads::Reads;

/// The tag of the head: the inputs and the run time.
const HEAD: &[u8; 4] = b"head";

/// The tag of the inputs in which objects of the main module are pickled by name.
const MAIN: &[u8; 4] = b"main";

/// The tag of the fast pickle.
const FAST: &[u8; 4] = b"fast";

/// The tag of the files that the computation read.
const READ: &[u8; 4] = b"read";

/// The tag of the age from which the entry is expired.
const AGED: &[u8; 4] = b"aged";

/// The tag of the id of the run record.
const RUNS: &[u8; 4] = b"runs";

/// The id of the record of the process that computed an entry.
pub type RunId = [u8; 16];

/// The sections of a footer that say how an entry came about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The files that the computation read; none if it read no file.
    pub reads: Option<&'a Reads>,
    /// The age in seconds from which the entry is expired; none for no age.
    pub max_age: Option<f64>,
    /// The id of the run record; none if there is none.
    pub run: Option<RunId>,
}

/// The length in bytes of a tag and a length field.
const OPENING: usize = 4 + 8;

/// The length in bytes of a row in a table of buffers.
const SPAN: usize = 2 * 8;

/// A pickle whose large buffers are in the body of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pickle<'a> {
    /// The bytes of the pickle, which are not empty.
    pub bytes: &'a [u8],
    /// The positions of the pickle's buffers, in the order in which the pickle requests them.
    pub buffers: &'a [Span],
}

/// The head of an entry: the inputs and the run time of its call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head<'a> {
    /// The run time of the call in seconds.
    pub seconds: f64,
    /// A pickle of the inputs and the references to large arguments.
    pub inputs: Pickle<'a>,
    /// A pickle of the inputs in which objects of the main module are pickled by name; none if
    /// there are no such objects.
    pub main: Option<Pickle<'a>>,
}

impl Pickle<'_> {
    /// Returns the reason why this head could not be read back, if there is one.
    pub(super) fn invalid_reason(&self, body: u64) -> Option<&'static str> {
        if self.bytes.is_empty() {
            return Some("a pickle in the footer of an entry must not be empty; leave it out");
        }
        let is_within = self.buffers.iter().all(|span| span.is_within(body));
        (!is_within).then_some("a buffer of an entry must be within its body")
    }

    fn length(&self) -> usize {
        8 + SPAN * self.buffers.len() + self.bytes.len()
    }

    fn put(&self, footer: &mut Vec<u8>) {
        put(footer, self.buffers.len());
        for span in self.buffers {
            footer.extend(span.offset.to_le_bytes());
            footer.extend(span.length.to_le_bytes());
        }
        footer.extend_from_slice(self.bytes);
    }
}

/// Returns the bytes of a footer with the given sections.
pub(super) fn footer(head: Option<Head>, fast: Option<Pickle>, Origin { reads, max_age, run }: Origin) -> Vec<u8> {
    let pickles = [head.map(|head| head.inputs), head.and_then(|head| head.main), fast];
    let length: usize = pickles.iter().flatten().map(|pickle| OPENING + 8 + pickle.length()).sum();
    let mut footer = Vec::with_capacity(length + run.map_or(0, |run| OPENING + run.len()));
    if let Some(head) = head {
        footer.extend_from_slice(HEAD);
        put(&mut footer, 8 + head.inputs.length());
        footer.extend(head.seconds.to_le_bytes());
        head.inputs.put(&mut footer);
    }
    for (tag, pickle) in [(MAIN, head.and_then(|head| head.main)), (FAST, fast)] {
        if let Some(pickle) = pickle {
            footer.extend_from_slice(tag);
            put(&mut footer, pickle.length());
            pickle.put(&mut footer);
        }
    }
    if let Some(reads) = reads {
        let content = reads.to_bytes();
        footer.extend_from_slice(READ);
        put(&mut footer, content.len());
        footer.extend(content);
    }
    if let Some(max_age) = max_age {
        footer.extend_from_slice(AGED);
        put(&mut footer, 8);
        footer.extend(max_age.to_le_bytes());
    }
    if let Some(run) = run {
        footer.extend_from_slice(RUNS);
        put(&mut footer, run.len());
        footer.extend(run);
    }
    footer
}

fn put(footer: &mut Vec<u8>, length: usize) {
    footer.extend((length as u64).to_le_bytes());
}

/// The footer of an entry that was read. Each buffer is within the body.
#[derive(Debug, Default)]
pub struct Footer {
    bytes: Vec<u8>,
    head: Option<(f64, Part)>,
    /// Boxed, since most entries have none.
    main: Option<Box<Part>>,
    fast: Option<Part>,
    /// Boxed likewise.
    reads: Option<Box<Reads>>,
    max_age: Option<f64>,
    /// The position of the id of the run. No content of a section is at position 0.
    run: Option<NonZeroUsize>,
}

/// The position of a pickle in the footer, and the positions of its buffers in the file.
#[derive(Debug)]
struct Part {
    bytes: Range<usize>,
    buffers: Vec<Span>,
}

impl Footer {
    /// Parses a footer. `body` is the length of the file's body, in bytes.
    pub(super) fn of(bytes: Vec<u8>, body: u64) -> Result<Self, Damage> {
        let mut footer = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let tag = bytes[at..].first_chunk().ok_or(Damage::Sections)?;
            let length = number(&bytes, at + 4).and_then(|length| usize::try_from(length).ok());
            let start = at + OPENING;
            let end = length.and_then(|length| start.checked_add(length)).filter(|end| *end <= bytes.len());
            at = end.ok_or(Damage::Sections)?;
            let is_first = match tag {
                HEAD => {
                    let seconds = bytes[start..at].first_chunk().ok_or(Damage::Sections)?;
                    let part = Part::of(&bytes, start + 8..at, body)?;
                    footer.head.replace((f64::from_le_bytes(*seconds), part)).is_none()
                }
                MAIN => footer.main.replace(Box::new(Part::of(&bytes, start..at, body)?)).is_none(),
                FAST => footer.fast.replace(Part::of(&bytes, start..at, body)?).is_none(),
                READ => {
                    let reads = Reads::from_bytes(&bytes[start..at]).ok_or(Damage::Sections)?;
                    footer.reads.replace(Box::new(reads)).is_none()
                }
                AGED => {
                    let content = bytes[start..at].try_into().map_err(|_| Damage::Sections)?;
                    footer.max_age.replace(f64::from_le_bytes(content)).is_none()
                }
                RUNS => {
                    if at - start != size_of::<RunId>() {
                        return Err(Damage::Sections);
                    }
                    NonZeroUsize::new(start).and_then(|start| footer.run.replace(start)).is_none()
                }
                // A section of a later version of funes.
                _ => true,
            };
            if !is_first {
                return Err(Damage::Sections);
            }
        }
        footer.bytes = bytes;
        Ok(footer)
    }

    /// Returns all bytes of the footer, including sections that this version does not know.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the head, if there is one.
    pub fn head(&self) -> Option<Head<'_>> {
        let (seconds, inputs) = self.head.as_ref()?;
        let main = self.main.as_ref().map(|part| self.pickle(part));
        Some(Head { seconds: *seconds, inputs: self.pickle(inputs), main })
    }

    /// Returns the fast pickle, if there is one.
    pub fn fast(&self) -> Option<Pickle<'_>> {
        self.fast.as_ref().map(|part| self.pickle(part))
    }

    /// Returns the files that the computation read; none if it read no file.
    pub fn reads(&self) -> Option<&Reads> {
        self.reads.as_deref()
    }

    /// Returns the age in seconds from which the entry is expired for the function that stored it; none for no age.
    pub fn max_age(&self) -> Option<f64> {
        self.max_age
    }

    /// Returns the id of the record of the process that computed the entry; none if there is none.
    pub fn run(&self) -> Option<RunId> {
        self.run.and_then(|start| self.bytes[start.get()..].first_chunk().copied())
    }

    /// Returns what is known of the computation besides inputs and result.
    pub fn origin(&self) -> Origin<'_> {
        Origin { reads: self.reads(), max_age: self.max_age, run: self.run() }
    }

    fn pickle<'a>(&'a self, part: &'a Part) -> Pickle<'a> {
        Pickle { bytes: &self.bytes[part.bytes.clone()], buffers: &part.buffers }
    }
}

impl Part {
    fn of(footer: &[u8], place: Range<usize>, body: u64) -> Result<Self, Damage> {
        let content = &footer[place.clone()];
        let count = number(content, 0).and_then(|count| usize::try_from(count).ok());
        let table = count.and_then(|count| count.checked_mul(SPAN)).and_then(|length| length.checked_add(8));
        // A pickle must not be empty.
        let table = table.filter(|end| *end < content.len()).ok_or(Damage::Sections)?;
        let span = |row: &[u8]| {
            let span = Span { offset: number(row, 0)?, length: number(row, 8)? };
            span.is_within(body).then_some(span)
        };
        let buffers = content[8..table].chunks_exact(SPAN).map(span).collect::<Option<_>>().ok_or(Damage::Buffers)?;
        Ok(Self { bytes: place.start + table..place.end, buffers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length in bytes of the body that belongs to these footers.
    const BODY: u64 = 5;

    const LAST: Span = Span { offset: 5, length: 0 };
    const HALVES: &[Span] = &[Span { offset: 0, length: 2 }, LAST];
    const NAMED: Pickle = Pickle { bytes: b"named.", buffers: &[] };
    const INPUTS: Pickle = Pickle { bytes: b"inputs.", buffers: &[LAST] };
    const SOME_HEAD: Option<Head> = Some(Head { seconds: 0.25, inputs: INPUTS, main: Some(NAMED) });
    const SOME_FAST: Option<Pickle> = Some(Pickle { bytes: b"fast.", buffers: HALVES });

    fn read(bytes: &[u8]) -> Result<Footer, Damage> {
        Footer::of(bytes.to_vec(), BODY)
    }

    fn section(tag: [u8; 4], content: &[u8]) -> Vec<u8> {
        [&tag[..], &(content.len() as u64).to_le_bytes(), content].concat()
    }

    #[test]
    fn sections_are_read_as_they_were_written() {
        for (head, fast) in [(None, None), (SOME_HEAD, None), (None, SOME_FAST), (SOME_HEAD, SOME_FAST)] {
            let found = read(&footer(head, fast, Origin::default())).unwrap();
            assert_eq!((found.head(), found.fast()), (head, fast));
        }
    }

    #[test]
    fn the_maximum_age_is_kept() {
        for max_age in [0.0, 3600.0, f64::MAX] {
            assert_eq!(
                read(&footer(SOME_HEAD, None, Origin { max_age: Some(max_age), ..Origin::default() }))
                    .unwrap()
                    .max_age(),
                Some(max_age)
            );
        }
        assert_eq!(read(&footer(SOME_HEAD, None, Origin::default())).unwrap().max_age(), None);
        for length in [0, 7, 9] {
            assert_eq!(read(&section(*b"aged", &[0; 9][..length])).err(), Some(Damage::Sections));
        }
    }

    #[test]
    fn the_id_of_the_run_is_kept() {
        for run in [[0; 16], *b"0123456789abcdef"] {
            let origin = Origin { run: Some(run), max_age: Some(1.0), ..Origin::default() };
            let found = read(&footer(SOME_HEAD, SOME_FAST, origin)).unwrap();
            assert_eq!((found.run(), found.max_age(), found.head()), (Some(run), Some(1.0), SOME_HEAD));
        }
        assert_eq!(read(&footer(SOME_HEAD, None, Origin::default())).unwrap().run(), None);
        let one = section(*b"runs", &[7; 16]);
        for bad in [section(*b"runs", &[7; 15]), section(*b"runs", &[7; 17]), [&one[..], &one].concat()] {
            assert_eq!(read(&bad).err(), Some(Damage::Sections));
        }
    }

    #[test]
    fn unknown_sections_are_skipped_at_any_position() {
        let known = [footer(SOME_HEAD, None, Origin::default()), footer(None, SOME_FAST, Origin::default())];
        for unknown in [section(*b"mode", b""), section(*b"when", b"id"), section([0, 0xff, 0, 0xff], &[7; 300])] {
            for place in 0..=known.len() {
                let mut sections = known.to_vec();
                sections.insert(place, unknown.clone());
                sections.push(unknown.clone());
                let found = read(&sections.concat()).unwrap();
                assert_eq!((found.head(), found.fast()), (SOME_HEAD, SOME_FAST));
                // Unknown sections are copied with the entry.
                assert_eq!(found.bytes(), sections.concat());
            }
        }
        // The order does not matter either.
        assert_eq!(read(&[&known[1][..], &known[0]].concat()).unwrap().head(), SOME_HEAD);
    }

    #[test]
    fn malformed_sections_are_damage() {
        let sound = footer(SOME_HEAD, SOME_FAST, Origin::default());
        let ends: Vec<usize> = (0..=sound.len()).filter(|&end| read(&sound[..end]).is_ok()).collect();
        let one = footer(SOME_HEAD.map(|head| Head { main: None, ..head }), None, Origin::default()).len();
        assert_eq!(
            ends,
            [0, one, footer(SOME_HEAD, None, Origin::default()).len(), sound.len()],
            "cut between sections only"
        );
        for tag in [*b"head", *b"main", *b"fast"] {
            let prefix: &[u8] = if tag == *b"head" { &[0; 8] } else { b"" };
            let content = |rest: &[u8]| section(tag, &[prefix, rest].concat());
            let pickle = content(b"\0\0\0\0\0\0\0\0.");
            assert!(read(&pickle).is_ok());
            let mut long = pickle.clone();
            for odd in [1, 2, 1 << 32, 1 << 60, u64::MAX] {
                long[4..12].copy_from_slice(&(pickle.len() as u64 - 12).wrapping_add(odd).to_le_bytes());
                assert_eq!(read(&long).err(), Some(Damage::Sections), "{odd}");
                let many = content(&[&odd.to_le_bytes()[..], b"."].concat());
                assert_eq!(read(&many).err(), Some(Damage::Sections), "{odd} buffers");
            }
            let twice = [&pickle[..], &pickle].concat();
            for footer in [twice, content(&[0; 8]), content(b""), section(tag, b""), section(tag, &[0; 7])] {
                assert_eq!(read(&footer).err(), Some(Damage::Sections), "{footer:?}");
            }
        }
    }

    #[test]
    fn a_buffer_outside_of_the_body_is_damage() {
        for (offset, length) in [(0, 6), (6, 0), (5, 1), (u64::MAX, 1), (1, u64::MAX), (1 << 63, 1 << 63)] {
            for before in [&[][..], HALVES] {
                let buffers = [before, &[Span { offset, length }]].concat();
                let inputs = Pickle { bytes: b".", buffers: &buffers };
                let head = Head { seconds: 0.0, inputs, main: None };
                for footer in
                    [footer(None, Some(inputs), Origin::default()), footer(Some(head), None, Origin::default())]
                {
                    assert_eq!(read(&footer).err(), Some(Damage::Buffers), "{offset} {length}");
                }
            }
        }
    }

    #[test]
    fn a_footer_with_any_byte_changed_is_refused_or_read_within_its_bounds() {
        let sound = footer(SOME_HEAD, SOME_FAST, Origin::default());
        for index in 0..sound.len() {
            for change in 1..=255 {
                let mut changed = sound.clone();
                changed[index] ^= change;
                let Ok(found) = read(&changed) else { continue };
                let head = found.head();
                let pickles = [head.map(|head| head.inputs), head.and_then(|head| head.main), found.fast()];
                assert!(pickles.iter().flatten().all(|pickle| pickle.invalid_reason(BODY).is_none()));
            }
        }
    }
}
