//! A file, its formula, and the observations as the fit wants them.

use crate::data::{self, DataSet, Parameter};
use crate::fault::{Fault, Trouble};
use crate::formula::{Formula, Names, model_graph, parse, response_graph};
use cotangent::tape::{Data, Native, Tape, Tensor};
use cotangent::{Graph, GraphError};
use std::fs;
use std::path::Path;

/// A least-squares problem: find `b` with `model(b, x_i)` close to `y_i`.
#[derive(Debug)]
pub struct Problem {
    /// The file's name without its ending.
    pub name: String,
    pub formula: Formula,
    pub parameters: Vec<Parameter>,
    pub certified_rss: Option<f64>,
    /// Names of the predictors.
    pub predictors: Vec<String>,
    pub observations: Vec<Observation>,
}

/// One observation; `y` is what the left side of the equation makes of the response.
#[derive(Debug)]
pub struct Observation {
    pub x: Vec<f64>,
    pub y: f64,
}

impl Problem {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Problem, Fault> {
        let bytes = fs::read(path).map_err(|error| Trouble::new(error.to_string()).in_file(path))?;
        // Names and references may hold any bytes; the parts that count are ASCII.
        let text = String::from_utf8_lossy(&bytes);
        Problem::read(&crate::name(path), &text).map_err(|trouble| trouble.in_file(path))
    }

    /// Reads the text of a file.
    pub fn read(name: &str, text: &str) -> Result<Problem, Trouble> {
        let DataSet { formula, parameters, certified_rss, columns, rows } = data::read(text)?;
        let names = Names {
            parameters: parameters.iter().map(|p| p.name.as_str()).collect(),
            predictors: columns.iter().skip(1).map(String::as_str).collect(),
            response: columns.first().map_or("y", String::as_str),
        };
        let formula = parse(&formula, &names)?;
        let observations = observations(&formula, &rows)?;
        let predictors = columns.into_iter().skip(1).collect();
        Ok(Problem { name: name.to_owned(), formula, parameters, certified_rss, predictors, observations })
    }

    /// `model(b, x)` as a graph.
    pub fn graph(&self) -> Result<Graph, GraphError> {
        model_graph(&self.formula, self.parameters.len(), self.predictors.len())
    }

    /// Start 0 or 1 as a vector.
    pub fn start(&self, which: usize) -> Vec<f64> {
        self.parameters.iter().filter_map(|p| p.starts.get(which).copied()).collect()
    }

    /// Decimal digits that a result has in common with the certified values, the
    /// least over the parameters; the certified values have 11.
    pub fn digits(&self, b: &[f64]) -> f64 {
        let each = self.parameters.iter().zip(b).map(|(p, &b)| matching_digits(b, p.certified));
        each.fold(CERTIFIED_DIGITS, f64::min)
    }

    /// The same of the sum of squared residuals.
    pub fn rss_digits(&self, rss: f64) -> Option<f64> {
        self.certified_rss.map(|certified| matching_digits(rss, certified))
    }
}

const CERTIFIED_DIGITS: f64 = 11.0;

fn matching_digits(got: f64, certified: f64) -> f64 {
    let scale = if certified == 0.0 { 1.0 } else { certified.abs() };
    let digits = -((got - certified).abs() / scale).log10();
    // NaN is no match; equality is infinitely many digits.
    if digits.is_nan() { 0.0 } else { digits.clamp(0.0, CERTIFIED_DIGITS) }
}

fn observations(formula: &Formula, rows: &[data::Row]) -> Result<Vec<Observation>, Trouble> {
    let at = |line: usize| move |text: String| Trouble::at(line, text);
    let graph = response_graph(formula).map_err(|e| at(formula.line)(e.to_string()))?;
    let response = |y: f64| -> Result<f64, String> {
        let y = Tensor::<Native>::new([], Data::F64([y].into_iter().collect())).ok_or("not a scalar")?;
        let tape = Tape::compile(&graph, vec![y]).map_err(|e| e.to_string())?;
        let out = tape.outputs().first().and_then(|out| out.to_f64().first().copied());
        Ok(out.unwrap_or(f64::NAN))
    };
    let observation = |row: &data::Row| {
        let (&y, x) = row.numbers.split_first().ok_or_else(|| at(row.line)("an empty row".to_owned()))?;
        let value = response(y).map_err(at(row.line))?;
        if !value.is_finite() {
            return Err(at(row.line)(format!("{} is {value} at {y}", formula.response_text)));
        }
        Ok(Observation { x: x.to_vec(), y: value })
    };
    rows.iter().map(observation).collect()
}
