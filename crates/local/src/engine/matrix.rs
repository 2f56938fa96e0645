//! Matrices of weights, and products with them that a small model can bear.
//!
//! candle multiplies well by few quantisations, and its quantised products also round what they
//! multiply *by* to eight bits. That alone makes the small built-in model call the capital of
//! France "L'Étoile". So packed weights keep their exact values where the kernels allow it, and
//! what rounding takes from the other factor is multiplied too.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QTensor, QuantizedType};
use candle_core::{CpuStorage, Device, Error, Result, Tensor};

/// How weights are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum WeightFormat {
    /// 32-bit floating point: exactly what the file says, and the faster of the two.
    #[default]
    F32,
    /// Four or eight bits each, in a third of the memory: Q4_0, Q4_1 and Q8_0 exactly, all else
    /// rounded to Q8_0.
    Packed,
}

impl WeightFormat {
    /// The name used on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Packed => "packed",
            Self::F32 => "f32",
        }
    }
}

/// From this many rows on, it is faster to unpack the weights and multiply plain numbers.
const MANY_ROWS: usize = 12;

/// Numbers per block in all formats used here, and the bytes of a block of Q4_1: scale (2), least
/// value (2), then two numbers in each byte.
const BLOCK: usize = 32;
const Q4_1_BLOCK_BYTES: usize = 20;

/// A matrix of weights, one row per output. Copies share the weights.
#[derive(Clone)]
pub(crate) enum Matrix {
    Plain(Tensor),
    Packed(Packed),
}

/// Blocks of small integers with a scale each, and perhaps a number to add to each block.
#[derive(Clone)]
pub(crate) struct Packed {
    blocks: Arc<dyn QuantizedType>,
    /// Of shape (rows, blocks in a row).
    offsets: Option<Tensor>,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// The matrix made of the rows of all `parts`, in order.
    pub(crate) fn stack(parts: &[QTensor], format: WeightFormat) -> Result<Self> {
        let plain = || {
            let parts = parts.iter().map(|part| part.dequantize(&Device::Cpu));
            Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)
        };
        let shapes = parts.iter().map(|part| part.shape().dims2());
        let shapes = shapes.collect::<Result<Vec<_>>>()?;
        let columns = shapes.first().map_or(0, |(_, columns)| *columns);
        let fits = columns % BLOCK == 0 && shapes.iter().all(|shape| shape.1 == columns);
        if format == WeightFormat::F32 || !fits {
            return plain().map(Self::Plain);
        }
        let rows = shapes.iter().map(|(rows, _)| rows).sum();
        let kind = parts.first().map_or(GgmlDType::F32, QTensor::dtype);
        let (blocks, offsets) = match kind {
            _ if parts.iter().any(|part| part.dtype() != kind) => (round(&plain()?)?, None),
            GgmlDType::Q4_0 | GgmlDType::Q8_0 => (kind.from_data(bytes(parts)?.into()), None),
            GgmlDType::Q4_1 => {
                let blocks = without_least_values(&bytes(parts)?);
                let offsets = offsets(&plain()?, blocks.as_ref())?;
                (blocks, Some(offsets))
            }
            _ => (round(&plain()?)?, None),
        };
        Ok(Self::Packed(Packed {
            blocks: blocks.into(),
            offsets,
            rows,
            columns,
        }))
    }

    /// Rows of this matrix by number, of shape (numbers, columns): what embeds tokens.
    pub(crate) fn pick(&self, numbers: &[u32]) -> Result<Tensor> {
        let index = Tensor::new(numbers, &Device::Cpu)?;
        let packed = match self {
            Self::Plain(weights) => return weights.index_select(&index, 0),
            Self::Packed(packed) => packed,
        };
        let picked = packed
            .blocks
            .embedding(numbers, packed.rows, packed.columns)?;
        let picked = tensor(picked, (numbers.len(), packed.columns))?;
        match &packed.offsets {
            None => Ok(picked),
            Some(offsets) => add_offsets(&picked, &offsets.index_select(&index, 0)?),
        }
    }

    /// The product of `states`, of shape (tokens, columns), with every row of this matrix.
    pub(crate) fn multiply(&self, states: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(weights) => states.matmul(&weights.t()?),
            Self::Packed(packed) => packed.multiply(states),
        }
    }
}

