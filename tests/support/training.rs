//! Small trainings whose losses were worked out elsewhere.

type Parameters = [Vec<f64>];

/// A training from its first parameters on.
pub struct Training {
    pub start: &'static [&'static [f64]],
    /// Before each step.
    pub losses: &'static [f64],
}

/// A 2-3-1 network with relu, weights (out, in), at (0.5, 0.8) towards 1: mean squared
/// error, gradient descent at rate 0.1.
pub const NETWORK: Training = Training {
    start: &[&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], &[0.1, 0.2, 0.3], &[0.7, 0.8, 0.9], &[0.4]],
    losses: &[
        1.1664,
        0.01605741827321399,
        6.079914821873465e-4,
        1.8116969466631106e-5,
        5.116816886166e-7,
        1.43146828304e-8,
        3.99821067681e-10,
    ],
};

/// w x + b through (0, 1), (1, 3), (2, 5), (3, 7): mean squared error, AdamW with a rate
/// that warms up.
pub const LINE: Training = Training {
    start: &[&[0.5], &[0.0]],
    losses: &[13.375, 12.393750096225, 10.107247494807, 6.950670724117, 4.419493172048],
};
pub const LINE_RATES: [f64; 5] = [0.05, 0.125, 0.2, 0.2, 0.2];
pub const LINE_END: [f64; 2] = [1.260503328030, 0.759618184754];
pub const LINE_END_LOSS: f64 = 2.505061721723;

impl Training {
    /// Losses and last parameters: `at` gives loss and gradients, `step` moves.
    pub fn run<E>(
        &self,
        mut at: impl FnMut(&Parameters) -> Result<(f64, Vec<Vec<f64>>), E>,
        mut step: impl FnMut(&mut Parameters, &Parameters) -> Result<(), E>,
    ) -> Result<(Vec<f64>, Vec<Vec<f64>>), E> {
        let mut parameters: Vec<Vec<f64>> = self.start.iter().map(|p| p.to_vec()).collect();
        let mut losses = Vec::new();
        for _ in self.losses {
            let (loss, gradients) = at(&parameters)?;
            losses.push(loss);
            step(&mut parameters, &gradients)?;
        }
        Ok((losses, parameters))
    }
}
