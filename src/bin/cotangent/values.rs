//! Inputs: given in place, from files, or random.

use crate::args::InputArgs;
use crate::file::GraphFile;
use crate::message::Failure;
use crate::npy::{self, Column, words};
use cotangent::check::{Rng, Source};
use cotangent::tape::{Data, Tensor};
use cotangent::{DType, ValueType};
use safetensors::{Dtype, SafeTensors};

impl Column {
    fn len(&self) -> usize {
        match self {
            Column::Floats(v) => v.len(),
            Column::Integers(v) => v.len(),
            Column::Bools(v) => v.len(),
        }
    }

    /// A tensor of the type; integers of few enough bits become floats.
    fn tensor(self, ty: &ValueType, name: &str) -> Result<Tensor, Failure> {
        let data = match (self, ty.dtype) {
            (Column::Floats(v), DType::F64) => Data::F64(v.into()),
            (Column::Floats(v), DType::F32) => Data::F32(v.into_iter().map(|x| x as f32).collect()),
            (Column::Integers(v), DType::I64) => Data::I64(v.into()),
            (Column::Bools(v), DType::Bool) => Data::Bool(v.into()),
            (Column::Integers(v), DType::F64) if v.iter().all(|x| x.unsigned_abs() < 1 << 53) => {
                Data::F64(v.into_iter().map(|x| x as f64).collect())
            }
            (Column::Integers(v), DType::F32) if v.iter().all(|x| x.unsigned_abs() < 1 << 24) => {
                Data::F32(v.into_iter().map(|x| x as f32).collect())
            }
            (other, _) => {
                let got = match other {
                    Column::Floats(_) => "floats",
                    Column::Integers(_) => "integers",
                    Column::Bools(_) => "booleans",
                };
                return Err(Failure::usage(format!("input {name} is {ty}, but {got} are given")));
            }
        };
        Tensor::new(ty.shape.clone(), data)
            .ok_or_else(|| Failure::usage(format!("input {name}: elements do not fill {ty}")))
    }
}

/// All inputs of a graph, in order.
pub fn inputs(file: &GraphFile, args: &InputArgs) -> Result<Vec<Tensor>, Failure> {
    let graph = &file.graph;
    let mut given: Vec<Option<Tensor>> = graph.inputs().iter().map(|_| None).collect();
    for argument in &args.input {
        match argument.split_once('=') {
            Some((name, value)) => {
                let v = file.input(name)?;
                given[v.index()] = Some(one(name, value, graph.ty(v))?);
            }
            None if argument.ends_with(".safetensors") => from_safetensors(file, argument, &mut given)?,
            None => {
                return Err(Failure::usage(format!(
                    "--input {argument}: expected NAME=NUMBERS, NAME=FILE.npy or FILE.safetensors"
                )));
            }
        }
    }
    let mut rng = args.random.map(Rng::new);
    let mut missing = Vec::new();
    let mut all = Vec::with_capacity(given.len());
    for (v, tensor) in graph.input_values().zip(given) {
        match (tensor, &mut rng) {
            (Some(tensor), _) => all.push(tensor),
            (None, Some(rng)) => all.push(random(graph.ty(v), rng)?),
            (None, None) => missing.push(format!("{}: {}", graph.describe(v), graph.ty(v))),
        }
    }
    if !missing.is_empty() {
        return Err(Failure::usage(format!(
            "no value for input {} (give --input or --random SEED)",
            missing.join(", input ")
        )));
    }
    Ok(all)
}

fn random(ty: &ValueType, rng: &mut Rng) -> Result<Tensor, Failure> {
    let n = ty.numel();
    let mut unit = || 0.5 + (rng.bits() >> 11) as f64 / (1u64 << 53) as f64;
    let data = match ty.dtype {
        DType::F64 => Data::F64((0..n).map(|_| unit()).collect()),
        DType::F32 => Data::F32((0..n).map(|_| unit() as f32).collect()),
        DType::I64 => Data::I64((0..n).map(|_| rng.below(2) as i64).collect()),
        DType::Bool => Data::Bool((0..n).map(|_| rng.below(2) == 1).collect()),
    };
    Tensor::new(ty.shape.clone(), data).ok_or_else(|| Failure::usage("elements do not fill the shape"))
}

