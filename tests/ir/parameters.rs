//! Parameters: from the caller and from safetensors, constant or inputs.

use crate::after_input;
use cotangent::ir::{ImportOptions, IrGraph, LogGuard, Payload, Trainable, exec_graph_of_ir};
use cotangent::{DType, Tape};

/// linear (2 -> 3), then + const.
fn affine() -> IrGraph {
    IrGraph::parse(&after_input(
        "[2]",
        &[
            r#"{"id": 1, "kind": "linear", "parents": [0], "shape": [3]}"#,
            r#"{"id": 2, "kind": "const", "parents": [], "shape": [3]}"#,
            r#"{"id": 3, "kind": "add", "parents": [1, 2], "shape": [3]}"#,
        ],
    ))
    .unwrap()
}

fn whole() -> Payload {
    Payload::new().linear(1, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.5, 0.25, 0.0]).constant(2, [1.0, 1.0, 1.0])
}

#[test]
fn values_come_out_by_node() {
    let exec = exec_graph_of_ir(&affine(), &whole()).unwrap();
    assert_eq!(exec.graph().inputs().len(), 1);
    let table = exec.denote_all(&[1.0, -1.0]).unwrap();
    let elements: Vec<&[f64]> = table.iter().map(|(_, v)| v.as_slice()).collect();
    assert_eq!(elements, [&[1.0, -1.0][..], &[-0.5, -0.75, -1.0], &[1.0, 1.0, 1.0], &[0.5, 0.25, 0.0]]);
    assert_eq!(exec.eval(&[1.0, -1.0]).unwrap()[3].to_f64(), [0.5, 0.25, 0.0]);
}

#[test]
fn parameters_become_inputs_one_by_one() {
    let only = ImportOptions::default().trainable(Trainable::Only(vec!["1.b".into(), "2.values".into()]));
    let exec = affine().import(&whole(), &only).unwrap();
    let names: Vec<&str> = exec.graph().inputs().iter().map(|i| &*i.name).collect();
    assert_eq!(names, ["x", "1.b", "2.values"]);
    assert_eq!(exec.parameters()[0].initial.as_deref(), Some(&[0.5, 0.25, 0.0][..]));

    let all = affine().import(&whole(), &ImportOptions::default().trainable(Trainable::All)).unwrap();
    let tape: Tape<'_> = Tape::compile(all.graph(), all.inputs(&[1.0, -1.0]).unwrap()).unwrap();
    let seed = cotangent::tape::Tensor::f64([3], &[1.0, 2.0, 3.0]).unwrap();
    let gradients = tape.backward(all.value(3).unwrap(), seed).unwrap();
    let by_name = |name: &str| {
        let p = all.parameters().iter().find(|p| p.parameter.key() == name).unwrap();
        gradients[&p.value].to_f64()
    };
    assert_eq!(by_name("1.W"), [1.0, -1.0, 2.0, -2.0, 3.0, -3.0]);
    assert_eq!(by_name("1.b"), [1.0, 2.0, 3.0]);
    assert_eq!(by_name("2.values"), [1.0, 2.0, 3.0]);
}

#[test]
fn mistakes_are_named() {
    let graph = affine();
    let error =
        |payload: &Payload, options: &ImportOptions| graph.import(payload, options).unwrap_err().to_string();
    let frozen = ImportOptions::default();
    assert_eq!(error(&Payload::new(), &frozen), "missing linear payload for node 1 (no `1.W`)");
    let short = Payload::new().linear(1, [0.0; 6], [0.0; 3]);
    assert_eq!(error(&short, &frozen), "missing const payload for node 2 (no `2.values`)");
    let wrong = |payload: Payload| error(&payload, &frozen);
    assert_eq!(
        wrong(whole().constant(2, [1.0])),
        "const 2: flat length mismatch: `2.values` has 1, expected 3, shape [3]"
    );
    assert_eq!(
        wrong(whole().linear(1, [0.0; 4], [0.0; 3])),
        "linear 1: flat length mismatch: `1.W` has 4, expected 6, shape [3,2]"
    );
    assert_eq!(wrong(whole().constant(3, [1.0])), "payload `3.values`: node 3 (add) has no such parameter");
    assert_eq!(wrong(whole().constant(9, [1.0])), "payload `9.values`: the graph has 4 nodes");
    let only = frozen.clone().trainable(Trainable::Only(vec!["1.weight".into()]));
    assert!(error(&whole(), &only).starts_with("payload `1.weight`: the graph has no such parameter"));
    assert!(
        error(&whole(), &frozen.clone().dtype(DType::I64))
            .starts_with("IR graph: node 0 (input): input: operand 0")
    );

    let exec = graph.import(&Payload::new(), &frozen.trainable(Trainable::All)).unwrap();
    assert!(exec.eval(&[1.0, 2.0]).unwrap_err().to_string().starts_with("payload `1.W`: it is an input"));
    let exec = graph.import(&whole(), &ImportOptions::default()).unwrap();
    assert_eq!(
        exec.eval(&[1.0]).unwrap_err().to_string(),
        "IR eval: input: shape mismatch: expected f64[2], got f64[1]"
    );
}