impl Packed {
    fn multiply(&self, states: &Tensor) -> Result<Tensor> {
        let tokens = states.dim(0)?;
        let product = if tokens < MANY_ROWS {
            self.multiply_few(states)?
        } else {
            let weights = self.blocks.dequantize(self.rows * self.columns)?;
            let weights = tensor(weights, (self.rows, self.columns))?;
            states.matmul(&weights.t()?)?
        };
        let Some(offsets) = &self.offsets else {
            return Ok(product);
        };
        // The same number is added to every weight of a block, so it multiplies the block's sum.
        let by_block = states.reshape((tokens, self.columns / BLOCK, BLOCK))?;
        product + by_block.sum(2)?.matmul(&offsets.t()?)?
    }

    /// A product in integers, exact to sixteen bits.
    ///
    /// The kernel rounds states to eight bits. What they lose by it is multiplied in the same
    /// pass as rows of its own: the weights, which are what takes the time, are read once.
    fn multiply_few(&self, states: &Tensor) -> Result<Tensor> {
        let tokens = states.dim(0)?;
        let exact = states.flatten_all()?;
        let rounded = round(&exact)?.dequantize(exact.elem_count())?;
        let rounded = tensor(rounded, exact.elem_count())?;
        let lost = (&exact - &rounded)?;
        let factors = Tensor::cat(&[rounded, lost], 0)?.to_vec1::<f32>()?;
        let mut products = vec![0.0; 2 * tokens * self.rows];
        let shape = (2 * tokens, self.columns, self.rows);
        self.blocks.matmul_t(shape, &factors, &mut products)?;
        let products = Tensor::from_vec(products, (2 * tokens, self.rows), &Device::Cpu)?;
        products.narrow(0, 0, tokens)? + products.narrow(0, tokens, tokens)?
    }
}

/// Numbers rounded to eight bits within each block.
fn round(numbers: &Tensor) -> Result<Box<dyn QuantizedType>> {
    let numbers = numbers.flatten_all()?.to_vec1::<f32>()?;
    let mut blocks = GgmlDType::Q8_0.cpu_zeros(numbers.len());
    blocks.from_float(&numbers);
    Ok(blocks)
}

fn bytes(parts: &[QTensor]) -> Result<Vec<u8>> {
    let parts = parts.iter().map(QTensor::data);
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}

/// Q4_1 has no fast kernel; Q4_0 has, and differs only in that it takes 8 from every integer
/// where Q4_1 adds the block's least value. See [`offsets`] for the rest of it.
fn without_least_values(q4_1: &[u8]) -> Box<dyn QuantizedType> {
    let mut q4_0 = Vec::with_capacity(q4_1.len() / 10 * 9);
    for block in q4_1.chunks_exact(Q4_1_BLOCK_BYTES) {
        q4_0.extend_from_slice(&block[..2]);
        q4_0.extend_from_slice(&block[4..]);
    }
    GgmlDType::Q4_0.from_data(Cow::Owned(q4_0))
}

/// What each block of `blocks` lacks to be that block of `whole`; the same for all its numbers.
fn offsets(whole: &Tensor, blocks: &dyn QuantizedType) -> Result<Tensor> {
    let (rows, columns) = whole.dims2()?;
    let lacking = tensor(blocks.dequantize(rows * columns)?, (rows, columns))?;
    let offsets = (whole - lacking)?.reshape((rows, columns / BLOCK, BLOCK))?;
    offsets.narrow(2, 0, 1)?.squeeze(2)?.contiguous()
}

