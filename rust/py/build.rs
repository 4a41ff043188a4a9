//! Makes the interpreter's features (`Py_GIL_DISABLED`) known to `cfg`, and refuses interpreters that are not known.

/// The last minor version of Python 3 whose structs (`PyFunctionObject`, `PyDictObject`, `PySetObject`, `PyLongObject`,
/// `PyASCIIObject`, `tp_version_tag`) were compared with what `class_version.rs`, `dict_watch.rs`, `function_parts.rs`,
/// `plain_contents.rs`, `namespace.rs`, `memo_type.rs`, `direct_key.rs` and `scalars.rs` read of them.
const LAST_CHECKED: u8 = 15;

fn main() {
    let minor = pyo3_build_config::get().version().minor;
    assert!(
        minor <= LAST_CHECKED,
        "funes reads fields of structs of CPython, which are not checked for Python 3.{minor} yet: compare them with \
         the new headers, then raise LAST_CHECKED in rust/py/build.rs"
    );
    pyo3_build_config::use_pyo3_cfgs();
}
