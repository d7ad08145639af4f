//! Inputs from files and results to files.

use crate::{bad, good, path, scratch};
use std::fs;

/// A .npy file made by hand, as NumPy writes it: header padded to 64 bytes.
fn npy(kind: &str, shape: &str, fortran: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn file(name: &str, bytes: &[u8]) -> String {
    let path = scratch(name);
    fs::write(&path, bytes).expect("a file");
    path.display().to_string()
}

fn doubles(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn npy_in_and_out() {
    let x = file("x.npy", &npy("<f8", "(3, 2)", "False", &doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])));
    let w =
        file("w.npy", &npy("<f4", "(2,)", "False", &[0.0f32.to_le_bytes(), 0.5f32.to_le_bytes()].concat()));
    let out = scratch("value.npy");
    let inputs = [format!("x={x}"), format!("w={w}")];
    let arguments = ["run", &path("regression.ct"), "-i", &inputs[0], "-i", &inputs[1], "-i", "y=1,2,6"];
    assert_eq!(good(&arguments), "output0: f64[] = 3\n");
    assert_eq!(good(&[&arguments[..], &["--out", &out.display().to_string()]].concat()), "");
    assert_eq!(fs::read(&out).expect("a file"), npy("<f8", "()", "False", &doubles(&[3.0])));
    // What was written is read again.
    let gradient = scratch("gradient.npy").display().to_string();
    let err = bad(2, &[&["grad"][..], &arguments[1..], &["--out", &gradient]].concat());
    assert!(err.contains("4 results do not fit into one .npy file"), "{err}");
}

#[test]
fn safetensors_in_and_out() {
    let out = scratch("gradients.safetensors").display().to_string();
    let inputs = ["-i", "w=0,0.5", "-i", "x=1,2,3,4,5,6", "-i", "y=1,2,6"];
    assert_eq!(good(&[&["grad", &path("regression.ct"), "--out", &out][..], &inputs].concat()), "");
    let bytes = fs::read(&out).expect("a file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let view = tensors.tensor("grad.w").expect("a gradient");
    assert_eq!((view.shape(), view.data()), (&[2][..], doubles(&[-10.0, -12.0]).as_slice()));
    let mut names = tensors.names();
    names.sort();
    assert_eq!(names, ["grad.w", "grad.x", "grad.y", "value"]);

    // Parameters by name; what is no input is passed over.
    let (w, x, other) = (doubles(&[0.0, 0.5]), doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), doubles(&[1.0]));
    use safetensors::{Dtype, tensor::TensorView};
    let view = |shape: &[usize], data| TensorView::new(Dtype::F64, shape.to_vec(), data).expect("a tensor");
    let all = [("w", view(&[2], &w)), ("x", view(&[3, 2], &x)), ("other", view(&[1], &other))];
    let given = file("given.safetensors", &safetensors::serialize(all, None).expect("bytes"));
    assert_eq!(good(&["run", &path("regression.ct"), "-i", &given, "-i", "y=1,2,6"]), "output0: f64[] = 3\n");
    let none =
        file("none.safetensors", &safetensors::serialize([("z", view(&[1], &other))], None).expect("bytes"));
    let err = bad(2, &["run", &path("regression.ct"), "-i", &none, "-i", "y=1"]);
    assert!(err.contains("no tensor in it is named like an input"), "{err}");
    let shapes = file(
        "shapes.safetensors",
        &safetensors::serialize([("w", view(&[1], &other))], None).expect("bytes"),
    );
    let err = bad(2, &["run", &path("regression.ct"), "-i", &shapes, "-i", "y=1", "-i", "x=1"]);
    assert!(err.contains("input w is f64[2], but the file has shape [1]"), "{err}");
}

#[test]
fn bad_files_of_numbers() {
    let good = npy("<f8", "(3,)", "False", &doubles(&[1.0, 2.0, 3.0]));
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("no magic", b"hello".to_vec(), "it is not a .npy file"),
        ("short", good[..40].to_vec(), "it is cut short"),
        ("less data", good[..good.len() - 1].to_vec(), "23 bytes do not fill shape [3]"),
        ("kind", npy("<c16", "(3,)", "False", &[0; 48]), "its elements are <c16"),
        ("order", npy("<f8", "(3, 1)", "True", &[0; 24]), "it is in Fortran order"),
        ("shape", npy("<f8", "(4,)", "False", &[0; 32]), "but the file has shape [4]"),
        ("vast", npy("<f8", "(18446744073709551615, 9)", "False", &[0; 8]), "do not fill shape"),
        ("type", npy("|b1", "(3,)", "False", &[0; 3]), "input y is f64[3], but booleans are given"),
    ];
    for (name, bytes, message) in cases {
        let input = format!("y={}", file(&format!("{}.npy", name.replace(' ', "-")), &bytes));
        let err = bad(2, &["run", &path("regression.ct"), "--random", "1", "-i", &input]);
        assert!(err.contains(message), "{name}: {err}");
    }
    // A file cut short at any place is an error, not a panic.
    for end in 0..good.len() {
        let input = format!("y={}", file("cut.npy", &good[..end]));
        if end % 16 == 3 {
            bad(2, &["run", &path("regression.ct"), "--random", "1", "-i", &input]);
        }
    }
}

fn shipped(name: &str) -> String {
    format!("{}/tests/data/ir/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The loss of PyTorch's network and a gradient, from the interchange file and its
/// parameters: as the library imports them.
#[test]
fn interchange_file_with_parameters() {
    let (net, parameters) = (shipped("mlp.json"), shipped("mlp.safetensors"));
    let text = fs::read_to_string(&net).expect("a file");
    let graph = cotangent::ir::IrGraph::parse(&text).expect("a graph");
    let payload = cotangent::ir::Payload::from_safetensors(&fs::read(&parameters).expect("a file"));
    let payload = payload.expect("parameters");
    let made = cotangent::ir::exec_graph_of_ir(&graph, &payload).expect("a graph of ours");
    let n = made.in_shape().numel();
    let x: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
    let values = made.denote_all(&x).expect("values");
    let (shape, value) = &values[graph.output_id()];
    assert_eq!(shape.numel(), value.len());

    let given = format!("x={}", x.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>().join(","));
    let out = scratch("ir-output.safetensors").display().to_string();
    good(&["run", &net, "-i", &parameters, "-i", &given, "--out", &out]);
    let bytes = fs::read(&out).expect("a file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    assert_eq!(tensors.tensor("output0").expect("the output").data(), doubles(value));

    let single = good(&["run", &net, "--f32", "-i", &parameters, "-i", &given]);
    assert!(single.starts_with("output0: f32["), "{single}");
    let err = bad(2, &["run", &net, "-i", &given]);
    assert!(err.contains("no value for input") && err.contains(".W"), "{err}");
}

#[test]
fn errors_point_into_interchange_files() {
    let good_text = fs::read_to_string(shipped("mlp.json")).expect("a file");
    let wrong = file("wrong.json", good_text.replacen("\"linear\"", "\"linaer\"", 1).as_bytes());
    let err = bad(2, &["run", &wrong, "--random", "1"]);
    assert!(
        err.contains("unsupported kind `linaer`") && err.contains("wrong.json:") && err.contains('^'),
        "{err}"
    );
    let cut = file("cut.json", &good_text.as_bytes()[..good_text.len() / 2]);
    let err = bad(2, &["show", &cut]);
    assert!(err.contains("cut.json:") && err.contains('^'), "{err}");
    let err = bad(2, &["show", &path("regression.ct"), "--f32"]);
    assert!(err.contains("--f32 is for interchange files"), "{err}");
}
