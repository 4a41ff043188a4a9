//! The head of an entry: a small pickle of its input, cut out of the large one that has the output too.
//!
//! The body of an entry is a pickle of `{'input', 'output', 'time'[, 'objects'][, 'drawn']}`, written in that order by a pickler of
//! protocol 5. Its operations are followed with a stack that knows of each value no more than where it starts. So the
//! end of the input is found, and what comes after the output, without anything being unpickled or any large value
//! being looked at. What is not understood has no head, and is to be loaded as a whole.
//!
//! What the output's operations would do to the input is lost with them. Picklers write a value before they write what
//! refers to it, so that nothing is left to be done to it; dill, which does leave such things for later, does them by
//! calls whose results it drops. Where that, or a change of something fetched from the memo, is met in the output,
//! there is no head either.

#[allow(clippy::wildcard_imports, reason = "nearly all of them are named here")]
use crate::opcode::{self, *};

/// What an entry says besides its output.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// A pickle of `{'input', 'time'[, 'objects']}`.
    pub pickle: Vec<u8>,
    /// The time: how many seconds the function ran.
    pub seconds: f64,
    /// The large arguments that are stored elsewhere: names and hashes.
    pub objects: Vec<(String, String)>,
}

impl Head {
    /// The head of the entry that a pickle holds, in band or not; none if it is not understood.
    pub fn of(pickle: &[u8]) -> Option<Self> {
        let scan = Scan::of(pickle)?;
        let [input, _, output, _, time, seconds, rest @ ..] = &scan.items[..] else {
            return None;
        };
        let is = |key: &usize, name: &str| text(pickle, *key).is_some_and(|(text, _)| text == name);
        if !is(input, "input") || !is(output, "output") || !is(time, "time") || scan.last_doubt >= *output {
            return None;
        }
        let seconds = pickle.get(*seconds..)?.strip_prefix(&[BINFLOAT])?.first_chunk()?;
        let rest = match rest {
            [others @ .., key, _] if is(key, "drawn") => others,
            _ => rest,
        };
        let objects = match rest {
            [] => Vec::new(),
            [key, value] if is(key, "objects") => texts(pickle, *value, scan.end)?,
            _ => return None,
        };
        let mut head = Vec::with_capacity(output + 64);
        let mut from = 0;
        for frame in scan.frames.iter().take_while(|frame| *frame < output) {
            // A frame promises that so many bytes follow, which would not be so.
            head.extend_from_slice(&pickle[from..*frame]);
            from = frame + 1 + 8;
        }
        head.extend_from_slice(pickle.get(from..*output)?);
        write_text(&mut head, "time");
        head.push(BINFLOAT);
        head.extend_from_slice(seconds);
        if !objects.is_empty() {
            write_text(&mut head, "objects");
            head.extend([EMPTY_DICT, MARK]);
            for text in objects.iter().flat_map(|(name, hash)| [name, hash]) {
                write_text(&mut head, text);
            }
            head.push(SETITEMS);
        }
        head.extend([SETITEMS, STOP]);
        Some(Self { pickle: head, seconds: f64::from_be_bytes(*seconds), objects })
    }
}

/// Where the parts of an entry's pickle lie.
struct Scan {
    /// Where the keys and values of the entry start, by turns.
    items: Vec<usize>,
    /// Where the operation stands that puts them into the entry.
    end: usize,
    /// Where frames start.
    frames: Vec<usize>,
    /// Where the last operation stands that may have changed what another part of the pickle holds.
    last_doubt: usize,
}

/// A value on the stack.
struct Item {
    start: usize,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Made of what it contains.
    Made,
    /// By a call, which may do anything.
    Called,
    /// From the memo: others hold it too.
    Fetched,
}