/// One input, from a file or from numbers in place.
fn one(name: &str, value: &str, ty: &ValueType) -> Result<Tensor, Failure> {
    let (shape, numbers) = match value.ends_with(".npy") {
        true => read_npy(value)?,
        false => (None, in_place(name, value, ty)?),
    };
    fits(name, ty, shape, numbers)
}

fn fits(name: &str, ty: &ValueType, shape: Option<Vec<usize>>, numbers: Column) -> Result<Tensor, Failure> {
    if let Some(shape) = shape
        && shape != ty.shape.dims()
    {
        return Err(Failure::usage(format!("input {name} is {ty}, but the file has shape {shape:?}")));
    }
    if numbers.len() != ty.numel() {
        let got = numbers.len();
        return Err(Failure::usage(format!(
            "input {name} is {ty}: expected {} elements, got {got}",
            ty.numel()
        )));
    }
    numbers.tensor(ty, name)
}

/// Column between commas or blanks; one fills the shape.
fn in_place(name: &str, value: &str, ty: &ValueType) -> Result<Column, Failure> {
    let words: Vec<&str> = value.split([',', ' ']).filter(|w| !w.is_empty()).collect();
    let words = match (words.as_slice(), ty.numel()) {
        ([one], n) if n != 1 => vec![*one; n],
        _ => words,
    };
    fn each<T: std::str::FromStr>(words: &[&str], name: &str, what: &str) -> Result<Vec<T>, Failure> {
        let read = |word: &&str| {
            word.parse().map_err(|_| Failure::usage(format!("input {name}: `{word}` is not {what}")))
        };
        words.iter().map(read).collect()
    }
    Ok(match ty.dtype {
        // Decimals are rounded once, to the type at hand.
        DType::F32 => {
            Column::Floats(each::<f32>(&words, name, "a number")?.into_iter().map(f64::from).collect())
        }
        DType::F64 => Column::Floats(each(&words, name, "a number")?),
        DType::I64 => Column::Integers(each(&words, name, "an integer")?),
        DType::Bool => Column::Bools(each(&words, name, "true or false")?),
    })
}

/// Shape and elements of a .npy file.
fn read_npy(path: &str) -> Result<(Option<Vec<usize>>, Column), Failure> {
    let failed = |why: String| Failure::usage(format!("cannot read {path}: {why}"));
    let bytes = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    let array = npy::read(&bytes).map_err(failed)?;
    Ok((Some(array.shape), array.column))
}

/// Every tensor of the file that is named like an input.
fn from_safetensors(file: &GraphFile, path: &str, given: &mut [Option<Tensor>]) -> Result<(), Failure> {
    let failed = |why: String| Failure::usage(format!("cannot read {path}: {why}"));
    let bytes = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| failed(e.to_string()))?;
    let mut met = false;
    for (v, input) in file.graph.input_values().zip(file.graph.inputs()) {
        let Ok(view) = tensors.tensor(&input.name) else { continue };
        met = true;
        let data = view.data();
        let numbers = match view.dtype() {
            Dtype::F64 => Column::Floats(words(data).map(f64::from_le_bytes).collect()),
            Dtype::F32 => Column::Floats(words(data).map(|w| f64::from(f32::from_le_bytes(w))).collect()),
            Dtype::I64 => Column::Integers(words(data).map(i64::from_le_bytes).collect()),
            Dtype::I32 => Column::Integers(words(data).map(|w| i64::from(i32::from_le_bytes(w))).collect()),
            Dtype::BOOL => Column::Bools(data.iter().map(|&b| b != 0).collect()),
            other => return Err(failed(format!("{}: elements of type {other:?}", input.name))),
        };
        given[v.index()] = Some(fits(&input.name, file.graph.ty(v), Some(view.shape().to_vec()), numbers)?);
    }
    if !met {
        return Err(failed("no tensor in it is named like an input".into()));
    }
    Ok(())
}
