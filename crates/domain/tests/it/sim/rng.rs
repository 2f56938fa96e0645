//! Numbers that a seed decides: SplitMix64.

#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `least` to `most`, both included.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        let width = most.abs_diff(least) + 1;
        least + i64::try_from(self.draw() % width).expect("within the width")
    }

    pub(crate) fn index(&mut self, count: usize) -> usize {
        let count = i64::try_from(count).expect("few");
        usize::try_from(self.between(0, count - 1)).expect("few")
    }

    pub(crate) fn chance(&mut self, permille: i64) -> bool {
        self.between(1, 1_000) <= permille
    }

    /// A gap between arrivals whose mean is `mean`; long ones are rare.
    pub(crate) fn gap(&mut self, mean: i64) -> i64 {
        let (a, b) = (self.between(0, mean), self.between(0, mean));
        match self.chance(100) {
            true => a + b + self.between(0, 4 * mean),
            false => (a + b) * 8 / 10,
        }
    }
}
