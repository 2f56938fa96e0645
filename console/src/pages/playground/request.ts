/** What the form holds. */
export interface Asked {
  system: string;
  message: string;
  temperature: number | '';
  maxTokens: number | '';
}

/** The body of the call. */
export function requestOf(model: string, asked: Asked) {
  return {
    model,
    messages: [
      ...(asked.system.trim() ? [{ role: 'system', content: asked.system }] : []),
      { role: 'user', content: asked.message },
    ],
    ...(asked.temperature !== '' && { temperature: asked.temperature }),
    ...(asked.maxTokens !== '' && { max_completion_tokens: asked.maxTokens }),
  };
}
