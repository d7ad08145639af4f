//! The interchange file `torchlean.ir.v1`: read, checked, printed back; imported, run and
//! differentiated like any graph; exported.

mod agree;
mod evaluator;
mod export;
mod messages;
mod mutations;
mod parameters;
mod pytorch;
mod roundtrip;
#[path = "../support/mod.rs"]
mod support;

/// How many random graphs are drawn; `COTANGENT_GRAPHS` says otherwise.
fn graphs(default: u64) -> u64 {
    std::env::var("COTANGENT_GRAPHS").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// A file of these nodes, `output` the last.
fn file(nodes: &[&str]) -> String {
    format!(
        r#"{{"format": "torchlean.ir.v1", "input_id": 0, "output_id": {}, "nodes": [{}]}}"#,
        nodes.len() - 1,
        nodes.join(", ")
    )
}

/// A file with an input of this shape as node 0, then these nodes.
fn after_input(shape: &str, nodes: &[&str]) -> String {
    let input = format!(r#"{{"id": 0, "kind": "input", "parents": [], "shape": {shape}}}"#);
    file(&[&[input.as_str()], nodes].concat())
}