impl Scan {
    fn of(pickle: &[u8]) -> Option<Self> {
        if pickle.get(..2) != Some(&[PROTO, 5]) {
            return None;
        }
        let mut scan = Self { items: Vec::new(), end: 0, frames: Vec::new(), last_doubt: 0 };
        let mut stack = Stack::default();
        let mut memo: u64 = 0;
        let mut at = 2;
        loop {
            let operation = pickle.get(at..)?;
            let end = at.checked_add(opcode::length(operation)?)?;
            // All of it is there: a value may be said to be longer than what follows.
            let argument = pickle.get(at + 1..end)?;
            match operation[0] {
                FRAME => scan.frames.push(at),
                MEMOIZE => {
                    stack.top()?;
                    memo += 1;
                }
                BINGET | LONG_BINGET => {
                    if number(argument) >= memo {
                        return None;
                    }
                    stack.push(at, Origin::Fetched);
                }
                NONE | NEWTRUE | NEWFALSE | BININT | BININT1 | BININT2 | LONG1 | LONG4 | BINFLOAT | SHORT_BINBYTES
                | BINBYTES | BINBYTES8 | SHORT_BINUNICODE | BINUNICODE | BINUNICODE8 | BYTEARRAY8 | NEXT_BUFFER
                | EMPTY_DICT | EMPTY_LIST | EMPTY_TUPLE | EMPTY_SET | GLOBAL => stack.push(at, Origin::Made),
                MARK => stack.marks.push((stack.items.len(), at)),
                READONLY_BUFFER => {
                    stack.top()?;
                }
                POP => {
                    if stack.is_at_mark() {
                        stack.marks.pop()?;
                    } else if stack.pop()?.origin == Origin::Called {
                        scan.last_doubt = at;
                    }
                }
                POP_MARK => {
                    stack.pop_mark()?;
                    scan.last_doubt = at;
                }
                TUPLE1 => stack.combine(1, Origin::Made)?,
                TUPLE2 | STACK_GLOBAL => stack.combine(2, Origin::Made)?,
                TUPLE3 => stack.combine(3, Origin::Made)?,
                REDUCE | NEWOBJ => stack.combine(2, Origin::Called)?,
                NEWOBJ_EX => stack.combine(3, Origin::Called)?,
                TUPLE | LIST | DICT | FROZENSET => {
                    let start = stack.pop_mark()?;
                    stack.push(start, Origin::Made);
                }
                APPEND | BUILD | SETITEM => {
                    if operation[0] == SETITEM {
                        stack.pop()?;
                    }
                    stack.pop()?;
                    if stack.top()?.origin == Origin::Fetched {
                        scan.last_doubt = at;
                    }
                }
                // The entry itself is filled: there is nothing else on the stack.
                SETITEMS if stack.marks.len() == 1 && stack.marks[0].0 == 1 => {
                    let (entry, items) = stack.items.split_first()?;
                    let is_end = pickle.get(end..) == Some(&[STOP]) && pickle[entry.start] == EMPTY_DICT;
                    scan.items = items.iter().map(|item| item.start).collect();
                    scan.end = at;
                    return is_end.then_some(scan);
                }
                SETITEMS | APPENDS | ADDITEMS => {
                    stack.pop_mark()?;
                    if stack.top()?.origin == Origin::Fetched {
                        scan.last_doubt = at;
                    }
                }
                _ => return None,
            }
            at = end;
        }
    }
}

#[derive(Default)]
struct Stack {
    items: Vec<Item>,
    /// How high the stack was, and where the operation stands.
    marks: Vec<(usize, usize)>,
}

impl Stack {
    fn push(&mut self, start: usize, origin: Origin) {
        self.items.push(Item { start, origin });
    }

    fn is_at_mark(&self) -> bool {
        self.marks.last().is_some_and(|mark| mark.0 == self.items.len())
    }

    fn pop(&mut self) -> Option<Item> {
        if self.is_at_mark() { None } else { self.items.pop() }
    }

    fn top(&self) -> Option<&Item> {
        if self.is_at_mark() { None } else { self.items.last() }
    }

    /// Takes away the last mark, which stands where it says, and what is above it.
    fn pop_mark(&mut self) -> Option<usize> {
        let (height, start) = self.marks.pop()?;
        if height > self.items.len() {
            return None;
        }
        self.items.truncate(height);
        Some(start)
    }

    /// Makes one value of the last `count`.
    fn combine(&mut self, count: usize, origin: Origin) -> Option<()> {
        for _ in 1..count {
            self.pop()?;
        }
        let start = self.pop()?.start;
        self.push(start, origin);
        Some(())
    }
}

/// The text that an operation pushes, written there or fetched from the memo, and where the operation ends.
fn text(pickle: &[u8], at: usize) -> Option<(&str, usize)> {
    let operation = pickle.get(at..)?;
    let end = at.checked_add(opcode::length(operation)?)?;
    let argument = pickle.get(at + 1..end)?;
    match operation[0] {
        BINGET | LONG_BINGET => Some((memoized(pickle, number(argument))?, end)),
        _ => Some((written(pickle, at, end)?, end)),
    }
}

/// The text that an operation holds.
fn written(pickle: &[u8], at: usize, end: usize) -> Option<&str> {
    let opening = match *pickle.get(at)? {
        SHORT_BINUNICODE => 1 + 1,
        BINUNICODE => 1 + 4,
        _ => return None,
    };
    str::from_utf8(pickle.get(at + opening..end)?).ok()
}

/// The text that has a place in the memo. Kept nowhere, since it is hardly ever asked for: looked for from the start.
fn memoized(pickle: &[u8], place: u64) -> Option<&str> {
    let (mut memo, mut at, mut last) = (0, 0, None);
    loop {
        let operation = pickle.get(at..)?;
        let end = at.checked_add(opcode::length(operation)?)?;
        match operation[0] {
            MEMOIZE if memo == place => return last,
            MEMOIZE => memo += 1,
            FRAME => {}
            _ => last = written(pickle, at, end),
        }
        at = end;
    }
}

/// The keys and values of a dict of texts, whose operations are those from `at` to `end`.
fn texts(pickle: &[u8], mut at: usize, end: usize) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    while at < end {
        match pickle[at] {
            EMPTY_DICT | MARK | SETITEM | SETITEMS | MEMOIZE => at += 1,
            FRAME => at += 1 + 8,
            _ => {
                let (text, next) = text(pickle, at)?;
                found.push(text.to_owned());
                at = next;
            }
        }
    }
    let mut found = found.into_iter();
    let mut pairs = Vec::new();
    while let Some(key) = found.next() {
        pairs.push((key, found.next()?));
    }
    Some(pairs)
}

fn write_text(pickle: &mut Vec<u8>, text: &str) {
    pickle.push(BINUNICODE);
    pickle.extend((text.len() as u32).to_le_bytes());
    pickle.extend_from_slice(text.as_bytes());
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
