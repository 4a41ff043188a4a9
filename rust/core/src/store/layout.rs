//! The paths of entries: `<root>/<function>/<definition>/<arguments>.dill`.

use std::path::{Path, PathBuf};

use crate::digest::HEX_LENGTH;
use crate::error::{Error, Result};
use crate::reads::ReadsName;

/// The extension of an entry's file name. It says that `dill` can load the file.
pub const EXTENSION: &str = ".dill";

/// The extension of the file of a remembered error: an exception that a call raised, instead of a result. Searches for
/// `*.dill` do not find it.
pub const ERROR_EXTENSION: &str = ".error";

/// The name of the quarantine: the folder beside the entries to which damaged entries are moved. No
/// entry can have this name.
pub const DAMAGED: &str = "damaged";

/// The maximum length of a folder name, in bytes of UTF-8. File systems allow 255 bytes or UTF-16
/// units; encrypted file systems allow 143. Some file systems store letters decomposed, which may
/// double the length. Windows limits the whole path.
const LONGEST_NAME: usize = 120;

/// The number of hexadecimal digits that make sanitised names distinct: 64 bits.
const SUFFIX: usize = 16;

/// Names that Windows reserves for devices, in any case and with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Names that Windows reserves for devices if a single digit follows.
const PORTS: [&str; 2] = ["com", "lpt"];

/// The name of the folder of large arguments, each of which is stored once.
pub const OBJECTS: &str = "objects";

/// The name of the folder of run records, which describe the processes that computed entries.
pub const RUNS: &str = "runs";

/// Names in a cache folder that no function's folder can have.
const RESERVED: [&str; 2] = [OBJECTS, RUNS];

/// One definition of one function, which has a folder of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition<'a> {
    function: &'a str,
    hash: &'a str,
    is_object: bool,
}

impl<'a> Definition<'a> {
    /// Makes a definition of a function name, which may contain any characters, and the definition
    /// hash of 40 lower-case hexadecimal digits.
    pub fn new(function: &'a str, hash: &'a str) -> Result<Self> {
        check_hash("definition", hash)?;
        Ok(Self { function, hash, is_object: false })
    }

    /// Returns the function name as it is, which may be unsafe as a folder name.
    pub fn function(&self) -> &'a str {
        self.function
    }

    /// Returns the definition hash.
    pub fn hash(&self) -> &'a str {
        self.hash
    }

    /// Returns the folder of the entries below the cache folder `root`.
    pub fn folder(&self, root: &Path) -> PathBuf {
        // The capacity is enough for the path of an entry, which adds a file name.
        let longest = LONGEST_NAME + 2 * HEX_LENGTH + EXTENSION.len() + DAMAGED.len() + 4;
        let mut path = PathBuf::with_capacity(root.as_os_str().len() + longest);
        path.push(root);
        if self.is_object {
            path.push(OBJECTS);
            return path;
        }
        if is_safe(self.function) {
            path.push(self.function);
        } else {
            path.push(safe_name(self.function));
        }
        path.push(self.hash);
        path
    }
}

/// The cache key of one entry: a definition and the argument digest.
///
/// The key of a remembered error has [`ERROR_EXTENSION`] after the digest. So the checksum of an error is never that of a
/// result, and a file that was moved to the other name is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    definition: Definition<'a>,
    arguments: &'a str,
}

impl<'a> Key<'a> {
    /// Makes a key of the function name and the two hashes, each of 40 lower-case hexadecimal
    /// digits. [`ERROR_EXTENSION`] may follow the argument hash.
    pub fn new(function: &'a str, definition: &'a str, arguments: &'a str) -> Result<Self> {
        let definition = Definition::new(function, definition)?;
        if !is_hash(arguments) {
            check_hash("argument", arguments.strip_suffix(ERROR_EXTENSION).unwrap_or(arguments))?;
        }
        Ok(Self { definition, arguments })
    }

    /// Makes the key of a large argument from the hash of its content. The function name in this
    /// key is empty, which is the name of no function.
    pub fn object(hash: &'a str) -> Result<Self> {
        check_hash("content", hash)?;
        Ok(Self { definition: Definition { function: "", hash, is_object: true }, arguments: hash })
    }

