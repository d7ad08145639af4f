//! Graphs of any shape compile or are refused.
#![no_main]

use cotangent::fuzzing::Target;
use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex};

static TARGET: LazyLock<Mutex<Target>> = LazyLock::new(Mutex::default);

fuzz_target!(|bytes: &[u8]| {
    let mut target = TARGET.lock().unwrap_or_else(|held| held.into_inner());
    target.compile(bytes);
    if let Some(note) = target.note() {
        eprintln!("compile: {note}");
    }
});
