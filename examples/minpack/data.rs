//! The shipped runs and the solutions that the original lmder found for them.

use serde_json::Value;

/// One run: a function of the set, its sizes and its start.
#[derive(Clone, Debug)]
pub struct Run {
    /// Number of the function, from 1.
    pub function: usize,
    /// Parameters.
    pub n: usize,
    /// Residuals.
    pub m: usize,
    /// The standard start times this.
    pub factor: f64,
    pub solution: Vec<f64>,
}

/// Reads the runs; what is wrong with the text, if it cannot be read.
pub fn read(text: &str) -> Result<Vec<Run>, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let column = |name: &str| -> Result<Vec<usize>, String> {
        let list = file[name].as_array().ok_or_else(|| format!("no list `{name}`"))?;
        let number = |v: &Value| v.as_u64().map(|n| n as usize).ok_or_else(|| format!("{v} in `{name}`"));
        list.iter().map(number).collect()
    };
    let (functions, ns, ms, tries) = (column("nprobs")?, column("ns")?, column("ms")?, column("ntriess")?);
    if [ns.len(), ms.len(), tries.len()] != [functions.len(); 3] {
        return Err("lists of different lengths".into());
    }
    let mut runs = Vec::new();
    for (i, &function) in functions.iter().enumerate() {
        if !(1..=crate::functions::NAMES.len()).contains(&function) {
            return Err(format!("function {function} is not of the set"));
        }
        let mut factor = 1.0;
        for _ in 0..tries[i] {
            let key = (runs.len() + 1).to_string();
            let solution = file["solution"][&key].as_array().ok_or_else(|| format!("no solution {key}"))?;
            let number = |v: &Value| v.as_f64().ok_or_else(|| format!("{v} in solution {key}"));
            let solution = solution.iter().map(number).collect::<Result<Vec<f64>, String>>()?;
            if solution.len() != ns[i] {
                return Err(format!("solution {key} has {} numbers instead of {}", solution.len(), ns[i]));
            }
            runs.push(Run { function, n: ns[i], m: ms[i], factor, solution });
            factor *= 10.0;
        }
    }
    Ok(runs)
}