    /// Returns the definition.
    pub fn definition(&self) -> Definition<'a> {
        self.definition
    }

    /// Returns whether this is the key of a result. Large arguments and remembered errors are never packed.
    pub(super) fn is_result(&self) -> bool {
        !self.definition.is_object && self.arguments.len() == HEX_LENGTH
    }

    /// Returns the argument digest, with [`ERROR_EXTENSION`] for a remembered error.
    pub fn arguments(&self) -> &'a str {
        self.arguments
    }

    /// Returns the file of the entry below the cache folder `root`.
    pub fn path(&self, root: &Path) -> PathBuf {
        let mut path = self.definition.folder(root);
        path.push(self.file_name());
        path
    }

    /// Returns the file to which the entry is moved if it is damaged.
    pub(super) fn damaged_path(&self, root: &Path) -> PathBuf {
        let mut path = self.definition.folder(root);
        path.push(DAMAGED);
        path.push(self.file_name());
        path
    }

    /// Returns the file of an earlier entry, which was computed when files had another content.
    pub(super) fn earlier_path(&self, root: &Path, name: ReadsName) -> PathBuf {
        let mut path = self.definition.folder(root);
        path.push(earlier_name(self.arguments, name));
        path
    }

    fn file_name(&self) -> String {
        if self.arguments.len() > HEX_LENGTH {
            return self.arguments.to_owned();
        }
        [self.arguments, EXTENSION].concat()
    }
}

/// Returns the file name of an earlier entry.
pub(super) fn earlier_name(arguments: &str, name: ReadsName) -> String {
    format!("{arguments}-{}{EXTENSION}", name.to_hex())
}

/// Returns the argument digest in the file name of an entry with an extension; none for another file name.
pub(super) fn arguments_of<'a>(file_name: &'a str, extension: &str) -> Option<&'a str> {
    file_name.strip_suffix(extension).filter(|stem| is_hash(stem))
}

/// Returns the folder name of a function. A name that every system accepts as a file name is used
/// as it is. Any other name is sanitised: the folder name is its readable part and a hash
/// (`<lambda>` becomes `lambda-b1c2...`).
///
/// A sanitised name contains a `-` and any other name does not, so the two kinds never collide. No
/// folder name leads out of the cache folder. On a file system that ignores case or the encoding of
/// accents, `F` and `f` share a folder. That is harmless: their definitions differ, since the name
/// of a function is part of its definition hash.
pub fn safe_name(function: &str) -> String {
    if is_safe(function) {
        return function.to_owned();
    }
    let words: Vec<_> = function.split(|letter| !is_word(letter)).filter(|word| !word.is_empty()).collect();
    let mut name = words.join("_");
    let mut cut = name.len().min(LONGEST_NAME - SUFFIX - 1);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    name.truncate(cut);
    if name.is_empty() {
        name.push_str("function");
    }
    let mut hasher = blake3::Hasher::new_derive_key("funes 2026-11 layout 1 function name");
    hasher.update(function.as_bytes());
    name.push('-');
    name.push_str(&hasher.finalize().to_hex()[..SUFFIX]);
    name
}

/// Returns whether a name can be a folder name without changes.
fn is_safe(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(is_word) && !is_reserved(name)
}

/// Returns whether Python allows a letter in a name, except for combining marks.
fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

fn is_reserved(name: &str) -> bool {
    let mut reserved = DEVICES.iter().chain(&RESERVED);
    reserved.any(|word| name.eq_ignore_ascii_case(word)) || is_port(name)
}