fn add_offsets(numbers: &Tensor, offsets: &Tensor) -> Result<Tensor> {
    let (rows, blocks) = offsets.dims2()?;
    let numbers = numbers.reshape((rows, blocks, BLOCK))?;
    let sums = numbers.broadcast_add(&offsets.unsqueeze(2)?)?;
    sums.reshape((rows, blocks * BLOCK))
}

fn tensor(storage: CpuStorage, shape: impl Into<candle_core::Shape>) -> Result<Tensor> {
    match storage {
        CpuStorage::F32(numbers) => Tensor::from_vec(numbers, shape.into(), &Device::Cpu),
        _ => Err(Error::Msg("unpacked weights are not of 32 bits".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that follow no pattern, from -1 to 1.
    fn numbers(rows: usize, columns: usize, seed: f32) -> Tensor {
        let count = rows * columns;
        let numbers = (0..count)
            .map(|n| (n as f32 * 12.989 + seed).sin())
            .collect::<Vec<_>>();
        Tensor::from_vec(numbers, (rows, columns), &Device::Cpu).unwrap()
    }

    fn greatest_difference(a: &Tensor, b: &Tensor) -> f32 {
        let differences = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        differences.max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn packed_products_are_those_of_the_plain_numbers() {
        let kinds = [
            // Exact weights: only the other factor is rounded, to sixteen bits.
            (GgmlDType::Q4_0, 1e-3),
            (GgmlDType::Q4_1, 1e-3),
            (GgmlDType::Q8_0, 1e-3),
            // Rounded weights.
            (GgmlDType::Q5_1, 0.1),
            (GgmlDType::F32, 0.1),
        ];
        for (kind, tolerance) in kinds {
            let parts = [numbers(5, 64, 1.0), numbers(7, 64, 2.0)];
            let parts = parts.map(|part| QTensor::quantize(&part, kind).unwrap());
            let packed = Matrix::stack(&parts, WeightFormat::Packed).unwrap();
            let plain = Matrix::stack(&parts, WeightFormat::F32).unwrap();
            assert!(matches!(packed, Matrix::Packed(_)) && matches!(plain, Matrix::Plain(_)));
            for tokens in [1, 3, MANY_ROWS] {
                let states = (numbers(tokens, 64, 3.0) * 10.0).unwrap();
                let (a, b) = (
                    packed.multiply(&states).unwrap(),
                    plain.multiply(&states).unwrap(),
                );
                assert_eq!(a.dims(), [tokens, 12]);
                let difference = greatest_difference(&a, &b);
                assert!(
                    difference < tolerance * 10.0,
                    "{kind:?} {tokens}: {difference}"
                );
            }
            let (a, b) = (
                packed.pick(&[11, 0, 5]).unwrap(),
                plain.pick(&[11, 0, 5]).unwrap(),
            );
            let difference = greatest_difference(&a, &b);
            assert!(difference < tolerance, "{kind:?}: {difference}");
        }
    }

    #[test]
    fn four_bits_stay_four_bits() {
        let part = QTensor::quantize(&numbers(4, 64, 1.0), GgmlDType::Q4_1).unwrap();
        let matrix = Matrix::stack(&[part], WeightFormat::Packed).unwrap();
        let Matrix::Packed(packed) = matrix else {
            panic!("it is packed");
        };
        assert_eq!(packed.blocks.dtype(), GgmlDType::Q4_0);
        assert_eq!(packed.blocks.storage_size_in_bytes(), 4 * 64 / BLOCK * 18);
    }

    #[test]
    fn rows_that_are_no_whole_blocks_stay_plain() {
        let part = QTensor::quantize(&numbers(4, 40, 1.0), GgmlDType::F32).unwrap();
        let matrix = Matrix::stack(&[part], WeightFormat::Packed).unwrap();
        assert!(matches!(matrix, Matrix::Plain(_)));
    }
}
