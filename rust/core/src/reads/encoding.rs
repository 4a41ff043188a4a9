//! The bytes of the section `read` of an entry, see `docs/format.md`.

use std::path::{Path, PathBuf};

use super::{Base, FileRead, FileState, Reads, ReadsName, Stamp};
use crate::digest::Digest;

const ABSENT: u8 = 0;
const HASHED: u8 = 1;
const UNHASHED: u8 = 2;
const HASHED_UNSETTLED: u8 = 3;
const LISTED: u8 = 4;

impl Reads {
    /// Returns the content of the section.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, self.files.len() as u64);
        for file in &self.files {
            file.put(&mut bytes, true);
        }
        bytes.push(u8::from(self.summary.is_some()));
        bytes.extend(self.summary.iter().flat_map(|digest| digest.0));
        put(&mut bytes, self.earlier.len() as u64);
        bytes.extend(self.earlier.iter().flat_map(|name| name.0));
        bytes
    }

    /// Parses the content of a section; none if it is malformed.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let count = rest.number()?;
        // No capacity is reserved for a count that may be damaged.
        let mut files = Vec::new();
        for _ in 0..count {
            files.push(rest.file()?);
        }
        let summary = match rest.byte()? {
            0 => None,
            1 => Some(Digest(*rest.array()?)),
            _ => return None,
        };
        let count = rest.number()?;
        let mut earlier = Vec::new();
        for _ in 0..count {
            earlier.push(ReadsName(*rest.array()?));
        }
        rest.0.is_empty().then_some(Self { files, summary, earlier })
    }

    /// Returns the name that identifies the files and their contents, whatever their stamps are.
    pub fn name(&self) -> ReadsName {
        let mut bytes = Vec::new();
        for file in &self.files {
            file.put(&mut bytes, false);
        }
        bytes.extend(self.summary.iter().flat_map(|digest| digest.0));
        let hash = blake3::derive_key("funes 2026-11 reads 1 name", &bytes);
        ReadsName(std::array::from_fn(|index| hash[index]))
    }
}

impl FileRead {
    /// Appends the file. Without `has_stamp`, leaves the stamp out if the content is known.
    fn put(&self, bytes: &mut Vec<u8>, has_stamp: bool) {
        bytes.push(u8::from(self.base == Base::Project));
        let (kind, known, content) = match self.state {
            FileState::Absent => (ABSENT, None, None),
            FileState::Listed => (LISTED, None, None),
            FileState::Present { stamp, content: None, .. } => (UNHASHED, Some(stamp), None),
            FileState::Present { stamp, content, is_settled: true } => (HASHED, Some(stamp), content),
            FileState::Present { stamp, content, .. } => {
                (if has_stamp { HASHED_UNSETTLED } else { HASHED }, Some(stamp), content)
            }
        };
        bytes.push(kind);
        let path = path_to_bytes(&self.path, self.base);
        put(bytes, path.len() as u64);
        bytes.extend(path);
        if let Some(Stamp { inode, size, modified, changed }) = known
            && (has_stamp || content.is_none())
        {
            put(bytes, inode);
            put(bytes, size);
            bytes.extend(modified.to_le_bytes());
            bytes.extend(changed.to_le_bytes());
        }
        bytes.extend(content.iter().flat_map(|digest| digest.0));
    }
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend(number.to_le_bytes());
}

/// The bytes that are not parsed yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| *byte)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn time(&mut self) -> Option<i64> {
        self.array().map(|bytes| i64::from_le_bytes(*bytes))
    }

    fn file(&mut self) -> Option<FileRead> {
        let base = match self.byte()? {
            0 => Base::AsOpened,
            1 => Base::Project,
            _ => return None,
        };
        let kind = self.byte()?;
        let length = usize::try_from(self.number()?).ok()?;
        let (path, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        let path = path_from_bytes(path)?;
        let state = match kind {
            ABSENT => FileState::Absent,
            LISTED => FileState::Listed,
            HASHED | UNHASHED | HASHED_UNSETTLED => {
                let stamp = Stamp {
                    inode: self.number()?,
                    size: self.number()?,
                    modified: self.time()?,
                    changed: self.time()?,
                };
                let content = if kind == UNHASHED { None } else { Some(Digest(*self.array()?)) };
                FileState::Present { stamp, content, is_settled: kind != HASHED_UNSETTLED }
            }
            _ => return None,
        };
        Some(FileRead { base, path, state })
    }
}

#[cfg(unix)]
fn path_to_bytes(path: &Path, _: Base) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;

    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have paths that no bytes stand for")]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

/// Returns a path in UTF-8. A path in the project has slashes on every system.
#[cfg(not(unix))]
fn path_to_bytes(path: &Path, base: Base) -> Vec<u8> {
    let text = path.to_string_lossy();
    if base == Base::Project { text.replace('\\', "/").into_bytes() } else { text.into_owned().into_bytes() }
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}
