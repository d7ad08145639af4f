//! Results: printed, or written to files.

use crate::message::Failure;
use crate::npy;
use cotangent::tape::{Data, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// A result with its name.
pub struct Named {
    pub name: String,
    pub tensor: Tensor,
}

/// Writes to standard output. A reader that went away is no error.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints results, or writes them to a file.
pub fn deliver(results: &[Named], out: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = out else {
        let mut text = String::new();
        for result in results {
            text += &format!("{}: {} = {}\n", result.name, result.tensor.ty(), elements(&result.tensor));
        }
        return print(&text);
    };
    let bytes = match (path.extension().and_then(|e| e.to_str()), results) {
        (Some("npy"), [one]) => npy::write(&one.tensor),
        (Some("npy"), _) => {
            let text = format!("{} results do not fit into one .npy file: use .safetensors", results.len());
            return Err(Failure::usage(text));
        }
        (Some("safetensors"), _) => safetensors(results)?,
        _ => return Err(Failure::usage(format!("--out {}: expected .npy or .safetensors", path.display()))),
    };
    std::fs::write(path, bytes).map_err(|e| Failure::run(format!("cannot write {}: {e}", path.display())))
}

/// Nested brackets, numbers as the shortest decimals that read back.
fn elements(tensor: &Tensor) -> String {
    let words: Vec<String> = match tensor.data() {
        Data::F64(v) => v.iter().map(|x| number(*x, x.to_string())).collect(),
        Data::F32(v) => v.iter().map(|x| number(f64::from(*x), x.to_string())).collect(),
        Data::I64(v) => v.iter().map(i64::to_string).collect(),
        Data::Bool(v) => v.iter().map(bool::to_string).collect(),
    };
    let mut out = String::new();
    nest(&mut out, &words, tensor.ty().shape.dims());
    out
}

/// Very large and very small numbers with an exponent.
fn number(x: f64, plain: String) -> String {
    let size = x.abs();
    if x != 0.0 && x.is_finite() && !(1e-5..1e16).contains(&size) {
        return if plain.len() > 24 { format!("{x:e}") } else { plain };
    }
    plain
}

fn nest(out: &mut String, words: &[String], dims: &[usize]) {
    let Some((&extent, rest)) = dims.split_first() else {
        *out += words.first().map_or("", String::as_str);
        return;
    };
    out.push('[');
    let each = words.len().checked_div(extent).unwrap_or(0);
    for i in 0..extent {
        if i > 0 {
            *out += if rest.is_empty() { ", " } else { ",\n " };
        }
        nest(out, words.get(i * each..(i + 1) * each).unwrap_or(&[]), rest);
    }
    out.push(']');
}

fn safetensors(results: &[Named]) -> Result<Vec<u8>, Failure> {
    let columns: Vec<(Dtype, Vec<u8>)> = results
        .iter()
        .map(|result| match result.tensor.data() {
            Data::F64(v) => (Dtype::F64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Data::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Data::I64(v) => (Dtype::I64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            Data::Bool(v) => (Dtype::BOOL, v.iter().map(|&x| u8::from(x)).collect()),
        })
        .collect();
    let failed = |e: safetensors::SafeTensorError| Failure::run(e);
    let mut views = Vec::with_capacity(results.len());
    for (result, (dtype, bytes)) in results.iter().zip(&columns) {
        let shape = result.tensor.ty().shape.dims().to_vec();
        views.push((result.name.as_str(), TensorView::new(*dtype, shape, bytes).map_err(failed)?));
    }
    safetensors::serialize(views, None).map_err(failed)
}
