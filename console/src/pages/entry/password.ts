const LEAST_CHARS = 8;
const MOST_CHARS = 256;

/** What is wrong with a password's length, as the server has it; how guessable it is, that tells. */
export function passwordProblem(password: string): string | null {
  const chars = Array.from(password).length;
  if (chars < LEAST_CHARS) return `Use at least ${LEAST_CHARS} characters.`;
  if (chars > MOST_CHARS) return `Use at most ${MOST_CHARS} characters.`;
  return null;
}
