//! Tables of more than a thousand functions, which a component brings along.

use std::hint::black_box;

fn nth<const N: u32>(x: u32) -> u32 {
    x.rotate_left(N % 31) ^ N
}

macro_rules! ten {
    ($from:expr) => {
        [
            nth::<{ $from }>,
            nth::<{ $from + 1 }>,
            nth::<{ $from + 2 }>,
            nth::<{ $from + 3 }>,
            nth::<{ $from + 4 }>,
            nth::<{ $from + 5 }>,
            nth::<{ $from + 6 }>,
            nth::<{ $from + 7 }>,
            nth::<{ $from + 8 }>,
            nth::<{ $from + 9 }>,
        ]
    };
}

macro_rules! hundred {
    ($from:expr) => {
        [
            ten!($from),
            ten!($from + 10),
            ten!($from + 20),
            ten!($from + 30),
            ten!($from + 40),
            ten!($from + 50),
            ten!($from + 60),
            ten!($from + 70),
            ten!($from + 80),
            ten!($from + 90),
        ]
    };
}

type Function = fn(u32) -> u32;

static FUNCTIONS: [[[Function; 10]; 10]; 12] = [
    hundred!(0),
    hundred!(100),
    hundred!(200),
    hundred!(300),
    hundred!(400),
    hundred!(500),
    hundred!(600),
    hundred!(700),
    hundred!(800),
    hundred!(900),
    hundred!(1_000),
    hundred!(1_100),
];

/// What all of them make of a number.
pub(crate) fn used(number: u32) -> String {
    let all = black_box(&FUNCTIONS).iter().flatten().flatten();
    all.fold(number, |number, function| function(number))
        .to_string()
}
