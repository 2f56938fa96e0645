//! The built-in model: a small llama engine on the CPU behind OpenAI's protocol.
//!
//! It lives in a crate and a process of its own. Inference saturates every core and brings a
//! heavy dependency; the gateway must suffer from neither, and calls this server as it calls any
//! other upstream. [`engine`] knows models and nothing of HTTP; [`server`] knows HTTP and hands
//! its work to the engine's threads.

mod clock;
pub mod engine;
mod entropy;
pub mod server;
