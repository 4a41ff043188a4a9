//! The modes in which calls run: `funes.mode` and `FUNES_MODE`.
//!
//! A process in which no mode was ever set pays one comparison per hit: [`are_set`].

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::hooks;
use crate::lazy::Lazy;

/// How a call uses the cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Usual,
    /// The function runs; nothing is read or stored.
    Off,
    /// Entries are read. A miss is computed and not stored.
    ReadOnly,
    /// Entries are read. A miss raises `CacheMissError`.
    Offline,
    /// As `Offline`, for a call that must compute.
    Barred,
    /// The entry is computed and replaced.
    Refresh,
}

/// The modes by name; their positions plus 1 are the values of `ENVIRONMENT`.
const NAMES: [(&str, Mode); 4] =
    [("off", Mode::Off), ("readonly", Mode::ReadOnly), ("offline", Mode::Offline), ("refresh", Mode::Refresh)];

/// True once a mode may be active anywhere. It stays true: a context that was copied keeps its mode.
static ARE_SET: AtomicBool = AtomicBool::new(false);

/// True once `FUNES_MODE` was looked for.
static HAS_LOOKED: AtomicBool = AtomicBool::new(false);

/// True once it is applied. Another thread may look meanwhile.
static IS_APPLIED: AtomicBool = AtomicBool::new(false);

/// The mode of `FUNES_MODE`; 0 for none.
static ENVIRONMENT: AtomicU8 = AtomicU8::new(0);

/// The context variable that holds the name of the mode.
static VARIABLE: Lazy<Py<PyAny>> = Lazy::new();

/// The share of hits that are computed again, of 2^64; 0 for none.
static RECHECK: AtomicU64 = AtomicU64::new(0);

/// Returns whether a mode may be active. Then a hit takes the general path.
#[inline]
pub(crate) fn are_set() -> bool {
    ARE_SET.load(Ordering::Relaxed)
}

/// Returns whether no mode can be active. Before the first call that asks for its mode, `FUNES_MODE` is not known.
pub(crate) fn are_none() -> bool {
    IS_APPLIED.load(Ordering::Relaxed) && !are_set()
}

/// Returns whether `FUNES_MODE` is a mode that writes no file. Then the process saves no statistics of its hits.
pub(crate) fn is_process_readonly() -> bool {
    matches!(of_environment(), Mode::ReadOnly | Mode::Offline)
}

fn of_environment() -> Mode {
    let number = usize::from(ENVIRONMENT.load(Ordering::Relaxed));
    number.checked_sub(1).map_or(Mode::Usual, |position| NAMES[position].1)
}

impl Mode {
    /// Returns the mode of the present code.
    pub(crate) fn now(py: Python<'_>) -> PyResult<Self> {
        if !HAS_LOOKED.load(Ordering::Relaxed) {
            read_environment(py)?;
        }
        if !are_set() {
            return Ok(Self::Usual);
        }
        if let Some(variable) = VARIABLE.get() {
            let mut value = std::ptr::null_mut();
            // SAFETY: the thread is attached, and `VARIABLE` is a context variable. The value is an
            // owned reference, or null if there is none.
            let value = unsafe {
                if ffi::PyContextVar_Get(variable.as_ptr(), std::ptr::null_mut(), &raw mut value) < 0 {
                    return Err(PyErr::fetch(py));
                }
                Bound::from_owned_ptr_or_opt(py, value)
            };
            let name = value.as_ref().and_then(|value| value.cast::<PyString>().ok());
            // An empty name stands for the mode of the environment.
            if let Some(name) = name.filter(|name| name.len().is_ok_and(|length| length > 0)) {
                return Ok(NAMES[named(name)?].1);
            }
        }
        Ok(of_environment())
    }

    /// Returns whether calls take the usual way, and their hits are not computed again.
    pub(crate) fn is_usual(self) -> bool {
        self == Self::Usual && RECHECK.load(Ordering::Relaxed) == 0
    }

    /// Returns whether calls may run the function.
    pub(crate) fn computes(self) -> bool {
        !matches!(self, Self::Offline | Self::Barred)
    }

    /// Returns whether calls store results.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Usual | Self::Refresh)
    }

    /// Returns the mode of a call that must compute, in this mode.
    pub(crate) fn refreshing(self) -> Self {
        match self {
            Self::Usual | Self::Refresh => Self::Refresh,
            Self::Off | Self::ReadOnly => Self::Off,
            Self::Offline | Self::Barred => Self::Barred,
        }
    }
}

/// Lets Python code apply `FUNES_MODE` and `FUNES_RECHECK`, if one is set. Its module is not imported otherwise.
#[cold]
fn read_environment(py: Python<'_>) -> PyResult<()> {
    HAS_LOOKED.store(true, Ordering::Relaxed);
    if ["FUNES_MODE", "FUNES_RECHECK"].iter().any(|name| std::env::var_os(name).is_some_and(|text| !text.is_empty())) {
        hooks::APPLY_ENVIRONMENT.get(py)?.call0()?;
    }
    IS_APPLIED.store(true, Ordering::Relaxed);
    Ok(())
}

fn named(name: &Bound<'_, PyString>) -> PyResult<usize> {
    let text = name.to_str()?;
    NAMES.iter().position(|(name, _)| *name == text).ok_or_else(|| PyValueError::new_err(format!("no mode {text}")))
}

/// Registers the context variable of the modes. From now on, calls ask for their mode.
#[pyfunction]
pub(crate) fn watch_modes(variable: Bound<'_, PyAny>) {
    VARIABLE.get_or_init(variable.py(), || variable.clone().unbind());
    ARE_SET.store(true, Ordering::Relaxed);
}

/// Returns whether a hit is computed again.
///
/// The multiples of the golden ratio are spread evenly, so that every loop over a few functions has the wanted share,
/// and so has the sum over many short processes, which start at random.
pub(crate) fn draws_recheck() -> bool {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    static POSITION: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(0)));
    let share = RECHECK.load(Ordering::Relaxed);
    share == u64::MAX || (share > 0 && POSITION.fetch_add(GOLDEN, Ordering::Relaxed) < share)
}

/// Sets the share of hits that are computed again, from 0 to 1.
#[expect(clippy::cast_sign_loss, reason = "a share is not negative")]
#[pyfunction]
pub(crate) fn set_recheck_share(share: f64) {
    // 1 becomes the largest number.
    RECHECK.store((share * 2_f64.powi(64)) as u64, Ordering::Relaxed);
    ARE_SET.store(true, Ordering::Relaxed);
}

/// Sets the mode of all code whose context has none.
#[pyfunction]
pub(crate) fn set_environment_mode(name: &Bound<'_, PyString>) -> PyResult<()> {
    ENVIRONMENT.store(named(name)? as u8 + 1, Ordering::Relaxed);
    ARE_SET.store(true, Ordering::Relaxed);
    Ok(())
}
