//! A model file written by the tests, whose answers are known in advance.
//!
//! Its tokens are the 256 bytes and three control tokens. Attention and feed-forward compute on
//! random weights but add nothing, and the output matrix maps every token to its successor: so
//! the model says the alphabet, from whatever character the prompt ends with. See [`successor`].

use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

pub(crate) const IM_END: u32 = 257;
pub(crate) const TOKENS: usize = 259;
pub(crate) const WIDTH: usize = 288;

const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const LAYERS: usize = 2;
const FEED_FORWARD: usize = 96;

/// The answer to any chat, and its length in tokens.
pub(crate) const CHAT_ANSWER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz";
pub(crate) const CHAT_ANSWER_TOKENS: usize = 58;

const TEMPLATE: &str = "{% for message in messages %}\
    {% if message.role == 'system' and not loop.first %}\
    {{ raise_exception('System messages come first.') }}{% endif %}\
    <|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}";

/// What [`write`] can do differently, to make files that must be refused.
pub(crate) struct Variant {
    pub(crate) architecture: &'static str,
    pub(crate) context_tokens: u32,
    pub(crate) template: bool,
    pub(crate) extra_tensor: Option<&'static str>,
    pub(crate) missing_tensor: Option<&'static str>,
    pub(crate) pre_tokenizer: &'static str,
}

impl Default for Variant {
    fn default() -> Self {
        Self {
            architecture: "llama",
            context_tokens: 1024,
            template: true,
            extra_tensor: None,
            missing_tensor: None,
            pre_tokenizer: "smollm",
        }
    }
}

/// The token that the model is sure to say after `token`: the next printable character, with é
/// (two tokens) after @, the end after z, and A after everything else.
pub(crate) fn successor(token: u32) -> u32 {
    match token {
        0x40 => 0xc3,
        0xc3 => 0xa9,
        0x7a => IM_END,
        0x7e => 0x20,
        0x20..0x7e => token + 1,
        _ => u32::from(b'A'),
    }
}

pub(crate) fn write(path: &Path, variant: &Variant) {
    let metadata = metadata(variant);
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let tensors = tensors(variant);
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(k, v)| (k.as_str(), v)).collect();
    let mut file = std::fs::File::create(path).unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
}

fn metadata(variant: &Variant) -> Vec<(String, Value)> {
    let text = |text: &str| Value::String(text.to_owned());
    let number = |number: usize| Value::U32(u32::try_from(number).unwrap());
    let mut names: Vec<Value> = (0..=255)
        .map(|byte| text(&letter(byte).to_string()))
        .collect();
    names.extend(["<|im_start|>", "<|im_end|>", "<|endoftext|>"].map(text));
    let types = (0..TOKENS).map(|token| Value::I32(if token < 256 { 1 } else { 3 }));
    let mut metadata = vec![
        ("general.architecture", text(variant.architecture)),
        ("llama.block_count", number(LAYERS)),
        ("llama.context_length", Value::U32(variant.context_tokens)),
        ("llama.embedding_length", number(WIDTH)),
        ("llama.feed_forward_length", number(FEED_FORWARD)),
        ("llama.attention.head_count", number(HEADS)),
        ("llama.attention.head_count_kv", number(KV_HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text(variant.pre_tokenizer)),
        ("tokenizer.ggml.tokens", Value::Array(names)),
        ("tokenizer.ggml.token_type", Value::Array(types.collect())),
        ("tokenizer.ggml.merges", Value::Array(Vec::new())),
        ("tokenizer.ggml.eos_token_id", Value::U32(IM_END)),
    ];
    if variant.template {
        metadata.push(("tokenizer.chat_template", text(TEMPLATE)));
    }
    let owned = |(key, value): (&str, Value)| (key.to_owned(), value);
    metadata.into_iter().map(owned).collect()
}

/// The character that stands for a byte in byte-pair vocabularies.
fn letter(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !printable(*byte)).count();
    char::from_u32(256 + u32::try_from(before).unwrap()).unwrap()
}

fn tensors(variant: &Variant) -> Vec<(String, QTensor)> {
    let kv_width = WIDTH / HEADS * KV_HEADS;
    let mut random = Random(1);
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), embedding()),
        ("output_norm.weight".to_owned(), ones()),
        ("output.weight".to_owned(), output()),
    ];
    for layer in 0..LAYERS {
        let mut add = |part: &str, tensor| {
            tensors.push((format!("blk.{layer}.{part}.weight"), tensor));
        };
        add("attn_norm", ones());
        add("attn_q", random.matrix(WIDTH, WIDTH));
        add("attn_k", random.matrix(kv_width, WIDTH));
        add("attn_v", random.matrix(kv_width, WIDTH));
        add("attn_output", matrix(WIDTH, WIDTH, |_, _| 0.0));
        add("ffn_norm", ones());
        add("ffn_gate", random.matrix(FEED_FORWARD, WIDTH));
        add("ffn_up", random.matrix(FEED_FORWARD, WIDTH));
        add("ffn_down", matrix(WIDTH, FEED_FORWARD, |_, _| 0.0));
    }
    tensors.retain(|(name, _)| Some(name.as_str()) != variant.missing_tensor);
    tensors.extend(variant.extra_tensor.map(|name| (name.to_owned(), ones())));
    tensors
}

/// Every token is a direction of its own.
fn embedding() -> QTensor {
    matrix(TOKENS, WIDTH, |token, column| f32::from(token == column))
}

/// The successor of a token scores 3.4 and every other token 0: certain when greedy, one chance
/// in nine at temperature 1.
fn output() -> QTensor {
    matrix(TOKENS, WIDTH, |token, column| {
        let is_successor = column < TOKENS && successor(column as u32) == token as u32;
        0.2 * f32::from(is_successor)
    })
}

fn ones() -> QTensor {
    let ones = Tensor::from_vec(vec![1.0f32; WIDTH], WIDTH, &Device::Cpu).unwrap();
    QTensor::quantize(&ones, GgmlDType::F32).unwrap()
}

fn matrix(rows: usize, columns: usize, mut value: impl FnMut(usize, usize) -> f32) -> QTensor {
    let mut values = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        values.extend((0..columns).map(|column| value(row, column)));
    }
    let tensor = Tensor::from_vec(values, (rows, columns), &Device::Cpu).unwrap();
    QTensor::quantize(&tensor, GgmlDType::F32).unwrap()
}

/// A linear congruential generator: the weights only have to be the same in every run.
struct Random(u32);

impl Random {
    fn matrix(&mut self, rows: usize, columns: usize) -> QTensor {
        matrix(rows, columns, |_, _| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
    }
}
