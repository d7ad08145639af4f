//! Levenberg-Marquardt (MINPACK's lmder, by the crate `levenberg-marquardt`) on
//! residuals and Jacobian rows from compiled code.

use crate::model::{Model, ModelError};
use crate::problem::Problem;
use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, storage::Owned};

/// First steps as multiples of the start's length: MINPACK's choice, then shorter
/// ones. A long first step may leap into another valley or where nothing is finite.
const STEP_BOUNDS: [f64; 4] = [100.0, 10.0, 1.0, 0.1];

/// A stopped run starts again from where it is, with a fresh trust region and
/// fresh scaling, as long as that helps, but not for ever.
const RESTARTS: usize = 50;

/// Evaluations per run: this, times one more than the number of parameters.
const PATIENCE: usize = 500;

/// Steps of the last phase, and the relative change of the sum of squares that
/// counts as none in it.
const POLISHING: usize = 50;
const FLAT: f64 = 1e-9;

/// The best point of a fit.
#[derive(Clone, Debug)]
pub struct Fit {
    pub b: Vec<f64>,
    /// Sum of squared residuals.
    pub rss: f64,
    /// How often all residuals and their Jacobian were evaluated, over all runs.
    pub evaluations: usize,
}

/// The best of several descents from one start; the certified values take no part.
pub fn fit(problem: &Problem, model: &mut Model, start: &[f64]) -> Result<Fit, ModelError> {
    let mut best = Fit { b: start.to_vec(), rss: f64::INFINITY, evaluations: 0 };
    for bound in STEP_BOUNDS {
        let mut here = run(problem, model, start, bound)?;
        for _ in 0..RESTARTS {
            let next = run(problem, model, &here.b, bound)?;
            let better = next.rss < here.rss;
            here.evaluations += next.evaluations;
            if !better {
                break;
            }
            here = Fit { evaluations: here.evaluations, ..next };
        }
        best.evaluations += here.evaluations;
        if here.rss < best.rss {
            best = Fit { evaluations: best.evaluations, ..here };
        }
    }
    polish(problem, model, best)
}

/// One call of the minimiser.
fn run(problem: &Problem, model: &mut Model, start: &[f64], bound: f64) -> Result<Fit, ModelError> {
    let mut residuals = Residuals::new(problem, model);
    residuals.set_params(&DVector::from_column_slice(start));
    let minimiser = LevenbergMarquardt::new()
        .with_ftol(f64::EPSILON)
        .with_xtol(f64::EPSILON)
        .with_gtol(f64::EPSILON)
        .with_stepbound(bound)
        .with_patience(PATIENCE);
    let (residuals, _) = minimiser.minimize(residuals);
    match residuals.error {
        Some(error) => Err(error),
        None => Ok(residuals.best),
    }
}

/// Undamped Gauss-Newton steps for as long as they get shorter. The sum of squares
/// is flat at its minimum: it stops telling points apart, and the minimiser stops,
/// at half the digits of the parameters. The step still tells.
fn polish(problem: &Problem, model: &mut Model, fit: Fit) -> Result<Fit, ModelError> {
    let mut residuals = Residuals::new(problem, model);
    let (mut b, mut rss, mut length) = (fit.b, fit.rss, f64::INFINITY);
    residuals.set_params(&DVector::from_column_slice(&b));
    for _ in 0..POLISHING {
        let Some((step, next)) = residuals.gauss_newton_step() else { break };
        let worse = residuals.rss() > fit.rss * (1.0 + FLAT);
        if worse || next >= length {
            break;
        }
        (b, rss, length) = (residuals.b.as_slice().to_vec(), residuals.rss(), next);
        residuals.set_params(&(&residuals.b - step));
    }
    let evaluations = fit.evaluations + residuals.best.evaluations;
    residuals.error.map_or(Ok(Fit { b, rss, evaluations }), Err)
}

/// The problem at one point, as the minimiser sees it.
struct Residuals<'a> {
    problem: &'a Problem,
    model: &'a mut Model,
    b: DVector<f64>,
    residuals: DVector<f64>,
    jacobian: DMatrix<f64>,
    /// The best point seen: a run may be broken off at a worse one.
    best: Fit,
    error: Option<ModelError>,
}

/// Stands for a residual that is not finite: so bad that the step is refused and
/// halved, while an infinity would end the run.
const HOPELESS: f64 = 1e100;

impl<'a> Residuals<'a> {
    fn new(problem: &'a Problem, model: &'a mut Model) -> Residuals<'a> {
        let (rows, columns) = (problem.observations.len(), problem.parameters.len());
        let best = Fit { b: Vec::new(), rss: f64::INFINITY, evaluations: 0 };
        Residuals {
            problem,
            model,
            b: DVector::zeros(columns),
            residuals: DVector::zeros(rows),
            jacobian: DMatrix::zeros(rows, columns),
            best,
            error: None,
        }
    }

    fn evaluate(&mut self) -> Result<(), ModelError> {
        let mut row = vec![0.0; self.b.len()];
        for (i, observation) in self.problem.observations.iter().enumerate() {
            let value = self.model.value_and_grad(self.b.as_slice(), &observation.x, &mut row)?;
            let residual = value - observation.y;
            self.residuals[i] = if residual.is_finite() { residual } else { HOPELESS };
            self.jacobian.row_mut(i).copy_from_slice(&row);
        }
        let rss = self.rss();
        self.best.evaluations += 1;
        if self.best.b.is_empty() || rss < self.best.rss {
            self.best.b = self.b.as_slice().to_vec();
            self.best.rss = rss;
        }
        Ok(())
    }
}

impl Residuals<'_> {
    fn rss(&self) -> f64 {
        self.residuals.norm_squared()
    }

    /// The step to the minimum of the linear model, and its length in units of the
    /// columns; `None` where the Jacobian is singular.
    fn gauss_newton_step(&self) -> Option<(DVector<f64>, f64)> {
        let scale = DVector::from_iterator(self.b.len(), self.jacobian.column_iter().map(|c| c.norm()));
        let mut scaled = self.jacobian.clone();
        scaled.column_iter_mut().zip(&scale).for_each(|(mut column, &norm)| column /= norm);
        let qr = scaled.qr();
        let right = qr.q().tr_mul(&self.residuals);
        let step = qr.r().solve_upper_triangular(&right)?;
        let length = step.norm();
        length.is_finite().then(|| (step.component_div(&scale), length))
    }
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Residuals<'_> {
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;
    type ParameterStorage = Owned<f64, Dyn>;

    fn set_params(&mut self, b: &DVector<f64>) {
        self.b.copy_from(b);
        if let Err(error) = self.evaluate() {
            self.error = Some(error);
        }
    }

    fn params(&self) -> DVector<f64> {
        self.b.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        self.error.is_none().then(|| self.residuals.clone())
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        self.error.is_none().then(|| self.jacobian.clone())
    }
}
