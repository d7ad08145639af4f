//! Derivatives of whole problems against numbers that come from elsewhere: the
//! NIST regression problems (value, gradient, Hessian to all digits) and two
//! problems of ADBench.
#![cfg(feature = "jit")]

mod adbench;
mod models;
mod nist;
mod second;

type Failure = Box<dyn std::error::Error>;

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}
