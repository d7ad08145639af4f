//! What is read prints back, byte for byte after the first time.

use crate::after_input;
use cotangent::fuzzing::{Rng, Source, ir_graph};
use cotangent::ir::{File, IrGraph, Kind};

#[test]
fn random_graphs_print_and_read_back() {
    let mut met = vec![0usize; Kind::TAGS.len()];
    for seed in 0..600 {
        let mut rng = Rng::new(seed);
        let nodes = 1 + rng.below(30);
        let graph =
            ir_graph(&mut rng, nodes).unwrap_or_else(|| panic!("seed {seed} drew a graph that is none"));
        for node in graph.nodes() {
            met[Kind::TAGS.iter().position(|t| *t == node.kind.tag()).unwrap()] += 1;
        }
        let text = graph.to_string();
        let again = IrGraph::parse(&text).unwrap_or_else(|e| panic!("{e} in\n{text}"));
        assert_eq!(again, graph);
        assert_eq!(again.to_string(), text);
    }
    assert_eq!(Kind::TAGS.len(), 41);
    let missing: Vec<&str> = Kind::TAGS.iter().zip(&met).filter(|(_, n)| **n == 0).map(|(t, _)| *t).collect();
    assert!(missing.is_empty(), "never drawn: {missing:?}");
}

#[test]
fn keys_have_one_order_and_notes_are_dropped() {
    let text = after_input(
        "[1,2, 4]",
        &[
            r#"{"shape": [1,2,4], "target": "aten.add", "parents": [0,0], "kind": "add", "id": 1}"#,
            r#"{"id": 2, "kind": "multihead_attention", "parents": [1, 1, 1], "dropout_zero": true, "bias": true,
                "batch_first": true, "embed_dim": 4, "num_heads": 1, "tuple_shapes": [[1, 2, 4], []], "value_kind": "tuple"}"#,
            r#"{"id": 3, "kind": "tuple_getitem", "parents": [2], "shape": [1, 2, 4], "index": 0}"#,
            r#"{"id": 4, "kind": "py \"tuple\"\n", "parents": [3], "value_kind": "tuple", "tuple_shapes": []}"#,
            r#"{"id": 5, "kind": "layernorm", "parents": [3], "shape": [1, 2, 4], "axis": 2, "eps": 1e-05}"#,
        ],
    );
    let expected = r#"{
  "format": "torchlean.ir.v1",
  "input_id": 0,
  "output_id": 5,
  "nodes": [
    {"id": 0, "kind": "input", "parents": [], "shape": [1, 2, 4]},
    {"id": 1, "kind": "add", "parents": [0, 0], "shape": [1, 2, 4]},
    {"id": 2, "kind": "multihead_attention", "parents": [1, 1, 1], "value_kind": "tuple", "tuple_shapes": [[1, 2, 4], []], "num_heads": 1, "embed_dim": 4, "batch_first": true, "dropout_zero": true},
    {"id": 3, "kind": "tuple_getitem", "parents": [2], "shape": [1, 2, 4], "index": 0},
    {"id": 4, "kind": "py \"tuple\"\u000a", "parents": [3], "value_kind": "tuple", "tuple_shapes": []},
    {"id": 5, "kind": "layernorm", "parents": [3], "shape": [1, 2, 4], "axis": 2, "eps": 1e-5}
  ]
}
"#;
    let file = File::parse(&text).unwrap();
    assert_eq!(file.to_string(), expected);
    assert_eq!(File::parse(expected).unwrap(), file);

    // The attention is ten nodes, of which four are `linear`; the other tuple is gone.
    let graph = file.lower().unwrap();
    let tags: Vec<&str> = graph.nodes().iter().map(|n| n.kind.tag()).collect();
    let heads = [
        "linear",
        "linear",
        "linear",
        "transpose3d_last_two",
        "matmul",
        "const",
        "mul_elem",
        "softmax",
        "matmul",
        "linear",
    ];
    assert_eq!(tags, [["input", "add"].as_slice(), &heads, &["layernorm"]].concat());
    assert_eq!(graph.output_id(), 12);
    assert_eq!(IrGraph::parse(&graph.to_string()).unwrap(), graph);
    let keys: Vec<String> = graph.parameters().iter().map(|p| p.key()).collect();
    assert_eq!(keys, ["2.W", "2.b", "3.W", "3.b", "4.W", "4.b", "7.values", "11.W", "11.b"]);
}

#[test]
fn a_long_chain_reads_and_prints_in_time() {
    let n = 100_000;
    let nodes: Vec<String> = (1..n)
        .map(|i| format!(r#"{{"id": {i}, "kind": "relu", "parents": [{}], "shape": [2]}}"#, i - 1))
        .collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let graph = IrGraph::parse(&after_input("[2]", &nodes)).unwrap();
    assert_eq!(graph.nodes().len(), n);
    assert_eq!(IrGraph::parse(&graph.to_string()).unwrap(), graph);
}
