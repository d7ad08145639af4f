//! No file makes the parser of `torchlean.ir.v1` panic; what parses prints and parses back.
#![no_main]

use cotangent::fuzzing::Target;
use libfuzzer_sys::fuzz_target;
use std::sync::{LazyLock, Mutex};

static TARGET: LazyLock<Mutex<Target>> = LazyLock::new(Mutex::default);

fuzz_target!(|bytes: &[u8]| {
    let mut target = TARGET.lock().unwrap_or_else(|held| held.into_inner());
    target.ir(bytes);
    if let Some(note) = target.note() {
        eprintln!("ir: {note}");
    }
});
