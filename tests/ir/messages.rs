//! Every message, in a table: what is wrong, where it stands.

use crate::{after_input, file};
use cotangent::ir::IrGraph;

fn error(text: &str) -> String {
    match IrGraph::parse(text) {
        Ok(graph) => panic!("no error in {text}\n{graph}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_mistake_of_a_node_is_named() {
    let mut cases = 0;
    let lines: Vec<&str> = include_str!("messages.txt").lines().filter(|l| !l.starts_with('#')).collect();
    for case in lines.split(|l| l.is_empty()).filter(|c| !c.is_empty()) {
        let &[shapes, node, message] = case else { panic!("three lines: {case:?}") };
        let (shape, other) = shapes.split_once(' ').unwrap_or((shapes, ""));
        let id = 1 + usize::from(!other.is_empty());
        let constant = format!(r#"{{"id": 1, "kind": "const", "parents": [], "shape": {other}}}"#);
        let node = format!(r#"{{"id": {id}, {node}}}"#);
        let got = error(&after_input(shape, &[constant.as_str(), node.as_str()][2 - id..]));
        assert!(got.contains(message), "expected {message}\ngot      {got}");
        cases += 1;
    }
    assert!(cases > 60, "{cases}");
}

const INPUT: &str = r#"{"id": 0, "kind": "input", "parents": [], "shape": [2]}"#;

#[test]
fn mistakes_of_the_file_are_named() {
    let whole = |fields: &str| error(&format!("{{{fields}, \"nodes\": [{INPUT}]}}"));
    let cases = [
        (
            whole(r#""format": "torchlean.ir.v2", "input_id": 0, "output_id": 0"#),
            "unsupported format `torchlean.ir.v2` (expected `torchlean.ir.v1`)",
        ),
        (
            whole(r#""input_id": 3, "output_id": 0"#),
            "IR graph: node id out of bounds: 3 (input of a graph of 1 nodes)",
        ),
        (
            whole(r#""input_id": 0, "output_id": 1"#),
            "IR graph: node id out of bounds: 1 (output of a graph of 1 nodes)",
        ),
        (
            error(&file(&[&INPUT.replace("\"id\": 0", "\"id\": 4")])),
            "IR graph: id discipline violated at index 0: nodes[0].id = 4",
        ),
        (
            error(&file(&[r#"{"id": 0, "kind": "const", "parents": [], "shape": [2]}"#])),
            "IR graph: node 0 is not `input` (got const)",
        ),
    ];
    for (got, message) in cases {
        assert_eq!(got, message);
    }
    // A file without a format is taken.
    IrGraph::parse(&format!(r#"{{"input_id": 0, "output_id": 0, "nodes": [{INPUT}]}}"#)).unwrap();
}

#[test]
fn mistakes_of_the_json_have_line_and_column() {
    // Up to where the file makes sense, the rest, a part of the message.
    let cases = [
        ("", "", "EOF"),
        ("{\n  4", "}", "key must be a string"),
        ("{\"nodes\": [\n{\"id\": -1", ", \"kind\": \"input\"}]}", "integer `-1`"),
        ("{\"nodes\": [\n{\"id\": 0.5", ", \"kind\": \"input\"}]}", "floating point `0.5`"),
        ("{\"nodes\": [\n{\"id\": 99999999999999999999", "}]}", "floating point `1e+20`"),
        ("{\"nodes\": [\n{\"id\": 0, \"parents\": \"a\"", "}]}", "expected a sequence"),
        ("{\"nodes\": [\n\n{\"id\": 0, \"shape\": [2, null", "]}]}", "null"),
        ("{\"nodes\": [\n{\"id\": 0, \"id\"", ": 0}]}", "duplicate field `id`"),
        ("{\"nodes\": [\n{\"id\": 0, \"parents\": []}", "]}", "missing field `kind`"),
        ("{\"input_id\": 0,\n\"nodes\": [ ] }", "", "missing field `output_id`"),
        ("{\"format\":3", ", \"input_id\": 0}", "integer `3`"),
        ("{\"format\":null", ", \"input_id\": 0}", "null"),
        ("{\"input_id\": 0, \"output_id\": 0, \"nodes\": []}\n [", "", "trailing characters"),
    ];
    let mut wrong = Vec::new();
    for (before, rest, message) in cases {
        let got = error(&format!("{before}{rest}"));
        let (line, column) = (before.lines().count().max(1), before.lines().last().unwrap_or("").len());
        if !got.starts_with(&format!("line {line}, column {column}: ")) || !got.contains(message) {
            wrong.push(format!("{before:?} ({line}, {column}): {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file with an attention, changed, and the element that is taken of it.
fn attention(change: (&str, &str), item: &str) -> String {
    let heads = r#"{"id": 1, "kind": "multihead_attention", "parents": [0, 0, 0], "value_kind": "tuple", "tuple_shapes": [[1, 2, 4], [1, 2, 2]], "num_heads": 1, "embed_dim": 4, "batch_first": true, "dropout_zero": true}"#;
    assert!(heads.contains(change.0), "{}", change.0);
    after_input("[1, 2, 4]", &[&heads.replace(change.0, change.1), item])
}

#[test]
fn tuples_that_do_not_lower_are_named() {
    let item = r#"{"id": 2, "kind": "tuple_getitem", "parents": [1], "shape": [1, 2, 4], "index": 0}"#;
    let same = ("tuple", "tuple");
    let cases = [
        (
            attention(("\"num_heads\": 1", "\"num_heads\": 2"), item),
            "node 1 (multihead_attention): only num_heads 1 is lowered",
        ),
        (
            attention(("\"batch_first\": true", "\"batch_first\": false"), item),
            "only batch_first true is lowered",
        ),
        (
            attention(("\"dropout_zero\": true", "\"dropout_zero\": false"), item),
            "only dropout zero is lowered",
        ),
        (
            attention(("\"embed_dim\": 4", "\"embed_dim\": 3"), item),
            "embed_dim is 3, the last axis of the parent 4",
        ),
        (attention(("[0, 0, 0]", "[0, 0]"), item), "expects query, key and value as parents, got 2"),
        (attention(("[0, 0, 0]", "[0, 0, 5]"), item), "node 1: parent id 5 is not < 1"),
        (
            attention(("multihead_attention", "py_tuple"), item),
            "node 2 (tuple_getitem): no lowering for an element of a tuple of `py_tuple`",
        ),
        (
            attention(same, &item.replace("\"index\": 0", "\"index\": 1")),
            "node 2 (tuple_getitem): element 1 of `multihead_attention` is not lowered",
        ),
        (
            attention(same, &item.replace("[1, 2, 4]", "[1, 2, 3]")),
            "node 2 (tuple_getitem): outShape mismatch: inferred=[1,2,4], declared=[1,2,3]",
        ),
        (
            attention(same, &item.replace("[1]", "[0]")),
            "node 2 (tuple_getitem): parent 0 is a tensor, not a tuple",
        ),
        (attention(same, &item.replace("[1]", "[2]")), "node 2: parent id 2 is not < 2"),
        (
            attention(same, &item.replace("[1]", "[]")),
            "node 2 (tuple_getitem): expects one tuple as parent, got 0",
        ),
        (
            attention(same, r#"{"id": 2, "kind": "relu", "parents": [1], "shape": [1]}"#),
            "node 2 (relu): parent 1 is a tuple, not a tensor",
        ),
        (
            attention(("\"embed_dim\": 4, ", ""), item),
            "node 1 (multihead_attention): missing attribute `embed_dim`",
        ),
    ];
    for (text, message) in cases {
        let got = error(&text);
        assert!(got.contains(message), "expected {message}\ngot      {got}");
    }
    let text = after_input(
        "[1, 2, 4]",
        &[
            r#"{"id": 1, "kind": "relu", "parents": [0], "shape": [1, 2, 4]}"#,
            r#"{"id": 2, "kind": "multihead_attention", "parents": [0, 0, 1], "value_kind": "tuple", "tuple_shapes": [], "num_heads": 1, "embed_dim": 4, "batch_first": true, "dropout_zero": true}"#,
            r#"{"id": 3, "kind": "tuple_getitem", "parents": [2], "shape": [1, 2, 4], "index": 0}"#,
        ],
    );
    assert!(error(&text).contains("node 2 (multihead_attention): only self-attention is lowered"));
}

#[test]
fn checks_run_in_their_order() {
    // Each node has all mistakes from its own on; the first kind in the order is reported.
    let node = |id: usize, kind: &str, parents: &str| {
        format!(r#"{{"id": {id}, "kind": "{kind}", "parents": {parents}, "shape": [9]}}"#)
    };
    let of = |nodes: &[String]| {
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        error(&after_input("[2]", &nodes).replace("\"output_id\": ", "\"output_id\": 9"))
    };
    let (shape, late, count, id) =
        (node(1, "relu", "[0]"), node(2, "relu", "[5]"), node(3, "relu", "[]"), node(7, "relu", "[]"));
    assert!(
        of(&[shape.clone(), late.clone(), count.clone(), id]).contains("id discipline violated at index 4")
    );
    assert!(of(&[shape.clone(), late.clone(), count]).contains("node 3: bad parent count"));
    assert!(of(&[shape.clone(), late]).contains("node 2: parent id 5 is not < 2"));
    assert!(of(&[shape]).contains("node 1: outShape mismatch"));
    assert!(of(&[node(1, "relu", "[0]").replace('9', "2")]).contains("node id out of bounds"));
}
