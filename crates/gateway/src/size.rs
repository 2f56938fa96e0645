//! What a request shows of its size, as the rules that bound it want to know it.

use domain::bound::RequestSize;
use wire::request::{Endpoint, ModelRequest};

/// The size of a request.
pub(crate) fn of(request: &ModelRequest) -> RequestSize {
    let prompt = &request.prompt;
    let many_prompts = matches!(
        request.endpoint,
        Endpoint::Completions | Endpoint::Embeddings
    );
    RequestSize {
        body_bytes: prompt.body_bytes,
        media_bytes: prompt.media.bytes,
        rendered_bytes: prompt.rendered_bytes,
        offers_tools: prompt.offers_tools,
        ascii: prompt.ascii,
        images: prompt.media.images,
        sounds: prompt.media.sounds,
        files: prompt.media.files,
        opaque: prompt.opaque,
        messages: prompt.messages,
        prompts: if many_prompts { prompt.messages } else { 1 },
        max_output_tokens: request.max_output_tokens,
        choices: request.choices,
        generates: request.endpoint != Endpoint::Embeddings,
    }
}
