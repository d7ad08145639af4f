//! The text form: what prints parses back to the same graph, and what does not
//! parse says where and why, whatever the text.

mod errors;
mod mutations;
mod roundtrip;
mod rows;
mod scale;

use cotangent::Graph;

/// The same inputs, ops, attributes, types and outputs.
fn assert_same(a: &Graph, b: &Graph) {
    let names = |g: &Graph| g.inputs().iter().map(|i| i.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(a), names(b));
    assert_eq!(a.outputs(), b.outputs());
    assert_eq!(a.len(), b.len());
    assert!(a.values().all(|v| a.ty(v) == b.ty(v) && a.origin(v) == b.origin(v)));
    assert_eq!(a.nodes().len(), b.nodes().len());
    for (x, y) in a.nodes().iter().zip(b.nodes()) {
        assert_eq!(x.op, y.op);
        assert_eq!(x.operands(), y.operands());
    }
}

/// Prints a graph and reads it back; the text.
fn round_trip(graph: &Graph) -> String {
    let text = graph.to_string();
    let back = Graph::parse(&text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
    assert_same(graph, &back);
    assert_eq!(back.to_string(), text);
    text
}