/// Detects names such as `COM1`. Windows accepts superscripts as digits.
fn is_port(name: &str) -> bool {
    let Some((port, number)) = name.split_at_checked(3) else {
        return false;
    };
    let mut letters = number.chars();
    PORTS.iter().any(|word| port.eq_ignore_ascii_case(word))
        && matches!(letters.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && letters.next().is_none()
}

fn check_hash(what: &str, hash: &str) -> Result<()> {
    if is_hash(hash) {
        return Ok(());
    }
    Err(Error::Invalid(format!("the {what} hash must be {HEX_LENGTH} lower-case hexadecimal digits, not {hash:?}")))
}

fn is_hash(text: &str) -> bool {
    // A loop without an early exit is faster, and this runs several times per call.
    let digits = text.bytes().fold(true, |so_far, digit| so_far & matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    text.len() == HEX_LENGTH && digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_kept() {
        let longest = "x".repeat(LONGEST_NAME);
        for name in
            ["double", "_", "__call__", "f2", "MixedCase", "größe", "κόσμος", "求和", "console", "com10", &longest]
        {
            assert_eq!(safe_name(name), name);
        }
    }

    #[test]
    fn other_names_become_their_readable_part_and_a_hash() {
        for (name, prefix) in [
            ("<lambda>", "lambda-"),
            ("outer.<locals>.inner", "outer_locals_inner-"),
            ("../x", "x-"),
            ("a/b\\c:d", "a_b_c_d-"),
            ("", "function-"),
            (".", "function-"),
            ("..", "function-"),
            ("f.", "f-"),
            ("f ", "f-"),
            ("tab\tand\0nul\n", "tab_and_nul-"),
            ("-", "function-"),
            ("CON", "CON-"),
            ("nul", "nul-"),
            ("Com1", "Com1-"),
            ("LPT²", "LPT²-"),
            ("objects", "objects-"),
            ("Runs", "Runs-"),
            ("e\u{301}t\u{e9}", "e_t\u{e9}-"),
            ("\u{202e}evil", "evil-"),
        ] {
            let safe = safe_name(name);
            let hash = safe.strip_prefix(prefix).unwrap_or_else(|| panic!("{name:?} became {safe:?}"));
            assert_eq!(hash.len(), SUFFIX, "{safe:?}");
            assert!(hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{safe:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_letters() {
        for letter in ["x", "é", "求", "𝔣"] {
            let safe = safe_name(&letter.repeat(300));
            assert!(safe.len() <= LONGEST_NAME && safe.len() > LONGEST_NAME - 4, "{safe:?}");
            assert!(safe.starts_with(letter));
        }
    }

    #[test]
    fn two_names_never_share_a_folder() {
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let names = [
            "f", "<f>", "f ", " f", "f.", "/f", "../f", "", ".", "..", "objects", &long, &longer, "<lambda>", "lambda",
        ];
        let mut folders: Vec<_> = names.iter().map(|name| safe_name(name)).collect();
        // Sanitising a sanitised name changes nothing or adds a hash.
        let again: Vec<_> = folders.iter().filter(|name| name.contains('-')).map(|name| safe_name(name)).collect();
        folders.extend(again);
        let count = folders.len();
        folders.sort();
        folders.dedup();
        assert_eq!(folders.len(), count);
    }

    #[test]
    fn only_forty_lower_case_hex_digits_are_a_hash() {
        let good = "0123456789abcdef0123456789abcdef01234567";
        assert!(Key::new("f", good, good).is_ok());
        for bad in [
            "",
            "..",
            &good[1..],
            &good.to_uppercase(),
            &good.replace('0', "g"),
            &format!("{good}0"),
            &good.replace("01", "é"),
        ] {
            assert!(Key::new("f", bad, good).is_err(), "{bad:?}");
            assert!(Key::new("f", good, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_path_is_the_documented_one() {
        let definition = "a".repeat(40);
        let arguments = "b".repeat(40);
        let key = Key::new("double", &definition, &arguments).unwrap();
        let path = Path::new("cache").join("double").join(&definition).join(format!("{arguments}.dill"));
        assert_eq!(key.path(Path::new("cache")), path);
        let object = Path::new("cache").join("objects").join(format!("{arguments}.dill"));
        assert_eq!(Key::object(&arguments).unwrap().path(Path::new("cache")), object);
        assert_eq!(arguments_of(&format!("{arguments}.dill"), EXTENSION), Some(arguments.as_str()));
        assert_eq!(arguments_of(&format!("{arguments}.error"), ERROR_EXTENSION), Some(arguments.as_str()));
        for other in ["definition.json", "damaged", &arguments, ".tmp-x.dill", &format!("{arguments}.dill.dill")] {
            assert_eq!(arguments_of(other, EXTENSION), None, "{other:?}");
        }
    }
}
