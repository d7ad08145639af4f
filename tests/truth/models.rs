//! The twenty models of the NIST regression problems, over all observations at
//! once: `b` are scalars, `x` vectors.

use cotangent::Var;
use std::f64::consts::PI;

/// The model's values; `None` for a problem that is not here.
pub fn model<'b>(name: &str, b: &[Var<'b>], x: &[Var<'b>]) -> Option<Var<'b>> {
    let t = x[0];
    Some(match name {
        "Misra1a" => b[0] * (1.0 - (-b[1] * t).exp()),
        "Misra1b" => b[0] * (1.0 - (1.0 + b[1] * t / 2.0).powi(-2)),
        "Misra1c" => b[0] * (1.0 - (1.0 + 2.0 * b[1] * t).powf(-0.5)),
        "Misra1d" => b[0] * b[1] * t * (1.0 + b[1] * t).powi(-1),
        "Chwirut1" | "Chwirut2" => (-b[0] * t).exp() / (b[1] + b[2] * t),
        "DanWood" => b[0] * t.pow(b[1]),
        "ENSO" => {
            let wave =
                |cosine: Var<'b>, sine: Var<'b>, turn: Var<'b>| cosine * turn.cos() + sine * turn.sin();
            let turns = 2.0 * PI * t;
            b[0] + wave(b[1], b[2], turns / 12.0)
                + wave(b[4], b[5], turns / b[3])
                + wave(b[7], b[8], turns / b[6])
        }
        "Gauss1" | "Gauss2" | "Gauss3" => {
            let bell = |height: Var<'b>, centre: Var<'b>, width: Var<'b>| {
                height * (-(t - centre).square() / width.square()).exp()
            };
            b[0] * (-b[1] * t).exp() + bell(b[2], b[3], b[4]) + bell(b[5], b[6], b[7])
        }
        "Hahn1" => polynomial(&[b[0], b[1], b[2], b[3]], t) / (1.0 + t * polynomial(&[b[4], b[5], b[6]], t)),
        "Kirby2" => polynomial(&[b[0], b[1], b[2]], t) / (1.0 + t * polynomial(&[b[3], b[4]], t)),
        "Lanczos1" | "Lanczos2" | "Lanczos3" => {
            let decay = |i: usize| b[i] * (-b[i + 1] * t).exp();
            decay(0) + decay(2) + decay(4)
        }
        "MGH17" => b[0] + b[1] * (-t * b[3]).exp() + b[2] * (-t * b[4]).exp(),
        "Nelson" => b[0] - b[1] * t * (-b[2] * x[1]).exp(),
        "Rat42" => b[0] / (1.0 + (b[1] - b[2] * t).exp()),
        "Roszman1" => b[0] - b[1] * t - (b[2] / (t - b[3])).atan() / PI,
        _ => return None,
    })
}

/// A polynomial by Horner's rule, lowest coefficient first.
fn polynomial<'b>(coefficients: &[Var<'b>], t: Var<'b>) -> Var<'b> {
    let (&last, rest) = coefficients.split_last().expect("a coefficient");
    rest.iter().rev().fold(last, |sum, &c| c + t * sum)
}
