//! The theorems of the system that this one follows, each as a test of its name: what
//! is proved there for every graph over a commutative semiring holds here on random
//! graphs, over the rationals exactly and in f64 to the bit, on the tape and in compiled
//! code. `recursion` is the definition they are held against, written without a look
//! at the sweeps or the rules.
#![cfg(feature = "jit")]

mod context;
mod correctness;
mod recursion;
#[allow(unused_imports)]
#[path = "../support/mod.rs"]
mod support;
