//! Bad input (contract C4): whatever is asked, a call or a compilation works or
//! returns an error that says what is wrong. Nothing panics, aborts, overflows
//! the stack, or touches memory that is not the caller's.

mod calls;
mod chains;
mod indices;
mod shapes;
mod sizes;
#[path = "../support/mod.rs"]
mod support;
mod windows;
