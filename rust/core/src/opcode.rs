//! The operations that pickles consist of, under the names that Python's `pickletools` has for them.

pub(crate) const MARK: u8 = b'(';
pub(crate) const STOP: u8 = b'.';
pub(crate) const POP: u8 = b'0';
pub(crate) const POP_MARK: u8 = b'1';
pub(crate) const DUP: u8 = b'2';
pub(crate) const BINBYTES: u8 = b'B';
pub(crate) const SHORT_BINBYTES: u8 = b'C';
pub(crate) const FLOAT: u8 = b'F';
pub(crate) const BINFLOAT: u8 = b'G';
pub(crate) const INT: u8 = b'I';
pub(crate) const BININT: u8 = b'J';
pub(crate) const BININT1: u8 = b'K';
pub(crate) const LONG: u8 = b'L';
pub(crate) const BININT2: u8 = b'M';
pub(crate) const NONE: u8 = b'N';
pub(crate) const PERSID: u8 = b'P';
pub(crate) const BINPERSID: u8 = b'Q';
pub(crate) const REDUCE: u8 = b'R';
pub(crate) const STRING: u8 = b'S';
pub(crate) const BINSTRING: u8 = b'T';
pub(crate) const SHORT_BINSTRING: u8 = b'U';
pub(crate) const UNICODE: u8 = b'V';
pub(crate) const BINUNICODE: u8 = b'X';
pub(crate) const EMPTY_LIST: u8 = b']';
pub(crate) const APPEND: u8 = b'a';
pub(crate) const BUILD: u8 = b'b';
pub(crate) const GLOBAL: u8 = b'c';
pub(crate) const DICT: u8 = b'd';
pub(crate) const APPENDS: u8 = b'e';
pub(crate) const GET: u8 = b'g';
pub(crate) const BINGET: u8 = b'h';
pub(crate) const INST: u8 = b'i';
pub(crate) const LONG_BINGET: u8 = b'j';
pub(crate) const LIST: u8 = b'l';
pub(crate) const OBJ: u8 = b'o';
pub(crate) const PUT: u8 = b'p';
pub(crate) const BINPUT: u8 = b'q';
pub(crate) const LONG_BINPUT: u8 = b'r';
pub(crate) const SETITEM: u8 = b's';
pub(crate) const TUPLE: u8 = b't';
pub(crate) const SETITEMS: u8 = b'u';
pub(crate) const EMPTY_DICT: u8 = b'}';
pub(crate) const EMPTY_TUPLE: u8 = b')';
pub(crate) const PROTO: u8 = 0x80;
pub(crate) const NEWOBJ: u8 = 0x81;
pub(crate) const EXT1: u8 = 0x82;
pub(crate) const EXT2: u8 = 0x83;
pub(crate) const EXT4: u8 = 0x84;
pub(crate) const TUPLE1: u8 = 0x85;
pub(crate) const TUPLE2: u8 = 0x86;
pub(crate) const TUPLE3: u8 = 0x87;
pub(crate) const NEWTRUE: u8 = 0x88;
pub(crate) const NEWFALSE: u8 = 0x89;
pub(crate) const LONG1: u8 = 0x8a;
pub(crate) const LONG4: u8 = 0x8b;
pub(crate) const SHORT_BINUNICODE: u8 = 0x8c;
pub(crate) const BINUNICODE8: u8 = 0x8d;
pub(crate) const BINBYTES8: u8 = 0x8e;
pub(crate) const EMPTY_SET: u8 = 0x8f;
pub(crate) const ADDITEMS: u8 = 0x90;
pub(crate) const FROZENSET: u8 = 0x91;
pub(crate) const NEWOBJ_EX: u8 = 0x92;
pub(crate) const STACK_GLOBAL: u8 = 0x93;
pub(crate) const MEMOIZE: u8 = 0x94;
pub(crate) const FRAME: u8 = 0x95;
pub(crate) const BYTEARRAY8: u8 = 0x96;
pub(crate) const NEXT_BUFFER: u8 = 0x97;
pub(crate) const READONLY_BUFFER: u8 = 0x98;

/// The length of the operation that a pickle starts with, opcode and argument. None if there is no such operation, or its
/// argument is cut off before it says how long it is.
pub(crate) fn length(pickle: &[u8]) -> Option<usize> {
    let (opcode, argument) = pickle.split_first()?;
    let line = |text: &[u8]| text.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
    let counted = |width: usize| {
        let mut length = [0; 8];
        length[..width].copy_from_slice(argument.get(..width)?);
        usize::try_from(u64::from_le_bytes(length)).ok()?.checked_add(width)
    };
    let length = match *opcode {
        MARK | STOP | POP | POP_MARK | DUP | NONE | REDUCE | APPEND | BUILD | DICT | EMPTY_DICT | APPENDS | LIST
        | EMPTY_LIST | OBJ | SETITEM | TUPLE | EMPTY_TUPLE | SETITEMS | BINPERSID | NEWOBJ | TUPLE1 | TUPLE2
        | TUPLE3 | NEWTRUE | NEWFALSE | EMPTY_SET | ADDITEMS | FROZENSET | NEWOBJ_EX | STACK_GLOBAL | MEMOIZE
        | NEXT_BUFFER | READONLY_BUFFER => 0,
        BININT1 | BINGET | BINPUT | PROTO | EXT1 => 1,
        BININT2 | EXT2 => 2,
        BININT | LONG_BINGET | LONG_BINPUT | EXT4 => 4,
        BINFLOAT | FRAME => 8,
        SHORT_BINSTRING | SHORT_BINBYTES | LONG1 | SHORT_BINUNICODE => counted(1)?,
        BINSTRING | BINBYTES | BINUNICODE | LONG4 => counted(4)?,
        BINBYTES8 | BINUNICODE8 | BYTEARRAY8 => counted(8)?,
        FLOAT | INT | LONG | PERSID | STRING | UNICODE | GET | PUT => line(argument)?,
        GLOBAL | INST => {
            let first = line(argument)?;
            first + line(&argument[first..])?
        }
        _ => return None,
    };
    length.checked_add(1)
}
