//! The digamma function left of zero where it is small: a difference of what its reflection has on
//! both sides, each to twice the bits of an `f64`.

use super::digamma::Mirror;
use super::two::{Two, over, plus, series, times};

/// `pi`.
const PI: Two = (std::f64::consts::PI, 1.2246467991473532e-16);
/// `log(2)`.
const LN2: Two = (std::f64::consts::LN_2, 2.3190468138462996e-17);
/// Where the asymptotic series is good to the last place.
const FAR: f64 = 20.0;
/// `(-1)^k / (2k + 1)!`
const SINE: [[f64; 2]; 8] = [
    [1.0, 0.0],
    [-0.16666666666666666, -9.25185853854297e-18],
    [0.008333333333333333, 1.1564823173178714e-19],
    [-0.0001984126984126984, -1.7209558293420705e-22],
    [2.7557319223985893e-06, -1.858393274046472e-22],
    [-2.505210838544172e-08, 1.448814070935912e-24],
    [1.6059043836821613e-10, 1.2585294588752098e-26],
    [-7.647163731819816e-13, -7.03872877733453e-30],
];
/// Those that follow, which need no more than one part.
const SINE_TAIL: [f64; 6] = [
    2.8114572543455206e-15,
    -8.22063524662433e-18,
    1.9572941063391263e-20,
    -3.868170170630684e-23,
    6.446950284384474e-26,
    -9.183689863795546e-29,
];
/// `(-1)^k / (2k)!`
const COSINE: [[f64; 2]; 9] = [
    [1.0, 0.0],
    [-0.5, 0.0],
    [0.041666666666666664, 2.3129646346357427e-18],
    [-0.001388888888888889, 5.300543954373577e-20],
    [2.48015873015873e-05, 2.1511947866775882e-23],
    [-2.755731922398589e-07, -2.3767714622250297e-23],
    [2.08767569878681e-09, -1.20734505911326e-25],
    [-1.1470745597729725e-11, -2.0655512752830745e-28],
    [4.779477332387385e-14, 4.399205485834081e-31],
];
/// Those that follow.
const COSINE_TAIL: [f64; 6] = [
    -1.5619206968586225e-16,
    4.110317623312165e-19,
    -8.896791392450574e-22,
    1.6117375710961184e-24,
    -2.4795962632247976e-27,
    3.279889237069838e-30,
];
/// `1 / (2k + 1)`
const LOG: [[f64; 2]; 10] = [
    [1.0, 0.0],
    [0.3333333333333333, 1.850371707708594e-17],
    [0.2, -1.1102230246251566e-17],
    [0.14285714285714285, 7.93016446160826e-18],
    [0.1111111111111111, 6.1679056923619804e-18],
    [0.09090909090909091, -2.523234146875356e-18],
    [0.07692307692307693, -4.270088556250602e-18],
    [0.06666666666666667, 9.251858538542971e-19],
    [0.058823529411764705, 8.163404592832033e-19],
    [0.05263157894736842, 2.921639538487254e-18],
];
/// Those that follow.
const LOG_TAIL: [f64; 11] = [
    1.0 / 21.0,
    1.0 / 23.0,
    1.0 / 25.0,
    1.0 / 27.0,
    1.0 / 29.0,
    1.0 / 31.0,
    1.0 / 33.0,
    1.0 / 35.0,
    1.0 / 37.0,
    1.0 / 39.0,
    1.0 / 41.0,
];
/// `B(2j) / 2j` from `j = 1` on
const ASYMPTOTIC: [[f64; 2]; 5] = [
    [0.08333333333333333, 4.625929269271485e-18],
    [-0.008333333333333333, -1.1564823173178714e-19],
    [0.003968253968253968, 2.20282346155785e-19],
    [-0.004166666666666667, -5.782411586589357e-20],
    [0.007575757575757576, -2.1026951223961299e-19],
];
/// Those that follow.
const ASYMPTOTIC_TAIL: [f64; 11] = [
    -0.021092796092796094,
    0.08333333333333333,
    -0.4432598039215686,
    3.0539543302701198,
    -26.456212121212122,
    281.46014492753625,
    -3607.5105463980462,
    54827.583333333336,
    -974936.8238505747,
    20052695.79668808,
    -472384867.7216299,
];
/// `log(x)` for an `x` from 1 to infinity.
fn log(x: Two) -> Two {
    // A power of two and what is from 3/4 to 3/2.
    let from = x.0.to_bits() - 0.75f64.to_bits();
    let exponent = from & 0xfff << 52;
    let down = f64::from_bits((1023 << 52) - exponent);
    let m = (x.0 * down, x.1 * down);
    let s = over(plus(m, (-1.0, 0.0)), plus(m, (1.0, 0.0)));
    let half = times(s, series(times(s, s), &LOG, &LOG_TAIL));
    plus(times(LN2, ((exponent >> 52) as f64, 0.0)), (2.0 * half.0, 2.0 * half.1))
}

/// The function right of 1.
fn right(mut x: Two) -> Two {
    // The sum of the reciprocals up to where the series is good.
    let (mut above, mut below) = ((0.0, 0.0), (1.0, 0.0));
    while x.0 < FAR {
        above = plus(times(above, x), below);
        below = times(below, x);
        x = plus(x, (1.0, 0.0));
    }
    let inverse = over((1.0, 0.0), x);
    let z = times(inverse, inverse);
    let tail = plus(times(z, series(z, &ASYMPTOTIC, &ASYMPTOTIC_TAIL)), (0.5 * inverse.0, 0.5 * inverse.1));
    let taken = plus(tail, over(above, below));
    plus(log(x), (-taken.0, -taken.1))
}

/// `digamma(1 - x) - pi cot(pi x)`.
pub fn digamma(mirror: &Mirror) -> f64 {
    let angle = times(PI, (mirror.near, 0.0));
    let z = times(angle, angle);
    let sine = times(angle, series(z, &SINE, &SINE_TAIL));
    let cosine = series(z, &COSINE, &COSINE_TAIL);
    let (p, p_low) = times(PI, if mirror.steep { over(sine, cosine) } else { over(cosine, sine) });
    let (y, rest) = plus(right(mirror.x), (-p, -p_low));
    y + rest
}
