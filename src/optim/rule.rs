//! Update rules: formulas of one parameter, element by element.

use crate::optim::error::OptimError;
use crate::optim::real::Real;

/// What a rule does with a gradient. In the formulas `p` is the parameter, `g` its
/// gradient, `g' = g + weight_decay p`, `lr` the learning rate; state starts at 0.
///
/// Where this differs from PyTorch: damping applies from the first step (there the
/// first momentum buffer is the bare gradient), Nesterov's direction uses the damped
/// gradient, and `eps` is 1e-6 by default (there 1e-8, or 1e-10 for AdaGrad). The
/// rest are the same formulas, rounded in another order.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// `p -= lr g'`
    Sgd,
    /// `b = momentum b + (1 - damping) g'`, then `p -= lr b`.
    Momentum {
        /// In [0, 1].
        momentum: f64,
        /// In [0, 1].
        damping: f64,
    },
    /// As [`Method::Momentum`], then `p -= lr ((1 - damping) g' + momentum b)`.
    Nesterov {
        /// In [0, 1].
        momentum: f64,
        /// In [0, 1].
        damping: f64,
    },
    /// `s += g'^2`, then `p -= lr / (sqrt(s) + eps) g'` (Duchi, Hazan, Singer 2011).
    AdaGrad,
    /// `s = rho s + (1 - rho) g'^2`, then as [`Method::AdaGrad`] (Tieleman, Hinton 2012).
    RmsProp {
        /// In [0, 1).
        rho: f64,
    },
    /// `m = beta1 m + (1 - beta1) g'`, `v = beta2 v + (1 - beta2) g'^2`, both divided by
    /// `1 - beta^t` at step `t`, then `p -= lr / (sqrt(v) + eps) m` (Kingma, Ba 2015).
    Adam {
        /// In [0, 1).
        beta1: f64,
        /// In [0, 1).
        beta2: f64,
    },
    /// `p -= lr weight_decay p`, then [`Method::Adam`] with `g` in place of `g'`
    /// (Loshchilov, Hutter 2019).
    AdamW {
        /// In [0, 1).
        beta1: f64,
        /// In [0, 1).
        beta2: f64,
    },
    /// `v = rho v + (1 - rho) g'^2`, `d = sqrt(u + eps) / sqrt(v + eps) g'`,
    /// `u = rho u + (1 - rho) d^2`, then `p -= lr d` (Zeiler 2012).
    Adadelta {
        /// In [0, 1).
        rho: f64,
    },
}

impl Method {
    /// Names of the tensors a parameter's state is made of.
    pub(super) fn slots(self) -> &'static [&'static str] {
        match self {
            Method::Sgd => &[],
            Method::Momentum { .. } | Method::Nesterov { .. } => &["momentum"],
            Method::AdaGrad => &["sum"],
            Method::RmsProp { .. } => &["square_avg"],
            Method::Adam { .. } | Method::AdamW { .. } => &["exp_avg", "exp_avg_sq"],
            Method::Adadelta { .. } => &["square_avg", "delta_avg"],
        }
    }

    /// Whether the state has the powers of both betas.
    pub(super) fn has_powers(self) -> bool {
        matches!(self, Method::Adam { .. } | Method::AdamW { .. })
    }
}

/// A method with the numbers that all methods share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    method: Method,
    eps: f64,
    weight_decay: f64,
}

impl From<Method> for Rule {
    /// eps 1e-6, no weight decay.
    fn from(method: Method) -> Rule {
        Rule { method, eps: 1e-6, weight_decay: 0.0 }
    }
}

impl Rule {
    /// [`Method::Sgd`].
    pub fn sgd() -> Rule {
        Method::Sgd.into()
    }

    /// [`Method::Momentum`] without damping.
    pub fn momentum(momentum: f64) -> Rule {
        Method::Momentum { momentum, damping: 0.0 }.into()
    }

    /// [`Method::Nesterov`] without damping.
    pub fn nesterov(momentum: f64) -> Rule {
        Method::Nesterov { momentum, damping: 0.0 }.into()
    }

    /// [`Method::AdaGrad`].
    pub fn adagrad() -> Rule {
        Method::AdaGrad.into()
    }

    /// [`Method::RmsProp`] with rho 0.9.
    pub fn rmsprop() -> Rule {
        Method::RmsProp { rho: 0.9 }.into()
    }

    /// [`Method::Adam`] with betas 0.9 and 0.999.
    pub fn adam() -> Rule {
        Method::Adam { beta1: 0.9, beta2: 0.999 }.into()
    }

    /// [`Method::AdamW`] with betas 0.9 and 0.999.
    pub fn adamw() -> Rule {
        Method::AdamW { beta1: 0.9, beta2: 0.999 }.into()
    }

    /// [`Method::Adadelta`] with rho 0.9.
    pub fn adadelta() -> Rule {
        Method::Adadelta { rho: 0.9 }.into()
    }

    /// With this number in the denominator.
    pub fn eps(mut self, eps: f64) -> Rule {
        self.eps = eps;
        self
    }

