//! Levenberg-Marquardt, as MINPACK's test driver calls lmder1, on residuals and
//! Jacobian from one compiled function.

use crate::data::Run;
use crate::functions::{residuals, start};
use cotangent::program::{Program, Workspace};
use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, storage::Owned};
use std::error::Error;
use std::time::{Duration, Instant};

/// Where a run ended.
#[derive(Clone, Debug)]
pub struct Solved {
    pub x: Vec<f64>,
    /// Euclidean length of the residuals there.
    pub norm: f64,
    /// Calls of the compiled function.
    pub calls: usize,
    pub compile: Duration,
}

impl Solved {
    /// The largest distance from the solution of the original, relative to its
    /// components where those are larger than 1.
    pub fn distance(&self, run: &Run) -> f64 {
        let each = self.x.iter().zip(&run.solution).map(|(x, s)| (x - s).abs() / s.abs().max(1.0));
        each.fold(0.0, |worst, d| if d > worst || d.is_nan() { d } else { worst })
    }

    /// Whether that is no more than the tolerance of the original's own tests.
    pub fn matches(&self, run: &Run) -> bool {
        self.distance(run) <= 1e-4
    }
}

/// Solves a run from its start; the known solution takes no part.
pub fn solve(run: &Run) -> Result<Solved, Box<dyn Error>> {
    let since = Instant::now();
    let program = cotangent::value_and_jacobian(residuals(run)?, &[0])?.compile()?;
    let compile = since.elapsed();
    let mut point = Point {
        ws: program.workspace(),
        program,
        x: DVector::zeros(run.n),
        residuals: vec![0.0; run.m],
        jacobian: vec![0.0; run.m * run.n],
        calls: 0,
        error: None,
    };
    point.set_params(&DVector::from_vec(start(run)));
    let tolerance = f64::EPSILON.sqrt();
    let minimiser = LevenbergMarquardt::new()
        .with_ftol(tolerance)
        .with_xtol(tolerance)
        .with_gtol(0.0)
        .with_stepbound(100.0)
        .with_patience(100);
    let (point, _) = minimiser.minimize(point);
    if let Some(error) = point.error {
        return Err(error);
    }
    let norm = point.residuals.iter().map(|f| f * f).sum::<f64>().sqrt();
    Ok(Solved { x: point.x.as_slice().to_vec(), norm, calls: point.calls, compile })
}

/// The problem at one point, as the minimiser sees it.
struct Point {
    program: Program,
    ws: Workspace,
    x: DVector<f64>,
    residuals: Vec<f64>,
    /// Row-major, a row per residual.
    jacobian: Vec<f64>,
    calls: usize,
    error: Option<Box<dyn Error>>,
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Point {
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;
    type ParameterStorage = Owned<f64, Dyn>;

    fn set_params(&mut self, x: &DVector<f64>) {
        self.x.copy_from(x);
        self.calls += 1;
        let mut outputs = [(&mut self.residuals).into(), (&mut self.jacobian).into()];
        if let Err(error) = self.program.forward(&mut self.ws, &[x.as_slice().into()], &mut outputs) {
            self.error = Some(error.into());
        }
    }

    fn params(&self) -> DVector<f64> {
        self.x.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        // An infinity would end the run; a large number makes the step shorter.
        let finite = |&f: &f64| if f.is_finite() { f } else { 1e100 };
        let f = DVector::from_iterator(self.residuals.len(), self.residuals.iter().map(finite));
        self.error.is_none().then_some(f)
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        let (m, n) = (self.residuals.len(), self.x.len());
        self.error.is_none().then(|| DMatrix::from_row_slice(m, n, &self.jacobian))
    }
}
