//! The table of tag bytes. `docs/format.md` has the same table, and a test compares the two.

macro_rules! tags {
    ($($(#[doc = $doc:literal])* $name:ident = $value:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: u8 = $value;)*

        /// Every tag with its name, in the order of the document.
        pub const ALL: &[(&str, u8)] = &[$((stringify!($name), $value)),*];
    };
}

tags! {
    /// `None`.
    NONE = 0x00;
    /// `False`.
    FALSE = 0x01;
    /// `True`.
    TRUE = 0x02;
    /// `...`.
    ELLIPSIS = 0x03;
    /// `NotImplemented`.
    NOT_IMPLEMENTED = 0x04;
    /// A missing value: a parameter that `ignore=` names, a state that an object does not have.
    ABSENT = 0x05;
    /// An int of more than 8 bytes: a length, then the shortest two's complement, little-endian.
    BIG_INT = 0x06;
    /// A float: IEEE 754 binary64, little-endian; every NaN is 0x7ff8000000000000.
    FLOAT = 0x07;
    /// A complex: two floats without their tags.
    COMPLEX = 0x08;
    /// A str: a length, then UTF-8 (lone surrogates as three bytes each).
    STR = 0x09;
    /// A bytes object: a length, then the bytes.
    BYTES = 0x0A;
    /// A bytearray, as bytes.
    BYTEARRAY = 0x0B;
    /// Raw memory that a type rule returns: a length, then the bytes.
    BUFFER = 0x0C;
    /// An int of 0 to 8 bytes: this tag plus the number of bytes, then two's complement,
    /// little-endian, shortest.
    INT = 0x10;
    /// A tuple: a count, then the elements.
    TUPLE = 0x20;
    /// A list: a count, then the elements.
    LIST = 0x21;
    /// A dict: a count, then key and value of each item, sorted by the bytes of the items.
    DICT = 0x22;
    /// A set: a count, then the elements, sorted by their bytes.
    SET = 0x23;
    /// A frozenset, as a set.
    FROZENSET = 0x24;
    /// An object: class, reduction (see the document).
    OBJECT = 0x30;
    /// A value that a type rule reduces: the name of the rule, then the simpler value.
    RULE = 0x31;
    /// A function or class that counts by its content: kind, name, content, references.
    DEFINITION = 0x32;
    /// A function, class or module that counts by its qualified name.
    NAME = 0x33;
    /// The bound arguments of a call: a count, then one value per parameter.
    ARGUMENTS = 0x34;
    /// 32 bytes: the digest of a node that is too long to be inline, is part of a cycle, or is a
    /// definition.
    DIGEST = 0x40;
    /// A member of the same cycle; it occurs only while a cycle is hashed.
    MEMBER = 0x41;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tags_share_a_byte() {
        let mut taken = std::collections::BTreeSet::new();
        for (name, tag) in ALL {
            let width = if *name == "INT" { 9 } else { 1 };
            for byte in *tag..*tag + width {
                assert!(taken.insert(byte), "{name} = {byte:#04x} is taken");
            }
        }
    }
}