    /// With this weight decay: coupled (`g'`), but for AdamW.
    pub fn weight_decay(mut self, weight_decay: f64) -> Rule {
        self.weight_decay = weight_decay;
        self
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    pub(super) fn check(&self) -> Result<(), OptimError> {
        let unit = |name, x| OptimError::check((0.0..=1.0).contains(&x), name, "in [0, 1]", x);
        let decay = |name, x| OptimError::check((0.0..1.0).contains(&x), name, "in [0, 1)", x);
        let positive =
            |name, x: f64| OptimError::check(x >= 0.0 && x.is_finite(), name, "finite and not negative", x);
        positive("eps", self.eps)?;
        positive("weight_decay", self.weight_decay)?;
        match self.method {
            Method::Sgd | Method::AdaGrad => Ok(()),
            Method::Momentum { momentum, damping } | Method::Nesterov { momentum, damping } => {
                unit("momentum", momentum)?;
                unit("damping", damping)
            }
            Method::RmsProp { rho } | Method::Adadelta { rho } => decay("rho", rho),
            Method::Adam { beta1, beta2 } | Method::AdamW { beta1, beta2 } => {
                decay("beta1", beta1)?;
                decay("beta2", beta2)
            }
        }
    }
}

/// What a rule remembers of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State<T> {
    /// One tensor for each of [`Method::slots`].
    pub slots: Vec<Vec<T>>,
    /// beta1^t and beta2^t, by repeated multiplication.
    pub powers: [T; 2],
}

impl<T: Real> State<T> {
    pub(super) fn new(method: Method, len: usize) -> State<T> {
        State { slots: vec![vec![T::ZERO; len]; method.slots().len()], powers: [T::ONE; 2] }
    }
}

/// One step of a parameter. `p`, `g` and the state are of one length.
pub(super) fn update<T: Real>(rule: &Rule, lr: f64, state: &mut State<T>, p: &mut [T], g: &[T]) {
    let t = T::from_f64;
    let (lr, eps, decay) = (t(lr), t(rule.eps), t(rule.weight_decay));
    // g + 0 p would make a NaN of an infinite parameter.
    let coupled = move |p: T, g: T| if decay == T::ZERO { g } else { g + decay * p };
    let State { slots, powers } = state;
    let each = p.iter_mut().zip(g);
    match (rule.method, slots.as_mut_slice()) {
        (Method::Sgd, _) => {
            for (p, &g) in each {
                *p = *p - lr * coupled(*p, g);
            }
        }
        (Method::Momentum { momentum, damping }, [b]) => {
            let (mu, fresh) = (t(momentum), T::ONE - t(damping));
            for ((p, &g), b) in each.zip(b) {
                *b = mu * *b + fresh * coupled(*p, g);
                *p = *p - lr * *b;
            }
        }
        (Method::Nesterov { momentum, damping }, [b]) => {
            let (mu, fresh) = (t(momentum), T::ONE - t(damping));
            for ((p, &g), b) in each.zip(b) {
                let g = fresh * coupled(*p, g);
                *b = mu * *b + g;
                *p = *p - lr * (g + mu * *b);
            }
        }
        (Method::AdaGrad, [s]) => {
            for ((p, &g), s) in each.zip(s) {
                let g = coupled(*p, g);
                *s = *s + g * g;
                *p = *p - lr / (s.sqrt() + eps) * g;
            }
        }
        (Method::RmsProp { rho }, [s]) => {
            let (rho, fresh) = (t(rho), T::ONE - t(rho));
            for ((p, &g), s) in each.zip(s) {
                let g = coupled(*p, g);
                *s = rho * *s + fresh * (g * g);
                *p = *p - lr / (s.sqrt() + eps) * g;
            }
        }
        (Method::Adam { beta1, beta2 } | Method::AdamW { beta1, beta2 }, [m, v]) => {
            let decoupled = matches!(rule.method, Method::AdamW { .. });
            let (beta1, beta2) = (t(beta1), t(beta2));
            *powers = [powers[0] * beta1, powers[1] * beta2];
            let [correct1, correct2] = powers.map(|power| T::ONE / (T::ONE - power));
            let (fresh1, fresh2) = (T::ONE - beta1, T::ONE - beta2);
            let shrink = if decoupled { lr * decay } else { T::ZERO };
            for (((p, &g), m), v) in each.zip(m).zip(v) {
                let g = if decoupled { g } else { coupled(*p, g) };
                let from = if shrink == T::ZERO { *p } else { *p - *p * shrink };
                *m = beta1 * *m + fresh1 * g;
                *v = beta2 * *v + fresh2 * (g * g);
                *p = from - lr / ((*v * correct2).sqrt() + eps) * (*m * correct1);
            }
        }
        (Method::Adadelta { rho }, [v, u]) => {
            let (rho, fresh) = (t(rho), T::ONE - t(rho));
            for (((p, &g), v), u) in each.zip(v).zip(u) {
                let g = coupled(*p, g);
                *v = rho * *v + fresh * (g * g);
                let d = (*u + eps).sqrt() / (*v + eps).sqrt() * g;
                *u = rho * *u + fresh * (d * d);
                *p = *p - lr * d;
            }
        }
        // The state was made for this method.
        _ => {}
    }
}
