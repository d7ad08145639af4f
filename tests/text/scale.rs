//! Large graphs: linear time, no recursion.

use crate::round_trip;
use cotangent::{Builder, Graph, dtype};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Far above what is needed, far below what anything quadratic takes.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_chain_of_a_million_nodes() {
    let start = Instant::now();
    let g = Builder::new();
    let mut x = g.input("x", dtype::f64, [2]);
    for i in 0..1_000_000 {
        x = if i % 2 == 0 { x.sin() } else { x.scale(1.0 + f64::from(i)) };
    }
    let graph = g.finish(&[x]).unwrap();
    round_trip(&graph);
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn many_operands_results_inputs_and_outputs() {
    const N: usize = 100_000;
    let start = Instant::now();
    let g = Builder::new();
    let x = g.input("x", dtype::f32, [N]);
    let parts = x.split(0, &[1; N]);
    let y = parts[0].concat(&parts[1..], 0);
    round_trip(&g.finish(&[&parts[..], &[y]].concat()).unwrap());

    // The builder looks for duplicate names one by one, a text does not.
    let mut text = String::from("cotangent graph v1\n");
    for i in 0..N {
        writeln!(text, "input %{i} \"x{i}\": f64[]").unwrap();
    }
    text.push_str("output\n");
    assert_eq!(Graph::parse(&text).unwrap().inputs().len(), N);
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn a_long_constant() {
    let elements: Vec<f64> = (0..1_000_000).map(|i| f64::from(i).sqrt()).collect();
    let g = Builder::new();
    round_trip(&g.finish(&[g.constant(elements)]).unwrap());
}

/// Garbage of any length gives a short message.
#[test]
fn megabytes_of_garbage() {
    let start = Instant::now();
    let many = 1 << 20;
    for text in [
        "x".repeat(many),
        "\u{10ffff}".repeat(many),
        "\n".repeat(many),
        "#".repeat(many),
        format!("cotangent graph v1\ninput %0 \"{}", "\\\"".repeat(many)),
        format!("cotangent graph v1\ninput %0 \"x\": f64[{}", "1,".repeat(many)),
        format!("cotangent graph v1\n%0 = {}: f64[]\n", "neg".repeat(many)),
        format!("cotangent graph v1\n%0 = const {{data=[{}", "[".repeat(many)),
        format!("cotangent graph v1\n%0 = const {{data=[{}]}}: f64[]\n", "1".repeat(many)),
        format!("cotangent graph v1\n%{} = neg %0: f64[]\n", "9".repeat(many)),
        format!("cotangent graph v1\ninput %0 \"\": f64[]\n%1 = neg{}: f64[]\n", " %0".repeat(many)),
        format!(
            "cotangent graph v1\ninput %0 \"\": f64[]\n%1 = reshape %0 {{shape=[{}1]}}: f64[]",
            "1,".repeat(many)
        ),
    ] {
        let message = Graph::parse(&text).unwrap_err().to_string();
        assert!(message.len() < 500, "{} bytes: {}", message.len(), &message[..300]);
    }
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}
