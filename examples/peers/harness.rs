//! Inputs, results and reports, in the layout that all engines share.

use crate::clock::{self, Timing};
use cotangent::{Arg, Forms, Graph, Options, Program, Tier, Var, jit_with};
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Why a workload cannot be run.
pub type Failure = Box<dyn Error>;

/// Where data come from and results go, and which workloads are wanted.
pub struct Harness {
    data: PathBuf,
    out: PathBuf,
    results: File,
    only: Vec<String>,
    tier: Tier,
    peer: &'static str,
    reported: usize,
}

/// A program ready to be called, and how long that took.
pub struct Prepared {
    pub program: Program,
    pub ms: f64,
}

fn in_file(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

macro_rules! loaders {
    ($($name:ident $t:ty),*) => {
        $(
            /// The raw numbers of a file.
            pub fn $name(&self, name: &str) -> Result<Vec<$t>, Failure> {
                let path = self.data.join(format!("{name}.bin"));
                let bytes = fs::read(&path).map_err(in_file(&path))?;
                let (numbers, rest) = bytes.as_chunks();
                if !rest.is_empty() {
                    return Err(format!("{}: not a whole number of elements", path.display()).into());
                }
                Ok(numbers.iter().map(|&b| <$t>::from_le_bytes(b)).collect())
            }
        )*
    };
}

impl Harness {
    pub fn new(
        data: PathBuf,
        out: PathBuf,
        results: PathBuf,
        only: Vec<String>,
        tier: Tier,
    ) -> Result<Harness, Failure> {
        let peer = match tier {
            Tier::Fast => "cotangent_fast",
            Tier::Full => "cotangent",
        };
        for directory in [&out, &results] {
            fs::create_dir_all(directory).map_err(in_file(directory))?;
        }
        let lines = results.join(format!("{peer}.jsonl"));
        let results = OpenOptions::new().create(true).append(true).open(&lines).map_err(in_file(&lines))?;
        Ok(Harness { data, out, results, only, tier, peer, reported: 0 })
    }

    loaders!(f64s f64, i32s i32);

    /// Whether a workload is among those named.
    pub fn wants(&self, workload: &str) -> bool {
        let named = |only: &String| match only.strip_suffix('=') {
            Some(exact) => workload == exact,
            None => workload.starts_with(only.as_str()),
        };
        self.only.is_empty() || self.only.iter().any(named)
    }

    /// Whether the data of a workload are there.
    pub fn has(&self, name: &str) -> bool {
        self.data.join(format!("{name}.bin")).is_file()
    }

    /// Names of the data files that start with `prefix`, sorted by length and
    /// name, which puts numbers in order.
    pub fn files(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.data).map_err(in_file(&self.data))? {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|f| f.strip_suffix(".bin"));
            names.extend(name.filter(|n| n.starts_with(prefix)).map(str::to_owned));
        }
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        Ok(names)
    }

    /// Authors a graph and compiles it; the time of both together.
    pub fn prepare(
        &self,
        forms: Forms,
        author: impl FnOnce() -> Result<Graph, Failure>,
    ) -> Result<Prepared, Failure> {
        let start = Instant::now();
        let program =
            Program::compile(&author()?, &Options::default().forms(forms).tier(self.tier).wrt(&[0]))?;
        Ok(Prepared { program, ms: start.elapsed().as_secs_f64() * 1e3 })
    }

    /// Times value and gradient by the first input, and reports them.
    pub fn gradient<const K: usize>(
        &mut self,
        name: &str,
        inputs: [Arg<'_>; K],
        made: &Prepared,
    ) -> Result<(), Failure> {
        let mut ws = made.program.workspace();
        let n = inputs.first().map_or(0, Arg::len);
        let (mut value, mut result) = (0.0, vec![0.0]);
        let timing = match inputs.first() {
            Some(Arg::F32(_)) => {
                let mut gradient = vec![0f32; n];
                let timing = clock::measure(|| {
                    value = made.program.value_and_grad(&mut ws, &inputs, &mut [(&mut gradient).into()])?;
                    Ok::<_, Failure>(())
                })?;
                result.extend(gradient.into_iter().map(f64::from));
                timing
            }
            _ => {
                let mut gradient = vec![0f64; n];
                let timing = clock::measure(|| {
                    value = made.program.value_and_grad(&mut ws, &inputs, &mut [(&mut gradient).into()])?;
                    Ok::<_, Failure>(())
                })?;
                result.append(&mut gradient);
                timing
            }
        };
        result[0] = value;
        self.report(name, timing, &result, made)
    }

    /// Times value and gradient of a function of one array, and reports them.
    pub fn array<const N: usize>(
        &mut self,
        name: &str,
        x: &[f64; N],
        function: impl for<'b> FnOnce([Var<'b>; N]) -> Var<'b>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        let made = jit_with::<N>(&Options::default().tier(self.tier), function)?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let (mut value, mut gradient) = (0.0, [0.0; N]);
        let timing = clock::measure(|| {
            value = made.value_and_grad_into(std::hint::black_box(x), &mut gradient)?;
            Ok::<_, Failure>(())
        })?;
        let result: Vec<f64> = std::iter::once(value).chain(gradient).collect();
        self.report(name, timing, &result, &Prepared { program: made.program().clone(), ms })
    }

    /// Writes the result file and the line.
    pub fn report(
        &mut self,
        name: &str,
        timing: Timing,
        result: &[f64],
        made: &Prepared,
    ) -> Result<(), Failure> {
        let path = self.out.join(format!("{name}.{}.bin", self.peer));
        let bytes: Vec<u8> = result.iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(&path, bytes).map_err(in_file(&path))?;
        let code = made.program.report();
        let note = format!(
            "{:?} tier, {} functions, {} B of code, {} B workspace",
            self.tier, code.functions, code.code_bytes, code.workspace_bytes
        );
        let line = format!(
            "{{\"w\":\"{name}\",\"peer\":\"{}\",\"us\":{:.4},\"best_wall\":{:.4},\"med_wall\":{:.4},\"calls\":{},\
             \"prep_ms\":{:.3},\"rss_mb\":{:.0},\"note\":\"{note}\"}}",
            self.peer,
            timing.us,
            timing.best_wall,
            timing.med_wall,
            timing.calls,
            made.ms,
            clock::peak_mb()
        );
        writeln!(self.results, "{line}")?;
        println!("{name:12} {:12.4} us {:10.2} ms  {note}", timing.us, made.ms);
        self.reported += 1;
        Ok(())
    }

    /// How many workloads have been reported.
    pub fn reported(&self) -> usize {
        self.reported
    }
}
