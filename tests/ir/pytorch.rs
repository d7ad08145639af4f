//! Networks exported from PyTorch: loss and gradient of every parameter are PyTorch's
//! own, on the tape and compiled. How the files were made: `tests/data/README.md`.

use crate::support::{Column, tensor_bits};
use cotangent::ir::{ExecGraph, File, ImportOptions, IrGraph, Payload, Trainable};
use cotangent::{DType, Program, Tape, ValueId};
use serde_json::Value;

const NETWORKS: [&str; 3] = ["mlp", "cnn", "attention"];

fn read(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/ir/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn text(name: &str) -> String {
    String::from_utf8(read(name)).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The parameters that PyTorch gives no gradient for: statistics and constants.
fn has_gradient(expected: &Value, name: &str) -> bool {
    expected["gradients"].get(name).is_some()
}

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |m: f64, x| m.max(x.abs()))
}

/// Largest distance over the largest number; over `all`, that of all gradients, where these
/// are zero up to rounding (a bias of keys moves all scores of a row alike).
fn distance(got: &[f64], expected: &[f64], all: f64) -> f64 {
    assert_eq!(got.len(), expected.len());
    let own = largest(expected);
    let size = if own < 1e-6 * all { all } else { own };
    got.iter().zip(expected).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs() / size))
}

fn column(tensor: &cotangent::tape::Tensor) -> Column {
    match tensor.as_f32() {
        Some(v) => Column::F32(v.to_vec()),
        None => Column::F64(tensor.to_f64()),
    }
}

fn floats(column: &Column) -> Vec<f64> {
    match column {
        Column::F64(v) => v.clone(),
        Column::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        _ => panic!("not floats"),
    }
}

/// Loss and gradients by compiled code; the tape gives the same bits.
fn gradients(exec: &ExecGraph, x: &[f64]) -> (f64, Vec<(String, Vec<f64>)>) {
    let graph = exec.graph();
    let inputs = exec.inputs(x).unwrap();
    let wrt: Vec<ValueId> = exec.parameters().iter().map(|p| p.value).collect();

    let columns: Vec<Column> = inputs.iter().map(column).collect();
    let tape: Tape<'_> = Tape::compile(graph, inputs).unwrap();
    let by_value = tape.backward_scalar(graph.outputs()[0]).unwrap();

    let positions: Vec<usize> = wrt.iter().map(|v| v.index()).collect();
    let program = Program::compile(graph, &cotangent::Options::default().wrt(&positions)).unwrap();
    let mut out: Vec<Column> = wrt.iter().map(|&v| Column::zeros(graph.ty(v))).collect();
    let args: Vec<_> = columns.iter().map(Column::arg).collect();
    let mut room: Vec<_> = out.iter_mut().map(Column::arg_mut).collect();
    let loss = program.value_and_grad(&mut program.workspace(), &args, &mut room).unwrap();

    assert_eq!(tape.value(graph.outputs()[0]).unwrap().to_f64(), [loss]);
    for (v, column) in wrt.iter().zip(&out) {
        assert_eq!(tensor_bits(&by_value[v]), column.bits(), "{v}");
    }
    let names = exec.parameters().iter().map(|p| p.parameter.key());
    (loss, names.zip(out.iter().map(floats)).collect())
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    for name in NETWORKS {
        let graph = IrGraph::parse(&text(&format!("{name}.json"))).unwrap();
        let payload = Payload::from_safetensors(&read(&format!("{name}.safetensors"))).unwrap();
        let expected: Value = serde_json::from_str(&text(&format!("{name}.expected.json"))).unwrap();
        let x = numbers(&expected["input"]);
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            let expected = &expected[dtype.name()];
            let trainable: Vec<String> =
                graph.parameters().iter().map(|p| p.key()).filter(|k| has_gradient(expected, k)).collect();
            assert_eq!(trainable.len(), expected["gradients"].as_object().unwrap().len());
            let options = ImportOptions::default().dtype(dtype).trainable(Trainable::Only(trainable));
            let exec = graph.import(&payload, &options).unwrap();
            let (loss, gradients) = gradients(&exec, &x);
            let off = distance(&[loss], &[expected["loss"].as_f64().unwrap()], 0.0);
            let all = expected["gradients"].as_object().unwrap().values().map(|g| largest(&numbers(g)));
            let all = all.fold(0.0, f64::max);
            assert!(off <= tolerance, "{name} {dtype}: the loss is {off:e} off");
            let mut worst: f64 = 0.0;
            for (parameter, gradient) in &gradients {
                let off = distance(gradient, &numbers(&expected["gradients"][parameter]), all);
                assert!(off <= tolerance, "{name} {dtype}: the gradient of {parameter} is {off:e} off");
                worst = worst.max(off);
            }
            println!("{name} {dtype}: {} parameters, worst gradient {worst:.1e}", gradients.len());
        }
    }
}

/// The files are in the form that this crate prints, up to the spelling of numbers.
#[test]
fn the_files_print_back() {
    for name in NETWORKS {
        let text = text(&format!("{name}.json"));
        let file = File::parse(&text).unwrap();
        assert_eq!(file.to_string(), text.replace("1e-05", "1e-5"));
    }
}