#[test]
fn missing_payloads_of_every_kind_are_named() {
    let one = |shape: &str, node: &str| {
        let graph = IrGraph::parse(&after_input(shape, &[&format!(r#"{{"id": 1, {node}}}"#)])).unwrap();
        exec_graph_of_ir(&graph, &Payload::new()).unwrap_err().to_string()
    };
    let conv = r#""kind": "conv2d", "parents": [0], "shape": [1,1,1], "inC": 1, "outC": 1, "kH": 2, "kW": 2, "stride": 1, "padding": 0"#;
    assert_eq!(one("[1,2,2]", conv), "missing conv2d payload for node 1 (no `1.W`)");
    let norm = r#""kind": "batch_norm2d_nchw_eval", "parents": [0], "shape": [1,1,2,2], "channels": 1"#;
    assert_eq!(one("[1,1,2,2]", norm), "missing batch_norm2d_nchw_eval payload for node 1 (no `1.gamma`)");

    let graph = IrGraph::parse(&after_input(
        "[1,1,1,1]",
        &[&format!(r#"{{"id": 1, {norm}}}"#).replace("[1,1,2,2]", "[1,1,1,1]")],
    ))
    .unwrap();
    let given = |eps: f64| Payload::new().batch_norm(1, [&[2.0], &[3.0], &[1.0], &[-4.0]], eps);
    let error = exec_graph_of_ir(&graph, &given(f64::NAN)).unwrap_err().to_string();
    assert_eq!(error, "payload `1.eps`: [NaN] is not one number from 0 on");
    // A negative variance counts as 0: (5 - 1) / sqrt(0.25) * 2 + 3.
    assert_eq!(exec_graph_of_ir(&graph, &given(0.25)).unwrap().eval(&[5.0]).unwrap()[1].to_f64(), [19.0]);
    let all = graph.import(&given(0.25), &ImportOptions::default().trainable(Trainable::All)).unwrap();
    assert_eq!(all.eval(&[5.0]).unwrap()[1].to_f64(), [19.0]);
}

#[test]
fn safetensors_round_trip() {
    let payload = whole();
    let bytes = payload.to_safetensors().unwrap();
    assert_eq!(Payload::from_safetensors(&bytes).unwrap(), payload);
    for cut in 0..bytes.len() {
        assert!(Payload::from_safetensors(&bytes[..cut]).is_err());
    }
    let mut odd = Payload::new();
    odd.insert(1, "a.b", [f64::NAN, -0.0]);
    let back = Payload::from_safetensors(&odd.to_safetensors().unwrap()).unwrap();
    assert!(back.values(1, "a.b").unwrap()[1].is_sign_negative());
}

#[test]
fn the_logarithm_is_guarded_on_request() {
    let graph = IrGraph::parse(&after_input(
        "[3]",
        &[
            r#"{"id": 1, "kind": "relu", "parents": [0], "shape": [3]}"#,
            r#"{"id": 2, "kind": "log", "parents": [1], "shape": [3]}"#,
        ],
    ))
    .unwrap();
    let plain = exec_graph_of_ir(&graph, &Payload::new()).unwrap();
    assert_eq!(plain.eval(&[1.0, -1.0, 1.0]).unwrap()[2].to_f64(), [0.0, f64::NEG_INFINITY, 0.0]);
    let guarded = graph.import(&Payload::new(), &ImportOptions::default().log(LogGuard::On)).unwrap();
    assert_eq!(guarded.eval(&[1.0, 1.0, 1.0]).unwrap()[2].to_f64(), [0.0; 3]);
    for bad in [-1.0, 0.0, f64::NAN] {
        let error = guarded.eval(&[1.0, 1.0, bad]).unwrap_err().to_string();
        let start = "IR eval: log: node 2: input contains values <= 0 (or NaN) at position 2; use `safe_log`";
        assert!(error.starts_with(start), "{error}");
    }
}

#[test]
fn inputs_of_two_shapes_are_refused() {
    let text = after_input("[3]", &[r#"{"id": 1, "kind": "input", "parents": [], "shape": [2]}"#]);
    let error = exec_graph_of_ir(&IrGraph::parse(&text).unwrap(), &Payload::new()).unwrap_err().to_string();
    assert!(error.starts_with("IR graph: node 1: input: shape mismatch: expected [3], got [2]"), "{error}");
}
